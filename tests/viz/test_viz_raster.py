"""Pictures of points made of pixels: each colour where it belongs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.display.glimpse import FAKE, REAL
from steadygan.viz.canvas import QUIET
from steadygan.viz.clouds import Snapshot
from steadygan.viz.raster import HEAD, SHADES, SIDE, UNKNOWN, film, raster, rgb, write_png

BOX = (0.0, 4.0, 0.0, 2.0)


def at(page: np.ndarray, x: float, y: float) -> list[int]:
    """The colour at a place of BOX."""
    return page[HEAD + round(SIDE * (1 - y / 2)) - 1, round(SIDE * x / 4)].tolist()


def near(colour: list[int], wanted: str, off: float = 60) -> bool:
    return bool(np.abs(np.array(colour) - rgb(wanted)).max() < off)


def test_points_stand_where_they_are_over_real_ones() -> None:
    page = raster(Snapshot(7, np.array([[1.0, 0.5]])), np.array([[3.0, 1.5], [1.0, 0.5]] * 20), box=BOX)
    assert page.shape == (SIDE + HEAD, SIDE, 3)
    assert near(at(page, 1.0, 0.5), FAKE)
    assert near(at(page, 3.0, 1.5), REAL)
    for empty in ((1.0, 1.5), (3.0, 0.5)):
        assert at(page, *empty) == [255, 255, 255]
    alone = raster(Snapshot(7, np.array([[3.0, 1.5, 9.0]])), None, box=BOX)  # of more columns the first two
    assert near(at(alone, 3.0, 1.5), FAKE)


def test_the_ground_is_what_d_says_and_a_line_where_it_is_undecided() -> None:
    surface = np.tile(np.linspace(-3.0, 3.0, 33), (5, 1))  # fake on the left, real on the right
    page = raster(Snapshot(0, np.zeros((0, 2)), surface, BOX), np.zeros((0, 2)), scale=(0.0, 3.0), box=BOX)
    assert near(at(page, 0.05, 1.0), SHADES[0], 12)
    assert near(at(page, 3.95, 1.0), SHADES[-1], 12)
    middle = page[HEAD + SIDE // 2, SIDE // 2 - 4 : SIDE // 2 + 4]
    assert (middle == rgb(QUIET)).all(1).any()
    surface[:, :4] = np.nan
    spoilt = raster(Snapshot(0, np.zeros((0, 2)), surface, BOX), np.zeros((0, 2)), scale=(0.0, 3.0), box=BOX)
    assert near(at(spoilt, 0.05, 1.0), UNKNOWN, 2)


def test_a_ground_smaller_than_the_picture_keeps_its_place() -> None:
    surface = np.full((4, 4), 3.0)
    page = raster(Snapshot(0, np.zeros((0, 2)), surface, (0.0, 2.0, 0.0, 1.0)), np.zeros((0, 2)), (0.0, 3.0), BOX)
    assert near(at(page, 1.0, 0.5), SHADES[-1], 2)
    assert at(page, 3.0, 0.5) == at(page, 1.0, 1.5) == [255, 255, 255]


def test_what_is_not_finite_or_outside_is_told_not_drawn() -> None:
    points = np.array([[np.nan, 0.0], [1.0, np.inf], [9.0, 9.0], [1.0, 0.5]])
    page = raster(Snapshot(0, points), np.zeros((0, 2)), box=BOX)
    inside = raster(Snapshot(0, points[3:]), np.zeros((0, 2)), box=BOX)
    assert (page[HEAD:] == inside[HEAD:]).all()
    assert (page[:HEAD] != inside[:HEAD]).any()  # 75% outside


def test_one_column_is_a_histogram() -> None:
    rng = np.random.default_rng(0)
    page = raster(Snapshot(0, rng.normal(3.0, 0.05, (500, 1))), rng.normal(1.0, 0.05, (500, 1)), box=BOX)
    low = page[HEAD + SIDE - 40]
    assert near(low[SIDE // 4].tolist(), REAL, 160)
    assert low[SIDE // 2].tolist() == [255, 255, 255]
    right = page[HEAD + 5 : -5, SIDE // 2 :].reshape(-1, 3)
    assert (right == rgb(FAKE)).all(1).any()
    assert not (page[HEAD + 5 : -5, : SIDE // 2].reshape(-1, 3) == rgb(FAKE)).all(1).any()


def test_a_picture_is_written_whole_and_read_back(tmp_path: Path) -> None:
    page = raster(Snapshot(0, np.array([[1.0, 0.5]])), None, box=BOX)
    write_png(page, tmp_path / "deep" / "a.png")
    with Image.open(tmp_path / "deep" / "a.png") as image:
        assert (np.asarray(image) == page).all()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_a_film_has_a_frame_for_each_page_and_rests_on_the_last() -> None:
    pages = [raster(Snapshot(i, np.array([[1.0 + i / 10, 0.5]])), None, box=BOX) for i in range(3)]
    with Image.open(BytesIO(film(pages, last=900, each=200))) as made:
        assert (made.format, made.n_frames, made.size) == ("GIF", 3, (SIDE, SIDE + HEAD))
        held = []
        for i in range(3):
            made.seek(i)
            held.append(made.info["duration"])
            assert np.abs(np.asarray(made.convert("RGB")).astype(int) - pages[i]).mean() < 2
        assert held == [200, 200, 900]


@pytest.mark.parametrize("surface", [np.zeros((0, 0)), np.zeros(3)])
def test_a_ground_that_cannot_be_drawn_is_left_white(surface: np.ndarray) -> None:
    page = raster(Snapshot(0, np.zeros((0, 2)), surface, BOX), np.zeros((0, 2)), (0.0, 1.0), BOX)
    assert at(page, 2.0, 1.0) == [255, 255, 255]


@pytest.mark.parametrize(
    "extent", [(0.0, 0.0, 0.0, 0.0), (2.0, -2.0, 2.0, -2.0), (-1e308, 1e308, 0.0, 1.0), (1e300, 1e300, 0.0, 1e-300)]
)
def test_an_extent_of_a_damaged_file_still_makes_a_picture(extent: tuple[float, ...]) -> None:
    shot = Snapshot(0, np.array([[1e308, -1e308], [np.nan, 0.0]]), np.full((3, 3), np.nan), extent)
    assert raster(shot, None).shape == (SIDE + HEAD, SIDE, 3)
    assert raster(shot, np.zeros((4, 2)), box=BOX).shape == (SIDE + HEAD, SIDE, 3)
    assert raster(shot._replace(points=shot.points[:, :1]), None).shape == (SIDE + HEAD, SIDE, 3)
