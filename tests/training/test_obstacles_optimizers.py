"""Optimisers that mix what belongs to several seeds are found before the first step, and others are let through."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from several import one
from steadygan.engine.optim import OptimizerSettings
from steadygan.training.obstacles import mixes_entries, obstacle


def found(factory: Any) -> str | None:
    """Why trainers with this optimiser cannot be stacked."""
    return obstacle([one(seed, optimizer=factory).setup for seed in range(2)])


FINE = [
    *(OptimizerSettings(name, momentum=0.5, weight_decay=0.1) for name in ("adam", "rmsprop", "sgd")),
    torch.optim.Adamax,
    torch.optim.AdamW,
    torch.optim.Adagrad,
    torch.optim.NAdam,
    lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True),
]


@pytest.mark.parametrize("factory", FINE)
def test_elementwise_ones_are_let_through(factory: Any) -> None:
    before = torch.get_rng_state()
    assert mixes_entries(factory, 1e-2) is None
    assert torch.equal(torch.get_rng_state(), before)
    assert found(factory) is None


class Lars(torch.optim.Optimizer):
    """Normalises by the norm of a parameter: entries mix."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for p in self.param_groups[0]["params"]:
            p.sub_(p.grad * (p.norm() / (p.grad.norm() + 1e-9)), alpha=self.param_groups[0]["lr"])


def by_ndim(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """Weight decay for matrices only, as it is often seen."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr)


def two_groups(parameters: Any, lr: float) -> torch.optim.Optimizer:
    parameters = list(parameters)
    return torch.optim.SGD([{"params": parameters}, {"params": [nn.Parameter(torch.zeros(1))]}], lr)


def failing(parameters: Any, lr: float) -> torch.optim.Optimizer:
    parameters = list(parameters)
    if parameters[0].ndim == 2 and parameters[0].shape[0] == 2:
        raise RuntimeError("no such\nshape")
    return torch.optim.SGD(parameters, lr)


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (Lars, "the optimiser Lars mixes the entries of a parameter"),
        (by_ndim, "AdamW mixes the entries of a parameter"),
        (two_groups, "the optimiser SGD makes several groups of parameters"),
        (torch.optim.Adafactor, "Adafactor"),
        (failing, "cannot step stacked parameters (no such)"),
        (torch.optim.LBFGS, "cannot step stacked parameters"),
    ],
)
def test_optimisers_that_mix_what_belongs_to_several_seeds(factory: Any, told: str) -> None:
    reason = mixes_entries(factory, 1e-2)
    assert reason is not None
    assert told in reason
    assert "\n" not in reason
    assert found(factory) == reason
