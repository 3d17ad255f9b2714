"""Pictures of what a generator makes in the plane and beyond: points over the critic's surface, pairs of columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .canvas import INK, canvas
from .clouds import (
    Array,
    Snapshot,
    column_limits,
    draw_clouds,
    draw_histogram,
    draw_surface,
    logit_scale,
    pick_panels,
    share_outside,
    view,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 5


def evolution_strip(
    real: Array,
    snapshots: Sequence[Snapshot | tuple[Any, ...]],
    path: str | Path,
    title: str | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Real and generated points at up to six iterations, the critic's logit as the ground they lie on.

    real: (n, 2); snapshots: see `Snapshot`; `names` label the two axes. All panels share axes and colour scale, so that
    a surface that steepens is seen to. Raises InputError when there is no snapshot or the points are not 2-D.
    """
    ordered = sorted((Snapshot(*snapshot) for snapshot in snapshots), key=lambda s: s.iteration)
    if not ordered:
        raise InputError("expected at least one snapshot, got none: draw the strip after a tick")
    for name, cloud in [("real", real), *((f"iteration {s.iteration}", s.points) for s in ordered)]:
        if np.ndim(cloud) != 2 or np.shape(cloud)[1] != 2:
            raise InputError(f"expected points (n, 2), got {np.shape(cloud)} for {name}: use scatter_matrix instead")
    labels = axis_labels(names, 2)
    shown = [ordered[i] for i in pick_panels([s.iteration for s in ordered])]
    columns = len(shown) if len(shown) <= 3 else -(-len(shown) // 2)
    rows = -(-len(shown) // columns)
    box = view(real, shown)
    xmin, xmax, ymin, ymax = box
    centre, half = logit_scale([s.surface for s in shown if s.surface is not None])
    height = 2.75 * min(1.4, max(0.6, (ymax - ymin) / (xmax - xmin)))
    width = 2.75 * columns + (0.5 if all(s.surface is None for s in shown) else 1.3)
    with canvas(path, width, (height + 0.3) * rows + 0.9, title, layout="compressed") as figure:
        grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel())
        panels, ground = grid[: len(shown)], None
        for i, (axes, snapshot) in enumerate(zip(panels, shown, strict=True)):
            if snapshot.surface is not None and snapshot.extent is not None:
                ground = draw_surface(axes, snapshot.surface, snapshot.extent, centre, half)
            draw_clouds(axes, real, snapshot.points, most=2500)
            outside = share_outside(snapshot.points, box)
            axes.set_title(
                f"iteration {snapshot.iteration:,}" + (f" ({outside:.0%} outside)" if outside >= 0.01 else "")
            )
            axes.set(xlim=(xmin, xmax), ylim=(ymin, ymax), aspect="equal")
            axes.spines[["top", "right"]].set_visible(True)
            axes.locator_params(nbins=5)
            lowest = i + columns >= len(shown)
            axes.tick_params(labelbottom=lowest, labelleft=i % columns == 0)
            axes.set_xlabel(labels[0] if lowest else "")
            axes.set_ylabel(labels[1] if i % columns == 0 else "")
        for axes in grid[len(shown) :]:
            axes.set_visible(False)
        if ground is not None:
            bar = figure.colorbar(ground, ax=panels, fraction=0.03, pad=0.015, aspect=30, extend="both")
            bar.set_label("←  fake      critic's logit $d(x)$      real  →")
            bar.outline.set_visible(False)
        cloud_legend(figure, panels[0], None if ground is None else f"$d(x) = {centre:.3g}$")


def axis_labels(names: Sequence[str] | None, count: int) -> list[str]:
    """The first `count` names, cut if too long, with no sign read as a formula; numbered ones if there are none."""
    if names is None:
        return [f"$x_{i + 1}$ (data units)" for i in range(count)]
    return [(name if len(name) <= 24 else f"{name[:21]}...").replace("$", r"\$") for name in names[:count]]


def cloud_legend(figure: Figure, axes: Axes, line: str | None = None, title: str | None = None) -> None:
    """The legend of a figure of clouds, below the panels and over none of them."""
    from matplotlib.lines import Line2D

    handles, labels = axes.get_legend_handles_labels()
    if line is not None:
        handles, labels = [*handles, Line2D([], [], color=INK, linewidth=0.9, alpha=0.7)], [*labels, line]
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title, markerscale=1.5)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def scatter_matrix(
    real: Array, fake: Array, path: str | Path, title: str | None = None, names: Sequence[str] | None = None
) -> None:
    """Every pair of columns of real and generated points, and the density of each column along the diagonal.

    real (n, d), fake (m, d); `names` label the d columns. The first five columns are drawn when there are more, and
    the limits are those of the real points. Raises InputError when the two do not have the same d >= 1.
    """
    if np.ndim(real) != 2 or np.ndim(fake) != 2 or real.shape[1] != fake.shape[1] or real.shape[1] < 1:
        raise InputError(f"expected real (n, d) and fake (m, d), got {np.shape(real)} and {np.shape(fake)}")
    total = real.shape[1]
    d = min(total, MOST_COLUMNS)
    labels = axis_labels(names, d)
    limits = [column_limits(real[:, i], 0.15) for i in range(d)]
    size = 2.2 if d <= 3 else 1.7
    with canvas(path, size * d + 0.6, size * d + 0.8, title) as figure:
        grid: list[list[Axes]] = figure.subplots(d, d, squeeze=False).tolist()
        for row, column in np.ndindex(d, d):
            axes = grid[row][column]
            if column > row:
                axes.set_visible(False)
            elif column == row:
                draw_histogram(axes, real[:, row], fake[:, row], limits[row])
            else:
                draw_clouds(axes, real[:, [column, row]], fake[:, [column, row]], most=1000)
                axes.set_ylim(*limits[row])
                axes.locator_params(axis="y", nbins=4)
            axes.set_xlim(*limits[column])
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(labelbottom=row == d - 1, labelleft=column == 0)
            axes.set_xlabel(labels[column] if row == d - 1 else "")
            axes.set_ylabel("" if column else labels[row] if row else "density")
        figure.align_ylabels()
        note = f"the first {d} of {total} columns" if total > d else None
        cloud_legend(figure, grid[-1][0], title=note)
