from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from steadygan.errors import InputError
from steadygan.viz import evolution_strip, image_grid, scatter_matrix

EXTENT = (-2.0, 2.0, -2.0, 2.0)
rng = np.random.default_rng(0)
REAL = rng.standard_normal((200, 2))


def snapshot(iteration: int, steepness: float = 1.0) -> tuple[object, ...]:
    grid = np.linspace(-2.0, 2.0, 64)
    return iteration, rng.standard_normal((100, 2)), steepness * (grid[:, None] + grid[None] ** 2 - 1.0), EXTENT


@pytest.fixture
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pixels, so that many figures take little time."""
    monkeypatch.setattr("steadygan.viz.canvas.DPI", 60)


def pixels(path: Path) -> tuple[int, int]:
    height, width = imread(path).shape[:2]
    return height, width


@pytest.mark.parametrize("count", [1, 3, 5, 20])
def test_strip_of_any_length_is_a_picture_of_sane_size(tmp_path: Path, count: int) -> None:
    path = tmp_path / "figures" / "strip.png"
    evolution_strip(REAL, [snapshot(1000 * i) for i in range(count)], path, "a title")
    height, width = pixels(path)
    assert 400 < height < 1400
    assert 400 < width < 2000
    assert 10_000 < path.stat().st_size < 2_000_000
    assert [p.name for p in path.parent.iterdir()] == ["strip.png"]  # nothing half-written is left beside it


@pytest.mark.usefixtures("_coarse")
def test_strip_is_the_same_picture_each_time_and_in_any_order_of_snapshots(tmp_path: Path) -> None:
    snapshots = [snapshot(1000 * i) for i in range(4)]
    evolution_strip(REAL, snapshots, tmp_path / "a.png")
    evolution_strip(REAL, snapshots[::-1], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.usefixtures("_coarse")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "surface",
    [
        None,
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.where(np.eye(64) > 0, np.inf, 1.0),
        np.full((64, 64), 7.0),
        1e30 * rng.standard_normal((64, 64)),
    ],
    ids=["none", "flat", "nan", "infinite", "one-sided", "exploded"],
)
def test_strip_draws_any_surface_without_a_warning(tmp_path: Path, surface: object) -> None:
    snapshots = [(0, REAL, surface, EXTENT), (5, np.full((10, 2), np.nan), surface, EXTENT)]
    evolution_strip(REAL, snapshots, tmp_path / "strip.png")
    assert pixels(tmp_path / "strip.png")[0] > 100


@pytest.mark.usefixtures("_coarse")
@pytest.mark.parametrize("ending", ["pdf", "svg", "PNG"])
def test_the_ending_picks_the_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"strip.{ending}"
    evolution_strip(REAL, [snapshot(0)], path)
    magic = {"pdf": b"%PDF", "svg": b"<?xml", "PNG": b"\x89PNG"}[ending]
    assert path.read_bytes().startswith(magic)


def test_strip_refuses_no_snapshot_and_points_that_are_not_2d(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one snapshot"):
        evolution_strip(REAL, [], tmp_path / "strip.png")
    with pytest.raises(InputError, match=r"got \(5, 3\) for iteration 7"):
        evolution_strip(REAL, [(7, np.zeros((5, 3)), None, None)], tmp_path / "strip.png")
    with pytest.raises(InputError, match="for real"):
        evolution_strip(np.zeros(3), [snapshot(0)], tmp_path / "strip.png")
    assert not list(tmp_path.iterdir())


def test_grid_shows_each_pixel_in_its_place(tmp_path: Path) -> None:
    images = np.full((3, 2, 2), -1.0)
    images[1] = 1.0
    images[2, 0, 1] = 0.0
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
    images = np.zeros((2, 1, 1, 3))
    images[0, 0, 0] = [9.0, -9.0, 1.0]
    images[1, 0, 0, 1] = np.nan
    image_grid(images, tmp_path / "grid.png", scale=2)
    sheet = np.round(imread(tmp_path / "grid.png")[..., :3] * 255).astype(int)
    assert sheet.shape == (4, 7, 3)
    assert sheet[1, 1].tolist() == [255, 0, 255]
    assert sheet[1, 4].tolist() == [0xD5, 0x5E, 0x00]


@pytest.mark.parametrize("shape", [(0, 8, 8), (8, 8), (2, 8, 8, 1), (2, 3, 8, 8)])
def test_grid_refuses_other_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected images"):
        image_grid(np.zeros(shape), tmp_path / "grid.png")


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"scale": 0}])
def test_grid_refuses_no_columns_and_no_scale(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        image_grid(np.zeros((1, 2, 2)), tmp_path / "grid.png", **wrong)


@pytest.mark.usefixtures("_coarse")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_scatter_matrix_of_any_dimension(tmp_path: Path, d: int) -> None:
    real, fake = rng.standard_normal((300, d)), rng.standard_normal((200, d))
    fake[0] = np.nan
    fake[1] = 1e9
    scatter_matrix(real, fake, tmp_path / "pairs.png", "title", names=[f"column {i}" for i in range(d)])
    height, width = pixels(tmp_path / "pairs.png")
    assert 120 < height < 650
    assert 120 < width < 650


def test_scatter_matrix_refuses_unequal_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(5, 3\) and \(5, 2\)"):
        scatter_matrix(np.zeros((5, 3)), np.zeros((5, 2)), tmp_path / "pairs.png")
