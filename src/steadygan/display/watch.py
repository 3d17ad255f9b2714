"""Follows runs while they train and shows them in a terminal, a notebook or plain lines, from shell and Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self

from ..errors import InputError, warn
from ..processes import process_number
from ..quantities import spoken, tone
from .frame import Frame, clock, figures_of, means
from .glimpse import Glimpse
from .screens import MuteScreen, Screen, new_screen, shade

COMPILING = "compiling, about 20 s, once"
LONG = 5.0  # seconds of reading that are worth a line


class Watched(Protocol):
    """What a watch needs to know about a run."""

    settings: dict[str, Any]
    events: list[str]
    notes: list[str]
    equilibrium: tuple[float | None, float | None]
    iterations_per_second: float
    beside: int  # runs that are trained with it, itself included


class Watch:
    """Shows one run or several at their ticks; a context manager, which owns the screen.

    screen: None chooses one. warns: alarms are Python warnings, once for each cause; otherwise they are printed like
    other events. seeds: how many runs there are.
    """

    def __init__(
        self,
        screen: Screen | None = None,
        *,
        seeds: int = 1,
        warns: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.screen = new_screen() if screen is None else screen
        self.seeds, self.warns, self.clock = seeds, warns, clock
        self.title, self.heading, self.total, self.modes = "", "", 1, None  # type: tuple[str, str, int, int | None]
        self.told = False  # whether a tick was
        self._entered = 0
        self._doing = "starting"
        self._noticed = ""
        self._reading: dict[str, float] = {}  # what is read, and since when
        self._frame = Frame("")
        self._reached: Callable[[], int] | None = None
        self._every = 1  # iterations between two evaluations
        self._began: tuple[float, int] | None = None  # when iterations were begun, and with which
        self._pace = 0.0  # iterations per second, as last told by a run
        self._at = -1  # the iteration of what was seen
        self._seen: dict[int, Mapping[str, Any]] = {}
        self._together = 1  # runs that the figures are means of
        self._runs: dict[int, Watched] = {}
        self._lines: dict[int, int] = {}  # of each run's events that were told
        self._noted: set[str] = set()
        self._warned: set[tuple[int, str]] = set()
        self._measured: dict[str, Any] = {}
        self._glimpse: Glimpse | None = None

    def plan(self, title: str, total: int, modes: int | None = None, heading: str = "") -> None:
        """Sets what is to be trained, unless it is set already: the first caller knows best.

        The heading is printed with the first tick, so that a run that cannot start prints only its error.
        """
        if not self.title:
            self.title, self.total, self.modes, self.heading = title, total, modes, heading

    def __enter__(self) -> Self:
        self._entered += 1
        if self._entered == 1:
            self.screen.start(self.frame)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._entered -= 1
        if self._entered == 0:
            self._doing = ""
            self.screen.stop(keep=self.told)

    def frame(self) -> Frame:
        """What to show now, including the iterations since the last tick."""
        frame = self._frame._replace(title=self.title, total=self.total, doing=self._doing, glimpse=self._glimpse)
        if self._began is None:
            return frame
        began, first = self._began
        done = min(self.total, max(frame.done, 0 if self._reached is None else self._reached()))
        rate = self._pace or (done - first) / max(1e-9, self.clock() - began)
        beside = f" x {self._together} seeds" if self._together > 1 else ""
        left = f"{clock((self.total - done) / rate)} left" if rate and done < self.total else ""
        return frame._replace(done=done, rate=f"{rate:,.0f} it/s{beside}" if rate else "", left=left)

    def doing(self, what: str) -> None:
        """Names slow work from now on, shown on moving lines; "" when it is done."""
        self._doing = what
        self.screen.beat()

    def reading(self, what: str, done: int, total: int) -> None:
        """`done` of `total` samples have passed through `what`; without moving lines, printed once if slow."""
        since = self._reading.setdefault(what, self.clock())
        worth = total == 0 or (done < total and self.clock() - since >= LONG)
        if worth and not self.screen.moves and what not in self._noted:
            self._noted.add(what)
            self.screen.say(f"{what}: {total:,}" if total else what)
        self.doing(f"{what}: {done:,} of {total:,}" if total > 1 else what)

    def notice(self, line: str) -> None:
        """Announces slow work before the first iteration."""
        self._begin()
        self.screen.say(line if self.screen.moves else f"{line}: {COMPILING}", "dim")
        self._noticed = line
        self.doing(COMPILING)

    def follow(self, reached: Callable[[], int], every: int = 1) -> None:
        """Called before training: `reached()` returns the iterations done; evaluations come every `every` of them."""
        self._reached, self._every, self._began, self._pace = reached, every, None, 0.0

    def beat(self) -> None:
        """An iteration is done."""
        self.screen.beat()

    def _begin(self) -> None:
        if self.heading:
            for line in self.heading.split("\n"):
                self.screen.say(line)
            self.heading = ""

    def tick(
        self,
        run: Watched,
        iteration: int,
        stats: Mapping[str, Any],
        glimpse: Callable[[], Glimpse | None] | None = None,
    ) -> None:
        """Shows a run's newest record and its news since the last one; for several runs, the means."""
        seed = self._key(run)
        news = self._news(seed, run)
        self._begin()
        for note in news:
            self.screen.say(note, "dim")
        if iteration != self._at:
            self._at, self._seen = iteration, {}
        self._seen[seed] = stats
        alarm = self._alarm(seed, iteration, stats)
        for event in self._events():
            if event != alarm:
                self.screen.say(spoken(event), shade(event))
        if len(self._seen) >= run.beside:
            self._together, self._at = len(self._seen), -1  # the closing records of this iteration are others
            self._show(run, iteration, means([*self._seen.values()]), glimpse)

    def _key(self, run: Watched) -> int:
        return int(run.settings.get("seed", 0))

    def _news(self, seed: int, run: Watched) -> list[str]:
        """Who is trained now, and how."""
        lines = []
        if seed not in self._runs:
            if self._runs and run.beside == 1:
                lines.append(f"seed {seed}:")
            lines += [note for note in run.notes if note not in {*self._noted, self._noticed}]
            self._noted |= {*run.notes}
        self._runs[seed] = run  # another one, once it was rolled back
        return lines

    def _events(self) -> list[str]:
        """What any of the runs has to say: one that failed ticks no more."""
        lines = []
        for seed, run in self._runs.items():
            first = f"seed {seed}: " if self.seeds > 1 else ""
            lines += [f"{first}{line}" for line in run.events[self._lines.get(seed, 0) :]]
            self._lines[seed] = len(run.events)
        return lines

    def _alarm(self, seed: int, iteration: int, stats: Mapping[str, Any]) -> str | None:
        """Warns of an alarm, once for each cause; returns the event that says the same, which needs no telling then."""
        verdict = str(stats.get("verdict", ""))
        if not self.warns or tone(verdict) != "bad":
            return None
        first = f"seed {seed}: " if self.seeds > 1 else ""
        reason = stats.get("reason")
        name = verdict.replace("_", " ")
        event = f"{first}iteration {iteration}: {name}: {reason}" if reason else f"{first}iteration {iteration}: {name}"
        cause = (str(stats.get("causes", "")).split() or [verdict])[0]
        if (seed, cause) in self._warned:
            return None
        self._warned.add((seed, cause))
        warn(spoken(event))
        return event

    def failed(self, run: Watched, told: object) -> None:
        """Warns about one of several runs that ended early, since the caller may only look at the others."""
        if self.warns:
            warn(f"seed {self._key(run)}: {told}")

    def _show(
        self, run: Watched, iteration: int, stats: Mapping[str, Any], glimpse: Callable[[], Glimpse | None] | None
    ) -> None:
        if "balance" in stats or "modes" in stats:
            self._measured = {key: stats[key] for key in ("modes", "balance") if key in stats}
            if glimpse is not None and self.screen.draws:
                with suppress(Exception):  # what cannot be drawn ends no run
                    self._glimpse = glimpse()
        self._doing, self.told = "", True
        self._began, self._pace = self._began or (self.clock(), iteration), run.iterations_per_second
        verdict, causes = str(stats.get("verdict", "")), str(stats.get("causes", ""))
        figures, brief = (
            figures_of({**self._measured, **stats}, run.equilibrium, self.modes, short) for short in (False, True)
        )
        frame = Frame(self.title, iteration, self.total, verdict=verdict, causes=causes)
        self._frame = frame._replace(figures=figures, brief=brief)
        measured = iteration % self._every == 0 or "final" in stats  # else all of this is told again
        self.screen.show(last=iteration >= self.total and measured)


def watching(progress: Watch | bool | None, seeds: int = 1) -> Watch:
    """The watch to use: the one given, one that shows what it can, or for False one that only warns.

    Raises InputError for anything else.
    """
    if isinstance(progress, Watch):
        return progress
    if process_number() > 0:  # the first process of several shows the run
        return Watch(MuteScreen(), seeds=seeds, warns=False)
    if progress is not None and not isinstance(progress, bool):
        raise InputError(f"expected progress as True, False or None, got {progress!r}: leave it out")
    return Watch(MuteScreen() if progress is False else None, seeds=seeds)
