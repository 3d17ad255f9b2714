"""D2GAN's two losses against values by hand and against the paper's objective on positive outputs, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, expm1, log

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from known import normal, sigmoid, sp, tensor, total
from steadygan.errors import InputError
from steadygan.losses import D2GAN, LOSSES, log_softplus
from steadygan.types import Term

T = log(3)  # sp(T) = log 4, sp(0) = log 2, sp(-T) = log 4/3
FIRST, SECOND = D2GAN(), D2GAN(second=True)
both = pytest.mark.parametrize("loss", [FIRST, SECOND], ids=["first", "second"])


def test_is_registered_with_the_papers_weights() -> None:
    assert LOSSES["d2gan"] is D2GAN
    assert D2GAN(alpha=0.2, beta=0.1, second=False) == FIRST


def summands(terms: Mapping[str, Term]) -> dict[str, list[float]]:
    """weight * value per sample."""
    return {key: (term.weight * term.value).tolist() for key, term in terms.items()}


def test_terms_by_hand() -> None:
    real, fake = tensor([T, 0]), tensor([-T, 0, T])
    two, four, third = log(log(2)), log(log(4)), log(log(4 / 3))
    assert_close(
        summands(FIRST.d(real, fake)),
        {"real": [-0.2 * four, -0.2 * two], "fake": [log(4 / 3), log(2), log(4)]},
    )
    assert_close(summands(FIRST.g(fake)), {"fake": [-log(4 / 3), -log(2), -log(4)]})
    assert_close(
        summands(SECOND.d(real, fake)),
        {"real": [log(4 / 3), log(2)], "fake": [-0.1 * four, -0.1 * two, -0.1 * third]},
    )
    assert_close(summands(SECOND.g(fake)), {"fake": [0.1 * four, 0.1 * two, 0.1 * third]})


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 8), (8, 3)])
def test_together_they_are_the_papers_objective(n: int, m: int) -> None:
    """D maximises alpha E log D1(x) - E D1(y) - E D2(x) + beta E log D2(y), G minimises what of it holds y."""
    alpha, beta = 0.7, 0.4
    first, second = D2GAN(alpha, beta), D2GAN(alpha, beta, second=True)
    d1_real, d1_fake, d2_real, d2_fake = normal(0, n), normal(1, m), normal(2, n), normal(3, m)

    one_x, one_y = (np.log1p(np.exp(d.numpy())) for d in (d1_real, d1_fake))
    two_x, two_y = (np.log1p(np.exp(-d.numpy())) for d in (d2_real, d2_fake))
    of_y = -one_y.mean() + beta * np.log(two_y).mean()
    whole = alpha * np.log(one_x).mean() - two_x.mean() + of_y

    assert_close(-(total(first.d(d1_real, d1_fake)) + total(second.d(d2_real, d2_fake))).item(), float(whole))
    assert_close((total(first.g(d1_fake)) + total(second.g(d2_fake))).item(), float(of_y))


@pytest.mark.parametrize("weight", [0.1, 0.2, 1.0, 3.0])
def test_equilibrium(weight: float) -> None:
    """p = q: D1 = alpha and D2 = beta for all, where D has no reason to move; the values are the documented ones."""
    logit = log(expm1(weight))  # sp(logit) = weight
    for loss, sign, g in (
        (D2GAN(alpha=weight), 1, -weight),
        (D2GAN(beta=weight, second=True), -1, weight * log(weight)),
    ):
        assert loss.equilibrium == (pytest.approx(weight - weight * log(weight)), pytest.approx(g))
        shared = torch.full((), sign * logit, dtype=torch.float64, requires_grad=True)
        real, fake = shared.expand(5), shared.expand(7)
        d = total(loss.d(real, fake))
        assert_close((d.item(), total(loss.g(fake)).item()), loss.equilibrium)
        assert_close(torch.autograd.grad(d, shared)[0].item(), 0.0, rtol=0, atol=1e-14)


@pytest.mark.parametrize("f", [-30.0, -1.3, 0.2, 2.7, 30.0])
@pytest.mark.parametrize("r", [-30.0, 0.4, 30.0])
def test_slopes(r: float, f: float) -> None:
    expected = {
        FIRST: (-0.2 * sigmoid(r) / sp(r), sigmoid(f), -sigmoid(f)),
        SECOND: (-sigmoid(-r), 0.1 * sigmoid(-f) / sp(-f), -0.1 * sigmoid(-f) / sp(-f)),
    }
    tail = exp(-20)  # torch's softplus(t) is t itself from t = 20 on
    for loss, slopes in expected.items():
        real, fake = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (r, f))
        d_real, d_fake = torch.autograd.grad(total(loss.d(real, fake)), (real, fake))
        (g_fake,) = torch.autograd.grad(total(loss.g(fake)), fake)
        assert_close((d_real.item(), d_fake.item(), g_fake.item()), slopes, rtol=1e-12, atol=2 * tail)


@both
def test_argument_order(loss: D2GAN) -> None:
    """Higher = more real for both: D is content when reals are above fakes, G when fakes are high."""
    low, high = tensor([0.1, 0.2]), tensor([0.8, 0.9])
    assert total(loss.d(high, low)) < total(loss.d(low, high))
    assert total(loss.g(high)) < total(loss.g(low))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_softplus(dtype: torch.dtype) -> None:
    points = [-1e4, -800.0, -100.0, -38.0, -37.0, -36.0, -26.0, -20.0, -2.5, 0.0, 3.0, 50.0, 1e4]
    expected = [t - exp(t) / 2 if t < -30 else log(sp(t)) for t in points]
    slopes = [1.0 if t < -36 else sigmoid(t) / sp(t) for t in points]
    t = torch.tensor(points, dtype=dtype, requires_grad=True)
    found = log_softplus(t)
    (slope,) = torch.autograd.grad(found.sum(), t)
    assert found.dtype == slope.dtype == dtype
    near = {"rtol": 1e-14, "atol": 1e-14} if dtype == torch.float64 else {"rtol": 1e-6, "atol": 1e-6}
    assert_close(found, torch.tensor(expected, dtype=dtype), **near)
    assert_close(slope, torch.tensor(slopes, dtype=dtype), **near)


def test_log_softplus_hides_nothing() -> None:
    assert log_softplus(tensor([float("nan")])).isnan().all()


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_extreme_logits(loss: D2GAN, dtype: torch.dtype, signs: tuple[int, int]) -> None:
    real, fake = (torch.full((3,), sign * 1e4, dtype=dtype, requires_grad=True) for sign in signs)
    for value in (total(loss.d(real, fake)), total(loss.g(fake))):
        slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
        assert value.dtype == dtype
        assert all(torch.isfinite(t).all() for t in (value, *slopes) if t is not None)


def test_extreme_logits_keep_their_size() -> None:
    far = tensor([1e4])
    assert_close(total(FIRST.d(-far, far)).item(), 0.2 * 1e4 + 1e4)
    assert_close(total(FIRST.g(far)).item(), -1e4)
    assert_close(total(SECOND.d(-far, far)).item(), 1e4 + 0.1 * 1e4)
    assert_close(total(SECOND.g(far)).item(), -0.1 * 1e4)


@both
def test_unequal_counts_stay_per_sample(loss: D2GAN) -> None:
    terms = loss.d(normal(0, 3), normal(1, 5))
    assert {key: term.value.shape for key, term in terms.items()} == {"real": (3,), "fake": (5,)}
    assert loss.g(normal(1, 5))["fake"].value.shape == (5,)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"beta": -1.0}, {"alpha": float("nan")}, {"beta": "1"}])
def test_refuses(settings: dict[str, float]) -> None:
    (key,) = settings
    with pytest.raises(InputError, match=f"d2gan.{key}: expected a number above 0"):
        D2GAN(**settings)
