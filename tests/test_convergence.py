"""A short run that must end well: the whole chain from settings to figures learns a distribution."""

from __future__ import annotations

import torch

import steadygan as sg
from steadygan.engine.optim import Linear


def test_ring8_far_finds_every_mode() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G = sg.models.mlp(2, 2, activation="leaky_relu")
        D = sg.models.mlp(2, 1, activation="leaky_relu")
    trainer = sg.Trainer(
        G,
        D,
        sg.data.DATA["ring8"](),
        latent_dim=2,
        penalties=[sg.penalties.r1(0.1)],
        method=sg.methods.FakeAsReal(count=8),
        schedule=Linear(),
        compile="off",
        evaluate_every=6000,
        log_every=1000,
    )
    run = trainer.fit(6000)
    first, last = run.metrics[0], run.metrics[-1]
    assert last["modes"] == 8
    assert last["high_quality"] > 0.5
    assert last["emptiest_mode"] > 0.7
    assert last["energy_distance"] < 0.02 < first["energy_distance"]
    assert abs(last["d_loss"] - 1.386) < 0.05
