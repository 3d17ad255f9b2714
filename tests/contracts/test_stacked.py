"""Every registered part steps alike in eager mode, stacked over members, and compiled.

`vmap(grad_and_value(objective))` over K members with a functional critic must equal K lone steps with autograd in
place, gradient by gradient, and `torch.compile(fullgraph=True)` must accept the stacked D step. All in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.testing import assert_close
from torch.utils._pytree import tree_map

from enrolled import OPPONENTS, SIDES, noise, samples, shown, states
from known import compiles, needs_cpp, normal, seeded
from steadygan.engine.objective import d_objective, g_objective
from steadygan.losses import LOSSES
from steadygan.methods import FakeAsReal
from steadygan.models import mlp
from steadygan.penalties import r1
from steadygan.types import Batch, Critic, Now, Opponent, critic
from steadygan.types.output import as_output

K = 3
each = pytest.mark.parametrize("opponent", OPPONENTS.values(), ids=OPPONENTS)


class Members:
    """K pairs (G, D) on data of their own, one by one and stacked."""

    def __init__(self, opponent: Opponent, player: str) -> None:
        self.opponent = opponent
        self.G = [seeded(k, lambda: mlp(2, 2, 8, 1, "tanh")) for k in range(K)]
        self.D = [seeded(10 + k, lambda: mlp(prod(shown(opponent)), 1, 8, 1, "tanh")) for k in range(K)]
        lone = [samples(opponent, player, seed=100 * k) for k in range(K)]
        self.real, self.z = (torch.stack(side) for side in zip(*lone, strict=True))
        self.noise = stacked([noise(opponent, seed=k) for k in range(K)])
        self.state = tree_map(lambda t: torch.stack([t + k / 10 for k in range(K)]), states(opponent))

    def now(self, state: Mapping[str, Any], noise: Mapping[str, Any]) -> Now:
        return Now(torch.tensor(5), {"D": state}, {"D": noise})

    def d(self, D: Critic, G: Callable[[Tensor], Tensor], real: Tensor, z: Tensor, state: Any, noise: Any) -> Any:
        fake = Batch(G(z).detach())
        at = self.now(state, noise)
        return d_objective({"D": self.opponent}, {"D": D}, Batch(real), fake, at, SIDES)

    def g(self, D: Critic, G: Callable[[Tensor], Tensor], real: Tensor, z: Tensor, state: Any, noise: Any) -> Any:
        at = self.now(state, noise)
        return g_objective({"D": self.opponent}, {"D": D}, Batch(real), Batch(G(z)), at, SIDES)

    def arguments(self, player: str) -> tuple[Any, ...]:
        """What the stacked step takes: the trained weights first."""
        d, g = ({key: p.detach() for key, p in stack_module_state(side)[0].items()} for side in (self.D, self.G))
        return (*((d, g) if player == "D" else (g, d)), self.real, self.z, self.state, self.noise)

    def step(self, player: str) -> Callable[..., Any]:
        """The step of all members at once: (slopes, (objectives, statistics))."""

        def one(trained: Any, other: Any, real: Tensor, z: Tensor, state: Any, noise: Any) -> Any:
            d, g = (trained, other) if player == "D" else (other, trained)
            D = Critic(lambda b: as_output(functional_call(self.D[0], d, (b.x,)), b.size), functional=True)
            objective = self.d if player == "D" else self.g
            return objective(D, lambda z: functional_call(self.G[0], g, (z,)), real, z, state, noise)

        return vmap(grad_and_value(one, has_aux=True))

    def alone(self, k: int, player: str) -> tuple[dict[str, Tensor], Tensor, Any]:
        """Member k's step with autograd in place, as an eager loop takes it."""
        D, G = deepcopy(self.D[k]), deepcopy(self.G[k])
        trained, frozen = (D, G) if player == "D" else (G, D)
        frozen.requires_grad_(False)
        state, noise = (tree_map(lambda t: t[k], tree) for tree in (self.state, self.noise))
        objective = self.d if player == "D" else self.g
        value, statistics = objective(critic(D), G, self.real[k], self.z[k], state, noise)
        value.backward()
        slopes = {key: torch.zeros_like(p) if p.grad is None else p.grad for key, p in trained.named_parameters()}
        return slopes, value.detach(), statistics


def stacked(trees: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: stacked([tree[key] for tree in trees]) if isinstance(value, dict) else torch.stack([t[key] for t in trees])
        for key, value in trees[0].items()
    }


@each
@pytest.mark.parametrize("player", ["D", "G"])
def test_stacked_equals_lone_steps(opponent: Opponent, player: str) -> None:
    members = Members(opponent, player)
    slopes, (values, statistics) = members.step(player)(*members.arguments(player))
    lone = []
    for k in range(K):
        expected, value, expected_statistics = members.alone(k, player)
        member = tree_map(lambda t, k=k: t[k], (slopes, values, statistics))
        assert_close(member[0], expected, rtol=0, atol=1e-6)  # the promise
        assert_close(member, (expected, value, expected_statistics), rtol=1e-9, atol=1e-12)  # and what is reached
        lone.append(value)
    assert len({value.item() for value in lone}) == K  # members differ, or the comparison says little
    assert max(slope.abs().max() for slope in slopes.values()) > 1e-6


# Formulas of logits alone, and what comes up in "all together": one by one they are slow.
KNOWN = {f"loss {name}" for name, loss in LOSSES.items() if not loss.shares_batch} | {
    "penalty r1", "penalty r2", "penalty zero_gp", "penalty one_gp",
    "method plain", "method fake_as_real", "method packing",
}  # fmt: skip


@compiles
@pytest.mark.parametrize(
    "opponent",
    [pytest.param(made, id=name, marks=[pytest.mark.slow] * (name in KNOWN)) for name, made in OPPONENTS.items()],
)
def test_the_stacked_d_step_compiles_whole(opponent: Opponent) -> None:
    """No graph break: nothing in a part reads a tensor's value on the host or branches on it."""
    members = Members(opponent, "D")
    step, arguments = members.step("D"), members.arguments("D")
    torch.compiler.reset()
    assert_close(torch.compile(step, fullgraph=True, backend="eager")(*arguments), step(*arguments))


@compiles
def test_the_stacked_g_step_compiles_whole() -> None:
    members = Members(OPPONENTS["all together"], "G")
    step, arguments = members.step("G"), members.arguments("G")
    torch.compiler.reset()
    assert_close(torch.compile(step, fullgraph=True, backend="eager")(*arguments), step(*arguments))


@pytest.mark.slow
@needs_cpp
def test_generated_code_agrees() -> None:
    """Once through the whole compiler, which takes long: FARGAN's discriminator step, fake-as-real with r1."""
    opponent = Opponent(None, OPPONENTS["loss nonsaturating"].loss, (r1(10.0),), FakeAsReal(2, 2))
    members = Members(opponent, "D")
    step, arguments = members.step("D"), members.arguments("D")
    torch.compiler.reset()
    assert_close(torch.compile(step, fullgraph=True)(*arguments), step(*arguments))


class Conditional(nn.Module):
    """d(v, label) = e(label) . v + a multi-layer perceptron of v."""

    def __init__(self) -> None:
        super().__init__()
        self.e, self.net = nn.Embedding(3, 2), mlp(2, 1, 8, 1, "tanh")

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        found: Tensor = (self.e(label) * x).sum(1) + self.net(x).squeeze(1)
        return found


def test_labels_travel_through_vmap() -> None:
    """Fake-as-real with a conditional critic: each member keeps fakes of its own, under their labels."""
    opponent = Opponent(None, OPPONENTS["loss nonsaturating"].loss, (r1(10.0),), FakeAsReal(2, 3))
    D = [seeded(k, Conditional) for k in range(K)]
    real, fake = normal(0, K, 4, 2), normal(1, K, 14, 2)
    real_label, fake_label = (
        torch.randint(3, side.shape[:2], generator=torch.Generator().manual_seed(2)) for side in (real, fake)
    )
    now = Now(torch.tensor(0), {}, {})

    def one(d: Any, *sides: Tensor) -> Any:
        model = Critic(lambda b: as_output(functional_call(D[0], d, (b.x, b.label)), b.size), functional=True)
        return d_objective({"D": opponent}, {"D": model}, Batch(*sides[:2]), Batch(*sides[2:]), now, SIDES)

    data = (real, real_label, fake, fake_label)
    weights = {key: p.detach() for key, p in stack_module_state(D)[0].items()}
    slopes, (values, _) = vmap(grad_and_value(one, has_aux=True))(weights, *data)
    for k in range(K):
        x, x_label, y, y_label = (side[k] for side in data)
        value, _ = d_objective({"D": opponent}, {"D": critic(D[k])}, Batch(x, x_label), Batch(y, y_label), now, SIDES)
        value.backward()
        assert_close(values[k], value.detach())
        expected = {key: torch.zeros_like(p) if p.grad is None else p.grad for key, p in D[k].named_parameters()}
        assert_close({key: slope[k] for key, slope in slopes.items()}, expected)
