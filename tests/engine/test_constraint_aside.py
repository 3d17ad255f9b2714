"""A constraint is D's own: networks that are only trained beside it stay as they are."""

from __future__ import annotations

import torch

import steadygan as sg
from steadygan.models import mlp, mlp_discriminator


def test_clipping_leaves_a_denoiser_alone() -> None:
    G, D = mlp(2, 2, 8), mlp_discriminator((2,), width=8, denoiser=8, denoiser_depth=2)
    method, clipped = sg.methods.DenoisingFeatureMatching(), sg.penalties.WeightClipping(1e-3)
    settings = {"latent_dim": 2, "batch_size": 8, "device": "cpu", "compile": "off", "evaluator": None}
    sg.Trainer(G, D, torch.randn(64, 2), method=method, constraint=clipped, **settings).fit(3)
    largest = {name: float(p.detach().abs().max()) for name, p in D.named_parameters()}
    beside = {name for name in largest if name.startswith("denoiser.")}
    assert beside
    assert all((value > 2e-3) == (name in beside) for name, value in largest.items())
