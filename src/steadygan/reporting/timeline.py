"""The timeline of runs: verdicts as they change, and what the runs said while they trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..quantities import heard, tone
from ..runs.history import RunHistory
from .groups import RunGroup

MOST = 200  # happenings that the page lists


class Happening(NamedTuple):
    """One line of the list; `iteration` None is shown where it was said, without one."""

    iteration: int | None
    group: int
    run: str
    kind: str  # verdict, event, note
    tone: str
    text: str


class Stretch(NamedTuple):
    """A stretch or a point of a run's bar, in per cent of the page's longest run."""

    left: float
    width: float
    tone: str
    text: str


class Bar(NamedTuple):
    """One run of the timeline, or several whose bars are alike."""

    group: int
    run: str
    stretches: list[Stretch]
    marks: list[Stretch]


class Timeline(NamedTuple):
    """A bar per run, what is listed below them by iteration, and how much is left out of that."""

    bars: list[Bar]
    listed: list[Happening]
    more: int


def timeline(groups: Sequence[RunGroup]) -> Timeline:
    """What happened to the runs; what happened to several seeds alike is told once, and notes are left out first."""
    longest = max(1, *(run.last for group in groups for run in group.runs))
    happened: list[tuple[int, Happening]] = []
    bars: list[Bar] = []
    for i, group in enumerate(groups):
        found: dict[tuple[int, Happening], list[str]] = {}
        alike: dict[str, list[Bar]] = {}
        for run in group.runs:
            for each in _happenings(i, run):
                found.setdefault(each, []).append(group.called(run))
            bar = _bar(i, run, longest)
            alike.setdefault(str(bar), []).append(bar._replace(run=group.called(run)))
        happened += [(at, each._replace(run=_shared(group, runs))) for (at, each), runs in found.items()]
        bars += [own[0]._replace(run=_shared(group, [bar.run for bar in own])) for own in alike.values()]
    happened.sort(key=lambda each: each[0])
    listed = [each for _, each in happened]
    if len(listed) > MOST:
        listed = [each for each in listed if each.kind != "note"][:MOST]
    return Timeline(bars, listed, len(happened) - len(listed))


def _shared(group: RunGroup, runs: Sequence[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{group.name}, {len(runs)} seeds"


def _happenings(group: int, run: RunHistory) -> list[tuple[int, Happening]]:
    """Each with the iteration at which it is listed: of what names none that of the one before."""
    found = []
    before = ""
    for turn in run.turns:
        text = f"{before} → {turn.told}" if before else turn.told
        text += f": {turn.reason}" if turn.reason else ""
        shade = tone(turn.verdict, turn.causes)
        found.append((turn.iteration, Happening(turn.iteration, group, "", "verdict", shade, text)))
        before = turn.told
    at = 0
    for event in run.events:
        at = at if event.iteration is None else event.iteration
        text = event.message.removeprefix(f"iteration {event.iteration}: ")
        if any(turn.reason and turn.iteration == event.iteration and text.endswith(turn.reason) for turn in run.turns):
            continue  # the verdict above says the same
        shade = heard(text) if event.kind == "event" else "calm"
        found.append((at, Happening(event.iteration, group, "", event.kind, shade, text)))
    return found


def _bar(group: int, run: RunHistory, longest: int) -> Bar:
    """Its verdicts as stretches, and what it said its user should hear of as marks."""

    def share(iteration: int) -> float:
        return round(100.0 * min(iteration, longest) / longest, 3)

    turns = run.turns
    ends = [*(turn.iteration for turn in turns[1:]), run.last][: len(turns)]
    stretches = [
        Stretch(
            share(turn.iteration),
            max(0.0, share(end) - share(turn.iteration)),
            tone(turn.verdict, turn.causes),
            f"{turn.told}, iterations {turn.iteration:,} to {end:,}",
        )
        for turn, end in zip(turns, ends, strict=True)
    ]
    if not turns or turns[0].iteration > 0:
        first = turns[0].iteration if turns else run.last
        stretches.insert(0, Stretch(0.0, share(first), "none", f"iterations 0 to {first:,}"))
    marks = [
        Stretch(share(each.iteration), 0.0, each.tone, f"{each.iteration:,}: {each.text}")
        for _, each in _happenings(group, run)
        if each.kind == "event" and each.iteration is not None
    ]
    return Bar(group, "", stretches, marks[:MOST])
