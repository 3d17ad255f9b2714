"""The strokes of a curve: lines broken at NaNs, log axes that say where zeros are, scales that survive an explosion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import INK, QUIET
from .series import Floats, Series, running

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTH_FROM = 60  # values from which on a smoothed line is drawn over the raw one


def draw_line(
    axes: Axes, curve: Series, colour: str, label: str | None, dashes: Any = "-", smooth: bool = False
) -> None:
    """The values as a line; when `smooth`, a long curve as its running median over the raw values, drawn thin.

    On a log axis, whose lower limit must be set before, zeros are triangles at its foot.
    """
    if not curve.drawable:
        return
    x, y = curve
    if axes.get_yscale() == "log":
        zero = x[y <= 0.0]
        if zero.size:
            foot = np.full(len(zero), axes.get_ylim()[0])
            axes.plot(zero, foot, color=colour, marker="v", markersize=4, linestyle="", clip_on=False)
        y = np.where(y > 0.0, y, np.nan)
    if smooth and len(y) >= SMOOTH_FROM:
        axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.3)
        width = max(5, len(y) // 30)
        y = running(np.mean, running(np.median, y, width), width)
    axes.plot(x, y, color=colour, linestyle=dashes, label=label, marker="o" if len(x) < 3 else "", markersize=4)


def name_non_finite(axes: Axes, curve: Series, label: str) -> None:
    """A line where a value stopped being a number: an event of the run, not a gap in the picture."""
    first = curve.first_non_finite
    if first is not None:
        axes.axvline(first, color=INK, linestyle=":", linewidth=1.2, label=f"{label} not finite from {first:,.0f}")


def log_axis(axes: Axes, curves: Iterable[Series]) -> None:
    """A log axis that holds every positive value, with a decade of room below them when there are zeros."""
    from matplotlib.ticker import LogLocator, NullFormatter

    found = finite(curves)
    positive = found[found > 0.0]
    axes.set_yscale("log")
    if positive.size:
        low, high = float(positive.min()), float(positive.max())
        axes.set_ylim(low / (10.0 if positive.size < found.size else 1.5), high * 1.5)
        if high < 30.0 * low:  # too short for powers of ten alone
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())


def tame(axes: Axes, curves: Iterable[Series]) -> None:
    """Linear near zero and logarithmic beyond when a few values dwarf all others; otherwise linear."""
    found = finite(curves)
    usual = max(float(np.median(np.abs(found))), 1e-12) if found.size else 1.0
    if not found.size or np.abs(found).max() <= 200.0 * usual:
        axes.margins(y=0.08)
        return
    low, high, straight = float(found.min()), float(found.max()), 3.0 * usual
    axes.set_yscale("symlog", linthresh=straight, linscale=2.0)
    axes.set_ylim(min(low - usual, low * 2.0, 0.0), max(high + usual, high * 2.0, 0.0))


def finite(curves: Iterable[Series]) -> Floats:
    """Every finite value of the curves, in one row."""
    values = [curve.value[np.isfinite(curve.value)] for curve in curves]
    return np.concatenate(values) if values else np.zeros(0)


def say_empty(axes: Axes) -> None:
    """What a figure shows when there is nothing to draw."""
    axes.clear()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no records yet", ha="center", va="center", transform=axes.transAxes, color=QUIET)
