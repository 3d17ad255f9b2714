"""What is seen of tasks while they are done: a table in place in a terminal, else a line for each that has ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ...display.frame import COLOURS, clock, figures_of, means, wrapped
from ...display.screens import movable
from ...errors import EXIT_NON_FINITE, EXIT_STOPPED, printable
from ...quantities import tone, words
from ...runs.folder import RunFolder
from ...runs.log import ending
from ...runs.records import newest
from .task import Task

if TYPE_CHECKING:
    from rich.live import Live

EVERY = 1.0  # seconds between two pictures of the table
ROUND = 4  # lines of a table that are no rows
NONE: tuple[float | None, float | None] = (None, None)


@dataclass
class Seen:
    """A task as it was first seen to train: when, and how far it was."""

    begun: float
    since: float | None = None
    first: int = 0


class Board:
    """Shows tasks on stderr; a context manager."""

    def __init__(self, todo: Sequence[Task], at_once: int, plain: bool = False) -> None:
        self.todo, self.at_once = todo, at_once
        self.done, self.stopped, self.failed = 0, 0, 0  # tasks
        self._moves = not plain and movable(sys.stderr)
        self._live: Live | None = None
        self._seen: dict[Task, Seen] = {}
        self._drawn, self._lacking = 0.0, ""

    def __enter__(self) -> Self:
        if self._moves:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, force_terminal=True, markup=False, highlight=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        runs = sum(len(task.jobs) for task in self.todo)
        if self.todo:
            jobs = f"{len(self.todo):,} job{'s' * (len(self.todo) > 1)}"
            few = f", {self.at_once:,} at the same time" if self.at_once < len(self.todo) else ""
            self.say(f"{runs:,} run{'s' * (runs > 1)} in {jobs}{few}")
        return self

    def __exit__(self, *_: object) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError, ValueError):  # the terminal is gone
                live.stop()

    def say(self, line: str, style: str = "") -> None:
        """A line that stays."""
        with suppress(OSError, ValueError):
            if self._live is None:
                print(printable(line), file=sys.stderr, flush=True)
                return
            for each in wrapped(printable(line), self._live.console.width, "  "):
                self._live.console.print(each, style=style, soft_wrap=True)

    def begun(self, task: Task) -> None:
        """A task was handed to a worker."""
        self._seen[task] = Seen(time.monotonic())

    def ended(self, task: Task, code: int, told: str) -> None:
        """A task has ended, with this exit code and these last words."""
        self.done += 1
        stats = figures(task)
        state = words(str(stats["verdict"]), str(stats.get("causes", ""))) if "verdict" in stats else "done"
        style = COLOURS[tone(str(stats.get("verdict", "")), str(stats.get("causes", "")))]
        if code in (EXIT_NON_FINITE, EXIT_STOPPED):
            self.stopped += 1
            early = [own for job in task.jobs if (own := ending(RunFolder(job.folder)))]
            share = f"{len(early)} of {len(task.jobs)} runs " if len(task.jobs) > 1 else ""
            at = f" at iteration {min(own.iteration for own in early):,}" if early else ""
            state, style = f"{state}, {share}stopped{at}", COLOURS["bad"]
        elif code:
            self.failed += 1
            state, style = f"not done: {told}", COLOURS["bad"]
        took = clock(time.monotonic() - self._seen.pop(task).begun)
        shown = figures_of(stats, NONE, task.jobs[0].settings.data.modes, brief=True)[:1]
        self.say(f"[{self.done:,}/{len(self.todo):,}] {', '.join((f'{task.name}: {state}', *shown, took))}", style)

    def show(self, running: Collection[Task], waiting: int, lacking: str = "") -> None:
        """The tasks that are being done; lacking: what others wait for."""
        if lacking and lacking != self._lacking and not self._lacking:
            self.say(f"{waiting:,} jobs wait: {lacking}")
        self._lacking = lacking
        now = time.monotonic()
        if self._live is None or now - self._drawn < EVERY:
            return
        self._drawn = now
        with suppress(OSError, ValueError):
            self._live.update(self._table(running, waiting), refresh=True)

    def _table(self, running: Collection[Task], waiting: int) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        assert self._live is not None
        console, table = self._live.console, Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in ("job", "iterations", "left", "state", ""):
            table.add_column(column, justify="right" if column in ("iterations", "left") else "left", no_wrap=True)
        most = max(1, console.height - ROUND)
        shown = [*running][:most]
        for task in shown:
            table.add_row(*self._row(task))
        told = [f"{self.done:,} of {len(self.todo):,} jobs done"]
        told += [f"{self.stopped:,} of them stopped"] * (self.stopped > 0)
        told += [f"{len(running) - most:,} more begun"] * (len(running) > most)
        told += [f"{waiting:,} waiting"] * (waiting > 0)
        return Group(table, Text(", ".join(told), style="dim"))

    def _row(self, task: Task) -> Sequence[Any]:
        from rich.text import Text

        stats, seen = figures(task), self._seen[task]
        if "iteration" not in stats:
            return task.name, f"0/{task.length:,}", "", Text("starting", style="dim"), ""
        done, now = int(stats["iteration"]), time.monotonic()
        if seen.since is None:
            seen.since, seen.first = now, done
        pace = (done - seen.first) / max(1e-9, now - seen.since)
        left = clock((task.length - done) / pace) if pace else ""
        verdict, causes = str(stats.get("verdict", "")), str(stats.get("causes", ""))
        state = Text(words(verdict, causes) if verdict else "", style=f"bold {COLOURS[tone(verdict, causes)]}")
        others = figures_of(stats, NONE, task.jobs[0].settings.data.modes, brief=True)[:2]
        return task.name, f"{done:,}/{task.length:,}", left, state, Text("  ".join(others), style="dim")


def figures(task: Task) -> dict[str, Any]:
    """The newest figures of a task's runs, as means; {} before the first record."""
    return means([own for job in task.jobs if (own := newest(RunFolder(job.folder).metrics))])
