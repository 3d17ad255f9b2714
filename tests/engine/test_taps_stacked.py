"""Feature layers in a stacked step, compiled or not: its members are still the eager runs of their seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64, needs_cpp
from several import several, stacked, states
from stacks import PLAIN, Case, assert_members_are_lone_runs, assert_near, rows, tanh
from steadygan.engine.compiler import Compiler
from steadygan.engine.functional import Functional
from steadygan.models import mlp
from tiny import networks, trainer
from tracing import traced_steps

methods, penalties = sg.methods, sg.penalties
# It begins, and takes one pair more, within the twenty iterations that are compared.
SDP = methods.SampleDifferences(weight=0.5, start=4, count=2, grow_every=6, feature_layers=("1", "3"))
PULLED = replace(PLAIN, method=SDP)


def told_layers(name: str) -> methods.SampleDifferences:
    return replace(SDP, feature_layers=(f"{name}.1", f"{name}.3"))


class Conditional(nn.Module):
    """A perceptron of a sample and its class."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.classes, self.network = nn.Embedding(3, 2), mlp(4, out, 6, 2, "leaky_relu")

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.network(torch.cat([x, self.classes(label)], 1))


class Twice(nn.Module):
    """Its middle layer is used twice: the second output is the feature."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(features, 5), nn.Linear(5, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.middle(torch.tanh(self.first(x))))
        return self.last(torch.tanh(self.middle(x)))


CASES: dict[str, Case] = {
    "feature layers": Case({"D": PULLED}),
    "the score alone": Case({"D": replace(PLAIN, method=replace(SDP, feature_layers=()))}),
    "the same batch for both": Case({"D": replace(PLAIN, method=replace(SDP, reuse_batch=True))}, d_steps=2),
    "with a penalty, some of the time": Case(
        {"D": replace(PULLED, penalties=(penalties.zero_gp(1.0, interval=2), penalties.r1(0.3)))}, d_steps=3
    ),
    "after fake-as-real": Case({"D": replace(PULLED, method=methods.chain(methods.FakeAsReal(2, factor=3), SDP))}),
    "classes": Case(
        {"D": replace(PLAIN, method=told_layers("network"))},
        lambda: Conditional(2),
        lambda _: Conditional(1),
        labels=True,
    ),
    "a layer used twice": Case({"D": replace(PLAIN, method=replace(SDP, feature_layers=("middle",)))}, d=Twice),
    "two opponents, other layers": Case(
        {"d1": PULLED, "d2": replace(PLAIN, loss=sg.losses.Minimax(), method=replace(SDP, feature_layers=("0",)))}
    ),
}


@pytest.mark.parametrize(("name", "members"), [*((name, 3) for name in CASES), ("feature layers", 1)])
def test_members_are_lone_runs(name: str, members: int) -> None:
    stack = assert_members_are_lone_runs(CASES[name], members)
    assert no_hooks(stack)


@pytest.mark.parametrize(
    "name", ["with a penalty, some of the time", "after fake-as-real", "classes", "two opponents, other layers"]
)
@pytest.mark.slow
def test_traced_steps_train_the_same_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listening does not break the graph: nothing fails, and D's and G's steps are traced in one piece each."""
    found, compiler = traced_steps(monkeypatch), Compiler(on=True)
    assert_members_are_lone_runs(CASES[name], 2, compiler=compiler)
    assert compiler.failures == []
    assert len(found) == (3 if name == "with a penalty, some of the time" else 2)


def test_equal_stacks_share_a_traced_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second stack runs what was traced of the first one's networks, whose hooks are gone by then."""
    found, compiler = traced_steps(monkeypatch), Compiler(on=True)
    for _ in range(2):
        assert_members_are_lone_runs(CASES["feature layers"], 2, compiler=compiler)
    assert (compiler.failures, len(found)) == ([], 2)


@pytest.mark.slow
@needs_cpp
def test_generated_code_trains_the_same_runs() -> None:
    """Once through the whole compiler, which takes long."""
    torch.compiler.reset()
    smooth = replace(CASES["feature layers"], g=lambda: tanh(2, 2), d=lambda features: tanh(features, 1))
    compiler = Compiler(on=True)
    stack = assert_members_are_lone_runs(smooth, 2, compiler=compiler)
    assert compiler.failures == []
    assert no_hooks(stack)


def no_hooks(stack: Functional) -> bool:
    parts = [part for member in stack.members for network in member.networks.values() for part in network.modules()]
    return not any(part._forward_hooks for part in parts)


def test_what_is_pulled_shows() -> None:
    """The terms act: before the start they are 0, then they are not, and the weights go another way."""
    _, told = CASES["feature layers"].together(2, 20)
    keys = [f"{player}/D/method/{part}" for player in "dg" for part in ("score", "features/1", "features/3")]
    for key in keys:
        acting = torch.stack([row[key] for row in told]) != 0
        assert not acting[:4].any()
        assert acting[4:].all()
    assert all((row["d/D/method/norm/1"] > 0).all() for row in told)
    pulled, plain = (case.together(2, 20)[0].weights for case in (CASES["feature layers"], Case()))
    for player in ("G", "D"):
        assert (pulled[player] - plain[player]).abs().max() > 1e-3


def test_hooks_are_gone_after_a_step_that_fails() -> None:
    """An error inside a stacked step, here one of the user's own, leaves no hook behind."""

    class Failing(nn.Sequential):
        fails = False

        def forward(self, x: Tensor) -> Tensor:
            if self.fails:
                raise ZeroDivisionError
            return super().forward(x)

    case = replace(CASES["feature layers"], d=lambda features: Failing(*mlp(features, 1, 6, 2)))
    stack, blocks = case.stack(2)
    rows(stack, blocks, 1, case.factor)
    stack.first.networks["D"].fails = True
    with pytest.raises(ZeroDivisionError):
        rows(stack, blocks, 1, case.factor, first=1)
    assert no_hooks(stack)


class TestThroughTheTrainer:
    SETTINGS: dict[str, Any] = {"method": replace(SDP, feature_layers=("1",)), "dtype": F64}  # noqa: RUF012

    def test_seeds_side_by_side(self) -> None:
        """Feature layers are no reason to train one seed after the other."""
        made = several(None, 2, **self.SETTINGS)
        made.fit(12)
        assert stacked(made)
        for found, seed in zip(states(made), range(2), strict=True):
            alone = several(None, [seed], **self.SETTINGS)
            alone.fit(12)
            (expected,) = states(alone)
            assert_near(found.networks, expected.networks, 1e-10)

    def test_a_compiled_lone_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """compile="on" traces the step of a lone run, and it ends where the eager run ends."""
        found = traced_steps(monkeypatch)
        ended = []
        for wish in ("off", "on"):
            G, D = networks(1)
            run = trainer(G=G, D=D, compile=wish, **self.SETTINGS).fit(12)
            ended.append((run.metrics, [p.detach() for p in (*G.parameters(), *D.parameters())]))
            assert not [event for event in run.events if "failed" in event]
        assert len(found) == 2
        for a, b in zip(ended[0][1], ended[1][1], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
