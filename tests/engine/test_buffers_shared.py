"""A constraint that changes buffers in place reaches the stacked step, a snapshot, and nobody who was released."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from stacks import ITERATIONS, PLAIN, Case, assert_members_are_lone_runs, assert_near, leaky, rows, tanh
from steadygan.engine.compiler import Compiler
from steadygan.engine.members import share_buffers
from steadygan.engine.optim import cloned
from steadygan.models import spectral_norm
from steadygan.types import Constraint, Opponent
from tiny import assert_same, differs
from tracing import traced_steps

penalties = sg.penalties


class Scaled(nn.Module):
    """A perceptron of `scale * x`; the scale is a buffer, which differs from seed to seed."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.network = leaky(features, 1)
        self.register_buffer("scale", torch.rand(features) + 0.5)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x * self.scale)


class Drifting(Constraint):
    """Moves D's scale towards its largest weight after each of its steps, and counts them."""

    def prepare(self, network: Any) -> None:
        pass

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        largest = torch.stack([p.abs().max() for p in parameters]).max()
        with torch.no_grad():
            network.scale.lerp_(largest.expand_as(network.scale), 0.1)
            network.count.add_(1)


DRIFTING = Opponent(None, sg.losses.NonSaturating(), (penalties.r1(0.3),), constraint=Drifting())
CASES: dict[str, Case] = {
    "a drifting scale": Case({"D": DRIFTING}, d=Scaled, d_steps=2),
    "one of two opponents": Case({"d1": replace(DRIFTING, constraint=None), "d2": DRIFTING}, d=Scaled),
    "spectral norm": Case(
        {"D": replace(PLAIN, loss=sg.losses.Hinge(), constraint=penalties.SpectralNorm())},
        d=lambda features: spectral_norm(tanh(features, 1)),
    ),
}
each = pytest.mark.parametrize("name", CASES)


def buffers(member: Any) -> dict[str, dict[str, Tensor]]:
    return {name: cloned(dict(network.named_buffers())) for name, network in member.networks.items()}


@pytest.mark.parametrize(("name", "members"), [*((name, 3) for name in CASES), ("a drifting scale", 1)])
def test_members_are_lone_runs(name: str, members: int) -> None:
    stack = assert_members_are_lone_runs(CASES[name], members)
    if name == "a drifting scale":
        assert [member.networks["D"].count.item() for member in stack.members] == [2 * ITERATIONS] * members


@pytest.mark.parametrize("name", ["one of two opponents", pytest.param("spectral norm", marks=pytest.mark.slow)])
def test_traced_steps_train_the_same_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, compiler = traced_steps(monkeypatch), Compiler(on=True)
    assert_members_are_lone_runs(CASES[name], 2, compiler=compiler)
    assert (compiler.failures, len(found)) == ([], 2)


@each
def test_they_move_at_all(name: str) -> None:
    """Or the comparisons above would say little."""
    stack, blocks = CASES[name].stack(2)
    before = [buffers(member) for member in stack.members]
    rows(stack, blocks, 3, CASES[name].factor)
    assert all(differs(buffers(member), were) for member, were in zip(stack.members, before, strict=True))


@each
def test_going_back_and_repeating_is_exact(name: str) -> None:
    """A snapshot holds them: what is rehearsed before a run leaves no trace in it."""
    case = CASES[name]
    stack, blocks = case.stack(2)
    rows(stack, blocks, 3, case.factor)
    stack.settle()
    before = stack.snapshot()
    held = [tuple(map(cloned, member.held())) for member in stack.members]
    once = rows(stack, blocks, 4, case.factor, first=3)
    stack.go_back(before)
    assert_same([member.held() for member in stack.members], held)
    assert_same(rows(stack, blocks, 4, case.factor, first=3), once)


@each
def test_one_that_is_released_stays_as_it_is(name: str) -> None:
    case = CASES[name]
    stack, blocks = case.stack(3)
    rows(stack, blocks, 5, case.factor)
    stack.release(1)
    held = cloned(stack.members[1].held()[0])
    rows(stack, blocks, 5, case.factor, first=5)
    stack.settle()
    assert_same(dict(stack.members[1].held()[0]), held)
    for k in (0, 2):
        assert_near(stack.members[k].held(), case.alone(k, 10)[0].held(), 1e-10)
    own = stack.members[1].networks
    shared = {t.data_ptr() for k in (0, 2) for n in stack.members[k].networks.values() for t in n.buffers()}
    assert not shared & {t.data_ptr() for n in own.values() for t in n.buffers()}


@each
def test_loaded_state_reaches_the_stack(name: str) -> None:
    """As when a run goes on from a checkpoint: buffers are filled in place."""
    case = CASES[name]
    ahead, blocks = case.stack(2)
    rows(ahead, blocks, 5, case.factor)
    ahead.settle()
    late, others = case.stack(2)
    for k in range(2):
        late.members[k].put(ahead.members[k].snapshot())
    late.adopt()
    for k in range(2):
        assert_near(late.members[k].held(), ahead.members[k].held(), 0.0)
    assert_same(rows(late, others, 3, case.factor, first=5), rows(ahead, blocks, 3, case.factor, first=5))


def test_a_buffer_in_two_places_is_shared_as_one() -> None:
    first, second = nn.BatchNorm1d(3), nn.Linear(3, 3)
    second.register_buffer("mean", first.running_mean)
    network = nn.Sequential(first, second)
    new = {key: torch.full_like(value, 7) for key, value in network.named_buffers()}
    share_buffers({"D": network}, {"D": new})
    assert first.running_mean is second.mean is new["0.running_mean"]
    assert first.num_batches_tracked is new["0.num_batches_tracked"]
    assert_close(network[1].mean, torch.full((3,), 7.0))
