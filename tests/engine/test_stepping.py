"""The short way of an optimiser's step is torch's own way, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import assert_same, built, small_d, small_g, state, trainer
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

import steadygan as sg
from known import F64
from steadygan.engine import stepping
from steadygan.engine.optim import OptimizerSettings
from steadygan.engine.schedule import Linear


def result(torchs_way: bool, **settings: Any) -> Any:
    """The state after 40 iterations; a hook, even one that does nothing, asks for torch's own way."""
    made = trainer(**settings)
    made.fit(0)
    if torchs_way:
        for optimizer in made._loop.executor.optimizers.values():
            optimizer.register_step_pre_hook(lambda *_: None)
    made.fit(40)
    return state(made)


def partly_used() -> dict[str, nn.Module]:
    """A parameter of D never receives a gradient."""
    G, D = built(1, small_g, lambda: nn.ModuleList([small_d(), nn.Linear(2, 1)]))
    D.forward = D[0].forward
    return {"G": G, "D": D}


@pytest.mark.parametrize(
    "settings",
    [
        lambda: {"penalties": [sg.penalties.r1(0.5)], "d_steps": 2},
        lambda: {"optimizer": OptimizerSettings(betas=(0.0, 0.99), eps=1e-6, weight_decay=0.1)},
        lambda: {"schedule": Linear(start=0.2), "horizon": 40, "lr_d": 3e-2},
        lambda: {"dtype": F64},
        lambda: partly_used(),
        lambda: {"optimizer": OptimizerSettings("rmsprop")},
        lambda: {"optimizer": lambda p, lr: torch.optim.Adam(p, lr, fused=True, amsgrad=True)},
        lambda: {"optimizer": lambda p, lr: torch.optim.AdamW(p, lr, fused=True)},
    ],
    ids=["plain", "settings", "schedule", "float64", "unused parameter", "rmsprop", "amsgrad", "adamw"],
)
def test_equals_torchs_way(settings):
    assert_same(result(False, **settings()), result(True, **settings()))


@pytest.mark.parametrize(
    ("make", "bare"),
    [
        (lambda p: torch.optim.Adam(p, fused=True), True),
        (lambda p: torch.optim.Adam(p, fused=True, weight_decay=0.1), True),
        (lambda p: torch.optim.Adam(p), False),
        (lambda p: torch.optim.Adam(p, fused=True, amsgrad=True), False),
        (lambda p: torch.optim.Adam(p, fused=True, maximize=True), False),
        (lambda p: torch.optim.AdamW(p, fused=True), False),
        (lambda p: torch.optim.Adam(p, fused=True, lr=torch.tensor(1e-3)), False),
        (lambda p: torch.optim.Adam([{"params": p[:1]}, {"params": p[1:], "lr": 0.1}], fused=True), False),
        (lambda p: torch.optim.SGD(p, fused=True), False),
        (lambda p: type("Mine", (torch.optim.Adam,), {})(p, fused=True), False),
    ],
)
def test_is_taken_for_torchs_fused_adam_alone(make, bare):
    assert stepping.is_bare_adam(make([*small_d().parameters()])) is bare


def test_a_step_of_ones_own_is_called():
    optimizer = torch.optim.Adam(small_d().parameters(), fused=True)
    optimizer.step = lambda: None
    assert not stepping.is_bare_adam(optimizer)


def test_hooks_are_called():
    calls = []
    handle = register_optimizer_step_pre_hook(lambda *_: calls.append("all"))
    try:
        made = trainer()
        made.fit(0)
        optimizers = made._loop.executor.optimizers
        optimizers["D"].register_step_post_hook(lambda *_: calls.append("D"))
        made.fit(2)
    finally:
        handle.remove()
    assert calls == ["all", "D", "all", "all", "D", "all"]
