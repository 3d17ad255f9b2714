"""The page's tables: final and best figures, which of them are comparable, settings and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..metrics import Protocol
from ..metrics.summary import At, Summary, final_and_best
from ..quantities import KNOWN, figure, spread
from ..runs.settings import ABSENT, LATER, changed, flat
from .groups import RunGroup, shown


class Cell(NamedTuple):
    """One group's row for a figure; empty text where there is nothing to show."""

    group: int
    name: str
    final: str
    best: str
    at: str  # the iteration of the best
    peak: str
    peak_at: str
    real: str


class TableRow(NamedTuple):
    """A figure of all groups that have it, and why they are not comparable."""

    key: str
    label: str
    cells: list[Cell]
    unlike: str


def figures(groups: Sequence[RunGroup]) -> list[TableRow]:
    """The table of `final_and_best`, with means and standard deviations over seeds."""
    rows = [[{row.key: row for row in final_and_best(run.rows)} for run in group.runs] for group in groups]
    keys = dict.fromkeys(key for own in rows for run in own for key in run)
    order = [key for key in KNOWN if key in keys] + [key for key in keys if key not in KNOWN]
    found = []
    for key in order:
        cells = [
            cell(i, group, key, [run[key] for run in own if key in run])
            for i, (group, own) in enumerate(zip(groups, rows, strict=True))
            if any(key in run for run in own)
        ]
        label = KNOWN[key].label if key in KNOWN else key
        found.append(TableRow(key, label, cells, unlike(key, [groups[cell.group] for cell in cells])))
    return found


def cell(i: int, group: RunGroup, key: str, rows: list[Summary]) -> Cell:
    """A figure of one group: mean and deviation of its runs' `rows`."""

    def told(ats: list[At]) -> tuple[str, str]:
        iterations = sorted({at.iteration for at in ats})
        span = " to ".join(f"{each:,}" for each in dict.fromkeys((iterations[0], iterations[-1])))
        return spread(key, [at.value for at in ats]), span

    best, at = told([row.best for row in rows])
    peaks = [row.peak for row in rows if row.peak is not None]
    peak, peak_at = told(peaks) if peaks else ("", "")
    known = [run.reference[key] for run in group.runs if key in run.reference]
    real = figure(key, sum(known) / len(known)) if known else ""
    return Cell(i, group.name, spread(key, [row.final.value for row in rows]), best, at, peak, peak_at, real)


def unlike(key: str, groups: Sequence[RunGroup]) -> str:
    """What was measured differently in another of the groups; "" where their figures are comparable."""
    told = [(group, group.first.protocols.get(key)) for group in groups]
    known: list[tuple[RunGroup, Protocol]] = [(group, protocol) for group, protocol in told if protocol is not None]
    if not known:  # of gradients, or of runs that kept no protocols: the settings say it
        return _unlike_settings(groups)
    missing = [group.name for group, protocol in told if protocol is None]
    settled = [_unlike_settings(groups)] if missing else []
    first, reference = known[0]
    differing = [
        f"{name.replace('_', ' ')}: {own} in {group.name}, {other} in {first.name}"
        for group, protocol in known[1:]
        for name, own, other in protocol.differences(reference)
    ]
    unknown = [f"how it was measured in {', '.join(missing)} is not known"] if missing else []
    return "; ".join(filter(None, [*settled, *dict.fromkeys(differing), *unknown]))


def _unlike_settings(groups: Sequence[RunGroup]) -> str:
    """The data, and how much was measured, where that is not the same."""
    differing = {
        "data": [group.first.data for group in groups],
        "n": [shown(dict(flat(group.first.tree)).get("evaluate.n", "")) for group in groups],
    }
    told = {name: list(dict.fromkeys(filter(None, values))) for name, values in differing.items()}
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in told.items() if len(values) > 1)


def differing(groups: Sequence[RunGroup]) -> list[tuple[str, list[str]]]:
    """(key, value in each group) of every setting that affects a run and differs between groups."""
    trees = [group.first.tree for group in groups]
    keys = dict.fromkeys(key for tree in trees[1:] for key, *_ in changed(trees[0], tree, reading=True))
    seeds = "seed" in keys or any(group.several for group in groups)
    values: list[Mapping[str, Any]] = [LATER | dict(flat(tree)) for tree in trees]
    rows = [(key, [shown(value.get(key, ABSENT)) for value in values]) for key in sorted(keys) if key != "seed"]
    own = [", ".join(str(run.seed) for run in group.runs) for group in groups]
    return [*rows, ("seed", own)] if seeds and len(set(own)) > 1 else rows


def settings(group: RunGroup) -> list[tuple[str, str]]:
    """Every setting of a group, flattened; the seeds of all its runs."""
    told = [(key, shown(value)) for key, value in flat(group.first.tree) if key != "seed"]
    seeds = [str(run.seed) for run in group.runs if run.seed is not None]
    return [*told, ("seed", ", ".join(seeds))] if seeds else told
