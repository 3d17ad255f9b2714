"""Each member of a stack is the eager run of its seed: weights, averages, optimisers, parts' state and terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from enrolled import OPPONENTS
from parts import Balanced, Pulled
from stacks import OFF, PLAIN, Case, assert_members_are_lone_runs, assert_near, leaky, rows, tanh, trained
from steadygan.engine.functional import Functional
from steadygan.engine.members import StackedBlocks
from steadygan.engine.optim import Ema, OptimizerSettings, cloned
from tiny import assert_same, differs

losses, penalties, methods = sg.losses, sg.penalties, sg.methods
R1 = replace(PLAIN, penalties=(penalties.r1(0.3),))
FAR = replace(R1, method=methods.FakeAsReal(2, factor=4))


class Conditional(nn.Module):
    """A perceptron of a sample and its class."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.classes, self.network = nn.Embedding(3, 2), leaky(4, out)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.network(torch.cat([x, self.classes(label)], 1))


class Tied(nn.Module):
    """Two layers of one weight, and a buffer that differs from seed to seed."""

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(features, 4), nn.Linear(4, out)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("scale", torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.b(torch.tanh(self.a(self.first(x) * self.scale)))))


class Scaled(nn.Module):
    """A network whose first parameter is a lone number."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale, self.network = nn.Parameter(torch.rand(())), leaky(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.network(x)


class Line(nn.Module):
    """d(v) = a v_1 + b v_2 + c v_1 v_2."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.rand(())) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x[:, 0] + self.b * x[:, 1] + self.c * x.prod(1)


class Heads(nn.Module):
    """Two heads of other sizes, one with a feature, of which a caller may ask for the second alone."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.a, self.b = leaky(features, 2), leaky(features, 3)

    def forward(self, x: Tensor, only: bool = False) -> Any:
        h = torch.tanh(x)
        return self.b(h) if only else [(self.a(x), {"h": h}), self.b(h)]


class Second(Heads):
    """The same, whose first head is not trained where it is not called."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.a.requires_grad_(False)


def frozen(network: nn.Module) -> nn.Module:
    """Its first layer, and the bias of its last one, are not trained."""
    network[0].requires_grad_(False)
    network[-1].bias.requires_grad_(False)
    return network


class Signs(torch.optim.Optimizer):
    """An optimiser of the user's own that treats every entry by itself: a step against the sign of a mean of slopes."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                mean = state.setdefault("mean", torch.zeros_like(p)).lerp_(p.grad, 0.2)
                state["calls"] = state.get("calls", 0) + 1
                count = state.setdefault("count", torch.zeros((), dtype=p.dtype)).add_(1.0)
                p.sub_(torch.tanh(100.0 * mean) / (count * state["calls"]).sqrt(), alpha=group["lr"])


CASES: dict[str, Case] = {
    "plain": Case(),
    "fake as real and r1": Case({"D": FAR}),
    "several D steps": Case({"D": FAR}, d_steps=3),
    "lazy penalties": Case(
        {"D": replace(PLAIN, penalties=(penalties.r1(1.0, interval=3), penalties.zero_gp(1.0, interval=2)))}, d_steps=2
    ),
    "two opponents": Case(
        {"d1": replace(R1, weight=2.0), "d2": replace(FAR, loss=losses.Minimax(), weight=0.5)}, d_steps=2
    ),
    "clipping": Case({"D": replace(PLAIN, loss=losses.Wasserstein(), constraint=penalties.WeightClipping(0.1))}),
    "packing, then fake as real": Case(
        {"D": replace(R1, method=methods.chain(methods.Packing(2), methods.FakeAsReal(2, factor=3)))}
    ),
    "classes": Case({"D": FAR}, lambda: Conditional(2), lambda _: Conditional(1), labels=True, d_steps=2),
    "frozen parameters": Case({"D": R1}, lambda: frozen(leaky(2, 2)), lambda features: frozen(leaky(features, 1))),
    "tied parameters and a buffer": Case({"D": R1}, lambda: Tied(2, 2), lambda features: Tied(features, 1)),
    "a lone number": Case({"D": R1}, d=Scaled),
    "lone numbers only": Case({"D": R1}, d=lambda _: Line()),
    "a shared batch and a state": Case({"D": replace(PLAIN, loss=Balanced(rate=0.1))}, d_steps=2),
    "a shared batch and its reals": Case({"D": replace(PLAIN, loss=Balanced(rate=0.1), method=Pulled())}, d_steps=2),
    "noise and time": Case({"D": replace(PLAIN, method=methods.chain(Pulled(), methods.FakeAsReal(2, factor=2)))}),
    "coupled samples": Case(
        {"D": replace(R1, method=methods.FakeAsReal(2, factor=7))},  # more candidates than a batch holds
        lambda: nn.Sequential(sg.models.MinibatchDiscrimination(2, 3, 2), leaky(5, 2)),
        lambda features: nn.Sequential(sg.models.MinibatchDiscrimination(features, 3, 2), leaky(5, 1)),
    ),
    "a map of logits": Case(
        {"D": replace(FAR, loss=losses.Hinge(), penalties=(penalties.r1(0.1, of="sum"),))},
        d=lambda features: tanh(features, 3),
    ),
    "heads that are weighed": Case({"D": replace(FAR, weigh=(0.25, 0.75))}, d=Heads),
    "called in a way of its own": Case({"D": replace(R1, call=lambda D, batch: D(batch.x, only=True))}, d=Second),
    "penalties by differences": Case(
        {"D": replace(PLAIN, penalties=(penalties.r1(0.1, by="difference"), penalties.one_gp(0.1, by="difference")))}
    ),
    "no average": Case({"D": R1}, ema=None),
    "an average by half-life": Case({"D": R1}, ema=Ema(None, half_life=500.0)),
    "a schedule": Case({"D": R1}, factor=lambda i: 1.0 - i / 25),
    "adam with decay": Case({"D": R1}, optimizer=OptimizerSettings(betas=(0.0, 0.99), weight_decay=0.1)),
    "rmsprop": Case({"D": R1}, optimizer=OptimizerSettings("rmsprop", momentum=0.5, weight_decay=0.1)),
    "sgd": Case({"D": R1}, optimizer=OptimizerSettings("sgd")),
    "sgd with momentum": Case({"D": R1}, optimizer=OptimizerSettings("sgd", momentum=0.8, weight_decay=0.1)),
    "adamax": Case({"D": R1}, optimizer=torch.optim.Adamax),
    "an optimiser of one's own": Case({"D": R1}, optimizer=Signs),
    "one's own, and a lone number": Case({"D": R1}, d=Scaled, optimizer=Signs),
}


def no_last_bias(features: int) -> nn.Module:
    """Relativistic losses do not depend on it, and Adam would make steps out of the rounding of its gradient 0."""
    network = tanh(features, 1)
    network[-1].bias.requires_grad_(False)
    return network


@pytest.mark.parametrize("name", OPPONENTS)
def test_every_registered_part(name: str) -> None:
    assert_members_are_lone_runs(Case({"D": OPPONENTS[name]}, d=no_last_bias), members=3)


LONE = {"plain", "several D steps", "classes", "a lone number", "coupled samples", "an optimiser of one's own"}


@pytest.mark.parametrize(
    ("name", "members"),
    [(name, 3) for name in CASES]
    + [pytest.param(name, 1, marks=[pytest.mark.slow] * (name not in LONE)) for name in CASES],
)
def test_members_are_lone_runs(name: str, members: int) -> None:
    assert_members_are_lone_runs(CASES[name], members)


@pytest.mark.parametrize(("name", "members"), [("fake as real and r1", 1), ("two opponents", 3)])
def test_in_float32(name: str, members: int) -> None:
    """Rounding differs, and is carried on: a dozen iterations carry it nowhere yet."""
    assert_members_are_lone_runs(replace(CASES[name], dtype=torch.float32), members, 12, within=1e-5)


TAKEN = {  # optimisers and parts with a state, and weights of unusual shapes
    "two opponents", "packing, then fake as real", "a shared batch and its reals", "tied parameters and a buffer",
    "rmsprop", "sgd with momentum", "one's own, and a lone number",
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in TAKEN)) for name in CASES])
def test_a_stack_takes_runs_over_and_gives_them_back(name: str) -> None:
    """Five iterations alone, five side by side, five alone again: the optimisers' and the parts' state goes along."""
    case, members = CASES[name], [CASES[name].member(seed) for seed in range(2)]
    eager, draws = zip(*members, strict=True)
    for run, own in members:
        rows(run, own.block, 5, case.factor)
    stack = Functional(eager, OFF)
    rows(stack, StackedBlocks(draws), 5, case.factor, first=5)
    stack.settle()
    for seed, (run, own) in enumerate(members):
        rows(run, own.block, 5, case.factor, first=10)
        assert_near(run.held(), case.alone(seed, 15)[0].held(), 1e-10)


@pytest.mark.parametrize("name", ["two opponents", "a shared batch and a state", "an optimiser of one's own"])
def test_going_back_and_repeating_is_exact(name: str) -> None:
    case = CASES[name]
    stack, blocks = case.stack(3)
    for first in (0, 7):  # the optimisers have no state yet, then they have
        stack.settle()
        before = stack.snapshot()
        held = [tuple(map(cloned, member.held())) for member in stack.members]
        once = rows(stack, blocks, 7, case.factor, first)
        after = stack.snapshot()
        assert differs(after, before)
        stack.go_back(before)
        assert_same([member.held() for member in stack.members], held)
        assert_same(rows(stack, blocks, 7, case.factor, first), once)
        assert_same(stack.snapshot(), after)


@pytest.mark.parametrize("name", ["fake as real and r1", "two opponents", "rmsprop", "clipping"])
def test_a_member_that_is_not_finite_does_not_touch_the_others(name: str) -> None:
    case = CASES[name]
    stack, _ = case.together(3, 8)
    sick, blocks = case.stack(3)
    with torch.no_grad():
        next(iter(sick.members[1].trained("G").values())).fill_(torch.nan)
    told = rows(sick, blocks, 8, case.factor)
    sick.settle()
    for k in (0, 2):
        assert_same(sick.members[k].held(), stack.members[k].held())
    for player, weights in trained(sick.members[1]).items():
        assert weights.isnan().any(), player
    assert [bool(value) for value in told[0]["g/D/loss" if "D" in case.opponents else "g/d1/loss"].isnan()] == [
        False, True, False,
    ]  # fmt: skip


def test_the_largest_weights_are_each_members() -> None:
    stack, _ = CASES["two opponents"].together(3, 5)
    found = stack.largest_weights()
    for k, member in enumerate(stack.members):
        assert_same({key: value[k] for key, value in found.items()}, member.largest_weights())
        assert float(found["D/weights"][k]) == max(float(p.abs().max()) for p in member.trained("D").values())


def test_members_stay_what_they_are() -> None:
    """Modules of the user's, whose parameters follow the stack: the same objects, without gradients, in place."""
    case = CASES["tied parameters and a buffer"]
    stack, blocks = case.stack(2)
    G = stack.members[1].G
    parameters, before = dict(G.named_parameters()), G.a.weight.clone()
    rows(stack, blocks, 3, case.factor)
    assert all(p is parameters[name] for name, p in G.named_parameters())
    assert G.b.weight is G.a.weight
    assert not torch.equal(G.a.weight, before)
    for member in stack.members:
        for network in member.networks.values():
            assert all(p.grad is None and not p.requires_grad for p in network.parameters())
