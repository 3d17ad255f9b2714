"""A figure as plain numbers: lines, points and arrows over two axes, from which both pages and pictures are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from .canvas import CYCLE, DASHES, QUIET, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = Sequence[float]


class Stroke(NamedTuple):
    """A line, points, or arrows of (u, v) at (x, y); `colour` is a number, or None for a quiet one."""

    x: Floats
    y: Floats
    name: str = ""
    kind: Literal["line", "points", "arrows"] = "line"
    colour: int | None = 0
    u: Floats = ()
    v: Floats = ()


@dataclass(frozen=True)
class Plot:
    """Strokes over two axes with labels; name: of its file; log: the axes that are logarithmic."""

    name: str
    title: str
    x: str
    y: str
    strokes: tuple[Stroke, ...]
    log: Literal["", "x", "y", "xy"] = ""
    note: str = ""
    square: bool = False  # both axes have one scale


def arrow_paths(stroke: Stroke, length: float) -> tuple[list[float], list[float]]:
    """Arrows as one broken line, shaft and head, separated by NaN; the longest is `length`, short ones grow by a root.

    Directions are those of (u, v), so both axes of the figure must have the same scale.
    """
    x, y, u, v = (np.asarray(own, dtype=np.float64) for own in (stroke.x, stroke.y, stroke.u, stroke.v))
    size = np.hypot(u, v)
    scale = np.where(size > 0, length * np.sqrt(size / max(float(size.max(initial=0.0)), 1e-300)) / (size + 1e-300), 0)
    u, v = u * scale, v * scale
    ends = np.stack([x + u / 2, y + v / 2])
    head = [ends - 0.35 * np.stack([u + s * 0.6 * v, v - s * 0.6 * u]) for s in (1, -1)]
    gap = np.full_like(ends, np.nan)
    path = np.stack([np.stack([x - u / 2, y - v / 2]), ends, head[0], ends, head[1], gap], axis=-1)
    across, up = path.reshape(2, -1)
    return across.tolist(), up.tolist()


def draw_plot(plot: Plot, path: str | Path, width: float = 4.6, height: float = 3.4) -> None:
    """Writes the figure to `path`, whose suffix determines the format; the note is not drawn."""
    with canvas(path, width, height, plot.title) as figure:
        axes = figure.subplots()
        for stroke in plot.strokes:
            _draw(axes, stroke, plot)
        axes.set_xlabel(plot.x)
        axes.set_ylabel(plot.y)
        for axis in plot.log:
            getattr(axes, f"set_{axis}scale")("log")
        if plot.square:
            axes.set_aspect("equal")
        axes.grid(visible=True)
        if any(stroke.name for stroke in plot.strokes):
            axes.legend(fontsize=7.0)


def _draw(axes: Axes, stroke: Stroke, plot: Plot) -> None:
    colour = QUIET if stroke.colour is None else CYCLE[stroke.colour % len(CYCLE)]
    label = stroke.name or None
    if stroke.kind == "points":
        axes.plot(stroke.x, stroke.y, ls="", marker="o", ms=4.0, color=colour, label=label)
    elif stroke.kind == "arrows":
        axes.plot(*arrow_paths(stroke, spacing(stroke)), lw=0.7, color=colour, label=label, zorder=0)
    else:
        dash = "-" if stroke.colour is None else DASHES[stroke.colour % len(DASHES)]
        axes.plot(stroke.x, stroke.y, ls=dash, color=colour, label=label)


def spacing(stroke: Stroke) -> float:
    """The arrows' spacing: the smallest distance between two columns."""
    steps = np.diff(np.unique(np.asarray(stroke.x, dtype=np.float64).round(9)))
    return float(steps.min()) if len(steps) else 1.0
