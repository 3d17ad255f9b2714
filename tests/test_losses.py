"""Every adversarial loss against values worked out by hand, in float64.

The logits are 0 and +-log 3, where the sigmoid is 1/2, 3/4 and 1/4: sp(0) = log 2, sp(log 3) = log 4,
sp(-log 3) = log 4/3, sp(2 log 3) = log 10, sp(-2 log 3) = log 10/9.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from known import normal, sigmoid, sp, tensor, total, weighted
from steadygan.losses import (
    LOSSES,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
    cycled,
    paired,
)
from steadygan.types import Loss

T = log(3)


class Case(NamedTuple):
    """Two real and three fake logits, and `weight * value` per sample of every term."""

    real: list[float]
    fake: list[float]
    d: dict[str, list[float]]
    g: dict[str, list[float]]


SIGMOID = {"real": [log(4 / 3), log(2)], "fake": [log(4 / 3), log(2), log(4)]}
BY_HAND: dict[str, Case] = {
    "nonsaturating": Case([T, 0], [-T, 0, T], SIGMOID, {"fake": [log(4), log(2), log(4 / 3)]}),
    "minimax": Case([T, 0], [-T, 0, T], SIGMOID, {"fake": [-log(4 / 3), -log(2), -log(4)]}),
    "wasserstein": Case([2, -1], [-3, 0, 0.5], {"real": [-2, 1], "fake": [-3, 0, 0.5]}, {"fake": [3, 0, -0.5]}),
    "hinge": Case([2, 0.25], [-3, 0, 0.5], {"real": [0, 0.75], "fake": [0, 1, 1.5]}, {"fake": [3, 0, -0.5]}),
    "least_squares": Case(
        [1.5, 0], [0.5, -1, 2], {"real": [0.125, 0.5], "fake": [0.125, 0.5, 2]}, {"fake": [0.125, 2, 0.5]}
    ),
    # y_3 meets x_1 again
    "relativistic_pairing": Case(
        [0, T], [T, 0, 0], {"pair": [log(4), log(4 / 3), log(2)]}, {"pair": [log(4 / 3), log(4), log(2)]}
    ),
    # mean d(x) = 0, mean d(y) = log 3
    "relativistic_average": Case(
        [T, -T],
        [2 * T, T, 0],
        {"real": [log(2), log(10)], "fake": [log(10), log(4), log(2)]},
        {"real": [log(2), log(10 / 9)], "fake": [log(10 / 9), log(4 / 3), log(2)]},
    ),
}

# (dD / dd(x), dD / dd(y), dG / dd(y)) for one real logit r and one fake logit f
SLOPES: dict[str, Callable[[float, float], tuple[float, float, float]]] = {
    "nonsaturating": lambda r, f: (-sigmoid(-r), sigmoid(f), -sigmoid(-f)),
    "minimax": lambda r, f: (-sigmoid(-r), sigmoid(f), -sigmoid(f)),
    "wasserstein": lambda _r, _f: (-1.0, 1.0, -1.0),
    "hinge": lambda r, f: (-float(r < 1), float(f > -1), -1.0),
    "least_squares": lambda r, f: (r - 1, f, f - 1),
    "relativistic_pairing": lambda r, f: (-sigmoid(f - r), sigmoid(f - r), -sigmoid(r - f)),
    "relativistic_average": lambda r, f: (-2 * sigmoid(f - r), 2 * sigmoid(f - r), -2 * sigmoid(r - f)),
}

# the logit that D gives to everything at equilibrium, and both players' values there
AT_EQUILIBRIUM: dict[str, tuple[float, float, float | None]] = {
    "nonsaturating": (0.0, 2 * log(2), log(2)),
    "minimax": (0.0, 2 * log(2), -log(2)),
    "wasserstein": (0.0, 0.0, None),
    "hinge": (0.0, 2.0, None),
    "least_squares": (0.5, 0.25, 0.125),
    "relativistic_pairing": (0.0, log(2), log(2)),
    "relativistic_average": (0.0, 2 * log(2), 2 * log(2)),
}

each = pytest.mark.parametrize("name", BY_HAND)  # the two others have files of their own


def g(loss: Loss, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    return total(loss.g(fake, real if loss.needs_real else None))


def test_every_loss_has_its_closed_form_here() -> None:
    assert set(BY_HAND) == set(SLOPES) == set(AT_EQUILIBRIUM) == set(LOSSES) - {"d2gan", "began"}


@each
def test_terms_by_hand(name: str) -> None:
    loss, case = LOSSES[name](), BY_HAND[name]
    real, fake = tensor(case.real), tensor(case.fake)
    for terms, expected in ((loss.d(real, fake), case.d), (loss.g(fake, real), case.g)):
        assert set(terms) == set(expected)
        for key, values in expected.items():
            assert_close(terms[key].weight * terms[key].value, tensor(values), rtol=1e-14, atol=1e-15)


@each
def test_objective_by_hand(name: str) -> None:
    """An objective is the sum over terms of the mean over samples, real and fake counts being different."""
    loss, case = LOSSES[name](), BY_HAND[name]
    real, fake = tensor(case.real), tensor(case.fake)
    d = sum(sum(values) / len(values) for values in case.d.values())
    g_value = sum(sum(values) / len(values) for values in case.g.values())
    assert_close(total(loss.d(real, fake)).item(), d, rtol=1e-14, atol=1e-15)
    assert_close(g(loss, fake, real).item(), g_value, rtol=1e-14, atol=1e-15)


@each
def test_equilibrium(name: str) -> None:
    """Where p_G = p_data, D gives one value to all: the losses are the documented ones, and D has no reason to move."""
    loss, (logit, d_value, g_value) = LOSSES[name](), AT_EQUILIBRIUM[name]
    assert loss.equilibrium == (pytest.approx(d_value), None if g_value is None else pytest.approx(g_value))
    shared = torch.full((), logit, dtype=torch.float64, requires_grad=True)
    real, fake = shared.expand(5), shared.expand(7)
    d = total(loss.d(real, fake))
    assert_close(d.item(), d_value, rtol=1e-15, atol=0)
    assert_close(torch.autograd.grad(d, shared)[0].item(), 0.0, rtol=0, atol=1e-15)
    if g_value is None:  # free: it follows the logit
        assert_close(g(loss, fake + 3, real).item(), -logit - 3, rtol=0, atol=0)
    else:
        assert_close(g(loss, fake, real).item(), g_value, rtol=1e-15, atol=0)


@each
@pytest.mark.parametrize("f", [-30.0, -1.3, 0.2, 2.7, 30.0])
@pytest.mark.parametrize("r", [-30.0, 0.4, 30.0])
def test_slopes(name: str, r: float, f: float) -> None:
    loss = LOSSES[name]()
    real, fake = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (r, f))
    d_real, d_fake = torch.autograd.grad(total(loss.d(real, fake)), (real, fake))
    (g_fake,) = torch.autograd.grad(g(loss, fake, real), fake)
    tail = exp(-20)  # torch's softplus(t) is t itself from t = 20 on
    assert_close((d_real.item(), d_fake.item(), g_fake.item()), SLOPES[name](r, f), rtol=1e-12, atol=2 * tail)


def test_nonsaturating_does_not_saturate_where_minimax_does() -> None:
    """At logit -30 (D is sure that it is a fake) G still gets the whole slope."""
    fake = torch.tensor([-30.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(total(NonSaturating().g(fake)), fake)
    assert_close(slope.item(), -1.0, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(total(Minimax().g(fake)), fake)
    assert -1e-12 < slope.item() < 0


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_extreme_logits(name: str, dtype: torch.dtype, signs: tuple[int, int]) -> None:
    loss = LOSSES[name]()
    real, fake = (torch.full((3,), sign * 1e4, dtype=dtype, requires_grad=True) for sign in signs)
    for value in (total(loss.d(real, fake)), g(loss, fake, real)):
        slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
        assert value.dtype == dtype
        assert all(torch.isfinite(t).all() for t in (value, *slopes) if t is not None)


def test_extreme_logits_keep_their_size() -> None:
    """softplus(1e4) is 1e4, not the logarithm of an overflow or of a clamped probability."""
    far = tensor([1e4])
    assert total(NonSaturating().d(-far, far)).item() == 2e4
    assert total(NonSaturating().g(-far)).item() == 1e4
    assert total(Minimax().g(far)).item() == -1e4
    assert total(RelativisticPairing().d(-far, far)).item() == 2e4
    assert total(RelativisticAverage().d(-far, far)).item() == 4e4


@each
def test_argument_order(name: str) -> None:
    """Higher = more real: D is content when reals are above fakes, G when fakes are above reals."""
    loss = LOSSES[name]()
    low, high = tensor([0.1, 0.2]), tensor([0.8, 0.9])
    assert total(loss.d(high, low)) < total(loss.d(low, high))
    assert g(loss, high, low) < g(loss, low, high)
    real, fake = (torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True) for _ in range(2))
    d_real, d_fake = torch.autograd.grad(total(loss.d(real, fake)), (real, fake))
    (g_fake,) = torch.autograd.grad(g(loss, fake, real), fake)
    assert (d_real < 0).all()
    assert (d_fake > 0).all()
    assert (g_fake < 0).all()


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 8), (8, 3), (1, 4)])
@each
def test_unequal_counts_stay_per_sample(name: str, n: int, m: int) -> None:
    loss = LOSSES[name]()
    real, fake = normal(0, n), normal(1, m)
    sizes = {"real": n, "fake": m, "pair": max(n, m)}
    for terms in (loss.d(real, fake), loss.g(fake, real)):
        assert {key: term.value.shape for key, term in terms.items()} == {key: (sizes[key],) for key in terms}


def test_sigmoid_losses_are_the_binary_cross_entropy() -> None:
    """An independent derivation: D classifies reals as 1 and fakes as 0, G wants the label 1."""
    real, fake = normal(2, 6) * 3, normal(3, 9) * 3
    bce, one, zero = F.binary_cross_entropy_with_logits, torch.ones_like, torch.zeros_like
    d = bce(real, one(real)) + bce(fake, zero(fake))
    assert_close(total(NonSaturating().d(real, fake)), d)
    assert_close(total(Minimax().d(real, fake)), d)
    assert_close(total(NonSaturating().g(fake)), bce(fake, one(fake)))
    assert_close(total(Minimax().g(fake)), -bce(fake, zero(fake)))


def test_least_squares_codings() -> None:
    pearson = LeastSquares(a=-1, b=1, c=0)
    assert pearson.equilibrium == (1.0, 0.0)
    real, fake = tensor([0.5, 2.0]), tensor([-1.0, 0.0, 3.0])
    # 1/2 mean (1/4, 1) + 1/2 mean (0, 1, 16); 1/2 mean (1, 0, 9)
    assert_close(total(pearson.d(real, fake)).item(), 0.3125 + 17 / 6)
    assert_close(total(pearson.g(fake)).item(), 10 / 6)
    shared = torch.zeros(4, dtype=torch.float64)
    assert total(pearson.d(shared, shared)).item() == 1.0
    odd = LeastSquares(a=0.5, b=2.0, c=3.0)  # d = 1.25 everywhere: 2 * 1/2 * 0.75^2 and 1/2 * 1.75^2
    assert odd.equilibrium == (0.5625, 1.53125)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 7), (7, 3), (2, 5)])
def test_relativistic_pairing_by_loop(n: int, m: int) -> None:
    real, fake = normal(4, n), normal(5, m)
    pairs = [(real[i % n].item(), fake[i % m].item()) for i in range(max(n, m))]
    d = sum(sp(y - x) for x, y in pairs) / len(pairs)
    g_value = sum(sp(x - y) for x, y in pairs) / len(pairs)
    loss = RelativisticPairing()
    assert_close(total(loss.d(real, fake)).item(), d)
    assert_close(total(loss.g(fake, real)).item(), g_value)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 7), (7, 3)])
def test_relativistic_average_by_loop(n: int, m: int) -> None:
    real, fake = normal(6, n), normal(7, m)
    x, y = real.tolist(), fake.tolist()
    mean_x, mean_y = sum(x) / n, sum(y) / m
    d = sum(sp(-(v - mean_y)) for v in x) / n + sum(sp(v - mean_x) for v in y) / m
    g_value = sum(sp(v - mean_y) for v in x) / n + sum(sp(-(v - mean_x)) for v in y) / m
    loss = RelativisticAverage()
    assert_close(total(loss.d(real, fake)).item(), d)
    assert_close(total(loss.g(fake, real)).item(), g_value)


def test_batch_means_keep_their_gradients() -> None:
    """dD / dd(y_j) has a part through mean d(y), dD / dd(x_i) one through mean d(x): by the chain rule, in a loop."""
    n, m = 3, 4
    real, fake = normal(8, n).requires_grad_(), normal(9, m).requires_grad_()
    x, y = real.tolist(), fake.tolist()
    mean_x, mean_y = sum(x) / n, sum(y) / m
    through_y = sum(sigmoid(mean_y - v) for v in x) / n
    through_x = -sum(sigmoid(v - mean_x) for v in y) / m
    d_real, d_fake = torch.autograd.grad(total(RelativisticAverage().d(real, fake)), (real, fake))
    assert_close(d_real, tensor([(-sigmoid(mean_y - v) + through_x) / n for v in x]))
    assert_close(d_fake, tensor([(sigmoid(v - mean_x) + through_y) / m for v in y]))
    # G: sp(x - mean y) and sp(mean x - y)
    through_y = -sum(sigmoid(v - mean_y) for v in x) / n
    (g_fake,) = torch.autograd.grad(total(RelativisticAverage().g(fake, real)), fake)
    assert_close(g_fake, tensor([(-sigmoid(mean_x - v) + through_y) / m for v in y]))


@pytest.mark.parametrize("loss", [RelativisticPairing(), RelativisticAverage()], ids=lambda loss: loss.name)
def test_relativistic_symmetries(loss: Loss) -> None:
    """Only differences count, and G plays D's game with the sides exchanged."""
    real, fake = normal(10, 5), normal(11, 5)
    assert loss.needs_real
    assert_close(total(loss.d(real + 7, fake + 7)), total(loss.d(real, fake)))
    assert_close(total(loss.g(fake, real)), total(loss.d(fake, real)))
    with pytest.raises(TypeError, match="real logits"):
        loss.g(fake)


@each
def test_order_of_samples_matters_only_to_pairs(name: str) -> None:
    loss = LOSSES[name]()
    real, fake = normal(12, 6), normal(13, 6)
    moved = total(loss.d(real.flip(0), fake)) - total(loss.d(real, fake))
    assert (moved.abs() > 1e-6) == (name == "relativistic_pairing")


def test_hinge_and_wasserstein_share_the_generator() -> None:
    fake = normal(14, 5)
    assert_close(total(Hinge().g(fake)), total(Wasserstein().g(fake)), rtol=0, atol=0)
    assert_close(total(Hinge().d(tensor([1.0]), tensor([-1.0]))).item(), 0.0)  # both at their margins
    assert_close(weighted(Hinge().d(tensor([0.0]), tensor([-2.0]))["real"]).item(), 1.0)


def test_cycles() -> None:
    short, long = tensor([1, 2]), tensor([5, 6, 7, 8, 9])
    assert paired(short, long)[0].tolist() == [1, 2, 1, 2, 1]
    assert paired(long, short)[1].tolist() == [1, 2, 1, 2, 1]
    assert paired(short, long)[1] is long
    assert cycled(normal(0, 2, 3), 5).shape == (5, 3)
