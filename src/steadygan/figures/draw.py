"""Runs in, a picture out: as PNG and PDF, with the numbers behind it in a file beside."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..files import beside
from ..quantities import KNOWN, Quantity
from ..recipes import RECIPES
from ..recipes.papers import TABLES, Published
from ..runs.folder import RunFolder
from ..runs.records import read_records
from ..viz import Snapshot
from ..viz.canvas import CYCLE, DASHES, INK, QUIET, canvas, iteration_axis, without_backend
from ..viz.clouds import draw_clouds, draw_surface, logit_scale, view
from ..viz.curves import log_axis, tame
from ..viz.scatter import cloud_legend
from ..viz.series import Series, series
from .figure import Clouds, Curves, Field, Final, Grids, Group, PaperFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Runs = Mapping[str, Sequence[RunFolder]]  # of each recipe, seed by seed


class Shot(NamedTuple):
    """A panel of points: of which run, what was asked for and what there is."""

    label: str
    snapshot: Snapshot
    slope: Any  # (rows, columns, 2), as it was kept, or None


def draw(figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> list[Path]:
    """Draws a figure to `stem`.png and .pdf, its data to `stem`.csv or .npz; the paths.

    Raises InputError where a run that it shows has no samples, or no records, yet.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    return [*drawn(figure.drawing, figure, runs, stem, scale)]


@singledispatch
def drawn(drawing: object, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    """The files of one kind of drawing."""
    raise NotImplementedError(type(drawing).__name__)


def sizes(recipe: str, scale: str) -> tuple[int, int]:
    """The length of a recipe in full, and at this scale."""
    return RECIPES[recipe]().horizon, RECIPES[recipe](scale=scale).horizon


def shot(folder: RunFolder, label: str, at: int) -> Shot:
    """What the run made at this iteration, or at the nearest one that was kept."""
    shots = {int(path.stem): path for path in folder.shots(".npz")}
    if not shots:
        raise InputError(f"expected samples in {folder.samples}, found none: train the run to its end")
    nearest = min(shots, key=lambda iteration: abs(iteration - at))
    with np.load(shots[nearest]) as arrays:
        kept = Snapshot(nearest, arrays["points"], arrays.get("surface"), arrays.get("extent"))
        return Shot(label, kept, arrays.get("slope"))


def real_of(folder: RunFolder) -> Any:
    """The real points that a run kept."""
    if not folder.real.exists():
        raise InputError(f"expected real points in '{folder.real}', found none: train the run to its end")
    with np.load(folder.real) as arrays:
        return arrays["points"]


@drawn.register(Clouds)
@drawn.register(Field)
def _points(drawing: Clouds | Field, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    lines = [line for group in figure.groups for line in group.lines]
    shots: list[list[Shot]] = []
    for recipe, label in lines:
        full, length = sizes(recipe, scale)
        shots.append([shot(runs[recipe][0], label, at * length // full) for at in drawing.at])
    reals = [real_of(runs[recipe][0]) for recipe, _ in lines]
    alone = len(lines) == 1
    panels = shots if alone else [list(row) for row in zip(*shots, strict=True)]
    arrays: dict[str, Any] = {}
    for (_, label), real in zip(lines, reals, strict=True):
        arrays[f"{label}: real"] = real
    for own in shots:
        for each in own:
            for key, value in (("points", each.snapshot.points), ("surface", each.snapshot.surface),
                               ("extent", each.snapshot.extent), ("slope", each.slope)):  # fmt: skip
                if value is not None:
                    arrays[f"{each.label}, {each.snapshot.iteration}: {key}"] = value
    for suffix in (".png", ".pdf"):
        rows, columns = len(panels), len(panels[0])
        with canvas(stem.with_suffix(suffix), 2.7 * columns + 0.4, 2.8 * rows + 0.9, figure.text) as page:
            grid = page.subplots(rows, columns, squeeze=False)
            for i, row in enumerate(panels):
                for j, each in enumerate(row):
                    panel(grid[i, j], each, reals[0 if alone else j], isinstance(drawing, Field))
            cloud_legend(page, grid[0, 0])
        yield stem.with_suffix(suffix)
    with beside(stem.with_suffix(".npz")) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    yield stem.with_suffix(".npz")


def panel(axes: Axes, each: Shot, real: Any, arrows: bool) -> None:
    """Points over the real ones, on D's surface or under arrows."""
    snapshot = each.snapshot
    if snapshot.surface is not None and snapshot.extent is not None and not arrows:
        draw_surface(axes, snapshot.surface, snapshot.extent, *logit_scale([snapshot.surface]))
    draw_clouds(axes, real, snapshot.points, most=1000)
    left, right, bottom, top = view(real, [snapshot])
    if arrows and each.slope is not None and snapshot.extent is not None:
        draw_arrows(axes, each.slope, snapshot.extent)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.locator_params(nbins=4)
    axes.set_title(f"{each.label}\niteration {snapshot.iteration:,}")


def draw_arrows(axes: Axes, slope: Any, extent: Any) -> None:
    """grad log sigmoid(d) (rows, columns, 2) on the extent: equally long arrows would hide how uneven it is."""
    left, right, bottom, top = (float(edge) for edge in extent)
    rows, columns, _ = slope.shape
    x, y = np.meshgrid(np.linspace(left, right, columns), np.linspace(bottom, top, rows))
    length = np.linalg.norm(slope, axis=2)
    usual = float(np.percentile(length[np.isfinite(length)], 95)) if np.isfinite(length).any() else 0.0
    if usual > 0.0:
        step = (right - left) / columns
        shrunk = slope / np.maximum(length, usual)[..., None] * 1.4 * step  # the longest 5 % are cut to one length
        axes.quiver(x, y, shrunk[..., 0], shrunk[..., 1], angles="xy", scale_units="xy", scale=1.0, color=INK,
                    width=0.004, alpha=0.8, zorder=3)  # fmt: skip


class Trace(NamedTuple):
    """One recipe's curve in one panel: each seed's."""

    group: str
    recipe: str
    label: str
    key: str
    seeds: Sequence[Series]


def measured(runs: Sequence[RunFolder], keys: str) -> tuple[str, list[Series]]:
    """Of keys joined by |, the first that the runs' records hold, with each seed's curve."""
    records = [read_records(folder.metrics) for folder in runs]
    for key in keys.split("|"):
        found = [series(own, key) for own in records]
        if all(curve.drawable for curve in found):
            return key, found
    return keys.split("|")[0], []


def curves_of(figure: PaperFigure, keys: Sequence[str], runs: Runs) -> dict[tuple[Group, str], list[Trace]]:
    """The lines of each panel."""
    panels: dict[tuple[Group, str], list[Trace]] = {}
    for group in figure.groups:
        for asked in keys:
            own = panels.setdefault((group, asked), [])
            for recipe, label in group.lines:
                key, found = measured(runs[recipe], asked)
                if not found:
                    raise InputError(f"expected {key} in the records of {recipe}, found none: train the run to its end")
                own.append(Trace(group.title, recipe, label, key, found))
    return panels


def kept(path: Path, lines: Sequence[Trace]) -> Path:
    """The numbers as a table: one value a line."""
    with beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("group", "recipe", "label", "seed", "iteration", "quantity", "value"))
        for line in lines:
            for seed, curve in enumerate(line.seeds):
                for iteration, value in zip(*curve, strict=True):
                    writer.writerow(
                        (line.group, line.recipe, line.label, seed, int(iteration), line.key, repr(float(value)))
                    )
    return path


@drawn.register
def _curves(drawing: Curves, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    panels = curves_of(figure, drawing.keys, runs)
    rows, columns = len(figure.groups), len(drawing.keys)
    if columns == 1:
        rows, columns = columns, rows
    for suffix in (".png", ".pdf"):
        with canvas(stem.with_suffix(suffix), 3.5 * columns + 0.3, 2.5 * rows + 0.9, figure.text) as page:
            grid: list[Axes] = page.subplots(rows, columns, squeeze=False).ravel().tolist()
            for axes, ((group, _), own) in zip(grid, panels.items(), strict=True):
                draw_lines(axes, own)
                axes.set_title(group.title)
            found = [axes.get_legend_handles_labels() for axes in grid]
            entries = {
                label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)
            }
            page.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=min(5, len(entries)))
        yield stem.with_suffix(suffix)
    yield kept(stem.with_suffix(".csv"), [line for own in panels.values() for line in own])


def draw_lines(axes: Axes, lines: Sequence[Trace]) -> None:
    """Each recipe's mean over seeds at the iterations that all have, with the range between the lowest and highest."""
    quantity = KNOWN.get(lines[0].key, Quantity(lines[0].key, lines[0].key, short=lines[0].key))
    every = [curve for line in lines for curve in line.seeds]
    if quantity.kind == "log":
        log_axis(axes, every)
    else:
        tame(axes, every)
    for i, line in enumerate(lines):
        colour, dashes = CYCLE[i % len(CYCLE)], DASHES[i % len(DASHES)]
        shared = sorted(set.intersection(*(set(curve.iteration.tolist()) for curve in line.seeds)))
        values = np.array([[dict(zip(*curve, strict=True))[at] for at in shared] for curve in line.seeds])
        if len(values) > 1:
            axes.fill_between(shared, np.nanmin(values, 0), np.nanmax(values, 0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(shared, values.mean(0), color=colour, linestyle=dashes, label=line.label, linewidth=1.3)
    if quantity.ideal is not None:
        axes.axhline(quantity.ideal, color=QUIET, linestyle=":", linewidth=1.2)
    axes.set_ylabel(f"{quantity.short} ({quantity.unit})" if quantity.log and quantity.unit else quantity.short)
    iteration_axis(axes)


@drawn.register
def _final(drawing: Final, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    (lines,) = curves_of(figure, (drawing.key,), runs).values()
    last = [np.array([curve.value[-1] for curve in line.seeds]) for line in lines]
    printed = published(drawing.key.split("|")[0])
    for suffix in (".png", ".pdf"):
        with canvas(stem.with_suffix(suffix), 7.2, 0.32 * len(lines) + 1.4, figure.text) as page:
            left, right = page.subplots(1, 2, sharey=True)
            labels = [line.label for line in lines]
            known = [printed.get(line.recipe) for line in lines]
            left.barh(labels, [each.mean if each else 0.0 for each in known], color=QUIET, height=0.65)
            right.barh(labels, [values.mean() for values in last], color=CYCLE[1], height=0.65,
                       xerr=[values.std(ddof=1) if len(values) > 1 else 0.0 for values in last])  # fmt: skip
            left.invert_yaxis()
            named = (drawing.key.split("|")[0], lines[0].key)
            for axes, word, key in zip((left, right), ("published", "ours, at the end"), named, strict=True):
                axes.set(title=word, xlabel=KNOWN[key].short if key in KNOWN else key)
                axes.grid(visible=True, axis="x")
        yield stem.with_suffix(suffix)
    yield kept(stem.with_suffix(".csv"), lines)


def published(key: str) -> dict[str, Published]:
    """What the papers printed, by recipe."""
    rows = [(table.recipe(row), row) for table in TABLES.values() for row in table.rows]
    return {recipe: row.published[key] for recipe, row in rows if key in row.published}


@drawn.register
def _grids(drawing: Grids, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    without_backend()
    from matplotlib.image import imread

    lines = [(group.title, recipe, label) for group in figure.groups for recipe, label in group.lines]
    pages = []
    for title, recipe, label in lines:
        shots = runs[recipe][0].shots(".png")
        if not shots:
            raise InputError(f"expected samples in {runs[recipe][0].samples}, found none: train the run to its end")
        name = f"{title}, {label}" if title else label
        pages.append((f"{name}\niteration {int(shots[-1].stem):,}", imread(shots[-1])))
    columns = min(5, len(pages))
    rows = -(-len(pages) // columns)
    for suffix in (".png", ".pdf"):
        with canvas(stem.with_suffix(suffix), 2.6 * columns, 2.9 * rows + 0.5, figure.text) as page:
            grid: list[Axes] = page.subplots(rows, columns, squeeze=False).ravel().tolist()
            for axes in grid:
                axes.set_axis_off()
            for axes, (name, pixels) in zip(grid, pages, strict=False):
                axes.imshow(pixels, interpolation="none")
                axes.set_title(name)
        yield stem.with_suffix(suffix)
    with beside(stem.with_suffix(".npz")) as part, part.open("wb") as file:
        arrays: dict[str, Any] = {name.replace("\n", ", "): pixels for name, pixels in pages}
        np.savez_compressed(file, **arrays)
    yield stem.with_suffix(".npz")
