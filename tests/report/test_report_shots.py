"""Samples on the page: few, small, and those that cannot be read passed over."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from runs_made import grids, points, run

from steadygan.config import override
from steadygan.recipes import RECIPES
from steadygan.reporting.shots import LARGE, POINTS, shots
from steadygan.runs.history import history


def of(folder, budget=1_000_000):
    return shots(history(folder), budget)


def test_points_lie_over_real_ones_and_the_surface_comes_back(tmp_path):
    found = of(points(run(tmp_path / "a")))
    assert found["kind"] == "points"
    assert [frame["iteration"] for frame in found["frames"]] == [0, 100, 400]
    assert found["box"] == [-2, 2, -2, 2]
    cloud = np.array(found["frames"][2]["points"]).reshape(-1, 2)
    assert cloud.mean(0) == pytest.approx([0.4, 0.0], abs=0.06)
    real = np.array(found["real"]).reshape(-1, 2)
    assert real.shape == (POINTS, 2)
    assert np.abs(real[:, 0]).max() == pytest.approx(4 / 2.828, abs=0.1)  # grid25
    frame = found["frames"][0]
    assert frame["shape"] == [16, 16]
    levels = np.frombuffer(b64decode(frame["surface"]), np.uint8).reshape(16, 16)
    logits = found["centre"] + found["half"] * (levels[3] / 127 - 1)
    expected = np.clip(np.linspace(-2, 2, 16), -found["half"], found["half"])
    np.testing.assert_allclose(logits, expected, atol=found["half"] / 254)


def test_slopes_are_arrows_of_one_scale(tmp_path):
    """The longest twentieth has the length of the 95th percentile, others their share; what is not finite has none."""
    folder = points(run(tmp_path / "a"), iterations=(0,))
    frame = of(folder)["frames"][0]
    assert frame["grid"] == [3, 5]
    arrows = np.frombuffer(b64decode(frame["arrows"]), np.int8).reshape(3, 5, 2)
    usual = np.percentile([0.5] * 14 + [1000.0], 95)
    assert arrows[1, 2].tolist() == [127, 0]
    assert arrows[0, 0].tolist() == [round(127 * 0.5 / usual), 0]
    slope = np.full((2, 2, 2), [0.0, -3.0])
    slope[0, 1] = np.nan
    kept = {"points": np.zeros((3, 2)), "surface": np.zeros((4, 4)), "extent": [-1, 1, -1, 1]}
    np.savez(folder / "samples/000000100.npz", slope=slope, **kept)
    np.savez(folder / "samples/000000200.npz", slope=np.zeros((2, 2)), **kept)  # of another shape
    np.savez(folder / "samples/000000300.npz", slope=np.zeros((2, 2, 2)), **kept)
    _, own, other, flat = of(folder)["frames"]
    arrows = np.frombuffer(b64decode(own["arrows"]), np.int8).reshape(4, 2)
    assert arrows.tolist() == [[0, -127], [0, 0], [0, -127], [0, -127]]
    assert "arrows" not in other
    assert set(b64decode(flat["arrows"])) == {0}


def test_real_points_of_a_file_are_read_where_that_is_asked_for_or_the_run_kept_none(tmp_path):
    """The settings of a stranger's run may name any file."""
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "secret.csv", rng.normal(7, 1, (60, 2)), delimiter=",")
    tree = override(RECIPES["points/far"](), [f"data.path={tmp_path / 'secret.csv'}"]).plain()
    folder = points(run(tmp_path / "a", settings=tree))
    assert of(folder)["real"] is None
    asked = np.reshape(shots(history(folder), 1_000_000, real=True)["real"], (-1, 2))
    np.testing.assert_allclose(asked.mean(0), 7, atol=0.5)
    np.savez(folder / "real.npz", points=np.full((30, 2), 2.0))
    for found in (of(folder), shots(history(folder), 1_000_000, real=True)):
        assert found["real"] == [2.0] * 60
    (folder / "real.npz").write_bytes(b"PK\x03\x04 cut")
    assert of(folder)["real"] is None


def test_a_surface_that_is_not_finite_keeps_a_level_of_its_own(tmp_path):
    folder = points(run(tmp_path / "a"), iterations=(0,))
    surface = np.zeros((4, 4))
    surface[1, 2] = np.nan
    np.savez(folder / "samples/000000100.npz", points=np.zeros((3, 2)), surface=surface, extent=[-1, 1, -1, 1])
    levels = np.frombuffer(b64decode(of(folder)["frames"][1]["surface"]), np.uint8).reshape(4, 4)
    assert np.argwhere(levels == 255).tolist() == [[1, 2]]


def test_few_snapshots_of_many_with_first_and_last(tmp_path):
    folder = points(run(tmp_path / "a"), iterations=range(0, 6000, 100))
    found = of(folder)
    kept = [frame["iteration"] for frame in found["frames"]]
    assert len(kept) == 24
    assert (kept[0], kept[-1]) == (0, 5900)
    assert len(of(folder, budget=60_000)["frames"]) == 4
    assert found["of"] == 60


def test_points_outside_and_of_more_columns(tmp_path):
    folder = run(tmp_path / "a", settings={"lr": 1})
    (folder / "samples").mkdir()
    rng = np.random.default_rng(0)
    np.savez(folder / "samples/000000100.npz", points=rng.normal(size=(20, 5)))
    found = of(folder)
    assert found["columns"] == 5
    assert found["real"] is None
    assert len(found["frames"][0]["points"]) == 40
    assert "surface" not in found["frames"][0]


def test_points_far_from_zero_keep_their_places(tmp_path):
    folder = run(tmp_path / "a", settings={"lr": 1})
    (folder / "samples").mkdir()
    x = np.random.default_rng(0).normal([5.4e6, 3.2e5], 1.0, (20, 2))
    np.savez(folder / "samples/000000100.npz", points=x)
    found = np.reshape(of(folder)["frames"][0]["points"], (-1, 2))
    assert np.abs(found - x).max() < 0.01


def test_files_that_cannot_be_read_are_passed_over(tmp_path):
    folder = points(run(tmp_path / "a"))
    (folder / "samples/000000200.npz").write_bytes(b"PK\x03\x04 cut")
    (folder / "samples/000000300.npz").write_bytes(b"")
    np.savez(folder / "samples/000000350.npz", other=np.zeros(3))
    np.savez(folder / "samples/000000360.npz", points=np.zeros((4, 1)))
    np.savez(folder / "samples/notes.npz", points=np.zeros((4, 2)))
    assert [frame["iteration"] for frame in of(folder)["frames"]] == [0, 100, 400]
    assert of(run(tmp_path / "none")) is None


def opened(uri):
    head, _, body = uri.partition(",")
    return head, Image.open(BytesIO(b64decode(body)))


def test_small_grids_are_embedded_as_they_are(tmp_path):
    folder = grids(run(tmp_path / "a", recipe="mnist/far"))
    found = of(folder)
    assert [frame["iteration"] for frame in found["frames"]] == [0, 100, 400]
    for frame in found["frames"]:
        head, image = opened(frame["uri"])
        assert head == "data:image/png;base64"
        assert image.getpixel((0, 0)) == 50 + frame["iteration"] // 4


def test_large_grids_are_made_smaller(tmp_path):
    folder = grids(run(tmp_path / "a", settings=RECIPES["mnist/far"](0).plain()), iterations=(0,))
    noise = np.random.default_rng(0).integers(0, 256, (900, 1300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "samples/000000500.png")
    last = of(folder)["frames"][-1]
    head, image = opened(last["uri"])
    assert head == "data:image/webp;base64"
    assert image.size == (640, 443)
    assert len((folder / "samples/000000500.png").read_bytes()) > 40 * LARGE


def test_a_small_budget_keeps_the_last_grid(tmp_path):
    folder = grids(run(tmp_path / "a", recipe="mnist/far"), iterations=range(0, 1000, 50))
    assert [frame["iteration"] for frame in of(folder, budget=10)["frames"]] == [950]
    (folder / "samples/000000950.png").write_bytes(b"no picture")
    assert [frame["iteration"] for frame in of(folder, budget=10)["frames"]] == [900]
    for path in folder.glob("samples/*.png"):
        path.write_bytes(b"no picture")
    assert of(folder, budget=10) is None
