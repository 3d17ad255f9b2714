from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from steadygan.errors import InputError
from steadygan.viz import evolution_strip, scatter_matrix

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


@pytest.mark.parametrize("count", [1, 20])
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
    snapshots = [snapshot(1000 * i) for i in range(2)]
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


@pytest.mark.usefixtures("_coarse")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("d", [1, 3, pytest.param(7, marks=pytest.mark.slow)])
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
