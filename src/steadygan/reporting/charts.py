"""Charts for plotly as plain dictionaries: curves with few points that keep every peak; colours come from the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from ..quantities import Quantity, plain, tone
from ..viz.plot import Plot, Stroke, arrow_paths, spacing
from ..viz.series import Curve, Floats, curve
from .groups import RunGroup

EQUILIBRIUM = {"d_loss": 0, "g_loss": 1}
MARKS = 12  # alarms that a chart shows
STRAIGHT = 8.0  # ratio of largest to smallest below which a linear axis shows as much
DWARFED = 50.0  # times the usual spread: values beyond are told, not drawn to scale
MOST = 1000  # points of a curve
Chart = dict[str, Any]


def text(words: str) -> str:
    """Text for plotly, with its tags escaped."""
    return escape(words, quote=False)


def chart(quantity: Quantity, groups: Sequence[RunGroup]) -> Chart | None:
    """One quantity for all groups that have it; None where nothing can be drawn.

    `data` and `layout` are plotly's; a trace's `meta` is its group's number and role. `captions` describe lines and
    marks, `summary` describes the chart for readers who cannot see it.
    """
    drawn = ((i, curve([run.rows for run in group.runs], quantity.key)) for i, group in enumerate(groups))
    curves = {i: found for i, found in drawn if found is not None}
    if not curves:
        return None
    captions: list[str] = []
    floor = _floor(list(curves.values())) if quantity.log else None  # None: a linear axis
    if floor is not None and any((row <= 0).any() for found in curves.values() for row in [found.y]):
        captions.append("Values of 0 are drawn at the bottom of the axis.")
    data: list[Chart] = []
    for i, found in curves.items():
        data += _traces(i, groups[i].name, thinned(_lifted(found, floor)), quantity)
    shapes = [*_levels(quantity, groups, curves, captions), *_alarms(groups, curves)]
    layout: Chart = {
        "xaxis": {"title": {"text": "iteration"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": text(quantity.unit)}, **_scale(floor, list(curves.values()))},
        "shapes": shapes,
    }
    if floor is None:
        _tame(layout, list(curves.values()), captions)
    last = [
        f"{groups[i].name} ends at {plain(float(found.y[np.isfinite(found.y)][-1]))}" for i, found in curves.items()
    ]
    return {
        "key": quantity.key,
        "label": quantity.label,
        "unit": quantity.unit,
        "data": data,
        "layout": layout,
        "captions": captions,
        "summary": f"{quantity.label} ({quantity.unit}) over iterations: {'; '.join(last)}.",
    }


def plotted(plot: Plot) -> Chart:
    """A figure of lines, points and arrows; a trace's `meta` is its colour's number and role, as in `chart`."""
    data = [_stroke(stroke) for stroke in plot.strokes]
    layout: Chart = {"hovermode": "closest", "legend": {"orientation": "h", "y": -0.25, "font": {"size": 11}}}
    for axis, words in (("x", plot.x), ("y", plot.y)):
        layout[f"{axis}axis"] = {"title": {"text": text(words)}, "tickformat": "~g", "hoverformat": ".4~g"}
        if axis in plot.log:
            layout[f"{axis}axis"] |= {"type": "log", "exponentformat": "power"}
    if plot.square:
        layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain"}
        layout["xaxis"] |= {"constrain": "domain"}
    if not any(stroke.name for stroke in plot.strokes):
        del layout["legend"]
    captions = [plot.note] if plot.note else []
    named = [stroke.name for stroke in plot.strokes if stroke.name]
    summary = f"{plot.title}: {plot.y} over {plot.x}" + (f"; {', '.join(named)}." if named else ".")
    return {
        "key": plot.name,
        "label": plot.title,
        "data": data,
        "layout": layout,
        "captions": captions,
        "summary": summary,
    }


def _stroke(stroke: Stroke) -> Chart:
    x, y = (stroke.x, stroke.y) if stroke.kind != "arrows" else arrow_paths(stroke, spacing(stroke))
    own = {"x": rounded(np.asarray(x, dtype=np.float64)), "y": rounded(np.asarray(y, dtype=np.float64))}
    role = "points" if stroke.kind == "points" else "quiet" if stroke.colour is None else "line"
    trace: Chart = {"type": "scatter", "mode": "markers" if role == "points" else "lines", **own}
    trace |= {
        "name": text(stroke.name),
        "showlegend": bool(stroke.name),
        "meta": {"group": stroke.colour or 0, "role": role},
    }
    return trace | ({"hoverinfo": "skip"} if role == "quiet" else {})


def _traces(i: int, name: str, found: Curve, quantity: Quantity) -> list[Chart]:
    x = [int(at) for at in found.x.tolist()]
    traces: list[Chart] = []
    if found.low is not None and found.high is not None:
        edge = {"type": "scatter", "mode": "lines", "x": x, "hoverinfo": "skip", "showlegend": False}
        line = {"width": 0}
        traces += [
            {**edge, "y": rounded(found.low), "line": line, "meta": {"group": i, "role": "edge"}},
            {**edge, "y": rounded(found.high), "line": line, "fill": "tonexty", "meta": {"group": i, "role": "band"}},
        ]
    told = text(name).replace("%{", "% {")
    value = {
        "type": "scatter",
        "mode": "lines" if len(x) > 2 else "lines+markers",
        "x": x,
        "y": rounded(found.y),
        "name": told,
        "hovertemplate": f"%{{y:.4~g}}  {told}<extra></extra>",
        "showlegend": False,
        "meta": {"group": i, "role": "line"},
    }
    return [*traces, value]


def _floor(curves: Sequence[Curve]) -> float | None:
    """Where zeros stand on a log axis; None for values that a log axis cannot show, or that need none."""
    values = np.concatenate([found.y[np.isfinite(found.y)] for found in curves])
    positive = values[values > 0]
    if not positive.size or (values < 0).any() or values.max() < STRAIGHT * values.min():
        return None
    return float(positive.min()) / (10.0 if positive.size < values.size else 1.0)


def _scale(floor: float | None, curves: Sequence[Curve]) -> Chart:
    """The kind of axis; a log one has a handful of ticks, powers of ten where there are enough of them."""
    if floor is None:
        return {"type": "linear", "nticks": 6}
    high = max(float(np.nanmax(row)) for found in curves for row in found.rows)
    low, top = int(np.floor(np.log10(floor))), int(np.ceil(np.log10(high)))
    if high >= 100 * floor:
        return {"type": "log", "dtick": max(1, -(-(top - low) // 5)), "exponentformat": "power"}
    ticks = [digit * 10.0**power for power in range(low, top + 1) for digit in (1, 2, 5)]
    ticks = [tick for tick in ticks if 0.8 * floor <= tick <= 1.25 * high]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _lifted(found: Curve, floor: float | None) -> Curve:
    """The curve with nothing below the floor: a mean minus its deviation may be negative."""
    if floor is None:
        return found
    low, high = (None if edge is None else np.maximum(edge, floor) for edge in (found.low, found.high))
    return Curve(found.x, np.maximum(found.y, floor), low, high)


def _levels(
    quantity: Quantity, groups: Sequence[RunGroup], curves: dict[int, Curve], captions: list[str]
) -> list[Chart]:
    """Dashed lines: where the loss is at equilibrium, or a value to compare with."""
    if quantity.key not in EQUILIBRIUM:
        if quantity.ideal is None:
            return []
        captions.append(f"Dashed: {quantity.ideal:g}" + (f", {quantity.meaning}." if quantity.meaning else "."))
        return [_line(quantity.ideal, None)]
    levels = {i: groups[i].first.equilibrium[EQUILIBRIUM[quantity.key]] for i in curves}
    known = {i: level for i, level in levels.items() if level is not None}
    if not known:
        captions.append("This loss has no fixed equilibrium, or it is not known.")
        return []
    if len({round(level, 9) for level in levels.values() if level is not None}) == 1 and len(known) == len(levels):
        level = next(iter(known.values()))
        captions.append(f"Dashed: equilibrium, {level:.3f}.")
        return [_line(level, None)]
    told = ", ".join(f"{groups[i].name} {'none' if lv is None else format(lv, '.3f')}" for i, lv in levels.items())
    captions.append(f"Dashed: equilibrium, {told}.")
    return [_line(level, i) for i, level in known.items()]


def _line(level: float, group: int | None) -> Chart:
    """A level across the chart; its `name` says whose colour it has."""
    name = "level" if group is None else f"level-{group}"
    across: Chart = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "name": name}
    return across | {"line": {"width": 1.2, "dash": "dash"}}


def _alarms(groups: Sequence[RunGroup], curves: dict[int, Curve]) -> list[Chart]:
    """A thin line where a run's verdict turned bad."""
    turns = [(i, turn) for i in curves for run in groups[i].runs for turn in run.turns]
    found = sorted({(turn.iteration, i) for i, turn in turns if tone(turn.verdict) == "bad"})
    upright: Chart = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 1, "dash": "dot"}}
    return [upright | {"x0": at, "x1": at, "name": f"alarm-{i}"} for at, i in found[:MARKS]]


def _tame(layout: Chart, curves: Sequence[Curve], captions: list[str]) -> None:
    """Where few values dwarf all others, the axis shows the others, and a caption tells what is beyond."""
    values, at = (np.concatenate(rows) for rows in zip(*((found.y, found.x) for found in curves), strict=True))
    at, values = at[np.isfinite(values)], values[np.isfinite(values)]
    low, high = (float(edge) for edge in np.percentile(values, [2, 98]))
    usual = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    if float(values.max()) - float(values.min()) <= DWARFED * usual:
        return
    worst = int(np.abs(values - np.median(values)).argmax())
    layout["yaxis"]["range"] = [low - 0.3 * usual, high + 0.3 * usual]
    captions.append(
        f"Beyond the axis: {plain(float(values[worst]))} at iteration {at[worst]:,.0f}. Double-click to show all."
    )


def thinned(whole: Curve, most: int = MOST) -> Curve:
    """At most about `most` points of a curve, including its first and last.

    The points are cut into equal stretches. Of each, those where a row (the values, an edge of the band) is smallest
    and largest are kept, and one that is not finite: no peak is lost, and a gap remains a gap.
    """
    count = len(whole.x)
    if count <= most:
        return whole
    stretches = max(1, (most - 2) // (2 * len(whole.rows) + 1))
    kept = {0, count - 1}
    edges = np.linspace(0, count, stretches + 1).astype(np.int64).tolist()
    for row in whole.rows:
        finite = np.isfinite(row)
        below, above = np.where(finite, row, np.inf), np.where(finite, row, -np.inf)
        for begin, end in pairwise(edges):
            kept |= {begin + int(below[begin:end].argmin()), begin + int(above[begin:end].argmax())}
            kept |= {begin + int(gap) for gap in np.flatnonzero(~finite[begin:end])[:1]}
    index = np.array(sorted(kept))
    low, high = (None if edge is None else edge[index] for edge in (whole.low, whole.high))
    return Curve(whole.x[index], whole.y[index], low, high)


def rounded(values: Floats, digits: int = 5) -> list[float | None]:
    """Values for JSON, with this many significant digits; None for what is not finite."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values.tolist()]
