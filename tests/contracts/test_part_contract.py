"""What holds for every registered loss, penalty and method: dtype, finiteness, who gets gradients, no side effect."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from itertools import product
from math import prod

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_map_only

from enrolled import OPPONENTS, SIDES, make, now, samples, shown
from known import F64, Linear, seeded
from steadygan.engine.objective import d_objective, g_objective
from steadygan.losses import LOSSES
from steadygan.methods import METHODS
from steadygan.models import mlp
from steadygan.penalties import PENALTIES
from steadygan.types import Batch, Loss, Method, Opponent, Part, Penalty, critic

REGISTERED = [
    *((name, make(entry), Loss) for name, entry in LOSSES.items()),
    *((name, make(entry), Penalty) for name, entry in PENALTIES.items()),
    *((name, make(entry), Method) for name, entry in METHODS.items()),
]
each = pytest.mark.parametrize("opponent", OPPONENTS.values(), ids=OPPONENTS)
SHAPES = ((2,), (2, 3, 3))  # vectors and images
DTYPES = (torch.float32, F64)


def discriminator(opponent: Opponent, shape: tuple[int, ...] = (2,), seed: int = 0) -> nn.Module:
    dim = prod(shown(opponent, shape))
    return seeded(seed, lambda: nn.Sequential(nn.Flatten(), mlp(dim, 1, 8, 2, "tanh")))


def d_step(
    opponent: Opponent, D: nn.Module, shape: tuple[int, ...] = (2,), dtype: torch.dtype = F64
) -> tuple[Tensor, dict[str, Tensor]]:
    real, fake = samples(opponent, "D", shape, dtype)
    at = now(opponent, shape, dtype)
    value, (means, _) = d_objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), at, SIDES)
    return value, means


@pytest.mark.parametrize(("name", "part", "kind"), REGISTERED, ids=[name for name, _, _ in REGISTERED])
def test_is_a_frozen_dataclass_of_its_name(name: str, part: Part, kind: type[Part]) -> None:
    assert isinstance(part, kind)
    assert part.name == name
    assert dataclasses.is_dataclass(part)
    assert type(part).__dataclass_params__.frozen
    assert dataclasses.replace(part) == part
    assert deepcopy(part) == part


@each
def test_keeps_the_dtype(opponent: Opponent) -> None:
    for dtype, shape in product(DTYPES, SHAPES):
        D = discriminator(opponent, shape).to(dtype)
        value, means = d_step(opponent, D, shape, dtype)
        value.backward()
        real, fake = samples(opponent, "G", shape, dtype)
        y = fake.requires_grad_()
        g_value, g_means = g_objective(
            {"D": opponent}, {"D": critic(D)}, Batch(real), Batch(y), now(opponent, shape, dtype), SIDES
        )
        (slope,) = torch.autograd.grad(g_value, y)
        found = [value, g_value, slope, *means.values(), *g_means.values(), *(p.grad for p in D.parameters())]
        assert {t.dtype for t in found if t is not None} == {dtype}
        assert value.shape == g_value.shape == ()
        assert all(mean.shape == () for mean in (*means.values(), *g_means.values()))


@each
def test_finite_at_extreme_logits(opponent: Opponent) -> None:
    """All logits about +1e4 or -1e4: values and the slopes in D's weights stay finite."""
    (width,) = shown(opponent)
    for dtype, signs in product(DTYPES, product((1, -1), repeat=2)):
        D = Linear([1.0] * width).to(dtype)
        real, fake = samples(opponent, "D", dtype=dtype)
        real, fake = (sign * 1e4 / width + side for sign, side in zip(signs, (real, fake), strict=True))
        value, (means, _) = d_objective(
            {"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), now(opponent, dtype=dtype), SIDES
        )
        assert all(torch.isfinite(t) for t in (value, *means.values())), (dtype, signs)
        slopes = torch.autograd.grad(value, (D.w, D.b), allow_unused=True, materialize_grads=True)
        assert all(torch.isfinite(slope).all() for slope in slopes), (dtype, signs)


@each
def test_the_d_step_trains_d_and_never_a_frozen_g(opponent: Opponent) -> None:
    G, D = seeded(1, lambda: mlp(2, 2, 8, 1, "tanh")).requires_grad_(False), discriminator(opponent)
    real, z = samples(opponent, "D")
    value, _ = d_objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(G(z)), now(opponent), SIDES)
    value.backward()
    slopes = [p.grad for p in D.parameters() if p.grad is not None]
    assert all(p.grad is not None for name, p in D.named_parameters() if name.endswith("weight"))
    assert all(torch.isfinite(slope).all() for slope in slopes)
    assert max(slope.abs().max() for slope in slopes) > 1e-6
    assert all(p.grad is None for p in G.parameters())


@each
def test_the_g_step_trains_g_and_never_a_frozen_d(opponent: Opponent) -> None:
    G, D = seeded(1, lambda: mlp(2, 2, 8, 1, "tanh")), discriminator(opponent).requires_grad_(False)
    real, z = samples(opponent, "G")
    value, _ = g_objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(G(z)), now(opponent), SIDES)
    value.backward()
    assert all(p.grad is None for p in D.parameters())
    slopes = [p.grad for p in G.parameters()]
    assert all(slope is not None and torch.isfinite(slope).all() and slope.abs().max() > 1e-9 for slope in slopes)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_pulls_at_the_weights(name: str) -> None:
    """Alone, without the loss beside it: in anybody's own loop."""
    D = discriminator(Opponent(None, LOSSES["hinge"]()))
    real, fake = samples(OPPONENTS[f"penalty {name}"], "D")
    fake[:2] = real[:2] + 1e-3  # some close pairs, for those that look for them
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = make(PENALTIES[name]).loss(D, real, fake)
    assert value.shape == ()
    assert value > 0
    slopes = torch.autograd.grad(value, list(D.parameters()), allow_unused=True, materialize_grads=True)
    assert max(slope.abs().max() for slope in slopes) > 1e-9


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_of_weight_zero_is_nothing(name: str) -> None:
    D = discriminator(Opponent(None, LOSSES["hinge"]()))
    real, fake = samples(OPPONENTS[f"penalty {name}"], "D")
    with torch.random.fork_rng(devices=[]):
        assert make(PENALTIES[name], weight=0.0).loss(D, real, fake).item() == 0


@each
def test_the_same_numbers_give_the_same_bits(opponent: Opponent) -> None:
    """A step reads no generator: all its random numbers come in `now`."""
    for shape in SHAPES:
        D, before = discriminator(opponent, shape), torch.get_rng_state()
        found = []
        for _ in range(2):
            value, means = d_step(opponent, D, shape)
            slopes = torch.autograd.grad(value, list(D.parameters()), allow_unused=True, materialize_grads=True)
            found.append([value, *means.values(), *slopes])
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
        assert torch.equal(torch.get_rng_state(), before)


@each
def test_different_numbers_give_a_different_objective(opponent: Opponent) -> None:
    """What a part draws, it uses."""
    D, (real, fake) = discriminator(opponent), samples(opponent, "D")
    values = [
        d_objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), now(opponent, seed=seed), SIDES)[0]
        for seed in (0, 1)
    ]
    draws = any(part.noise(*SIDES, shown(opponent)) for _, part in opponent.parts())
    assert (values[0] != values[1]) == draws


@each
def test_what_comes_in_is_left_alone(opponent: Opponent) -> None:
    D, at = discriminator(opponent), now(opponent)
    for player, objective in (("D", d_objective), ("G", g_objective)):
        real, fake = samples(opponent, player)
        before = deepcopy((real, fake, at, D.state_dict()))
        objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), at, SIDES)
        assert_close((real, fake, *at, D.state_dict()), (*before[:2], *before[2], before[3]), rtol=0, atol=0)
        assert not real.requires_grad
        assert not fake.requires_grad


@each
def test_state_keeps_its_keys_shapes_and_dtypes(opponent: Opponent) -> None:
    """What is carried on has the form of what was handed in, step after step."""
    D, at = discriminator(opponent), now(opponent)
    real, fake = samples(opponent, "D")
    _, (_, after) = d_objective({"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), at, SIDES)
    form = {key: {k: (v.shape, v.dtype) for k, v in state.items()} for key, state in at.state["D"].items()}
    assert {key: {k: (v.shape, v.dtype) for k, v in s.items()} for key, s in after["D"].items()} == form


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@each
def test_a_gpu_agrees(opponent: Opponent) -> None:
    """No tensor of a step is made on the CPU, and the objective is the same."""
    D = discriminator(opponent)
    here, means = d_step(opponent, D)
    real, fake = (side.cuda() for side in samples(opponent, "D"))
    at = tree_map_only(Tensor, Tensor.cuda, now(opponent))
    there, (their_means, _) = d_objective({"D": opponent}, {"D": critic(D.cuda())}, Batch(real), Batch(fake), at, SIDES)
    assert there.is_cuda
    assert_close(there.cpu(), here)
    assert_close({key: mean.cpu() for key, mean in their_means.items()}, means)
