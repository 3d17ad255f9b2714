"""The top of the page: a run's state and its reason in a sentence, a few figures, and the curves that show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from ..diagnostics.causes import CAUSES
from ..metrics.summary import At, Summary, final_and_best
from ..quantities import KNOWN, figure, plain, tone, words
from ..runs.history import RunHistory
from ..runs.records import Turn
from .groups import RunGroup
from .tables import Cell, cell

FIGURES = 5  # that stand first
CURVES = 2, 3  # that show why: of one run, of several
SIDES = ("quality", "served", "covered")  # the monitor's own figures; of the average's where there is one
FIRST = (  # figures in the order in which they are chosen
    *("modes", "fid", "frechet", "high_quality", "emptiest_mode", "precision", "recall", "coverage", "balance"),
    *("energy_distance", "kid", "kernel_distance", "class_score", "inception_score", "mode_kl", "optimum_distance"),
)
SHORT = {  # labels that stand first
    **dict.fromkeys(("quality", "average_quality"), "Quality"),
    **dict.fromkeys(("served", "average_served"), "Data served"),
    **dict.fromkeys(("covered", "average_covered"), "Data covered"),
    "diversity": "Spread of samples",
}
TOLD = re.compile(r"(?P<seen>.*?) \((?:since|at) iteration (?P<at>[\d,]+)\)(?:: (?P<advice>.*))?", re.DOTALL)
PLAIN = {  # of verdicts that give no reason
    "good": "its samples are close to real data, and no cause of failure was found",
    "learning": "not good yet, but nothing has been lost",
    "stalled": "it no longer improves",
    "losing": "it is losing what it had learnt",
    "collapsed": "little is left of what it had learnt",
    "non_finite": "values are not finite",
}


class RunState(NamedTuple):
    """The final state of a run, or of several seeds alike.

    since: the iteration at which it began; alarm: that of the alarm, where it was raised later.
    """

    word: str
    tone: str
    since: str
    seen: str
    advice: str
    before: str
    alarm: str = ""
    seeds: str = ""


class HeadlineFigure(NamedTuple):
    """One of the figures at the top, for each group that has it."""

    key: str
    label: str
    cells: Mapping[int, Cell]

    @property
    def real(self) -> str:
        """The value for real data if it is the same for all groups; else ""."""
        reals = {told.real for told in self.cells.values()}
        return reals.pop() if len(reals) == 1 else ""


class Reason(NamedTuple):
    """The curves that show why the runs are in their states, with a title."""

    title: str
    keys: Sequence[str]


def states(group: RunGroup) -> list[RunState]:
    """The last verdicts of a group, the most serious first, seeds with the same state together; [] without verdicts."""
    alike: dict[str, list[tuple[RunHistory, RunState]]] = {}
    for run in group.runs:
        if run.verdicts:
            found = _state(run, alone=not group.several)
            alike.setdefault(found.word, []).append((run, found))
    if not group.several:
        return [state for own in alike.values() for _, state in own]
    gravest = ("bad", "warn", "calm", "good")
    return sorted((_of_seeds(own) for own in alike.values()), key=lambda state: gravest.index(state.tone))


def _state(run: RunHistory, alone: bool) -> RunState:
    """The state of a run; alone: add its quality where no reason is given, as qualities differ between seeds."""
    last = run.verdicts[-1]
    found = TOLD.fullmatch(last.reason)
    since = int(found["at"].replace(",", "")) if found is not None else run.turns[-1].iteration
    seen, advice = (found["seen"], found["advice"] or "") if found is not None else (last.reason, "")
    if not seen:
        seen = PLAIN.get(last.verdict, "")
        if alone and (quality := _last(run, sided("quality", [run]))) is not None:
            seen = ". ".join(filter(None, [seen, f"Its quality is {plain(quality)}, where 1 is as good as real data"]))
    shade = tone(last.verdict, last.causes)
    raised = run.turns[-1].iteration
    alarm = f"{raised:,}" if shade == "bad" and since < raised else ""
    return RunState(words(last.verdict, last.causes), shade, f"{since:,}", seen, advice, _before(run, last), alarm)


def _of_seeds(own: Sequence[tuple[RunHistory, RunState]]) -> RunState:
    """Seeds in the same state as one: the reason is the first one's, marked as its own where another has another."""
    (first, state), *others = own
    since = sorted({int(each.since.replace(",", "")) for _, each in own})
    if any(each.seen != state.seen for _, each in others):
        state = state._replace(seen=f"seed {first.seed}: {state.seen}")
    if any(each.advice != state.advice for _, each in others):
        state = state._replace(advice="")
    before = state.before if all(each.before == state.before for _, each in others) else ""
    alarm = "" if others else state.alarm
    span = " to ".join(f"{each:,}" for each in dict.fromkeys((since[0], since[-1])))
    seeds = f"seed{'s' * (len(own) > 1)} {', '.join(str(run.seed) for run, _ in own)}"
    return state._replace(since=span, before=before, alarm=alarm, seeds=seeds)


def _before(run: RunHistory, last: Turn) -> str:
    """Alarms that are over, and roll-backs, in words."""
    turns = run.turns
    ends = [turn.iteration for turn in turns[1:]]
    over = [
        (turn.iteration, end)
        for turn, end in zip(turns, ends, strict=False)
        if tone(turn.verdict) == "bad" and tone(last.verdict) != "bad"
    ]
    told = []
    if over:
        times = "An earlier alarm" if len(over) == 1 else f"The last of {len(over)} earlier alarms"
        told.append(f"{times} ended at iteration {over[-1][1]:,}.")
    if run.interventions:
        count = len(run.interventions)
        told.append(f"Rolled back {'once' if count == 1 else f'{count} times'}.")
    return " ".join(told)


def headline_figures(groups: Sequence[RunGroup]) -> list[HeadlineFigure]:
    """The figures at the top: the quality behind the verdicts, then those of `FIRST` that are available."""
    quality = sided("quality", [run for group in groups for run in group.runs])
    found = [_figure(key, groups) for key in (quality, *FIRST)]
    own = [sided(key, [run for group in groups for run in group.runs]) for key in SIDES[1:]]
    shown = [each for each in found if each.cells]
    shown += [each for key in (*own, "diversity") if (each := _figure(key, groups)).cells]
    return shown[:FIGURES]


def _figure(key: str, groups: Sequence[RunGroup]) -> HeadlineFigure:
    cells = {}
    for i, group in enumerate(groups):
        rows = [row for run in group.runs for row in _summary(key, run)]
        if rows:
            told, ideal = cell(i, group, key, rows), KNOWN[key].ideal
            cells[i] = told if told.real or ideal is None else told._replace(real=figure(key, ideal))
    return HeadlineFigure(key, SHORT.get(key, KNOWN[key].label), cells)


def _summary(key: str, run: RunHistory) -> Iterator[Summary]:
    """Final and best of a figure; of the monitor's own, which are shares, the best is the largest."""
    if key in FIRST:
        yield from (row for row in final_and_best(run.rows) if row.key == key)
        return
    known = [At(row[key], int(row["iteration"])) for row in run.rows if isfinite(row.get(key, float("nan")))]
    if known:
        yield Summary(key, known[-1], max(known, key=lambda at: at.value))


def sided(key: str, runs: Sequence[RunHistory]) -> str:
    """The average's figure if every run has an average, which then decides; else the live one's."""
    average = f"average_{key}"
    return average if all(any(average in row for row in run.rows) for run in runs) else key


def _last(run: RunHistory, key: str) -> float | None:
    return next((row[key] for row in reversed(run.rows) if isfinite(row.get(key, float("nan")))), None)


def reason(groups: Sequence[RunGroup]) -> Reason:
    """The curves behind the runs' newest alarm or warning; for healthy runs, those that show how good they are."""
    runs = [run for group in groups for run in group.runs]
    found = [turn for run in runs if (turn := _worst(run)) is not None]
    here = [key for run in runs for row in run.rows for key in row]
    shades = {tone(turn.verdict, turn.causes) for turn in found}
    keys = dict.fromkeys(key for turn in found for key in _telling(turn, runs))
    title = (
        "What raised the alarm" if "bad" in shades else "What the warning is about" if found else "How good it became"
    )
    healthy = [sided("quality", runs), *(each.key for each in headline_figures(groups)), "d_loss", "g_loss"]
    known = set(here)
    return Reason(title, [key for key in dict.fromkeys([*keys, *healthy]) if key in known][: CURVES[len(groups) > 1]])


def _worst(run: RunHistory) -> Turn | None:
    """The newest verdict that was an alarm, else the last one where it is a warning."""
    alarms = [verdict for verdict in run.verdicts if tone(verdict.verdict) == "bad"]
    if alarms:
        return alarms[-1]
    last = run.verdicts[-1:]
    return last[0] if last and tone(last[0].verdict, last[0].causes) == "warn" else None


def _telling(turn: Turn, runs: Sequence[RunHistory]) -> Iterator[str]:
    """The figures by which a verdict was made."""
    if turn.verdict == "non_finite":
        yield from ("non_finite", "d_loss", "g_loss")
    elif tone(turn.verdict) == "bad":
        yield sided("covered" if " cover " in turn.reason else "quality", runs)
    for name in turn.causes.split():
        yield from next((cause.keys for cause in CAUSES if cause.name == name), ())
