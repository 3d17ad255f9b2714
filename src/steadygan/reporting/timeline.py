"""The timeline of runs: verdicts as stretches of a bar, and all events grouped by cause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..quantities import heard, tone, words
from ..runs.history import RunHistory
from ..runs.records import Turn
from .groups import RunGroup

MOST = 200  # happenings that the page lists, and marks of a bar
IN_A_FOLD = 40  # of one fold
NUMBERS = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?%?")
CALM, NOTES = "Without an alarm", "Notes of the run"  # told last
THINNEST = 0.4  # per cent of a bar: also what has only begun is seen


class Happening(NamedTuple):
    """One line: what began at `iteration` (if known), `until` when it lasted (if it did), and in which run."""

    iteration: int | None
    until: int | None
    run: str
    text: str


class Fold(NamedTuple):
    """What happened to a group for one cause, however often; `last` is when it ended, or happened last."""

    group: int
    title: str
    tone: str
    first: int | None
    last: int | None
    times: int
    listed: list[Happening]

    @property
    def calm(self) -> bool:
        """Whether nobody needs to read it."""
        return self.title in (CALM, NOTES)


class Stretch(NamedTuple):
    """A stretch or a point of a run's bar, in per cent of the page's longest run."""

    left: float
    width: float
    tone: str
    text: str


class Bar(NamedTuple):
    """One run of the timeline, or several with equal bars."""

    group: int
    run: str
    stretches: list[Stretch]
    marks: list[Stretch]


class Timeline(NamedTuple):
    """A bar for each run, events below them in groups with the earliest first, and how many are left out."""

    bars: list[Bar]
    folds: list[Fold]
    more: int


class _Told(NamedTuple):
    """One happening of a run, before those of one cause are put together."""

    title: str
    tone: str
    kind: str  # verdict, event, note
    at: int  # where it is listed: of what names no iteration that of the one before
    happening: Happening


def timeline(groups: Sequence[RunGroup]) -> Timeline:
    """What happened to the runs; events that several seeds share are listed once."""
    longest = max(1, *(run.last for group in groups for run in group.runs))
    folds: list[Fold] = []
    bars: list[Bar] = []
    for i, group in enumerate(groups):
        found: dict[_Told, list[str]] = {}
        alike: dict[str, list[Bar]] = {}
        for run in group.runs:
            for each in _told(run):
                found.setdefault(each, []).append(group.called(run))
            bar = _bar(i, run, longest)
            alike.setdefault(str(bar), []).append(bar._replace(run=group.called(run)))
        named = (
            each._replace(happening=each.happening._replace(run=_shared(group, runs))) for each, runs in found.items()
        )
        folds += _folded(i, sorted(named, key=lambda each: each.at))
        bars += [own[0]._replace(run=_shared(group, [bar.run for bar in own])) for own in alike.values()]
    last = {CALM: 1, NOTES: 2}
    folds.sort(key=lambda fold: (last.get(fold.title, 0), fold.first or 0))
    left, kept = MOST, []
    for fold in folds:
        listed = fold.listed[: max(0, min(IN_A_FOLD, left))]
        left -= len(listed)
        kept.append(fold._replace(listed=listed))
    return Timeline(bars, kept, sum(fold.times - len(fold.listed) for fold in kept))


def _shared(group: RunGroup, runs: Sequence[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{group.name}, {len(runs)} seeds"


def _folded(group: int, told: Iterable[_Told]) -> Iterator[Fold]:
    """Those of one cause together, in the order of their first."""
    together: dict[tuple[str, str], list[_Told]] = {}
    for each in told:
        together.setdefault((each.title, each.kind), []).append(each)
    for (title, kind), own in together.items():
        listed = [each.happening for each in own]
        known = [at for each in listed for at in (each.iteration, each.until) if at is not None]
        lone = len(own) == 1 and kind == "event"
        shades = ("bad", "warn", "good", "calm")
        shade = min((each.tone for each in own), key=shades.index)
        first, last = (min(known), max(known)) if known else (None, None)
        yield Fold(group, listed[0].text if lone else title, shade, first, last, len(own), listed)


def _told(run: RunHistory) -> Iterator[_Told]:
    """A run's verdicts as they changed, and what it said."""
    turns = run.turns
    ends = [*(turn.iteration for turn in turns[1:]), run.last]
    for turn, end in zip(turns, ends, strict=False):
        shade = tone(turn.verdict, turn.causes)
        calm = shade in ("good", "calm")
        happening = Happening(turn.iteration, end, "", ": ".join(filter(None, [turn.told * calm, turn.reason])))
        yield _Told(CALM if calm else titled(turn), shade, "verdict", turn.iteration, happening)
    at, judged, begun = 0, {each.iteration: each for each in run.verdicts}, {turn.iteration for turn in turns}
    for event in run.events:
        at = at if event.iteration is None else event.iteration
        text = event.message.removeprefix(f"iteration {event.iteration}: ")
        verdict = judged.get(-1 if event.iteration is None else event.iteration)
        if verdict is not None and _says_the_same(verdict, text):
            if verdict.iteration not in begun:  # another cause came while the state lasted
                happening = Happening(event.iteration, None, "", verdict.reason)
                yield _Told(titled(verdict), tone(verdict.verdict, verdict.causes), "verdict", at, happening)
            continue
        heading = NOTES if event.kind == "note" else NUMBERS.sub("…", text)
        shade = heard(text) if event.kind == "event" else "calm"
        yield _Told(heading, shade, event.kind, at, Happening(event.iteration, None, "", text))


def _says_the_same(turn: Turn, text: str) -> bool:
    """Whether a verdict at the same iteration says what the run said then."""
    return bool(turn.reason and text.endswith(turn.reason)) or text == f"{turn.verdict} again"


def titled(turn: Turn) -> str:
    """The cause of a verdict: for a warning its name, whatever the state; for an alarm its state and cause."""
    told = words(turn.verdict, turn.causes)
    if tone(turn.verdict, turn.causes) == "warn":
        told = told.partition("(")[2].removesuffix(")")
    return told[:1].upper() + told[1:]


def _bar(group: int, run: RunHistory, longest: int) -> Bar:
    """Its verdicts as stretches, and what it said its user should hear of as marks."""

    def share(iteration: int) -> float:
        return round(100.0 * min(iteration, longest) / longest, 3)

    turns = run.turns
    ends = [*(turn.iteration for turn in turns[1:]), run.last][: len(turns)]
    stretches = []
    for turn, end in zip(turns, ends, strict=True):
        left = min(share(turn.iteration), 100.0 - THINNEST)
        wide = round(max(THINNEST, share(end) - left), 3)
        told = f"{turn.told}, iterations {turn.iteration:,} to {end:,}"
        stretches.append(Stretch(left, wide, tone(turn.verdict, turn.causes), told))
    if not turns or turns[0].iteration > 0:
        first = turns[0].iteration if turns else run.last
        stretches.insert(0, Stretch(0.0, share(first), "none", f"iterations 0 to {first:,}"))
    marks = [
        Stretch(share(at), 0.0, each.tone, f"{at:,}: {each.happening.text}")
        for each in _told(run)
        if each.kind == "event" and (at := each.happening.iteration) is not None
    ]
    return Bar(group, "", stretches, marks[:MOST])
