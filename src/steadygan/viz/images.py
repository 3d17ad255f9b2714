"""Figures of images: a grid of them, and how a few evolved during training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..display.glimpse import FAKE
from ..errors import InputError
from ..files import beside
from .canvas import canvas, without_backend
from .clouds import Array, pick_panels

Pixels = NDArray[np.uint8]
AT_ONCE = 256  # images that are made pixels at a time


def image_grid(images: Array, path: str | Path, columns: int = 8, scale: int = 4) -> None:
    """Images in a grid, each pixel drawn as `scale` x `scale`, row by row; a PNG file.

    images: (n, c, h, w) with c = 1 or 3, values in [-1, 1], clipped for display; pixels that are not finite are drawn
    in vermilion, to make them visible. Raises InputError for another shape, no image, or columns or scale below 1.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0 or images.shape[1] not in (1, 3):
        raise InputError(f"expected images (n, 1 or 3, h, w), got {images.shape}: reshape them first")
    page = blank(len(images), images.shape[2], images.shape[3], columns, scale)
    for first in range(0, len(images), AT_ONCE):
        paint(page, images[first : first + AT_ONCE], scale, first)
    save(page, path)


def save(page: Pixels, path: str | Path) -> None:
    """Writes a page (height, width, 3) as a PNG file, completely or not at all."""
    without_backend()
    from matplotlib.image import imsave

    with beside(Path(path)) as part:
        imsave(part, page, format="png")


def blank(n: int, height: int, width: int, columns: int, scale: int) -> Pixels:
    """A white page for n images, to be painted step by step; raises InputError for columns or scale below 1."""
    if columns < 1 or scale < 1:
        raise InputError(f"expected columns and scale of at least 1, got {columns} and {scale}: use whole numbers")
    columns = min(columns, n)
    rows, gap = -(-n // columns), grid_gap(scale)
    return np.full((rows * (height * scale + gap) + gap, columns * (width * scale + gap) + gap, 3), 255, np.uint8)


def paint(page: Pixels, images: Array, scale: int, first: int = 0) -> None:
    """Draws images (n, 1 or 3, h, w) at the places first, first + 1, ... of a page."""
    without_backend()
    from matplotlib.colors import to_rgb

    images = np.moveaxis(np.asarray(images, dtype=np.float64), 1, 3)
    bad = ~np.isfinite(images.sum(3))
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    values = np.clip(np.where(bad[..., None], 0.0, (images + 1.0) / 2.0), 0.0, 1.0)
    values[bad] = to_rgb(FAKE)
    pixels = (values * 255.0 + 0.5).astype(np.uint8).repeat(scale, axis=1).repeat(scale, axis=2)
    gap, (height, width) = grid_gap(scale), pixels.shape[1:3]
    columns = page.shape[1] // (width + gap)
    for place, picture in enumerate(pixels, first):
        top, left = gap + (place // columns) * (height + gap), gap + (place % columns) * (width + gap)
        page[top : top + height, left : left + width] = picture


def grid_gap(scale: int) -> int:
    """The white between two images of a grid, in pixels."""
    return max(1, scale // 2)


def image_evolution(
    grids: Sequence[tuple[int, str | Path]], height: int, scale: int, path: str | Path, title: str | None = None
) -> None:
    """The first row of several grids, one below the other: the same latents at up to eight iterations.

    grids: (iteration, file of `image_grid`); height: of one image in pixels, before `scale`. Raises InputError when
    there is no grid.
    """
    without_backend()
    from matplotlib.image import imread

    ordered = sorted(grids)
    if not ordered:
        raise InputError("expected at least one grid, got none: draw the evolution after a tick")
    shown = [ordered[i] for i in pick_panels([iteration for iteration, _ in ordered], most=8)]
    rows: list[Any] = [imread(file)[: height * scale + 2 * grid_gap(scale)] for _, file in shown]
    tall, wide = rows[0].shape[:2]
    width = 7.0
    with canvas(path, width, (width - 1.0) * tall / wide * len(rows) + (0.7 if title else 0.3), title) as figure:
        panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, row, (iteration, _) in zip(panels, rows, shown, strict=True):
            axes.imshow(row, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.set_ylabel(f"{iteration:,}", rotation=0, ha="right", va="center")
