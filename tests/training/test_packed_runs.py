"""Packing of any degree goes through a whole run: probes show whole groups too."""

from __future__ import annotations

import pytest
import torch

import steadygan as sg


@pytest.mark.parametrize("degree", [2, 3, 7])
def test_a_packed_run_is_probed(degree: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G, D = sg.models.mlp(2, 2, width=8), sg.models.mlp(2 * degree, 1, width=8)
    methods = [sg.methods.Packing(degree), sg.methods.FakeAsReal(2, factor=2)]
    trainer = sg.Trainer(G, D, torch.randn(60, 2), latent_dim=2, method=methods, batch_size=8, evaluate_n=200)
    run = trainer.fit(3)
    assert run.metrics[-1]["gradient_mean"] > 0
    assert run.sample(5).shape == (5, 2)
