"""Parts of the kinds to come, through the engine: state carried from step to step, a shared batch, noise, time."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

import steadygan as sg
from known import F64
from parts import Balanced, Pulled
from steadygan.engine.optim import OptimizerSettings
from steadygan.training.probes import Probes
from steadygan.types import Method, Now
from tiny import N, assert_same, differs, double, networks, saved, state, trainer

SGD = OptimizerSettings("sgd")
RATE = 0.05


def by_hand(d_steps: int, iterations: int) -> tuple[list[Tensor], float]:
    """The loss of `Balanced` as a plain loop: k follows D's own terms, G sees the last D step's z."""
    plain = trainer(loss=Balanced(), d_steps=d_steps, dtype=F64)
    plain.fit(0)
    draws = plain.session.members[0].draws
    G, D = double(*networks())
    g_sgd, d_sgd = (torch.optim.SGD(network.parameters(), RATE) for network in (G, D))
    k = 0.25
    for number in range(iterations):
        iteration = draws.block(0)[number]
        for step in iteration.d:
            on_real, on_fake = D(step.real.x).squeeze(1), D(G(step.z).detach()).squeeze(1)
            real, fake = (on_real - 1).square().mean(), on_fake.square().mean()
            d_sgd.zero_grad()
            (real + k * fake).backward()
            d_sgd.step()
            k = min(1.0, max(0.0, k + 0.005 * (0.5 * real.item() - fake.item())))
        g_sgd.zero_grad()
        (D(G(iteration.d[-1].z)).squeeze(1) - 1).square().mean().backward()
        g_sgd.step()
    return [p.detach() for p in (*G.parameters(), *D.parameters())], k


@pytest.mark.parametrize("d_steps", [1, 2])
def test_a_state_is_carried_from_d_step_to_d_step(d_steps):
    made = trainer(loss=Balanced(), d_steps=d_steps, dtype=F64, optimizer=SGD, lr_g=RATE, ema=None)
    made.fit(30)
    G, D = made.setup.networks
    parameters, k = by_hand(d_steps, 30)
    assert 0.01 < k < 1.0
    assert k != pytest.approx(0.25, abs=1e-2)
    torch.testing.assert_close(float(state(made).parts["D"]["loss"]["k"]), k, rtol=0, atol=1e-10)
    for ours, theirs in zip((*G.parameters(), *D.parameters()), parameters, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=0, atol=1e-10)


def test_the_state_begins_anew_in_every_run():
    loss = Balanced()
    first, second = (trainer(loss=loss) for _ in range(2))
    first.fit(20)
    second.fit(0)
    assert differs(state(first).parts, state(second).parts)
    assert_same(state(second).parts, {"D": {"loss": {"k": torch.tensor(0.25, dtype=F64)}}})


def test_the_state_is_in_the_checkpoint(tmp_path):
    made = trainer(tmp_path, loss=Balanced())
    made.fit(20)
    assert_same(saved(tmp_path)["state"].parts, state(made).parts)


class Twice(Method):
    """Counts D steps, one more at each that it acts in."""

    name = "twice"

    def initial_state(self):
        return {"steps": torch.zeros((), dtype=torch.int64)}

    def next_state(self, state, means):
        return {"steps": state["steps"] + 1}


def test_each_method_of_a_chain_has_its_own_state():
    chained = trainer(loss=Balanced(), method=[Twice(), sg.methods.FakeAsReal(2)], d_steps=3)
    chained.fit(10)
    parts = state(chained).parts["D"]
    assert parts["method"] == {"twice.steps": 30}
    assert parts["loss"].keys() == {"k"}


class Heard(Pulled):
    """Keeps what it is told of each step."""

    heard: ClassVar[list[Now]] = []

    def at(self, now: Now) -> Pulled:
        self.heard.append(now)
        return super().at(now)


@pytest.fixture
def unprobed(monkeypatch):
    """Only steps tell parts the time."""
    monkeypatch.setattr(Probes, "look", lambda *_: ({}, {}))


def test_time_reaches_a_part_as_the_absolute_iteration(tmp_path, unprobed):
    """The method's weight is 0.1 t / 100: at iteration 0 it changes nothing, later on it does."""
    Heard.heard.clear()
    settings = {"optimizer": SGD, "ema": None}
    plain, pulled = trainer(**settings), trainer(method=Pulled(), **settings)
    for made in (plain, pulled):
        made.fit(1)
    for a, b in zip(plain.setup.G.parameters(), pulled.setup.G.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    for until in (130, 132):
        trainer(tmp_path, method=Heard(), resume=True).fit(until)
    assert [now.iteration.item() for now in Heard.heard] == [i for i in range(132) for _ in ("D's step", "G's step")]


def test_noise_is_new_in_every_step_of_either_player(unprobed):
    Heard.heard.clear()
    trainer(method=Heard(), d_steps=2).fit(5)
    noise = [now.noise["u"] for now in Heard.heard]
    assert [u.shape for u in noise] == [(N,)] * 15
    assert len({tuple(u.tolist()) for u in noise}) == 15


def test_a_shared_batch_is_seen_by_the_generator_again():
    asked = []
    G, D = networks()
    G.register_forward_pre_hook(lambda _, z: asked.append(z[0].clone()))
    made = trainer(G=G, D=D, loss=Balanced(), d_steps=2, evaluator=None)
    made.fit(0)
    asked.clear()
    made.fit(1)
    both, own = asked[:2]  # the fakes of both D steps come from one forward
    first, last = both.chunk(2)
    assert torch.equal(own, last)
    assert not torch.equal(own, first)
