"""The run's folder: where its files are, one process at a time, logs truncated when a run is resumed."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError
from ..files import PART, regular, sweep
from .interventions import begun_to, interventions, note
from .records import cut_back, read_records

# The names of a run's files in their folders: nothing else is ever removed.
CHECKPOINT, SAMPLE = re.compile(r"[0-9]{9,15}\.pt"), re.compile(r"[0-9]{9,15}\.(npz|png)")
FIGURE = re.compile(r"(losses|gradients|metrics|grid|evolution|samples|latest)\.png")
EVENT = re.compile(r"events\.out\.tfevents\..+")
WRITTEN = re.compile(
    rf"(settings|plan|interventions|loop)\.json|(metrics|timing)\.jsonl|real\.npz|"
    rf"{CHECKPOINT.pattern}|{SAMPLE.pattern}|{FIGURE.pattern}"
)  # beside their place, then renamed
NAMED = 3  # files that are in the way, of which a message speaks


class FolderInUseError(InputError):
    """Another process trains in a run's folder."""


class RunFolder:
    """RUN/ with settings, plan, metrics, timing, log and events as files, checkpoints/, samples/, figures/, events/."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.figures = path / "figures"
        self.latest = self.figures / "latest.png"
        self.events = path / "events"
        self.loop = path / "loop.json"
        self.interventions = path / "interventions.json"
        self.settings = path / "settings.json"
        self.plan = path / "plan.json"
        self.metrics = path / "metrics.jsonl"
        self.timing = path / "timing.jsonl"
        self.log = path / "log.txt"
        self.timeline = path / "events.jsonl"
        self.real = path / "real.npz"
        self._lock = FileLock(path / ".lock")

    @property
    def begun(self) -> bool:
        """Whether a run is here: its settings are written once it is known to start."""
        return self.settings.exists()

    def shots(self, suffix: str) -> list[Path]:
        """The files of samples with this ending, each named by its iteration, in their order."""
        files = self.samples.glob(f"*{suffix}")
        return sorted(path for path in files if path.stem.isdigit() and len(path.stem) < 16 and path.is_file())

    def contents(self) -> list[Path]:
        """The files that tell of the run, as far as they are there: logs, settings, samples, checkpoints."""
        files = (self.metrics, self.settings, self.log, self.timeline, self.timing)
        there = [path for path in files if path.is_file()]
        return [*there, *sorted(self.samples.glob("*")), *listed(self.checkpoints)]

    @property
    def saved(self) -> list[int]:
        """The iterations of its checkpoints, oldest first, without those that a roll-back was about to remove."""
        kept, to = [int(path.stem) for path in listed(self.checkpoints)], begun_to(self.interventions)
        return kept if to is None else [iteration for iteration in kept if iteration <= to]

    @property
    def newest(self) -> Path | None:
        """The newest checkpoint, if there is one."""
        saved = self.saved
        return self.checkpoint(saved[-1]) if saved else None

    def checkpoint(self, iteration: int) -> Path:
        """Where the checkpoint of this iteration is, if there is one."""
        return self.checkpoints / name(iteration)

    def acquire(self) -> None:
        """Makes the folder and takes its lock, which a killed process leaves free; InputError when another holds it.

        What killed processes left half-written goes.
        """
        self.check_free()
        for path in (self.metrics, self.timing, self.log, self.timeline):  # a pipe would take lines when it is read
            regular(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            told = f"{self.path} is in use by another process: wait for it, or choose another --out"
            raise FolderInUseError(told) from None
        except OSError as error:
            raise InputError(
                f"cannot use {self.path} as a run folder: {error.strerror}: choose another --out"
            ) from error
        for folder in (self.path, self.checkpoints, self.samples, self.figures):
            sweep(folder, WRITTEN.fullmatch)

    def check_free(self) -> None:
        """Raises InputError where there is no run, but something else, which must not be mistaken for one's own."""
        if self.begun or not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(f"cannot use {self.path} as a run folder: File exists: choose another --out")
        others = sorted(path.name for path in self.path.iterdir() if not self._left(path))
        if others:
            more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
            raise InputError(
                f"expected a new or empty folder, or a run, at {self.path}, found {', '.join(others[:NAMED])}{more}: "
                "choose another --out"
            )

    def _left(self, path: Path) -> bool:
        """Whether a run that had not begun left this: its lock, which is empty, or its settings half-written."""
        if path.name == Path(self._lock.lock_file).name:
            return path.is_file() and path.stat().st_size == 0
        found = PART.fullmatch(path.name)
        return found is not None and found[1] == self.settings.name

    def release(self) -> None:
        """Gives the lock back; a folder in which nothing else came to be goes with it."""
        self._lock.release()
        lock = Path(self._lock.lock_file)
        with suppress(OSError):
            if {*self.path.iterdir()} <= {lock}:
                lock.unlink(missing_ok=True)
                self.path.rmdir()

    def cut_back(self, iteration: int) -> None:
        """Forgets everything after `iteration`, and the closing record of a run that stopped between two ticks.

        Checkpoints go first, the newest before the others: whenever that is cut short, what is left is a run.
        """
        for path in reversed(listed(self.checkpoints)):
            if int(path.stem) > iteration:
                path.unlink()
        closing = {record["iteration"] for record in read_records(self.metrics) if record.get("final")}
        for path in (self.metrics, self.timing):
            cut_back(path, iteration)
        told = max((record["iteration"] for record in read_records(self.metrics)), default=iteration)
        for path in _own(self.samples, SAMPLE):
            if int(path.stem) > min(told, iteration) or int(path.stem) in closing:
                path.unlink()
        if begun_to(self.interventions) is not None:
            done = interventions(self.interventions)
            note(self.interventions, [*done[:-1], replace(done[-1], begun=False)])

    def clear(self) -> None:
        """Removes what an earlier attempt left that never reached its first checkpoint."""
        for path in (self.metrics, self.timing, self.log, self.timeline, self.interventions, self.real):
            path.unlink(missing_ok=True)
        for folder, own in ((self.samples, SAMPLE), (self.figures, FIGURE), (self.events, EVENT)):
            for path in _own(folder, own):
                path.unlink()


def name(iteration: int) -> str:
    """File name of the checkpoint after `iteration` iterations."""
    return f"{iteration:09d}.pt"


def listed(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(_own(folder, CHECKPOINT), key=lambda path: int(path.stem))


def _own(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """The files of a folder that have such a name."""
    return [path for path in folder.glob("*") if name.fullmatch(path.name) and path.is_file()]
