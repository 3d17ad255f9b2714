"""A Ray cluster as workers: any of its machines trains a run's folder on shared storage, and takes up a lost one's."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from ...config import Settings
from ...display.screens import MuteScreen
from ...display.watch import Watch
from ...errors import EXIT_INTERRUPTED, CollapseError, InputError, NonFiniteError, one_line
from ...files import write_text
from ...plugins import load
from ...runs.folder import FolderInUseError
from ..job import Job, prepare
from .task import Ended, Task

if TYPE_CHECKING:
    from ...runs.run import Run

MANY = 10**6  # tasks that may be begun at once: Ray knows when there is room
RETRIES = 100  # of a task whose worker was lost
WAIT = 30.0  # seconds until what one machine wrote must be seen by another, or until a lost worker's lock must be free
BEAT = 0.5  # seconds between two looks for it
QUIET = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}


class Cluster:
    """Does each task in a worker of Ray: of the cluster that RAY_ADDRESS names, or that runs here, or else a new one.

    A worker that is lost loses nothing but the iterations since the last checkpoint: Ray begins the task again
    elsewhere, and the run continues bit for bit. Nobody may see another storage at `root` than this machine does.
    """

    def __init__(self, at_once: int | None, plugins: Sequence[str], root: Path) -> None:
        self.most, self.plugins, self.root = at_once or MANY, tuple(plugins), root
        self._began = False
        self._tasks: dict[Any, Task] = {}  # by Ray's reference to what they return
        self._mark = Mark(root.absolute() / f".shared-{token_hex(8)}")
        self._work: Any = None
        self._gpu = False

    @staticmethod
    def check() -> None:
        """Raises InputError where Ray is not installed."""
        if find_spec("ray") is None:
            raise InputError(
                "--on ray: expected the package ray, found none: pip install 'steadygan[ray]', or leave out --on"
            )

    def __enter__(self) -> Self:
        import ray

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that begins here
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._began = not ray.is_initialized()
        try:
            ray.init(**QUIET)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"--on ray: expected a cluster, got {one_line(error)}: check RAY_ADDRESS") from error
        self._work = ray.remote(work)
        self._gpu = ray.cluster_resources().get("GPU", 0) >= 1
        try:
            self._mark.set()
            self._mark.check(self._greetings())
        except BaseException:
            self.__exit__()
            raise
        return self

    def _greetings(self) -> dict[str, Callable[[], str]]:
        """For each machine of the cluster, what asks it whether it sees the mark."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        asked, greeting = dict[str, Callable[[], str]](), ray.remote(greet)
        for node in ray.nodes():
            if node["Alive"]:
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                on = greeting.options(num_cpus=0, scheduling_strategy=there)
                reference = on.remote(str(self._mark.path), self._mark.word, node["NodeID"])
                asked[node["NodeID"]] = partial(ray.get, reference)
        return asked

    def __exit__(self, *_: object) -> None:
        import ray

        self.stop(now=True)
        self._mark.clear()
        if self._began:
            ray.shutdown()

    def lacking(self) -> str:
        """Nothing: Ray begins a task where there is room."""
        return ""

    def start(self, task: Task) -> None:
        """Hands a task over; it counts as one core, or as its `threads`, and as one GPU where there are any."""
        settings = task.jobs[0].settings
        gpus = 1 if self._gpu and settings.device != "cpu" else 0
        own = self._work.options(
            name=task.name, num_cpus=settings.threads or 1, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=False
        )
        runs = [(job.settings.plain(), str(job.folder), job.length) for job in task.jobs]
        place = str(Path.cwd()), str(self._mark.path), self._mark.word
        self._tasks[own.remote(runs, self.plugins, place)] = task

    def ended(self) -> list[Ended]:
        """The tasks that have returned, or that Ray gave up."""
        import ray

        found = []
        ready = ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=0)[0] if self._tasks else []
        for reference in ready:
            task = self._tasks.pop(reference)
            try:
                code, told = ray.get(reference)
            except ray.exceptions.TaskCancelledError:
                code, told = EXIT_INTERRUPTED, "interrupted"
            except ray.exceptions.RayError as error:
                code, told = 1, one_line(error, kind=True)
            found.append(Ended(task, code, told))
        return found

    def stop(self, now: bool) -> None:
        """Cancels all tasks: a run that is trained gets Ctrl-C and saves its state; now: it is killed."""
        import ray

        for reference in self._tasks:
            with suppress(Exception):  # it has ended meanwhile
                ray.cancel(reference, force=now)


class Mark:
    """A file that one machine writes and others must read, and the other way round, if they share their storage."""

    def __init__(self, path: Path) -> None:
        self.path, self.word = path, token_hex(16)

    def set(self) -> None:
        """Writes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, self.word)

    def check(self, greetings: dict[str, Callable[[], str]], wait: float = WAIT) -> None:
        """Raises InputError unless every machine answers, and what it wrote is here; greetings: see `greet`."""
        for node, ask in greetings.items():
            host = ask()
            if not host or not read_in_time(self.path.with_name(f"{self.path.name}-{node}"), self.word, wait):
                whom = host or "another machine of the cluster"
                raise InputError(
                    f"--on ray: expected storage that all machines share at {self.path.parent}, but {whom} has its "
                    "own there: choose another --out"
                )

    def clear(self) -> None:
        """Removes the mark, and the answers to it."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink(missing_ok=True)


def greet(mark: str, word: str, node: str, wait: float = WAIT) -> str:
    """Answers to a mark by a file beside it; returns the name of this machine, or "" where the mark is not seen."""
    path = Path(mark)
    if not read_in_time(path, word, wait):
        return ""
    write_text(path.with_name(f"{path.name}-{node}"), word)
    return socket.gethostname()


def read_in_time(path: Path, word: str, wait: float) -> bool:
    """Whether a file holds the word by then: shared storage may take a while."""
    end = time.monotonic() + wait
    while True:
        with suppress(OSError):
            if path.read_text(encoding="utf-8") == word:
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(BEAT)


def work(
    runs: Sequence[tuple[dict[str, Any], str, int]], plugins: Sequence[str], place: tuple[str, str, str]
) -> tuple[int, str]:
    """Trains a task in this worker; returns the exit code and the last words.

    runs: settings, folder and length of each. place: the folder in which the command was given, the mark that must be
    seen here, and its word.
    """
    cwd, mark, word = place
    try:
        if not Path(cwd).is_dir() or not read_in_time(Path(mark), word, WAIT):
            host = socket.gethostname()
            raise InputError(f"expected {cwd} and {Path(mark).parent} on {host} too, found others: share the storage")
        os.chdir(cwd)
        load(plugins)
        jobs = [Job(Settings.check(tree), Path(folder), length) for tree, folder, length in runs]
        failures = [run.failure for run in trained(jobs) if run.failure is not None]
    except (CollapseError, NonFiniteError) as error:
        failures = [error]
    except InputError as error:
        return error.exit_code, str(error)
    except KeyboardInterrupt as stop:
        return EXIT_INTERRUPTED, str(stop)
    except Exception as error:
        return 1, one_line(error, kind=True)
    return max((each.exit_code for each in failures), default=0), "; ".join(map(str, failures))


def trained(jobs: Sequence[Job]) -> list[Run]:
    """The runs, once they are trained; a lost worker's lock may take a while to be free."""
    end = time.monotonic() + WAIT
    while True:
        try:
            with Watch(MuteScreen(), seeds=len(jobs), warns=False) as watch:
                ran = prepare(jobs, True, watch, len(jobs) > 1).fit(jobs[0].length, progress=watch)
            return ran if isinstance(ran, list) else [ran]
        except FolderInUseError:
            if time.monotonic() >= end:
                raise
            time.sleep(BEAT)
