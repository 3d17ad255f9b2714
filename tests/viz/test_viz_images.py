"""Grids of images and their evolution: each pixel where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from steadygan.errors import InputError
from steadygan.viz import image_evolution, image_grid


def test_grid_shows_each_pixel_in_its_place(tmp_path: Path) -> None:
    images = np.full((3, 1, 2, 2), -1.0)
    images[1] = 1.0
    images[2, 0, 0, 1] = 0.0
    image_grid(images, tmp_path / "grid.png", columns=2, scale=4)
    sheet = np.round(imread(tmp_path / "grid.png")[..., :3] * 255).astype(int)
    assert sheet.shape == (2 * 8 + 3 * 2, 2 * 8 + 3 * 2, 3)  # two rows and columns of 8 pixels, gaps of 2
    assert (sheet[2:10, 2:10] == 0).all()
    assert (sheet[2:10, 12:20] == 255).all()
    assert (sheet[12:16, 6:10] == 128).all()
    assert (sheet[16:20, 2:10] == 0).all()
    assert (sheet[12:20, 12:20] == 255).all()  # no fourth image
    assert (sheet[:2] == 255).all()


def test_grid_keeps_colours_clips_and_marks_what_is_not_finite(tmp_path: Path) -> None:
    images = np.zeros((2, 3, 1, 1))
    images[0, :, 0, 0] = [9.0, -9.0, 1.0]
    images[1, 1, 0, 0] = np.nan
    image_grid(images, tmp_path / "grid.png", scale=2)
    sheet = np.round(imread(tmp_path / "grid.png")[..., :3] * 255).astype(int)
    assert sheet.shape == (4, 7, 3)
    assert sheet[1, 1].tolist() == [255, 0, 255]
    assert sheet[1, 4].tolist() == [0xD5, 0x5E, 0x00]


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (8, 8), (3, 8, 8), (2, 8, 8, 1), (2, 2, 8, 8)])
def test_grid_refuses_other_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected images"):
        image_grid(np.zeros(shape), tmp_path / "grid.png")


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"scale": 0}])
def test_grid_refuses_no_columns_and_no_scale(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        image_grid(np.zeros((1, 1, 2, 2)), tmp_path / "grid.png", **wrong)


def test_evolution_shows_the_first_row_of_each_grid(tmp_path: Path) -> None:
    """Rows grow darker with the iteration; the grids' second rows, white throughout, are not shown."""
    grids = []
    for iteration, value in ((200, -1.0), (0, 0.8), (100, 0.0)):
        images = np.ones((4, 1, 8, 8))
        images[:2] = value
        image_grid(images, tmp_path / f"{iteration}.png", columns=2, scale=2)
        grids.append((iteration, tmp_path / f"{iteration}.png"))
    image_evolution(grids, 8, 2, tmp_path / "evolution.png", "title")
    page = np.round(imread(tmp_path / "evolution.png")[..., :3].mean(2) * 255)
    column = page[:, page.shape[1] // 3]  # through the first image of each row
    found = [int(v) for v, before in zip(column[1:], column, strict=False) if v != before and v in (230, 128, 0)]
    assert found == [230, 128, 0]


def test_evolution_needs_a_grid(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one grid"):
        image_evolution([], 8, 2, tmp_path / "evolution.png")
