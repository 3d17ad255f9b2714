"""Curves over a run's records: losses against their equilibrium, gradient norms, metrics, several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..numbers import DEAD_GRADIENT
from .canvas import CYCLE, DASHES, DISCRIMINATOR, FAKE, GENERATOR, QUIET, canvas, iteration_axis
from .lines import draw_line, log_axis, name_non_finite, say_empty, tame
from .series import Records, Series, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Quantity(NamedTuple):
    """How one key of the records is drawn."""

    key: str
    label: str
    kind: str = "value"  # "value", "count", "share" (from 0 to about 1) or "log"
    ideal: float | None = None  # a value to compare with, drawn as a dotted line


QUALITY = (
    Quantity("modes", "modes found", "count"),
    Quantity("high_quality", "high-quality share", "share"),
    Quantity("emptiest_mode", "emptiest mode / even share", "share", ideal=1.0),
    Quantity("balance", "balance (1: as even as real)", "share", ideal=1.0),
    Quantity("energy_distance", "energy distance (data units)", "log"),
    Quantity("mode_kl", "KL of modes to data (nats)", "log"),
)
FIRST = ("modes", "emptiest_mode", "balance")  # what a comparison shows when it must choose
WHY = (
    Quantity("d_loss", "D loss, without penalties"),
    Quantity("g_loss", "G loss"),
    Quantity("gradient_max", r"max $\|\nabla_y L_G(y)\|$ (loss / data unit)", "log"),
)
NORMS = (
    ("gradient_mean", FAKE, DASHES[0], r"$\|\nabla_y L_G(y)\|$, mean"),
    ("gradient_max", FAKE, DASHES[2], r"$\|\nabla_y L_G(y)\|$, max"),
    ("d_gradient_mean", DISCRIMINATOR, DASHES[0], r"$\|\nabla_y d(y)\|$, mean"),
    ("d_gradient_max", DISCRIMINATOR, DASHES[2], r"$\|\nabla_y d(y)\|$, max"),
)
CONCENTRATION = (
    Quantity("gradient_max_over_mean", "max / mean", "log"),
    Quantity("gradient_top1_share", "share held by\ntop 1 % of samples", "share"),
)


def loss_curves(
    records: Records, equilibrium: tuple[float | None, float | None], path: str | Path, title: str | None = None
) -> None:
    """The losses of both players, without penalties, against the values they have when generated equals real.

    records: mappings with `iteration`, `d_loss`, `g_loss` (missing values are passed over, non-finite ones named);
    equilibrium: (D, G) in the loss's own unit, None where it is free. A D loss that drifts below its line while the
    G loss drifts above its own is the sign of collapse [tao2020].
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
    """Norms of what G receives and of the critic's input gradient on a log axis, and how few samples hold them.

    records: mappings with `iteration` and any of `gradient_mean`, `gradient_max` (per sample ||grad_y L_G(y)||, loss
    per data unit), `d_gradient_mean`, `d_gradient_max` (||grad_y d(y)||, logits per data unit),
    `gradient_max_over_mean`, `gradient_top1_share`. A maximum that climbs away from its mean is the explosion that
    precedes collapse [tao2020]. Zeros, which a log axis cannot show, are triangles at its foot.
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
            draw_quantity(axes, {"": curve}, quantity, (FAKE,))
        finish(figure, stack, top, any(curve.drawable for curve, *_ in norms))
        figure.align_ylabels()


def metric_curves(records: Records, path: str | Path, title: str | None = None) -> None:
    """What was measured against real data, one panel for each metric that the records hold.

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
    """Several runs side by side: what they reached in the first row, why in the second (losses and largest gradient).

    runs: name -> records, drawn in this order, each with its own colour and dashes; equilibrium: (D, G), where the
    runs share a loss. Of the metrics, three that any run holds are drawn.
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
    """One small panel per quantity that any run holds, three to a row, and one legend for all when there are runs."""
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


def draw_quantity(axes: Axes, curves: Mapping[str, Series], quantity: Quantity, colours: Sequence[str]) -> None:
    """One quantity of one or several runs, with the line to compare it with."""
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
    axes.set_ylabel(quantity.label)
    if quantity.kind == "share":
        high = max([1.0, *(float(np.nanmax(curve.value)) for curve in values)])
        axes.set_ylim(-0.03 * high, 1.06 * high)
    elif quantity.kind == "count":
        axes.locator_params(axis="y", integer=True)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def finish(figure: Figure, stack: Sequence[Axes], legend_of: Axes, drawable: bool) -> None:
    """Iterations along x and one legend below, or the word that there is nothing to draw."""
    for axes in stack:
        iteration_axis(axes, label=axes is stack[-1])
    if not drawable:
        say_empty(legend_of)
        return
    handles, labels = legend_of.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
