"""The gradient field of a run: the direction in which D asks fakes to move, as arrows on a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import beside
from ..reporting.evolution import draw_film
from ..runs.folder import RunFolder
from ..viz import Snapshot
from ..viz.canvas import canvas
from ..viz.clouds import pick_panels, snapshot
from ..viz.scatter import cloud_legend
from .draw import panel, real_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 4  # where no iterations are asked for
NAMED = 8  # iterations that a message names


def draw_field(folder: RunFolder, at: Sequence[int], stem: Path) -> list[Path]:
    """Draws grad log sigmoid(d) at these iterations, or at four, to `stem`.png, .pdf and .npz; the paths.

    Points, slopes and extent of each iteration are in the data's units. Raises InputError for a run that is not of
    points in the plane, one that kept no slopes, and an iteration at which it kept nothing that can be read.
    """
    shots, real = fields(folder, at), real_of(folder)
    columns = min(4, len(shots))
    rows = -(-len(shots) // columns)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".pdf"):
        with canvas(stem.with_suffix(suffix), 2.9 * columns + 0.5, 3.0 * rows + 0.9, titled(folder)) as page:
            grid: list[Axes] = page.subplots(rows, columns, squeeze=False).ravel().tolist()
            for axes, shot in zip(grid, shots, strict=False):
                panel(axes, "", shot, real, arrows=True)
            for axes in grid[len(shots) :]:
                axes.set_visible(False)
            cloud_legend(page, grid[0], title=r"arrows: $\nabla \log \sigma(d(v))$, each panel in its own scale")
    arrays: dict[str, Any] = {"real": real, "iterations": np.array([shot.iteration for shot in shots])}
    for shot in shots:
        for key in ("points", "slope", "extent"):
            arrays[f"{shot.iteration}: {key}"] = np.asarray(getattr(shot, key))
    with beside(stem.with_suffix(".npz")) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return [stem.with_suffix(suffix) for suffix in (".png", ".pdf", ".npz")]


def _field(folder: RunFolder, at: Sequence[int], stem: Path) -> tuple[list[Path], str]:
    return draw_field(folder, at, stem), "arrows: grad log sigmoid(d), the direction in which D asks fakes to move"


def _evolution(folder: RunFolder, at: Sequence[int], stem: Path) -> tuple[list[Path], str]:
    if at:
        raise InputError("expected no --at with 'figure evolution', which shows all iterations: leave it out")
    return draw_film(folder, stem)


# What is drawn of one run, by name: (folder, iterations, where without an ending) -> the files, and a word on them.
OF_A_RUN: dict[str, Callable[[RunFolder, Sequence[int], Path], tuple[list[Path], str]]] = {
    "field": _field,
    "evolution": _evolution,
}


def fields(folder: RunFolder, at: Sequence[int]) -> list[Snapshot]:
    """What the run kept at these iterations, in their order; without any, at some from its first to its last."""
    files = {int(path.stem): path for path in folder.shots(".npz")}
    if not files:
        if folder.shots(".png"):
            raise InputError(f"expected a run of points in the plane, got one of images in {folder.path}: give another")
        raise InputError(f"expected samples in {folder.samples}, found none: train the run")
    for asked in at:
        if asked not in files:
            raise InputError(f"expected an iteration at which samples were kept, got {asked:,}: {some(sorted(files))}")
    known = {number: shot for number in at or files if (shot := snapshot(files[number])) is not None}
    lost = next((number for number in at if number not in known), None)
    if lost is not None or not known:
        name = files[next(iter(files)) if lost is None else lost]
        raise InputError(f"expected samples in {name}, found a file that cannot be read: choose another iteration")
    if not at:
        numbers = sorted(known)
        at = [numbers[i] for i in pick_panels(numbers, PANELS)]
    shots = [known[number] for number in sorted({*at})]
    for shot in shots:
        if shot.points.shape[1] != 2:
            got = f"points of {shot.points.shape[1]} numbers in {folder.path}"
            raise InputError(f"expected a run of points in the plane, got {got}: give another")
        if shot.slope is None:
            raise InputError(
                f"expected D's slopes in {files[shot.iteration]}, found none: they are kept where D judges single "
                "points (no packing, no minibatch discrimination), by this version"
            )
    return shots


def some(numbers: Sequence[int]) -> str:
    """The iterations that there are, the middle left out where there are many."""
    told = [f"{number:,}" for number in numbers]
    if len(told) > NAMED:
        told = [*told[: NAMED // 2], "...", *told[-NAMED // 2 :]]
    return f"there are {' '.join(told)}" if len(told) > 1 else f"there is {told[0]} alone"


def titled(folder: RunFolder) -> str:
    """The folder's name, and that of the one above where it is a seed's."""
    path = folder.path.resolve()
    return f"{path.parent.name}, {path.name}" if path.name.startswith("seed-") else path.name
