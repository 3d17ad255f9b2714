"""Penalties on critics that compute in bf16: what is squared and summed is float32.

d = w.v with w = (3, 1/16): both are bf16 numbers, |w|^2 = 9 + 1/256 is none. It lies between 9 and 9 + 1/16.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Linear, eager, functional, scored, tensor, weighted
from steadygan.penalties import ClosePairDifference, PairDifference, close_pairs, dragan, one_gp, r1, r2, zero_gp
from steadygan.types import Critic, Penalty

W = [3, 0.0625]
SQUARED = 9.00390625
X = tensor([[1, 2], [3, -1], [0, 0.5]]).bfloat16()  # bf16 numbers, and so are all their logits' halves
Y = tensor([[0, 1], [2, 2], [-1, 0]]).bfloat16()

ways = pytest.mark.parametrize("way", [eager, functional])


def value(penalty: Penalty, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return weighted(penalty(critic, scored(critic, real), scored(critic, fake)))


@ways
@pytest.mark.parametrize("make", [r1, r2, zero_gp])
def test_squares_keep_their_digits(make: Callable[[float], Penalty], way: Callable[[nn.Module], Critic]) -> None:
    found = value(make(2.0), way(Linear(W).bfloat16()), X, Y)
    assert found.dtype == torch.float32
    assert found.item() == 2 * SQUARED
    assert torch.tensor(W).bfloat16().square().sum().item() == 9.0  # what bf16 would have said


@ways
@pytest.mark.parametrize("make", [one_gp, dragan])
def test_norms_keep_their_digits(make: Callable[[float], Penalty], way: Callable[[nn.Module], Critic]) -> None:
    found = value(make(2.0), way(Linear(W).bfloat16()), X, Y)
    assert_close(found, torch.tensor(2 * (SQUARED**0.5 - 1) ** 2), rtol=1e-6, atol=0)


def test_slopes_keep_their_digits() -> None:
    """d/dw 10 |w|^2 = 20 w, in the weights' own dtype."""
    model = Linear(W).bfloat16()
    value(r1(10.0), eager(model), X, Y).backward()
    assert model.w.grad is not None
    assert model.w.grad.tolist() == [60, 1.25]


def test_differences_of_values() -> None:
    """d(x) = 1 + 1/128 and d(y) = 1/256 are bf16 numbers; (d(x) - d(y))^2 in float32 is not rounded on the way."""
    x, y = tensor([[1.0078125, 0]]).bfloat16(), tensor([[0.00390625, 0]]).bfloat16()
    found = value(ClosePairDifference(1.0, delta=2.0), eager(Linear([1, 0]).bfloat16()), x, y)
    assert found.dtype == torch.float32
    assert found.item() == 1.00390625**2
    pair = value(PairDifference(1.0, gradient=0.0, difference=1.0), eager(Linear([1, 0]).bfloat16()), x, y)
    expected = torch.sigmoid(torch.tensor(1.0078125)) - torch.sigmoid(torch.tensor(0.00390625))
    assert_close(pair, expected.square(), rtol=1e-6, atol=0)


def test_close_pairs_are_told_apart() -> None:
    """The fake lies sqrt(9 + 1/256) from the real, 3.00065: within 3.001, beyond 3.0005; bf16 would say 3."""
    x, y = torch.zeros(1, 2).bfloat16(), torch.tensor([W]).bfloat16()
    assert close_pairs(x, y, 3.001).item()
    assert not close_pairs(x, y, 3.0005).item()


@pytest.mark.parametrize("around", ["the forward", "everything"])
def test_under_autocast(around: str) -> None:
    """In anybody's own loop: samples and weights stay float32, only the forward is bf16."""
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([W]))

    def forward(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=around == "the forward"):
            out = model(x)
        seen.append(out.dtype)
        return out

    seen: list[torch.dtype] = []
    if around == "everything":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = r1(2.0).loss(model, X.float())
    else:
        found = r1(2.0).loss(forward, X.float())
        assert seen == [torch.bfloat16]
    assert found.dtype == torch.float32
    assert found.item() == 2 * SQUARED
    found.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[12, 0.25]]
