"""Runs in, a figure out: as PNG and PDF, with its numbers in a file beside."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import singledispatch
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..data.build import fakes, source
from ..display.glimpse import FAKE, REAL
from ..errors import InputError
from ..evaluation.optimum import KnownOptimum, log_odds
from ..files import beside
from ..quantities import KNOWN
from ..recipes import RECIPES
from ..recipes.papers import TABLES, Published
from ..runs.folder import RunFolder
from ..runs.history import real_points
from ..runs.records import read_records
from ..runs.run import load
from ..runs.settings import saved
from ..types import critic
from ..viz import Snapshot
from ..viz.canvas import CYCLE, INK, QUIET, canvas, iteration_axis, without_backend
from ..viz.clouds import capped, draw_clouds, draw_surface, logit_scale, snapshot, thin, view
from ..viz.curves import draw_quantity
from ..viz.scatter import cloud_legend
from ..viz.series import Records, Series, curve, series
from .figure import Clouds, Curves, Final, Grids, Group, PaperFigure, Surfaces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 1000  # points of each kind that a panel shows
SIDE = 100  # points per side of a square on which D is asked
Runs = Mapping[str, Sequence[RunFolder]]  # of each recipe, seed by seed


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


def shot(folder: RunFolder, at: int) -> Snapshot:
    """What the run made at this iteration, or at the nearest one that was kept."""
    nearest = sorted(folder.shots(".npz"), key=lambda path: abs(int(path.stem) - at))
    found = next((each for path in nearest if (each := snapshot(path)) is not None), None)
    if found is None:
        raise InputError(f"expected samples in {folder.samples}, found none that can be read: train the run to its end")
    return found


def real_of(folder: RunFolder) -> Any:
    """The real points that a run kept."""
    points = real_points(folder.path, None, MOST)
    if points is None:
        raise InputError(f"expected real points in '{folder.real}', found none: train the run to its end")
    return points


@drawn.register
def _points(drawing: Clouds, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    arrays: dict[str, Any] = {}
    columns: list[list[tuple[str, Snapshot, Any]]] = []  # of each recipe, its panels
    for recipe, label in [line for group in figure.groups for line in group.lines]:
        folder, (full, length) = runs[recipe][0], sizes(recipe, scale)
        shots = [shot(folder, at * length // full) for at in drawing.at]
        real = real_of(folder)
        columns.append([(label, each, real) for each in shots])
        arrays[f"{label}: real"] = real
        for each in shots:
            for key, value in each._asdict().items():
                if value is not None and key != "iteration":
                    arrays[f"{label}, {each.iteration}: {key}"] = value
    rows = columns if len(columns) == 1 else [*zip(*columns, strict=True)]
    tall = max(tallness(each[0][2]) for each in columns)
    for suffix in (".png", ".pdf"):
        width, height = 2.7 * len(rows[0]) + 0.4, (2.2 * tall + 0.7) * len(rows) + 0.9
        with canvas(stem.with_suffix(suffix), width, height, figure.text) as page:
            grid = page.subplots(len(rows), len(rows[0]), squeeze=False)
            for axes, (label, each, real) in zip(grid.ravel(), chain.from_iterable(rows), strict=True):
                panel(axes, label, each, real, drawing.arrows)
            cloud_legend(page, grid[0, 0])
        yield stem.with_suffix(suffix)
    with beside(stem.with_suffix(".npz")) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    yield stem.with_suffix(".npz")


def tallness(points: Any) -> float:
    """How much higher than wide points (n, 2) lie, from 1 to 2."""
    wide, high = np.ptp(points, axis=0)
    return float(np.clip(high / wide, 1.0, 2.0)) if wide > 0.0 else 1.0


def panel(axes: Axes, label: str, each: Snapshot, real: Any, arrows: bool) -> None:
    """Points over the real ones, on D's surface or under arrows."""
    if each.surface is not None and each.extent is not None and not arrows:
        draw_surface(axes, each.surface, each.extent, *logit_scale([each.surface]))
    draw_clouds(axes, real, each.points, most=MOST)
    left, right, bottom, top = view(real, [each])
    if arrows and each.slope is not None and each.extent is not None:
        draw_arrows(axes, each.slope, each.extent)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.locator_params(nbins=4)
    told = f"iteration {each.iteration:,}"
    axes.set_title(f"{label}\n{told}" if label else told)


def draw_arrows(axes: Axes, slope: Any, extent: Any) -> None:
    """grad log sigmoid(d) (rows, columns, 2) on the extent, as `capped`: equally long arrows would say less."""
    left, right, bottom, top = (float(edge) for edge in extent)
    rows, columns, _ = slope.shape
    x, y = np.meshgrid(np.linspace(left, right, columns), np.linspace(bottom, top, rows))
    u, v = np.moveaxis(1.4 * (right - left) / columns * capped(slope), 2, 0)
    axes.quiver(x, y, u, v, angles="xy", scale_units="xy", scale=1.0, color=INK, width=0.004, alpha=0.8, zorder=3)


class Trace(NamedTuple):
    """One quantity of one recipe in one panel: the records of each seed."""

    group: str
    recipe: str
    label: str
    key: str
    records: Sequence[Records]

    @property
    def seeds(self) -> list[Series]:
        """The curve of each seed."""
        return [series(own, self.key) for own in self.records]


def curves_of(figure: PaperFigure, keys: Sequence[str], runs: Runs) -> dict[tuple[Group, str], list[Trace]]:
    """The lines of each panel."""
    panels: dict[tuple[Group, str], list[Trace]] = {}
    for group in figure.groups:
        for asked in keys:
            own = panels.setdefault((group, asked), [])
            for recipe, label in group.lines:
                records = [read_records(folder.metrics) for folder in runs[recipe]]
                each = [Trace(group.title, recipe, label, key, records) for key in asked.split("|")]
                found = next((one for one in each if all(seed.drawable for seed in one.seeds)), None)
                if found is None:
                    told = f"expected {each[0].key} in the records of {recipe}, found none"
                    raise InputError(f"{told}: train the run to its end")
                own.append(found)
    return panels


def kept(path: Path, lines: Sequence[Trace]) -> Path:
    """The numbers as a table: one value a line."""
    with beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("group", "recipe", "label", "seed", "iteration", "quantity", "value"))
        for line in lines:
            for seed, own in enumerate(line.seeds):
                for iteration, value in zip(*own, strict=True):
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
    """Each recipe's mean over seeds, and a band of one standard deviation around it."""
    known = [(line.label, curve(line.records, line.key)) for line in lines]
    found = {label: own for label, own in known if own is not None}
    draw_quantity(axes, {label: Series(own.x, own.y) for label, own in found.items()}, KNOWN[lines[0].key], CYCLE)
    for i, own in enumerate(found.values()):
        if own.low is not None and own.high is not None:
            colour = CYCLE[i % len(CYCLE)]
            axes.fill_between(own.x, own.low, own.high, color=colour, alpha=0.15, linewidth=0)
    iteration_axis(axes)


@drawn.register
def _final(drawing: Final, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    (lines,) = curves_of(figure, (drawing.key,), runs).values()
    last = [np.array([own.value[-1] for own in line.seeds]) for line in lines]
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
                axes.set(title=word, xlabel=KNOWN[key].short)
                axes.grid(visible=True, axis="x")
        yield stem.with_suffix(suffix)
    yield kept(stem.with_suffix(".csv"), lines)


def published(key: str) -> dict[str, Published]:
    """What the papers printed, by recipe."""
    rows = [(table.recipe(row), row) for table in TABLES.values() for row in table.rows]
    return {recipe: row.published[key] for recipe, row in rows if key in row.published}


class Value(NamedTuple):
    """What a run's D says of a square, (rows, columns) each, from the lower left, and how far that is from the best."""

    own: Any
    best: Any
    square: float  # mean of |own - best|
    samples: float | None  # the same over samples, as its last record has it


def value_of(folder: RunFolder, drawing: Surfaces) -> Value:
    """Of the newest checkpoint; raises InputError where there is none, or where no best D is known."""
    run, settings = load(folder.path, device="cpu"), saved(folder.path)
    fake = None if settings is None else fakes(settings)
    odds = None if settings is None or fake is None else log_odds(source(settings), fake)
    if odds is None or not isinstance(run.D, torch.nn.Module):
        raise InputError(f"expected one discriminator of two known densities in {folder.path}, got another run")
    axis = torch.linspace(drawing.low, drawing.high, SIDE)
    at = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    optimum = KnownOptimum.at(at.to(next(run.D.parameters()).dtype), odds)
    judge = critic(run.D)
    said = [values.reshape(SIDE, SIDE).numpy() for values in (optimum.said(judge), optimum.value)]
    known = [record["optimum_distance"] for record in run.metrics if "optimum_distance" in record]
    return Value(said[0], said[1], optimum.distance(judge), known[-1] if known else None)


def trained_on(folder: RunFolder) -> tuple[Any, Any]:
    """At most `MOST` of the real points and of the fakes that D saw."""
    settings = saved(folder.path)
    assert settings is not None
    sides = source(settings), fakes(settings)
    found = [np.zeros((0, 2)) if side is None or (x := side.some(MOST)) is None else x.numpy() for side in sides]
    return found[0], found[1]


@drawn.register
def _surfaces(drawing: Surfaces, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    lines = [line for group in figure.groups for line in group.lines]
    values = {recipe: [value_of(folder, drawing) for folder in runs[recipe]] for recipe, _ in lines}
    panels = [(f"{label}\n{apart(values[recipe])}", values[recipe][0].own, runs[recipe][0]) for recipe, label in lines]
    panels.append(("the best D", values[lines[-1][0]][0].best, runs[lines[-1][0]][0]))
    extent, columns = (drawing.low, drawing.high) * 2, 3
    rows = -(-len(panels) // columns)
    for suffix in (".png", ".pdf"):
        with canvas(stem.with_suffix(suffix), 2.7 * columns + 1.0, 2.9 * rows + 0.9, figure.text, "compressed") as page:
            grid: list[Axes] = page.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel().tolist()
            ground: Any = None
            for axes, (title, surface, folder) in zip(grid, panels, strict=False):
                ground = draw_surface(axes, surface, extent, 0.5, 0.5)
                for points, colour, label in zip(trained_on(folder), (REAL, FAKE), ("real", "fake"), strict=True):
                    x, y = thin(points, 200).T
                    axes.scatter(x, y, s=5.0, c=colour, alpha=0.8, linewidths=0.0, label=label, rasterized=True)
                axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", title=title)
                axes.spines[["top", "right"]].set_visible(True)
            for axes in grid[len(panels) :]:
                axes.set_visible(False)
            bar = page.colorbar(ground, ax=grid, fraction=0.03, pad=0.015, aspect=30)
            bar.set_label("←  fake      $D(v)$      real  →")
            bar.outline.set_visible(False)
            cloud_legend(page, grid[0], "$D(v) = 0.5$")
        yield stem.with_suffix(suffix)
    with beside(stem.with_suffix(".npz")) as part, part.open("wb") as file:
        arrays: dict[str, Any] = {label: np.stack([each.own for each in values[recipe]]) for recipe, label in lines}
        np.savez_compressed(file, **arrays, best=panels[-1][1], extent=np.array(extent))
    yield stem.with_suffix(".npz")
    with beside(stem.with_suffix(".csv")) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("recipe", "label", "seed", "quantity", "value"))
        for recipe, label in lines:
            for seed, each in enumerate(values[recipe]):
                told = {"distance over the square": each.square, "optimum_distance": each.samples}
                writer.writerows((recipe, label, seed, key, repr(own)) for key, own in told.items() if own is not None)
    yield stem.with_suffix(".csv")


def apart(values: Sequence[Value]) -> str:
    """How far D is from the best one, over seeds."""
    samples = [each.samples for each in values if each.samples is not None]
    square = f"{mean_and_deviation([each.square for each in values])} from the best"
    return f"{square},\n{mean_and_deviation(samples)} at samples" if samples else square


def mean_and_deviation(values: Sequence[float]) -> str:
    """0.123 ± 0.004."""
    told = f"{np.mean(values):.3f}"
    return f"{told} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else told


@drawn.register
def _grids(drawing: Grids, figure: PaperFigure, runs: Runs, stem: Path, scale: str) -> Iterator[Path]:
    lines = [(group.title, recipe, label) for group in figure.groups for recipe, label in group.lines]
    pages = []
    for title, recipe, label in lines:
        iteration, pixels = last_grid(runs[recipe][0])
        name = f"{title}, {label}" if title else label
        pages.append((f"{name}\niteration {iteration:,}", pixels))
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


def last_grid(folder: RunFolder) -> tuple[int, Any]:
    """The last grid of images that can be read, and its iteration."""
    without_backend()
    from matplotlib.image import imread

    for path in reversed(folder.shots(".png")):
        with suppress(Exception):  # a damaged file raises whatever its bytes lead to
            return int(path.stem), imread(path)
    raise InputError(f"expected samples in {folder.samples}, found none that can be read: train the run to its end")
