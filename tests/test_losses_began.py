"""BEGAN's loss against values by hand: its terms, and k over several steps through the objective."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from known import F64, Linear, eager, normal, tensor
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import LOSSES, Began
from steadygan.types import Batch, Now, Opponent

D = Linear([-1.0])  # d(v) = -v: a sample is its own reconstruction error
SIDES = Sides(2, 4)


def now(k: Tensor) -> Now:
    return Now(torch.tensor(0), {"D": {"loss": {"k": k}}}, {})


def errors(real: float, fake: float, dtype: torch.dtype = F64) -> tuple[Batch, Batch]:
    """Reals and fakes whose errors have these means, without being equal."""
    x, y = torch.tensor([-0.5, 0.5], dtype=dtype), torch.tensor([-0.3, 0.1, 0.4, -0.2], dtype=dtype)
    return Batch((real + x).unsqueeze(1)), Batch((fake + y).unsqueeze(1))


def d_step(loss: Began, real: float, fake: float, k: Tensor, critic: Linear = D) -> tuple[Tensor, Any, Tensor]:
    """Objective, what is logged, and the next k."""
    sides = errors(real, fake, critic.w.dtype)
    value, (means, states) = d_objective({"D": Opponent(critic, loss)}, {"D": eager(critic)}, *sides, now(k), SIDES)
    return value, means, states["D"]["loss"]["k"]


def test_is_registered_with_the_papers_settings() -> None:
    assert LOSSES["began"] is Began
    assert Began(gamma=0.5, rate=0.001) == Began()
    assert Began.shares_batch
    assert Began().equilibrium == (None, None)
    assert repr(Began()) == "Began(gamma=0.5, rate=0.001)"


def test_terms_by_hand() -> None:
    """e(x) = 1/2, 3/2 and e(y) = 2, 1/4, 3/4: means 1 and 1; at gamma = 1/4 the measure is 1 + |1/4 - 1|."""
    loss = replace(Began(gamma=0.25), k=tensor(0.3))
    terms = loss.d(tensor([-0.5, -1.5]), tensor([-2, -0.25, -0.75]))
    assert terms["real"].value.tolist() == [0.5, 1.5]
    assert terms["fake"].value.tolist() == [2.0, 0.25, 0.75]
    assert terms["real"].weight == 1.0
    assert_close(terms["fake"].weight, tensor(-0.3))
    assert terms["k"].weight is terms["convergence"].weight is None
    assert_close(terms["k"].value, tensor([0.3, 0.3]))
    assert_close(terms["convergence"].value, tensor([1.75, 1.75]))
    (fake,) = loss.g(tensor([-2, -0.25])).values()
    assert (fake.value.tolist(), fake.weight) == ([2.0, 0.25], 1.0)


@pytest.mark.parametrize("k", [0.0, 0.25, 1.0])
def test_objectives(k: float) -> None:
    """D: E e(x) - k E e(y); G: E e(y); k and the measure are logged and are no part of it."""
    value, means, _ = d_step(Began(), 3.0, 2.0, tensor(k))
    assert_close(value.item(), 3.0 - 2.0 * k)
    assert_close(
        {key: mean.item() for key, mean in means.items()},
        {"D/loss": 3.0 - 2.0 * k, "D/loss/k": k, "D/loss/convergence": 3.0 + abs(0.5 * 3.0 - 2.0)},
    )
    opponents = {"D": Opponent(D, Began())}
    g_value, g_means = g_objective(opponents, {"D": eager(D)}, None, errors(3.0, 2.0)[1], now(tensor(k)), SIDES)
    assert_close(g_value.item(), 2.0)
    assert g_means.keys() == {"D/loss"}


@pytest.mark.parametrize("k", [0.0, 0.25])
def test_slopes(k: float) -> None:
    """Higher = more real: D raises reals' logits and lowers fakes', the latter k times as hard; G raises its own."""
    loss = replace(Began(), k=tensor(k))
    real, fake = normal(0, 3).requires_grad_(), normal(1, 4).requires_grad_()
    terms = loss.d(real, fake)
    d = sum(term.weight * term.value.mean() for term in terms.values() if term.weight is not None)
    d_real, d_fake = torch.autograd.grad(d, (real, fake))
    assert_close(d_real, torch.full_like(real, -1 / 3))
    assert_close(d_fake, torch.full_like(fake, k / 4))
    (g_fake,) = torch.autograd.grad(loss.g(fake)["fake"].value.mean(), fake)
    assert_close(g_fake, torch.full_like(fake, -1 / 4))
    assert not terms["convergence"].value.requires_grad


def test_k_by_hand_over_five_steps() -> None:
    """k <- clip(k + (e(x) / 2 - e(y)) / 10, 0, 1); the first step would take it below 0."""
    loss, k = Began(gamma=0.5, rate=0.1), tensor(0.0)
    steps = [(1.0, 1.0, 0.0), (2.0, 0.5, 0.05), (4.0, 0.5, 0.2), (12.0, 1.0, 0.7), (1.0, 3.0, 0.45)]
    for real, fake, expected in steps:
        value, _, following = d_step(loss, real, fake, k)
        assert_close(value.item(), real - k.item() * fake)
        k = following
        assert_close(k, tensor(expected))
    assert d_step(loss, 30.0, 1.0, k)[2].item() == 1.0


def test_k_follows_the_default_rate() -> None:
    assert_close(d_step(Began(), 3.0, 0.7, tensor(0.2))[2], tensor(0.2 + 0.001 * (1.5 - 0.7)))


@pytest.mark.parametrize("of_state", [torch.float32, F64])
@pytest.mark.parametrize("of_networks", [torch.float32, F64])
def test_the_state_keeps_its_dtype(of_state: torch.dtype, of_networks: torch.dtype) -> None:
    critic = Linear([-1.0]).to(of_networks)
    value, means, following = d_step(Began(rate=0.1), 3.0, 0.5, torch.tensor(0.25, dtype=of_state), critic)
    assert following.dtype == of_state
    assert following.shape == ()
    assert not following.requires_grad
    assert_close(following, torch.tensor(0.35, dtype=of_state), rtol=1e-6, atol=0)
    if of_state == torch.float32:  # as it begins
        assert {value.dtype, *(mean.dtype for mean in means.values())} == {of_networks}


def test_begins_at_zero() -> None:
    assert_close(Began().initial_state(), {"k": torch.tensor(0.0)})


def test_a_lost_step_shows_in_k() -> None:
    """A limit must not turn NaN into a number."""
    assert d_step(Began(), float("nan"), 1.0, tensor(0.5))[2].isnan()


@pytest.mark.parametrize("settings", [{"gamma": -0.1}, {"rate": float("inf")}])
def test_refuses(settings: dict[str, float]) -> None:
    (key,) = settings
    with pytest.raises(InputError, match=f"began.{key}: expected a number of 0 or more"):
        Began(**settings)
