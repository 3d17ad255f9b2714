"""Runs that must end well: the whole chain from settings to figures learns a distribution."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import steadygan as sg
from steadygan.engine.optim import Linear


def ends(data: str, iterations: int, lr: float, *size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first and the last record of a run of fake-as-real and r1."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G, D = (sg.models.mlp(2, out, *size, activation="leaky_relu") for out in (2, 1))
    parts = {"penalties": [sg.penalties.r1(0.1)], "method": sg.methods.FakeAsReal(count=8), "schedule": Linear()}
    rhythm = {"evaluate_every": iterations, "log_every": 1000, "compile": "off"}
    run = sg.Trainer(G, D, sg.data.DATA[data](), latent_dim=2, lr_g=lr, **parts, **rhythm).fit(iterations)
    assert abs(run.metrics[-1]["d_loss"] - 1.386) < 0.05
    return run.metrics[0], run.metrics[-1]


def test_a_gaussian_is_approached() -> None:
    first, last = ends("gaussian", 500, 5e-3, 16, 2)
    assert last["energy_distance"] < 0.75 * first["energy_distance"]
    assert last["balance"] > 2 * first["balance"]


@pytest.mark.slow
def test_ring8_far_finds_every_mode() -> None:
    first, last = ends("ring8", 6000, 1e-3)
    assert last["modes"] == 8
    assert last["high_quality"] > 0.5
    assert last["emptiest_mode"] > 0.7
    assert last["energy_distance"] < 0.02 < first["energy_distance"]
