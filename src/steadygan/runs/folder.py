"""The run's folder: where each of its files is, one owner at a time, logs that a resumed run cuts back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError
from .records import cut_back, read_records


class RunFolder:
    """RUN/ with settings, plan, metrics, timing, log and events as files, checkpoints/, samples/, figures/, events/."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.figures = path / "figures"
        self.events = path / "events"
        self.interventions = path / "interventions.json"
        self.settings = path / "settings.json"
        self.plan = path / "plan.json"
        self.metrics = path / "metrics.jsonl"
        self.timing = path / "timing.jsonl"
        self.log = path / "log.txt"
        self.timeline = path / "events.jsonl"
        self._lock = FileLock(path / ".lock")

    @property
    def begun(self) -> bool:
        """Whether a run is here: its settings are written once it is known to start."""
        return self.settings.exists()

    def shots(self, suffix: str) -> list[Path]:
        """The files of samples with this ending, each named by its iteration, in their order."""
        files = self.samples.glob(f"*{suffix}")
        return sorted(path for path in files if path.stem.isdigit() and len(path.stem) < 16)

    def contents(self) -> list[Path]:
        """The files that tell of the run, as far as they are there: logs, settings, samples, checkpoints."""
        files = (self.metrics, self.settings, self.log, self.timeline, self.timing)
        there = [path for path in files if path.is_file()]
        return [*there, *sorted(self.samples.glob("*")), *listed(self.checkpoints)]

    @property
    def saved(self) -> list[int]:
        """The iterations of its checkpoints, oldest first."""
        return [int(path.stem) for path in listed(self.checkpoints)]

    @property
    def newest(self) -> Path | None:
        """The newest checkpoint, if there is one."""
        return latest(self.checkpoints)

    def checkpoint(self, iteration: int) -> Path:
        """Where the checkpoint of this iteration is, if there is one."""
        return self.checkpoints / name(iteration)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Inside, the folder is there and its lock is held; InputError when another process has it."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Makes the folder and takes its lock, which a killed process leaves free; InputError when another holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path} is in use by another process: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise InputError(
                f"cannot use {self.path} as a run folder: {error.strerror}: choose another --out"
            ) from error

    def release(self) -> None:
        """Gives the lock back; a folder in which nothing else came to be goes with it."""
        self._lock.release()
        lock = Path(self._lock.lock_file)
        with suppress(OSError):
            if {*self.path.iterdir()} <= {lock}:
                lock.unlink(missing_ok=True)
                self.path.rmdir()

    def cut_back(self, iteration: int) -> None:
        """Forgets everything after `iteration`, and the closing record of a run that stopped between two ticks."""
        closing = {r["iteration"] for r in read_records(self.metrics) if r.get("final")}
        for path in (self.metrics, self.timing):
            cut_back(path, iteration)
        if self.samples.is_dir():
            for sample in self.samples.iterdir():
                if sample.stem.isdigit() and (int(sample.stem) > iteration or int(sample.stem) in closing):
                    sample.unlink()
        for path in listed(self.checkpoints):  # of a member whose stack goes on from an earlier one
            if int(path.stem) > iteration:
                path.unlink()

    def clear(self) -> None:
        """Removes what an earlier attempt left that never reached its first checkpoint."""
        for path in (self.metrics, self.timing, self.log, self.timeline, self.interventions):
            path.unlink(missing_ok=True)
        for folder in (self.samples, self.figures, self.events):
            shutil.rmtree(folder, ignore_errors=True)


def name(iteration: int) -> str:
    """File name of the checkpoint after `iteration` iterations."""
    return f"{iteration:09d}.pt"


def listed(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(path for path in folder.glob("*.pt") if path.stem.isdigit())


def latest(folder: Path) -> Path | None:
    """The newest checkpoint of a folder, if there is one."""
    found = listed(folder)
    return found[-1] if found else None
