"""Critics that are tables over five points, trained to the end: they reach the optima that the papers derive.

Data take the points with p, fakes with q, as exact counts; a table holds a logit per point, so that nothing but the
loss decides where it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import F64, eager
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.losses import D2GAN, Minimax, NonSaturating
from steadygan.types import Batch, Loss, Now, Opponent

REAL, FAKE = np.array([1, 2, 3, 4, 10]), np.array([16, 10, 8, 4, 2])  # times each point is there
p, q = REAL / REAL.sum(), FAKE / FAKE.sum()
NOW = Now(torch.tensor(0), {}, {})
NEAR = {"rtol": 0, "atol": 1e-4}

EQ5: dict[str, Loss] = {"d1": NonSaturating(), "d2": Minimax()}
EQ6: dict[str, Loss] = {"d1": Minimax(), "d2": Minimax()}
GAME: dict[str, Loss] = {"d1": D2GAN(0.2, 0.1), "d2": D2GAN(0.2, 0.1, second=True)}


class Table(nn.Module):
    """d(v) = entry number v; a sample is the number of its point."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(5, dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[x.squeeze(1).long()]


def samples(counts: np.ndarray) -> Batch:
    return Batch(torch.arange(5, dtype=F64).repeat_interleave(torch.as_tensor(counts)).unsqueeze(1))


def opponents(losses: Mapping[str, Loss]) -> dict[str, Opponent]:
    return {name: Opponent(Table(), loss) for name, loss in losses.items()}


def played(found: Mapping[str, Opponent], player: str, fake: np.ndarray = FAKE) -> tuple[Tensor, Any]:
    """The objective of D or G, and its terms."""
    critics = {name: eager(opponent.critic) for name, opponent in found.items()}
    sides = Sides(int(REAL.sum()), int(fake.sum()))
    if player == "G":
        return g_objective(found, critics, None, samples(fake), NOW, sides)
    value, (means, _) = d_objective(found, critics, samples(REAL), samples(fake), NOW, sides)
    return value, means


def best(losses: Mapping[str, Loss], fake: np.ndarray = FAKE) -> dict[str, Opponent]:
    """Both tables after D's objective has been minimised."""
    found = opponents(losses)
    tables = [opponent.critic.logits for opponent in found.values()]
    optimizer = torch.optim.LBFGS(
        tables, max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value, _ = played(found, "D", fake)
        value.backward()
        return value

    optimizer.step(closure)
    return found


def logits(found: Mapping[str, Opponent]) -> tuple[np.ndarray, np.ndarray]:
    first, second = (opponent.critic.logits.detach().numpy() for opponent in found.values())
    return first, second


def sigmoid(t: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-t))


def softplus(t: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(t))


def kl(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * np.log(a / b)).sum())


def js(a: np.ndarray, b: np.ndarray) -> float:
    return (kl(a, (a + b) / 2) + kl(b, (a + b) / 2)) / 2


@pytest.fixture(scope="module", params=[EQ5, EQ6], ids=["eq. 5", "eq. 6"])
def pair(request: pytest.FixtureRequest) -> tuple[Mapping[str, Loss], dict[str, Opponent]]:
    return request.param, best(request.param)


class TestDualPair:
    def test_proposition_1(self, pair: tuple[Mapping[str, Loss], dict[str, Opponent]]) -> None:
        """D1 = s(d1) -> p / (p + q); D2 = s(-d2) -> q / (p + q)."""
        first, second = logits(pair[1])
        assert_close(sigmoid(first), p / (p + q), **NEAR)
        assert_close(sigmoid(-second), q / (p + q), **NEAR)
        assert_close(sigmoid(second), p / (p + q), **NEAR)  # stored as its negative, it is higher on reals

    def test_discriminators_reach_the_divergence(self, pair: tuple[Mapping[str, Loss], dict[str, Opponent]]) -> None:
        """Each one's loss is 2 log 2 - 2 JS, so that eq. 6 is -4 log 2 + 4 JS."""
        value, means = played(pair[1], "D")
        assert_close(value.item(), 4 * np.log(2) - 4 * js(p, q), **NEAR)
        assert_close(means["d1/loss"].item(), 2 * np.log(2) - 2 * js(p, q), **NEAR)


class TestGenerator:
    def test_eq_5_is_the_divergence_from_data(self) -> None:
        """L_G = E_q[-log D1] + E_q[log D2] = KL(q || p)."""
        value, means = played(best(EQ5), "G")
        assert_close(value.item(), kl(q, p), **NEAR)
        assert abs(kl(q, p) - kl(p, q)) > 0.01  # the order matters here
        ratio = p / (p + q)
        assert_close(means["d1/loss"].item(), float(-(q * np.log(ratio)).sum()), **NEAR)
        assert_close(means["d2/loss"].item(), float((q * np.log(1 - ratio)).sum()), **NEAR)

    def test_eq_5_has_the_slope_of_the_divergence(self) -> None:
        """With D frozen, a point's share of L_G is dKL / dq = log(q / p) + 1, up to the 1 that all points have."""
        found = best(EQ5)
        each = sum(
            opponent.loss.g(opponent.critic.logits.detach())["fake"].value.numpy() for opponent in found.values()
        )
        assert_close(each, np.log(q / p), **NEAR)

    def test_eq_6_is_the_other_objective(self) -> None:
        """E_q log(1 - D1) + E_q log D2 = 2 E_q log(q / (p + q))."""
        value, _ = played(best(EQ6), "G")
        assert_close(value.item(), float(2 * (q * np.log(q / (p + q))).sum()), **NEAR)

    def test_eq_9_and_eq_10(self) -> None:
        """E_q[-log D1] = KL(q || p) - 2 JS + 2 log 2 + E_p log D1; the whole game is KL(q || p) + 2 E_p log D1."""
        found = best(EQ5)
        _, means = played(found, "G")
        log_d1 = float((p * np.log(sigmoid(logits(found)[0]))).sum())
        assert_close(means["d1/loss"].item(), kl(q, p) - 2 * js(p, q) + 2 * np.log(2) + log_d1, **NEAR)
        reals = [o.loss.d(o.critic(samples(REAL).x), torch.zeros(1, dtype=F64))["real"] for o in found.values()]
        whole = (means["d1/loss"] + means["d2/loss"]).item() - sum(term.value.mean().item() for term in reals)
        assert_close(whole, kl(q, p) + 2 * log_d1, **NEAR)

    @pytest.mark.parametrize(
        ("losses", "d", "g"),
        [(EQ5, 4 * np.log(2), 0.0), (EQ6, 4 * np.log(2), -2 * np.log(2))],
        ids=["eq. 5", "eq. 6"],
    )
    def test_equilibrium(self, losses: Mapping[str, Loss], d: float, g: float) -> None:
        """q = p: D cannot tell, and the documented values are reached; elsewhere G's eq. 5 is above its 0."""
        found = best(losses, REAL)
        assert_close(np.concatenate(logits(found)), np.zeros(10), **NEAR)
        assert_close(played(found, "D", REAL)[0].item(), d, **NEAR)
        assert_close(played(found, "G", REAL)[0].item(), g, **NEAR)


class TestD2GAN:
    def test_optima(self) -> None:
        """D1 = sp(d1) -> alpha p / q; D2 = sp(-d2) -> beta q / p."""
        first, second = logits(best(GAME))
        assert_close(softplus(first), 0.2 * p / q, **NEAR)
        assert_close(softplus(-second), 0.1 * q / p, **NEAR)

    def test_the_game_at_the_optima(self) -> None:
        """alpha (log alpha - 1) + beta (log beta - 1) + alpha KL(p || q) + beta KL(q || p), which D maximises."""
        found = best(GAME)
        constant = 0.2 * (np.log(0.2) - 1) + 0.1 * (np.log(0.1) - 1)
        assert_close(-played(found, "D")[0].item(), constant + 0.2 * kl(p, q) + 0.1 * kl(q, p), **NEAR)
        _, means = played(found, "G")
        assert_close(means["d1/loss"].item(), -0.2, **NEAR)  # E_q D1 = alpha, whatever q is
        assert_close(means["d2/loss"].item(), 0.1 * np.log(0.1) + 0.1 * kl(q, p), **NEAR)

    def test_equilibrium(self) -> None:
        found = best(GAME, REAL)
        for name, opponent in found.items():
            d, g = opponent.loss.equilibrium
            assert_close(played(found, "D", REAL)[1][f"{name}/loss"].item(), d, **NEAR)
            assert_close(played(found, "G", REAL)[1][f"{name}/loss"].item(), g, **NEAR)
