"""What records say of the steps since the last one: how much the losses vary, how large the last gradients were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import steadygan as sg
from known import F64
from steadygan.config import override
from steadygan.config.optimisation import Linear
from steadygan.diagnostics.diagnosis import setting_told
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer as recipe_trainer
from steadygan.runs.history import history
from steadygan.training.setup import setting_of
from steadygan.types import Opponent
from tiny import built, networks, small_d, small_g, trainer


@pytest.mark.parametrize(("schedule", "end"), [(Linear(start=0.5), 12), (None, None)])
def test_a_run_is_judged_by_its_end_where_its_rates_fall(schedule: Any, end: int | None, tmp_path: Path) -> None:
    """In training, and from what it leaves."""
    made = trainer(tmp_path, schedule=schedule, horizon=12)
    run = made.fit(4)
    judge = made.member.judge
    assert judge is not None
    assert judge.setting.end == judge.course.end == end
    left = history(tmp_path)
    assert setting_told(left.settings, run.equilibrium[0], left.tree["horizon"]).end == end


@pytest.mark.parametrize(("words", "end"), [([], 40_000), (["schedule=constant"], None), (["horizon=900"], 900)])
def test_the_end_of_a_recipe(words: list[str], end: int | None) -> None:
    settings = override(RECIPES["grid25/r1"](), words)
    assert setting_told(settings, 1.0, settings.horizon).end == end
    assert setting_of(recipe_trainer(settings).setup, 1.0, settings.horizon).end == end


NORMS: dict[str, list[float]] = {}


def recording(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """SGD that writes down the norm of all gradients of each step, by the rate that tells the players apart."""

    class Recording(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            own = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
            NORMS.setdefault(f"{lr:g}", []).append(float(torch.cat(own).norm()))
            super().step()

    return Recording(parameters, lr)


@pytest.mark.parametrize("d_steps", [1, 3])
def test_gradient_norms_are_those_of_the_last_steps(d_steps: int) -> None:
    NORMS.clear()
    settings: dict[str, Any] = {"d_steps": d_steps, "lr_g": 0.01, "lr_d": 0.02, "log_every": 5, "dtype": F64}
    run = trainer(optimizer=recording, penalties=[sg.penalties.r1(0.3)], **settings).fit(15)
    G, D = NORMS["0.01"], NORMS["0.02"]
    assert (len(G), len(D)) == (15, 15 * d_steps)
    assert "gradient_norm_g" not in run.metrics[0]
    for record in run.metrics[1:]:
        assert record["gradient_norm_g"] == pytest.approx(G[record["iteration"] - 1], rel=1e-9)
        assert record["gradient_norm_d"] == pytest.approx(D[record["iteration"] * d_steps - 1], rel=1e-9)


def losses(every: int, iterations: int = 20, **settings: Any) -> list[dict[str, Any]]:
    G, D = networks()
    rhythm = {"log_every": every, "evaluate_every": iterations, "evaluator": None, "dtype": F64}
    return trainer(**({"G": G, "D": D} | settings | rhythm)).fit(iterations).metrics


def weighted() -> dict[str, Any]:
    G, a, b = built(1, small_g, small_d, small_d)
    opponents = {"a": Opponent(a, sg.losses.Hinge(), weight=0.5), "b": Opponent(b, sg.losses.NonSaturating())}
    return {"G": G, "D": opponents}


@pytest.mark.parametrize("make", [dict, weighted])
def test_deviation_of_the_losses_of_an_interval(make: Any) -> None:
    """A record of each iteration against one of five: penalties do not count."""
    single, five = losses(1, **make()), losses(5, **make())
    assert [record["iteration"] for record in five] == [0, 5, 10, 15, 20]
    for record in five[1:]:
        for key in ("d_loss", "g_loss"):
            own = [each[key] for each in single if record["iteration"] - 5 < each["iteration"] <= record["iteration"]]
            assert len(own) == 5
            assert record[key] == pytest.approx(np.mean(own), rel=1e-12)
            assert record[f"{key}_std"] == pytest.approx(np.std(own), rel=1e-6)
            assert np.std(own) > 1e-3
    assert all(each[f"{key}_std"] == 0.0 for each in single[1:] for key in ("d_loss", "g_loss"))
    assert not {"d_loss_std", "g_loss_std"} & single[0].keys()
    assert not any("squared" in key or "gradients" in key for record in (*single, *five) for key in record)


@pytest.mark.parametrize(
    ("loss", "rest"),
    [
        (sg.losses.NonSaturating(), (2 * np.log(2), np.log(2))),
        (sg.losses.Hinge(), (2.0, None)),
        (sg.losses.Wasserstein(), (0.0, None)),
    ],
)
def test_how_far_losses_are_from_their_equilibrium(loss: Any, rest: tuple[float | None, float | None]) -> None:
    record = losses(5, 5, loss=loss)[-1]
    for player, e in zip("dg", rest, strict=True):
        if e is None:
            assert f"{player}_off" not in record
        else:
            expected = (record[f"{player}_loss"] - e) / (abs(e) or 1.0)
            assert record[f"{player}_off"] == pytest.approx(expected, rel=1e-12)


def test_penalties_do_not_make_a_loss_vary() -> None:
    plain, pulled = (losses(5, 5, penalties=p)[-1] for p in ((), (sg.penalties.r1(5.0),)))
    assert plain["d_loss_std"] != pulled["d_loss_std"]  # the networks learn otherwise
    slow: dict[str, Any] = {"lr_g": 1e-12, "lr_d": 1e-12}
    plain, pulled = (losses(5, 5, penalties=p, **slow)[-1] for p in ((), (sg.penalties.r1(5.0),)))
    assert plain["d_loss_std"] == pytest.approx(pulled["d_loss_std"], rel=1e-6)
    assert plain["d_off"] == pytest.approx(pulled["d_off"], rel=1e-6)
    assert pulled["gradient_norm_d"] > 1.01 * plain["gradient_norm_d"]
