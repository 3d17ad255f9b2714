"""Figures of finished runs: curves of a method beside the base's, and the last samples of every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from finished_runs import Runs
from numpy.typing import NDArray
from PIL import Image

from steadygan.commands.tables.results import Result
from steadygan.data.build import source
from steadygan.quantities import DEAD_GRADIENT, Quantity
from steadygan.runs.folder import RunFolder
from steadygan.runs.records import read_records
from steadygan.viz.canvas import CYCLE, canvas, iteration_axis
from steadygan.viz.clouds import draw_clouds, share_outside, view
from steadygan.viz.curves import QUALITY, SMOOTH_FROM, WHY, draw_quantity
from steadygan.viz.series import Series, running, series

BASE = "nsgan"
PANELS = (*QUALITY[:3], *WHY)  # modes, high quality, emptiest mode; D loss, G loss, largest gradient
COLUMNS = 3
POINTS = 1000  # real ones behind a sheet's samples
Floats = NDArray[np.float64]


def band(results: Sequence[Result], quantity: Quantity) -> tuple[Series, Floats, Floats]:
    """The mean over the seeds, and one standard deviation below and above it; of the logarithm on a log axis."""
    curves = [series(result.records, quantity.key) for result in results]
    at = np.unique(np.concatenate([curve.iteration for curve in curves]))
    values = np.full((len(curves), len(at)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[np.searchsorted(at, curve.iteration)] = curve.value
    at, values = at[np.isfinite(values).any(0)], values[:, np.isfinite(values).any(0)]
    logarithmic = quantity.kind == "log"
    if logarithmic:
        values = np.log10(np.maximum(values, DEAD_GRADIENT))
    mean, std = np.nanmean(values, 0), np.nanstd(values, 0, ddof=min(1, len(curves) - 1))
    low, high = mean - std, mean + std
    if len(at) >= SMOOTH_FROM:  # as the line is
        low, high = (running(np.mean, edge, max(5, len(at) // 30)) for edge in (low, high))
    if logarithmic:
        mean, low, high = 10.0**mean, 10.0**low, 10.0**high
    return Series(at, mean), low, high


def draw(method: str, found: Mapping[str, Mapping[str, Runs]], path: Path) -> None:
    """Curves of nsgan and the method on each set, two rows of panels a set."""
    rows = len(found) * len(PANELS) // COLUMNS
    with canvas(path, 3.3 * COLUMNS + 0.2, 2.2 * rows + 0.7) as drawing:
        grid = drawing.subplots(rows, COLUMNS, squeeze=False).ravel().tolist()
        places = [(data, quantity) for data in found for quantity in PANELS]
        for i, (axes, (data, quantity)) in enumerate(zip(grid, places, strict=True)):
            own = {name: found[data][name] for name in (BASE, method) if found[data][name].results}
            bands = {name: band(runs.results, quantity) for name, runs in own.items()}
            draw_quantity(axes, {name: curve for name, (curve, _, _) in bands.items()}, quantity, CYCLE)
            for colour, (name, (curve, low, high)) in zip(CYCLE, bands.items(), strict=False):
                axes.fill_between(curve.iteration, low, high, color=colour, alpha=0.15, linewidth=0)
                levels = dict(zip(("d_loss", "g_loss"), own[name].results[0].run.equilibrium, strict=True))
                if (level := levels.get(quantity.key)) is not None:
                    axes.axhline(level, color=colour, linestyle=":", linewidth=1.0)
            if quantity.key == "modes" and (modes := found[data][method].settings.data.modes):
                axes.set_ylim(-0.03 * modes, 1.06 * modes)
            if i % len(PANELS) == 1:
                axes.set_title(" ".join([data, *found[data][method].changes()]))
            iteration_axis(axes, label=i % len(PANELS) >= len(PANELS) - COLUMNS)
        legends = [axes.get_legend_handles_labels() for axes in grid]  # a method may have nothing to show on one set
        entries = {label: handle for own in legends for handle, label in zip(*own, strict=True)}
        drawing.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    shrink(path)


def sheet(found: Mapping[str, Runs], path: Path) -> None:
    """The last samples of each method's first seed over real points, one small panel each."""
    data = source(next(iter(found.values())).settings)
    real = data.restore(data.fresh(POINTS, torch.Generator().manual_seed(0))).numpy()
    xmin, xmax, ymin, ymax = view(real, [])
    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    with canvas(path, 2.0 * columns, 2.25 * rows + 0.4) as drawing:
        grid = drawing.subplots(rows, columns, squeeze=False).ravel().tolist()
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        for axes, runs in zip(grid, found.values(), strict=False):
            folder = RunFolder(runs.first)
            shot = max(path for path in folder.samples.glob("*.npz") if int(path.stem) <= runs.length)
            with np.load(shot) as arrays:
                points = arrays["points"]
            draw_clouds(axes, real, points, most=POINTS)
            records = [record for record in read_records(folder.metrics) if record["iteration"] <= runs.length]
            measured = [record["modes"] for record in records if "modes" in record]
            title = f"{runs.method}: {measured[-1]} of {runs.settings.data.modes}" if measured else runs.method
            if int(shot.stem) < runs.length:
                title += f"\nstopped at {int(shot.stem):,}"
            elif (outside := share_outside(points, (xmin, xmax, ymin, ymax))) >= 0.005:
                title += f"\n({outside:.0%} outside)"
            axes.set_title(title)
            axes.set(xlim=(xmin, xmax), ylim=(ymin, ymax), aspect="equal", xticks=[], yticks=[])
            axes.spines[["top", "right"]].set_visible(True)
        handles, labels = grid[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=1.5)
    shrink(path)


def shrink(path: Path) -> None:
    """Keeps 256 colours of a picture: a third of its size, and no difference to be seen."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
