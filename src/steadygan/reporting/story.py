"""What happened to the runs, in order: verdicts as they change, and what the logs call events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .gather import Gathered
from .groups import Group
from .records import Verdict

TONES = {  # how a verdict is coloured; one that is not known is plain
    "healthy": "good",
    "learning": "calm",
    "drifting": "warn",
    "exploding": "bad",
    "collapsing": "bad",
    "collapsed": "bad",
    "dead_discriminator": "bad",
    "non_finite": "bad",
}
MOST = 200  # happenings that the page lists


class Happening(NamedTuple):
    """One line of the list."""

    iteration: int
    group: int
    run: str
    kind: str  # alarm, notice, mark, verdict
    tone: str
    text: str


class Part(NamedTuple):
    """A stretch or a point of a run's bar, in per cent of the page's longest run."""

    left: float
    width: float
    tone: str
    text: str


class Bar(NamedTuple):
    """One run of the timeline."""

    group: int
    run: str
    stretches: list[Part]
    marks: list[Part]


def tone(verdict: str) -> str:
    """One of good, calm, warn, bad."""
    return TONES.get(verdict, "calm")


def words(verdict: str) -> str:
    """A verdict as words: dead discriminator, non-finite."""
    return {"non_finite": "not finite"}.get(verdict, verdict.replace("_", " "))


def happenings(groups: Sequence[Group]) -> tuple[list[Happening], int]:
    """What is listed, by iteration, and how much is left out: marks go first, then what came last."""
    found = [each for i, group in enumerate(groups) for run in group.runs for each in _of(i, group.called(run), run)]
    found = _together(found, groups)
    found.sort(key=lambda each: each.iteration)
    kept = found
    if len(kept) > MOST:
        kept = [each for each in found if each.kind != "mark"][:MOST]
    return kept, len(found) - len(kept)


def _together(found: Sequence[Happening], groups: Sequence[Group]) -> list[Happening]:
    """What happened to several seeds alike, once."""
    alike: dict[Happening, list[str]] = {}
    for each in found:
        alike.setdefault(each._replace(run=""), []).append(each.run)
    return [
        each._replace(run=runs[0] if len(runs) == 1 else f"{groups[each.group].name}, {len(runs)} seeds")
        for each, runs in alike.items()
    ]


def _of(group: int, name: str, run: Gathered) -> list[Happening]:
    changes = run.records.changes
    before = ["", *(change.verdict for change in changes)]
    told = [
        Happening(v.iteration, group, name, "verdict", tone(v.verdict), _turned(old, v))
        for old, v in zip(before, changes, strict=False)
    ]
    tones = {"alarm": "bad", "notice": "warn", "mark": "calm"}
    return told + [Happening(e.iteration, group, name, e.kind, tones[e.kind], e.text) for e in run.events]


def _turned(old: str, verdict: Verdict) -> str:
    turned = f"{words(old)} → {words(verdict.verdict)}" if old else words(verdict.verdict)
    return f"{turned}: {verdict.reason}" if verdict.reason else turned


def bars(groups: Sequence[Group]) -> list[Bar]:
    """A bar per run: its verdicts as stretches, alarms and notices as marks; seeds whose bars are alike share one."""
    longest = max(1, *(run.records.last for group in groups for run in group.runs))

    def share(iteration: int) -> float:
        return round(100.0 * min(iteration, longest) / longest, 3)

    found: list[Bar] = []
    for i, group in enumerate(groups):
        alike: dict[str, list[Bar]] = {}
        for run in group.runs:
            last, changes = run.records.last, run.records.changes
            ends = [*(change.iteration for change in changes[1:]), last][: len(changes)]
            stretches = [
                Part(
                    share(v.iteration),
                    max(0.0, share(end) - share(v.iteration)),
                    tone(v.verdict),
                    f"{words(v.verdict)}, iterations {v.iteration:,} to {end:,}",
                )
                for v, end in zip(changes, ends, strict=True)
            ]
            if not stretches or changes[0].iteration > 0:
                first = changes[0].iteration if changes else last
                stretches.insert(0, Part(0.0, share(first), "none", f"iterations 0 to {first:,}"))
            marks = [
                Part(share(e.iteration), 0.0, "bad" if e.kind == "alarm" else "warn", f"{e.iteration:,}: {e.text}")
                for e in run.events
                if e.kind != "mark"
            ]
            alike.setdefault(str((stretches, marks)), []).append(Bar(i, group.called(run), stretches, marks[:MOST]))
        found += [_shared(own, group.name) for own in alike.values()]
    return found


def _shared(alike: Sequence[Bar], name: str) -> Bar:
    return alike[0] if len(alike) == 1 else alike[0]._replace(run=f"{name}, {len(alike)} seeds")
