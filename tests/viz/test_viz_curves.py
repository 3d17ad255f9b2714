from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from steadygan.viz import comparison, gradient_curves, loss_curves, metric_curves
from steadygan.viz.series import Series, running, series

Record = dict[str, Any]
DRAW: dict[str, Callable[[list[Record], Path], None]] = {
    "losses": lambda records, path: loss_curves(records, (2 * math.log(2), math.log(2)), path, "losses"),
    "gradients": gradient_curves,
    "metrics": metric_curves,
    "comparison": lambda records, path: comparison({"a": records, "b": records[:3]}, path, equilibrium=(1.386, None)),
}
LOSSES = ["d_loss", "g_loss"]
NORMS = ["gradient_mean", "gradient_max", "d_gradient_mean", "d_gradient_max"]
CONCENTRATION = ["gradient_max_over_mean", "gradient_top1_share"]
METRICS = ["modes", "high_quality", "emptiest_mode", "balance", "energy_distance", "mode_kl"]
KEYS = [*LOSSES, *NORMS, *CONCENTRATION, *METRICS]


def full(count: int = 100) -> list[Record]:
    return [{"iteration": 100 * i, **dict.fromkeys(KEYS, 0.5 + 0.01 * i)} for i in range(count)]


def holes() -> list[Record]:
    records = full(20)
    records[3]["d_loss"] = math.nan
    records[4]["gradient_max"] = math.inf
    records[5]["modes"] = None
    records[6] = {"iteration": 600}
    records[7].pop("iteration")
    records[8]["g_loss"] = -math.inf
    records[9]["gradient_mean"] = 0.0
    records[10]["energy_distance"] = -1e-4
    records[11]["balance"] = "a word"
    records[12]["d_gradient_max"] = [1.0]
    return records


RECORDS = {
    "none": [{"iteration": 1, "something": 3.0}],
    "one": full(1),
    "many": full(300),
    "all-nan": [{"iteration": i, **dict.fromkeys(KEYS, math.nan)} for i in range(5)],
    "dying": [{"iteration": i, **dict.fromkeys(KEYS, 10.0**-i if i < 11 else 0.0)} for i in range(13)],
    "holes and an explosion": [*holes(), {"iteration": 5000, **dict.fromkeys(KEYS, 1e30), "d_loss": -1e30}],
}


@pytest.fixture
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pixels, so that many figures take little time."""
    monkeypatch.setattr("steadygan.viz.canvas.DPI", 60)


@pytest.mark.usefixtures("_coarse")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("draw", "records"),
    [
        pytest.param(draw, records, id=f"{name}-{kind}", marks=[pytest.mark.slow] * ((i + j) % 3 == 1 and i != 3))
        for i, (name, draw) in enumerate(DRAW.items())
        for j, (kind, records) in enumerate(RECORDS.items())
    ],
)
def test_every_figure_takes_whatever_a_run_wrote(
    tmp_path: Path, draw: Callable[[list[Record], Path], None], records: list[Record]
) -> None:
    path = tmp_path / "figures" / "curves.png"
    draw(records, path)
    height, width = imread(path).shape[:2]
    assert 80 < height < 500
    assert 150 < width < 800
    assert path.stat().st_size < 500_000


def test_comparison_of_no_run(tmp_path: Path) -> None:
    comparison({}, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").exists()


@pytest.mark.usefixtures("_coarse")
def test_equilibrium_lines_change_the_picture(tmp_path: Path) -> None:
    for name, equilibrium in {"none": (None, None), "d": (1.386, None), "both": (1.386, 0.693)}.items():
        loss_curves(full(), equilibrium, tmp_path / f"{name}.png")
    pictures = {(tmp_path / f"{name}.png").read_bytes() for name in ("none", "d", "both")}
    assert len(pictures) == 3


def test_series_sorts_leaves_out_what_is_missing_and_keeps_what_is_not_finite() -> None:
    records = [
        {"iteration": 20, "d_loss": math.inf},
        {"iteration": 0, "d_loss": 1.0},
        {"iteration": 10, "d_loss": None},
        {"iteration": 15},
        {"d_loss": 4.0},
        {"iteration": 30, "d_loss": np.float32(2.0)},
    ]
    curve = series(records, "d_loss")
    assert curve.iteration.tolist() == [0.0, 20.0, 30.0]
    assert curve.value[[0, 2]].tolist() == [1.0, 2.0]
    assert math.isnan(curve.value[1])
    assert curve.first_non_finite == 20.0
    assert curve.drawable


def test_an_empty_series_is_not_drawable() -> None:
    assert not series([], "d_loss").drawable
    assert series([], "d_loss").first_non_finite is None
    assert not Series(np.array([1.0]), np.array([math.nan])).drawable


def test_running_statistic_passes_over_nans_and_keeps_their_places() -> None:
    values = np.array([1.0, 2.0, math.nan, 9.0, 4.0])
    assert running(np.median, values, 3).tolist()[:2] == [1.5, 1.5]
    assert math.isnan(running(np.median, values, 3)[2])
    assert running(np.median, values, 3).tolist()[3:] == [6.5, 6.5]
    assert running(np.mean, np.arange(5.0), 1).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
