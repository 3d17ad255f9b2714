"""The queue: tasks are begun as workers have room, watched, and ended together. All that trains many runs uses it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from ...errors import EXIT_NON_FINITE, EXIT_STOPPED, InputError, unknown
from ...processes import StopSignals
from ..console import say
from ..job import Job, settled
from .board import Board
from .cluster import Cluster
from .machine import Machine
from .task import Ended, Task, tasks

PAUSE = 0.2  # seconds between two looks at the workers
TRIES = 2  # of a task whose process was killed: there may be memory for it then
ENDINGS = (0, EXIT_NON_FINITE, EXIT_STOPPED)  # codes of tasks that did what they could


class Workers(Protocol):
    """Who does tasks."""

    most: int  # at once

    def __enter__(self) -> Self:
        """Gets ready; raises InputError when that fails."""

    def __exit__(self, *_: object) -> None:
        """Ends whatever is still going on."""

    def lacking(self) -> str:
        """Why none can begin a task now; "" where one can."""

    def start(self, task: Task) -> None:
        """Begins a task."""

    def ended(self) -> list[Ended]:
        """The tasks that ended since."""

    def stop(self, now: bool) -> None:
        """Asks all to save and end; now: to end without saving."""


class Queue(NamedTuple):
    """How many tasks are done at the same time (None: one, or as many as a cluster can), and where (None: here)."""

    at_once: int | None = None
    on: str | None = None
    plugins: Sequence[str] = ()
    plain: bool = False

    @property
    def alone(self) -> bool:
        """Whether all is done in this process, one recipe after the other."""
        return self.on is None and self.at_once in (None, 1)

    def check(self) -> None:
        """Raises InputError for a place that is not known, or not to be had."""
        if self.on == "ray":
            Cluster.check()
        elif self.on is not None:
            raise unknown("place", self.on, ["ray"])

    def train(self, groups: Iterable[Sequence[Job]], root: Path) -> list[Ended]:
        """Trains what is missing of some recipes, each a list of jobs over seeds; returns what could not be trained.

        root: the folder of all runs. Raises KeyboardInterrupt when it is stopped before, once all runs are saved.
        """
        workers: Workers = Machine(self.at_once or 1, self.plugins)
        if self.on is not None:
            workers = Cluster(self.at_once, self.plugins, root)
        todo = self.tasks([*groups])
        if not todo:
            return []
        with workers:
            return done(todo, workers, Board(todo, workers.most, self.plain))

    def tasks(self, groups: Sequence[Sequence[Job]], printed: bool = False) -> list[Task]:
        """What there is to be done."""
        return tasks(groups, self.at_once or 1, printed or not self.alone)

    def print(self, groups: Iterable[Sequence[Job]]) -> int:
        """Prints a shell command for each task, for any queue; returns the exit code."""
        own = [*groups]
        for task in self.tasks(own, printed=True):
            print(task.shell(self.plugins))
        sys.stdout.flush()
        if there := sum(all(map(settled, group)) for group in own):
            say(f"{there:,} of {len(own):,} are trained already, and need no command")
        return 0


def check(failures: Sequence[Ended]) -> None:
    """Raises InputError where a task could not be done."""
    if failures:
        more = f" (and {len(failures) - 1:,} more jobs failed)" if len(failures) > 1 else ""
        raise InputError(f"{failures[0].task.name}: {failures[0].told}{more}")


def done(todo: Sequence[Task], workers: Workers, board: Board) -> list[Ended]:
    """Does all tasks; see `Queue.train`."""
    waiting, running, failures = deque(todo), dict[Task, None](), list[Ended]()
    tries = dict.fromkeys(todo, 0)
    with StopSignals("SIGINT", "SIGTERM", "SIGHUP", once=False) as stop, board:
        while running or (waiting and not stop.asked):
            lacking = ""
            while waiting and len(running) < workers.most and not stop.asked:
                if lacking := workers.lacking():
                    break
                task = waiting.popleft()
                tries[task] += 1
                running[task] = None
                board.begun(task)
                workers.start(task)
            if lacking and not running:
                raise InputError(lacking)
            board.show(running, len(waiting), lacking)
            time.sleep(PAUSE)
            if stop.news():
                board.say("stopping: every run saves its state" if stop.asked == 1 else "stopping at once")
                workers.stop(now=stop.asked > 1)
            for end in workers.ended():
                del running[end.task]
                if end.code < 0 and tries[end.task] < TRIES and not stop.asked:
                    board.say(f"{end.task.name}: killed by signal {-end.code}, continued from its checkpoint")
                    waiting.append(end.task)
                    continue
                if stop.asked and end.code not in ENDINGS:
                    continue
                board.ended(*end)
                if end.code not in ENDINGS:
                    failures.append(end)
        if stop.asked:
            raise KeyboardInterrupt(f"interrupted, {board.done:,} of {len(todo):,} jobs done")
    return failures
