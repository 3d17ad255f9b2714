"""Looks at runs that go wrong, and at discriminators that judge whole batches: nothing is stopped or misread."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.engine.executor import Executor
from tiny import assert_same, built, small_d, small_g, state, trainer

HUGE = 1e25  # its square is beyond float32


class Huge(nn.Module):
    """Logits whose gradients are finite, but not the squares of them in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.network = small_d()

    def forward(self, x: Tensor) -> Tensor:
        return HUGE * self.network(x)


NORMS: dict[str, list[float]] = {}


def recording(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """Moves no weight, and writes down the norm of all gradients by the rate that tells the players apart."""

    class Recording(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            own = [p.grad.double().flatten() for group in self.param_groups for p in group["params"]]
            NORMS.setdefault(f"{lr:g}", []).append(float(torch.cat(own).norm()))

    return Recording(parameters, lr)


def huge(**settings: Any) -> sg.Trainer:
    G, D = built(0, small_g, Huge)
    loss = sg.losses.Wasserstein()
    return trainer(G=G, D=D, loss=loss, log_every=3, evaluate_every=6, evaluator=None, lr_d=0.02, **settings)


def test_gradients_too_large_to_be_squared_are_measured() -> None:
    NORMS.clear()
    run = huge(optimizer=recording).fit(6)
    for record in run.metrics[1:]:
        last = record["iteration"] - 1
        assert record["gradient_norm_g"] == pytest.approx(NORMS["0.01"][last], rel=1e-6)
        assert record["gradient_norm_d"] == pytest.approx(NORMS["0.02"][last], rel=1e-6)
        assert record["gradient_norm_d"] > 1e20


def test_to_look_at_gradients_stops_no_run() -> None:
    found = []
    for monitor in ("auto", None):
        made = huge(monitor=monitor)
        made.fit(6)
        found.append(state(made)._replace(sums={}))
    assert_same(*found)


def not_a_number(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """Is handed gradients that are no numbers, and does not mind."""

    class Spoilt(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            for p in (p for group in self.param_groups for p in group["params"]):
                p.sub_(lr * p.grad.nan_to_num())

    made = Spoilt(parameters, lr)

    def spoil(*_: Any) -> None:
        made.param_groups[0]["params"][0].grad.fill_(math.nan)

    made.register_step_pre_hook(spoil)
    return made


def test_gradients_that_are_no_numbers_are_told_of_and_not_recorded() -> None:
    """What the optimiser bears, the run bears, too: weights and terms alone decide whether it goes on."""
    run = trainer(optimizer=not_a_number, log_every=3, evaluate_every=6).fit(6)
    assert run.metrics[-1]["iteration"] == 6
    assert all("gradient_norm_d" not in record for record in run.metrics)
    assert "iteration 3: gradient_norm_d was nan" in run.events


def test_a_player_without_gradients_has_no_norm() -> None:
    class Stub:
        stacked = False

        def __init__(self) -> None:
            pairs = [nn.Parameter(torch.tensor([3.0, 4.0])), nn.Parameter(torch.tensor([[12.0]]))]
            self.optimizers = {player: torch.optim.SGD(pairs if player == "G" else pairs[1:], 1.0) for player in "GD"}

    made: Any = Stub()
    executor: Executor = made
    first = made.optimizers["G"].param_groups[0]["params"][0]
    first.grad = first.detach().clone()
    found: dict[str, Any] = {}
    with Executor._measuring(executor, found):
        for optimizer in executor.optimizers.values():
            optimizer.step()
    assert {key: float(value) for key, value in found.items()} == {"G/gradients": 5.0}
    first.grad.fill_(1.0)
    executor.optimizers["G"].step()
    assert float(found["G/gradients"]) == 5.0  # nobody looks any more


def test_fakes_that_are_no_numbers_do_not_make_d_dead() -> None:
    made = trainer(data=sg.data.DATA["ring8"]())
    run = made.fit(0)
    with torch.no_grad():
        for parameter in run.G_live.parameters():
            parameter.fill_(math.nan)
    figures, dead = made.session.members[0].probes.look(0)
    assert figures["non_finite"] > 0
    assert figures["dead_units"] == 0.0
    assert dead == {}


def test_held_out_samples_are_judged_in_batches_like_the_others() -> None:
    """A rest of another size would be judged otherwise by a discriminator that compares samples."""
    seen: list[int] = []

    class Coupled(nn.Module):
        couples_samples = True

        def __init__(self) -> None:
            super().__init__()
            self.network = sg.models.DISCRIMINATORS["mlp"]((1, 8, 8), width=4)

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape[0])
            return self.network(x) + x.mean() * x.shape[0]

    G, D = built(0, lambda: sg.models.GENERATORS["mlp"](2, (1, 8, 8), width=4), Coupled)
    made = trainer(G=G, D=D, data=sg.data.DATA["digits"](), batch_size=25)
    made.fit(0)
    seen.clear()
    figures, _ = made.session.members[0].probes.look(0)
    assert seen == [25] * 6  # of 64 each, reals and fakes twice, held-out ones twice
    assert "accuracy_held_out" in figures
