"""What is seen while a run trains: a bar with live numbers on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

from ..quantities import plain
from .console import clock, coloured, gravest, shade

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs.run import Run

QUIET_SECONDS = 10.0  # between two plain lines, unless something was evaluated


class Watch:
    """A callback for the trainer; a context manager around it that owns the terminal's last lines."""

    def __init__(self, console: Console, title: str, total: int, modes: int | None, heading: str = "") -> None:
        self.heading = heading  # told with the first tick: a run that cannot start prints its error alone
        self.console, self.title, self.total, self.modes = console, title, total, modes
        self.noticed = ""
        self._told: dict[int, int] = {}  # lines of each run
        self._at = -1  # the iteration of what was seen
        self._seen: dict[int, Mapping[str, float]] = {}
        self._runs: dict[int, Run] = {}
        self._noted: set[str] = set()
        self._spoke = time.monotonic()
        self._measured: dict[str, float] = {}
        self._live: Any = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            from rich.live import Live
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TextColumn("{task.fields[rate]}"),
            )
            self._bar = Progress(*columns, console=self.console, expand=True)
            self._task = self._bar.add_task(self.title, total=max(1, self.total), rate="")
            self._live = Live(self._bar, console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def notice(self, line: str) -> None:
        """What takes its time before the first iteration, told before it is done; a moving sign on a terminal."""
        self.console.print("\n".join(filter(None, (self.heading, f"{line}: compiling ..."))))
        self.heading, self.noticed = "", line
        if self._live is not None:
            from rich.console import Group
            from rich.spinner import Spinner

            self._live.update(Group(self._bar, Spinner("dots", "compiling")))

    def __call__(self, run: Run, iteration: int, stats: Mapping[str, Any]) -> None:
        """One tick: the run's newest record, and whatever the run has to say since the last one."""
        events, self._told[0] = run.events[self._told.get(0, 0) :], len(run.events)
        self.show(run, iteration, stats, events)

    def show(
        self, run: Run, iteration: int, stats: Mapping[str, Any] | None, events: Sequence[str], seeds: int = 1
    ) -> None:
        """What was told since the last tick, and the figures, where there are any: of one run, or means over seeds."""
        if self.heading or self.noticed:
            notes = [note for note in run.notes if note != self.noticed]
            self.console.print("\n".join(filter(None, (self.heading, *notes))))
            self.heading = self.noticed = ""
        for event in events:
            self.console.print(event, style=shade(event))
        if stats is None:
            return
        evaluated = "balance" in stats or "modes" in stats
        if evaluated:
            self._measured = {key: stats[key] for key in ("modes", "balance") if key in stats}
        rate = run.iterations_per_second
        pace = f"{rate:,.0f} it/s" if rate else ""
        pace += f" x {seeds} seeds" if rate and seeds > 1 else ""
        if rate and iteration < self.total:
            pace += f", {clock((self.total - iteration) / rate)} left"
        numbers = live({**self._measured, **stats}, run.equilibrium, self.modes)
        from rich.text import Text

        shown = coloured(stats["verdict"], stats.get("causes", "")) if "verdict" in stats else Text()
        if self._live is not None:
            from rich.console import Group

            self._bar.update(self._task, completed=iteration, rate=pace)
            self._live.update(Group(self._bar, Text.assemble("  ", shown, "  ", Text(numbers, style="dim"))))
        elif evaluated or (iteration == self.total and not closes(run, iteration, stats)) or self._quiet(iteration):
            self._spoke = time.monotonic()
            done = f"{iteration:>{len(f'{self.total:,}')},}/{self.total:,}"
            line = Text(", ".join(filter(None, (done, pace, numbers))))
            self.console.print(line + ", " + shown if shown else line)

    def _quiet(self, iteration: int) -> bool:
        return iteration < self.total and time.monotonic() - self._spoke > QUIET_SECONDS

    def member(self, index: int) -> Callable[[Run, int, Mapping[str, float]], None]:
        """The callback of one of several runs that are trained side by side: their means are shown."""

        def tick(run: Run, iteration: int, stats: Mapping[str, float]) -> None:
            lines = self._news(index, run)
            if iteration != self._at:
                self._at, self._seen = iteration, {}
            self._seen[index] = stats
            shown = [*self._seen.values()] if len(self._seen) >= run.beside else []
            self.show(run, iteration, means(shown) if shown else None, lines, len(shown))
            if shown:
                self._seen = {}

        vars(tick)["notice"] = self.notice
        return tick

    def _news(self, index: int, run: Run) -> list[str]:
        """What is new: who is trained now, how, and what any of the runs has to say (one that failed ticks no more)."""
        lines = []
        if index not in self._runs:
            if self._runs and run.beside == 1:
                lines.append(f"seed {run.settings.get('seed')}:")
            if not self.heading and not self.noticed:
                lines += [note for note in run.notes if note not in self._noted]
            self._noted |= {*run.notes}
        self._runs[index] = run  # another one, once it was rolled back
        for other, each in self._runs.items():
            lines += [f"seed {each.settings.get('seed')}: {line}" for line in each.events[self._told.get(other, 0) :]]
            self._told[other] = len(each.events)
        return lines


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over the rows that have it; the gravest of their verdicts."""
    keys = {key: None for row in rows for key, value in row.items() if not isinstance(value, str)}
    verdicts = [(row["verdict"], row.get("causes", "")) for row in rows if "verdict" in row]
    told = dict(zip(("verdict", "causes"), gravest(verdicts), strict=True)) if verdicts else {}
    return {key: fmean(row[key] for row in rows if key in row) for key in keys} | told


def closes(run: Run, iteration: int, stats: Mapping[str, Any]) -> bool:
    """Whether the closing measurement of a run that ends here is still to come: it tells all of this tick again."""
    every = run.settings.get("evaluate", {}).get("every", 1)
    return iteration % every != 0 and "final" not in stats


class ReadingProgress:
    """Told how far data is read: a bar on a terminal, one line elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` images are through `what`."""
        if what not in self._tasks:
            if self.console.is_terminal and self._bar is None:
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

                columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
                self._bar = Progress(*columns, console=self.console)
                self._bar.start()
            elif self._bar is None:
                self.console.print(f"{what}: {total:,}")
            self._tasks[what] = None if self._bar is None else self._bar.add_task(what, total=total)
        if self._bar is not None:
            self._bar.update(self._tasks[what], completed=done)


def live(stats: Mapping[str, float], equilibrium: tuple[float | None, float | None], modes: int | None) -> str:
    """Losses without penalties beside their equilibrium, modes or balance, and the largest gradient that G receives."""
    parts = []
    for name, key, level in zip("DG", ("d_loss", "g_loss"), equilibrium, strict=True):
        if key in stats:
            beside = "" if level is None else f" ({'equilibrium ' if name == 'D' else ''}{level:.3f})"
            parts.append(f"{name} loss {stats[key]:.3f}{beside}")
    if "modes" in stats and modes is not None:
        parts.append(f"modes {stats['modes']:.3g}/{modes}")
    elif "balance" in stats:
        parts.append(f"balance {stats['balance']:.2f}")
    if "gradient_max" in stats:
        parts.append(f"max gradient {plain(stats['gradient_max'])}")
    return ", ".join(parts)
