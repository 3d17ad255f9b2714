"""Curves over a run's records: losses against their equilibrium, gradient norms, metrics, several runs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display.glimpse import FAKE
from ..quantities import DEAD_GRADIENT, KNOWN, Quantity
from .canvas import CYCLE, DASHES, DISCRIMINATOR, GENERATOR, INK, QUIET, canvas, iteration_axis
from .series import Floats, Records, Series, running, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


QUALITY = tuple(KNOWN[k] for k in ("modes", "high_quality", "emptiest_mode", "balance", "energy_distance", "mode_kl"))
FIRST = ("modes", "emptiest_mode", "balance")  # what a comparison shows when it must choose
WHY = tuple(KNOWN[key] for key in ("d_loss", "g_loss", "gradient_max"))
CONCENTRATION = tuple(KNOWN[key] for key in ("gradient_max_over_mean", "gradient_top1_share"))
SMOOTH_FROM = 60  # values from which on a smoothed line is drawn over the raw one
NORMS = (
    ("gradient_mean", FAKE, DASHES[0], r"$\|\nabla_y L_G(y)\|$, mean"),
    ("gradient_max", FAKE, DASHES[2], r"$\|\nabla_y L_G(y)\|$, max"),
    ("d_gradient_mean", DISCRIMINATOR, DASHES[0], r"$\|\nabla_y d(y)\|$, mean"),
    ("d_gradient_max", DISCRIMINATOR, DASHES[2], r"$\|\nabla_y d(y)\|$, max"),
)


def loss_curves(
    records: Records, equilibrium: tuple[float | None, float | None], path: str | Path, title: str | None = None
) -> None:
    """The losses of both players, without penalties, against their values when generated equals real.

    records: mappings with `iteration`, `d_loss`, `g_loss` (missing values are skipped, non-finite ones named);
    equilibrium: (D, G) in the loss's own unit, None where there is no fixed value. A D loss that drifts below its line
    while the G loss drifts above its own is the sign of collapse [tao2020].
    """
    players = (
        ("D", series(records, "d_loss"), DISCRIMINATOR, equilibrium[0]),
        ("G", series(records, "g_loss"), GENERATOR, equilibrium[1]),
    )
    with canvas(path, 7.0, 3.6, title) as figure:
        axes = figure.subplots()
        tame(axes, [curve for _, curve, _, _ in players])
        for name, curve, colour, level in players:
            draw_line(axes, curve, colour, f"{name} loss", smooth=True)
            if level is not None:
                label = f"{name} at equilibrium: {level:.3f}"
                axes.axhline(level, color=colour, linestyle=(0, (4, 2)), linewidth=1.1, label=label)
            name_non_finite(axes, curve, f"{name} loss")
        axes.set_ylabel("loss, without penalties")
        finish(figure, [axes], axes, any(curve.drawable for _, curve, _, _ in players))


def gradient_curves(records: Records, path: str | Path, title: str | None = None) -> None:
    """Norms of what G receives and of the critic's input gradient on a log axis, and how few samples dominate.

    records: mappings with `iteration` and any of `gradient_mean`, `gradient_max` (per sample ||grad_y L_G(y)||, loss
    per data unit), `d_gradient_mean`, `d_gradient_max` (||grad_y d(y)||, logits per data unit),
    `gradient_max_over_mean`, `gradient_top1_share`. A maximum that climbs away from its mean is the explosion that
    precedes collapse [tao2020]. Zeros, which a log axis cannot show, are drawn as triangles at its bottom.
    """
    norms = [(series(records, key), colour, dashes, label) for key, colour, dashes, label in NORMS]
    below = [(q, curve) for q in CONCENTRATION if (curve := series(records, q.key)).drawable]
    ratios = [2.6] + [1.0] * len(below)
    with canvas(path, 7.0, 3.6 + 1.3 * len(below), title) as figure:
        grid = figure.subplots(len(ratios), 1, squeeze=False, sharex=True, height_ratios=ratios)
        stack: list[Axes] = grid.ravel().tolist()
        top = stack[0]
        log_axis(top, [curve for curve, *_ in norms])
        for curve, colour, dashes, label in norms:
            draw_line(top, curve, colour, label, dashes=dashes)
        for curve, _, _, label in norms:
            name_non_finite(top, curve, label)
        top.set_ylabel("gradient norm on fakes\n(loss or logit / data unit)")
        if top.get_ylim()[0] < 100.0 * DEAD_GRADIENT:
            label = "dead discriminator: mean below $10^{-8}$"
            top.axhline(DEAD_GRADIENT, color=QUIET, linestyle=":", linewidth=1.2, label=label)
        for axes, (quantity, curve) in zip(stack[1:], below, strict=True):
            draw_quantity(axes, {"": curve}, quantity, (FAKE,), widest=16)
        finish(figure, stack, top, any(curve.drawable for curve, *_ in norms))
        figure.align_ylabels()


def metric_curves(records: Records, path: str | Path, title: str | None = None) -> None:
    """Metrics against real data, with one panel for each metric in the records.

    records: mappings with `iteration` and any of `modes`, `high_quality`, `emptiest_mode`, `balance`,
    `energy_distance`, `mode_kl`.
    """
    panels(QUALITY, {"": records}, path, title, (FAKE,))


def comparison(
    runs: Mapping[str, Records],
    path: str | Path,
    title: str | None = None,
    equilibrium: tuple[float | None, float | None] = (None, None),
) -> None:
    """Several runs side by side: their results in the first row, the reasons in the second (losses, largest gradient).

    runs: name -> records, drawn in this order, each with its own colour and dashes; equilibrium: (D, G), if the runs
    share a loss. At most three of the runs' metrics are drawn.
    """
    held = [q for q in QUALITY if any(series(records, q.key).drawable for records in runs.values())]
    reached = [*(q for q in held if q.key in FIRST), *(q for q in held if q.key not in FIRST)][:3]
    why = [q._replace(ideal=level) for q, level in zip(WHY, (*equilibrium, None), strict=True)]
    panels([*reached, *why], runs, path, title)


def panels(
    quantities: Sequence[Quantity],
    runs: Mapping[str, Records],
    path: str | Path,
    title: str | None,
    colours: Sequence[str] = CYCLE,
) -> None:
    """One small panel for each quantity that any run has, three to a row, and one legend for all if there are runs."""
    curves = {q: {name: series(records, q.key) for name, records in runs.items()} for q in quantities}
    shown = [q for q in quantities if any(curve.drawable for curve in curves[q].values())]
    columns = min(3, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    with canvas(path, 3.3 * columns + (1.2 if columns == 1 else 0.2), 2.3 * rows + 0.7, title) as figure:
        grid: list[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for axes, quantity in zip(grid, shown, strict=False):
            draw_quantity(axes, curves[quantity], quantity, colours)
        for i, axes in enumerate(grid):
            iteration_axis(axes, label=i + columns >= len(shown))
            axes.set_visible(i < max(1, len(shown)))
        if not shown:
            say_empty(grid[0])
        found = [axes.get_legend_handles_labels() for axes in grid]
        entries = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
        if len(entries) > 1:
            figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=min(4, len(entries)))


def draw_quantity(
    axes: Axes, curves: Mapping[str, Series], quantity: Quantity, colours: Sequence[str], widest: int = 32
) -> None:
    """One quantity of one or several runs, with the line to compare it with; widest: characters of a label's line."""
    values = [curve for curve in curves.values() if curve.drawable]
    if quantity.kind == "log":
        log_axis(axes, values)
    elif quantity.kind == "value":
        tame(axes, values)
    for i, (name, curve) in enumerate(curves.items()):
        label = name or None
        draw_line(axes, curve, colours[i % len(colours)], label, DASHES[i % len(DASHES)], smooth=len(curves) > 1)
    if quantity.ideal is not None:
        axes.axhline(quantity.ideal, color=QUIET, linestyle=":", linewidth=1.2)
    told = [quantity.short, f"({quantity.unit})"] if quantity.log else [quantity.short]
    axes.set_ylabel(" ".join(told) if len(" ".join(told)) <= widest else "\n".join(fill(part, widest) for part in told))
    if quantity.kind == "share":
        high = max([1.0, *(float(np.nanmax(curve.value)) for curve in values)])
        axes.set_ylim(-0.03 * high, 1.06 * high)
    elif quantity.kind == "count":
        axes.locator_params(axis="y", integer=True)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def finish(figure: Figure, stack: Sequence[Axes], legend_of: Axes, drawable: bool) -> None:
    """Iterations along x and one legend below, or a note that there is nothing to draw."""
    for axes in stack:
        iteration_axis(axes, label=axes is stack[-1])
    if not drawable:
        say_empty(legend_of)
        return
    handles, labels = legend_of.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)


def draw_line(
    axes: Axes, curve: Series, colour: str, label: str | None, dashes: Any = "-", smooth: bool = False
) -> None:
    """The values as a line; when `smooth`, a long curve as its running median over thin raw values.

    On a log axis, whose lower limit must be set before, zeros are triangles at its bottom.
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
    """A line where a value stopped being finite: an event of the run, not a gap in the picture."""
    first = curve.first_non_finite
    if first is not None:
        axes.axvline(first, color=INK, linestyle=":", linewidth=1.2, label=f"{label} not finite from {first:,.0f}")


def log_axis(axes: Axes, curves: Iterable[Series]) -> None:
    """A log axis for every positive value, with a decade of room below them when there are zeros."""
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
    """All finite values of the curves, in one array."""
    values = [curve.value[np.isfinite(curve.value)] for curve in curves]
    return np.concatenate(values) if values else np.zeros(0)


def say_empty(axes: Axes) -> None:
    """The note on a figure when there is nothing to draw."""
    axes.clear()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no records yet", ha="center", va="center", transform=axes.transAxes, color=QUIET)
