"""The samples that a run keeps at an iteration, and the picture of the newest of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import RESUME, beside
from ..viz.clouds import Snapshot
from ..viz.images import image_grid
from ..viz.raster import raster, write_png
from .folder import RunFolder

COLUMNS = 10  # of a grid of images


def point_samples(
    folder: RunFolder, iteration: int, points: NDArray[Any], real: NDArray[Any], critic: Mapping[str, Any]
) -> Callable[[], Path]:
    """Keeps points (n, d) in the data's units as samples/ITERATION.npz; what draws the picture of them and returns it.

    real (m, d): drawn beside them. critic: where there are, D's `surface` and `slope` on an `extent`.
    """
    folder.samples.mkdir(parents=True, exist_ok=True)
    with beside(folder.samples / f"{iteration:09d}.npz", advice=RESUME) as part, part.open("wb") as file:
        np.savez(file, points=points, **critic)
    shot = Snapshot(iteration, points, critic.get("surface"), critic.get("extent"))

    def draw() -> Path:
        write_png(raster(shot, real), folder.latest)
        return folder.latest

    return draw


def image_samples(folder: RunFolder, iteration: int, images: NDArray[Any]) -> Callable[[], Path]:
    """Keeps images (n, 1 or 3, h, w) from -1 to 1 as a grid samples/ITERATION.png; what copies it as the picture."""
    path = folder.samples / f"{iteration:09d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    image_grid(images, path, COLUMNS, scale_for(images.shape[1:]))

    def draw() -> Path:
        with beside(folder.latest, advice=RESUME) as part:
            part.write_bytes(path.read_bytes())
        return folder.latest

    return draw


def keep_real(folder: RunFolder, points: NDArray[Any]) -> None:
    """Real points (m, d) in the data's units, once, for those who draw the run without its data."""
    if not folder.real.exists():
        with beside(folder.real, advice=RESUME) as part, part.open("wb") as file:
            np.savez(file, points=points)


def scale_for(shape: tuple[int, ...]) -> int:
    """How large a pixel is drawn, so that 10 images side by side are about 600 pixels wide."""
    return max(1, round(64 / max(shape[1:])))
