"""What parts bring to the two objectives beside their formula: a state that is carried on, further terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from known import Linear, eager, tensor
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.losses import NonSaturating, Wasserstein
from steadygan.methods import FakeAsReal
from steadygan.penalties import r1
from steadygan.types import Batch, Critic, Loss, Method, Now, Opponent, Penalty, Scored, Term, Terms

NOW = Now(torch.tensor(0), {}, {})
X = tensor([[1, 2], [3, -1]])
Y = tensor([[0, 1], [2, 2], [-1, 0]])
SIDES = Sides(2, 3)


def d_step(opponent: Opponent, now: Now = NOW) -> Any:
    return d_objective({"D": opponent}, {"D": eager(opponent.critic)}, Batch(X), Batch(Y), now, SIDES)


def g_step(opponent: Opponent, now: Now = NOW) -> Any:
    return g_objective({"D": opponent}, {"D": eager(opponent.critic)}, Batch(X), Batch(Y), now, SIDES)


@dataclass(frozen=True)
class Balancing(Loss):
    """A loss with a state: k_(t+1) = k_t + rate * (mean d(x) - mean d(y)), as BEGAN's."""

    rate: float = 0.25
    k: Any = 0.0
    name = "balancing"

    def initial_state(self) -> dict[str, Tensor]:
        return {"k": tensor(0.5)}

    def at(self, now: Now) -> Self:
        return replace(self, k=now.state["k"])

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term(-real), "fake": Term(fake, self.k)}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term(-fake, self.k)}

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"k": state["k"] - self.rate * (means["real"] + means["fake"])}


@dataclass(frozen=True)
class Recorder(Penalty):
    """A penalty that carries the mean of its one term."""

    name: str = "recorder"
    value: float = 0.0

    def initial_state(self) -> dict[str, Tensor]:
        return {"last": tensor(0.0)}

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        return Term(torch.full_like(real.logits, self.value), 0.5)

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (mean,) = means.values()
        return {"last": mean}


class TestState:
    def test_enters_through_at_and_leaves_as_next_state(self) -> None:
        """d = v_1: mean d(x) = 2, mean d(y) = 1/3; the state sees the means before weighting, detached."""
        D = Linear([1, 0])
        opponent = Opponent(D, Balancing())
        now = Now(torch.tensor(0), {"D": {"loss": {"k": tensor(0.5)}}}, {})
        objective, (_, states) = d_step(opponent, now=now)
        assert_close(objective.item(), -2 + 0.5 / 3)
        assert_close(states["D"]["loss"]["k"].item(), 0.5 + 0.25 * (2 - 1 / 3))
        assert not states["D"]["loss"]["k"].requires_grad
        value, _ = g_step(opponent, now=now)
        assert_close(value.item(), -0.5 / 3)

    def test_only_parts_with_a_state_appear(self) -> None:
        _, (_, states) = d_step(Opponent(Linear([1, 0]), NonSaturating(), (r1(1.0),), FakeAsReal(0)))
        assert states == {"D": {}}

    def test_each_penalty_sees_its_own_mean(self) -> None:
        """Even where one's name begins with the other's."""
        penalties = (Recorder("probe", 3.0), Recorder("probe_two", 7.0))
        state = {f"penalty/{p.name}": p.initial_state() for p in penalties}
        opponent = Opponent(Linear([1, 0]), NonSaturating(), penalties)
        _, (means, states) = d_step(opponent, now=Now(torch.tensor(0), {"D": state}, {}))
        assert states["D"] == {"penalty/probe": {"last": tensor(3.0)}, "penalty/probe_two": {"last": tensor(7.0)}}
        assert (means["D/penalty/probe"], means["D/penalty/probe_two"]) == (1.5, 3.5)


class TestMethodTerms:
    @dataclass(frozen=True)
    class Pulling(Method):
        name: str = "pulling"
        weight: Any = 0.25

        def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
            return {"gap": Term(fake.logits, self.weight)}

        def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
            assert real is None
            return {"gap": Term(fake.logits.square(), self.weight)}

    def test_are_added_and_logged(self) -> None:
        for weight in (0.25, tensor(0.25)):
            opponent = Opponent(Linear([1, 0]), Wasserstein(), (), self.Pulling(weight=weight))
            objective, (means, _) = d_step(opponent)
            assert_close(objective.item(), 1 / 3 - 2 + 0.25 / 3)
            assert means["D/method/gap"].item() == pytest.approx(0.25 / 3)
            objective, means = g_step(opponent)
            assert_close(objective.item(), -1 / 3 + 0.25 * 5 / 3)
            assert means["D/method/gap"].item() == pytest.approx(0.25 * 5 / 3)

    def test_reals_come_where_the_method_wants_them(self) -> None:
        @dataclass(frozen=True)
        class Curious(Method):
            name = "curious"
            needs_real = True

            def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
                assert real is not None
                return {"gap": Term(real.logits.mean() - fake.logits)}

        _, means = g_step(Opponent(Linear([1, 0]), NonSaturating(), (), Curious()))
        assert means["D/method/gap"].item() == pytest.approx(2 - 1 / 3)
