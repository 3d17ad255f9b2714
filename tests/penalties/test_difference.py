"""Penalties on differences of D's values between close samples, against loops that follow the papers' equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from known import Linear, Quadratic, eager, functional, gradients, normal, scored, sigmoid, sp, tensor, weighted
from steadygan.engine.objective import Sides, d_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.penalties import ClosePairDifference, ClosePairFakeAsReal, PairDifference, close_pairs
from steadygan.types import Batch, Now, Opponent

# reals 1 apart; fakes: two at real 0, one at real 1, one between (0.5 from both), one far away
REAL = tensor([[0, 0], [1, 0], [0, 1]])
FAKE = tensor([[0.125, 0], [0, -0.25], [1.125, 0], [0.5, 0], [5, 5]])
DELTA = 0.25


def sources(real: Tensor, fake: Tensor, delta: float) -> dict[int, list[int]]:
    """Definition 1 in a loop: each fake that lies within delta of its nearest real belongs to that one."""
    found: dict[int, list[int]] = {}
    for i, y in enumerate(fake.flatten(1).tolist()):
        distances = [sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5 for x in real.flatten(1).tolist()]
        nearest = distances.index(min(distances))
        if distances[nearest] <= delta:
            found.setdefault(nearest, []).append(i)
    return found


def equation_6(real: Tensor, fake: Tensor, d: tuple[list[float], list[float]], k: float, delta: float) -> float:
    """sum over sources of k / m_0 sum_i (D0(x_0) - D0(y_i))^2."""
    return sum(
        k / len(close) * sum((d[0][s] - d[1][i]) ** 2 for i in close) for s, close in sources(real, fake, delta).items()
    )


def clusters(seed: int, n: int, m: int, dim: int = 3) -> tuple[Tensor, Tensor]:
    """n reals far apart, m fakes near some of them or anywhere."""
    real = 10 * torch.arange(n, dtype=torch.float64)[:, None] + normal(seed, n, dim)
    owner = torch.randint(n, (m,), generator=torch.Generator().manual_seed(seed))
    return real, real[owner] + normal(seed + 1, m, dim) * torch.linspace(0.05, 2, m, dtype=torch.float64)[:, None]


class TestClosePairs:
    def test_by_hand(self) -> None:
        assert close_pairs(REAL, FAKE, DELTA).long().tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]

    def test_delta_belongs_to_the_neighbourhood(self) -> None:
        """N^delta(x_0) = {y: d(x_0, y) <= delta}: at delta a pair is close, one step beyond it is not."""
        real = tensor([[0, 0]])
        fake = tensor([[0.25, 0], [0, np.nextafter(0.25, 1)]])
        assert close_pairs(real, fake, 0.25).tolist() == [[True, False]]
        assert close_pairs(real, tensor([[3, 4]]), 5.0).item()  # Euclidean, not city block

    def test_a_fake_belongs_to_its_nearest_real_only(self) -> None:
        """Within delta of two reals, even equally far from both, it counts once."""
        assert close_pairs(tensor([[0], [1]]), tensor([[0.25], [0.75], [0.5]]), 2.0).long().sum(0).tolist() == [1, 1, 1]
        assert close_pairs(tensor([[0], [1]]), tensor([[0.25], [0.75]]), 2.0).tolist() == [[True, False], [False, True]]

    @pytest.mark.parametrize(("n", "m"), [(4, 9), (9, 4), (1, 5), (5, 1)])
    def test_by_loop(self, n: int, m: int) -> None:
        real, fake = clusters(n, n, m)
        expected = torch.zeros(n, m, dtype=torch.bool)
        for s, close in sources(real, fake, 1.5).items():
            expected[s, close] = True
        assert torch.equal(close_pairs(real, fake, 1.5), expected)
        assert expected.any()

    def test_images(self) -> None:
        real = normal(0, 3, 2, 4, 4)
        assert torch.equal(close_pairs(real, real + 1e-3, 0.1), torch.eye(3, dtype=torch.bool))


class TestClosePairDifference:
    def test_by_hand(self) -> None:
        """d = v_1: source 0 has 1/2 ((0 - 1/8)^2 + 0), source 1 has (1 - 9/8)^2; summed, times k."""
        D = Linear([1, 0])
        term = ClosePairDifference(10.0, DELTA)(eager(D), scored(D, REAL), scored(D, FAKE))
        assert term.value.shape == (3,)
        assert_close(weighted(term).item(), 10 * (0.5 / 64 + 1 / 64))

    @pytest.mark.parametrize(("n", "m"), [(4, 9), (9, 4), (1, 5), (5, 1), (6, 6)])
    @pytest.mark.parametrize("way", [eager, functional])
    def test_by_loop(self, way: Any, n: int, m: int) -> None:
        real, fake = clusters(10 * n, n, m)
        D = way(Quadratic(normal(1, 3, 3)))
        sides = scored(D, real), scored(D, fake)
        expected = equation_6(real, fake, (sides[0].logits.tolist(), sides[1].logits.tolist()), 7.0, 1.5)
        assert_close(weighted(ClosePairDifference(7.0, 1.5)(D, *sides)).item(), expected)

    def test_each_source_weighs_the_same(self) -> None:
        """k / m_0: a source with a hundred fakes at one place counts as much as one with a single fake there."""
        D, real = Linear([1, 0]), tensor([[0, 0], [9, 0]])
        one = tensor([[0.1, 0]])
        for fake in (one, one.expand(100, 2)):
            value = weighted(ClosePairDifference(1.0, 0.2)(eager(D), scored(D, real), scored(D, fake)))
            assert_close(value.item(), 0.01)

    def test_slope_in_the_weights(self) -> None:
        """d/dw of sum_s k / m_s sum_i (w.(x_s - y_i))^2, in a loop."""
        D, w = Linear([2, -3]), tensor([2, -3])
        expected = torch.zeros(2, dtype=torch.float64)
        for s, close in sources(REAL, FAKE, DELTA).items():
            for i in close:
                difference = REAL[s] - FAKE[i]
                expected += 10 / len(close) * 2 * (w @ difference) * difference
        value = weighted(ClosePairDifference(10.0, DELTA)(eager(D), scored(D, REAL), scored(D, FAKE)))
        slopes = gradients(value, D)
        assert_close(slopes["w"], expected)
        assert_close(slopes["b"].item(), 0.0)

    def test_without_close_pairs_it_is_zero(self) -> None:
        D = Linear([1e4, 0])
        value = weighted(ClosePairDifference(10.0, 0.1)(eager(D), scored(D, REAL), scored(D, FAKE[3:])))
        assert value.item() == 0
        assert all((slope == 0).all() for slope in gradients(value, D).values())


class TestClosePairFakeAsReal:
    def test_by_hand(self) -> None:
        """d = v_1 on the close fakes 1/8, 0, 9/8: lambda times the sum of sp(-d), not its mean."""
        D = Linear([1, 0])
        term = ClosePairFakeAsReal(2.0, DELTA)(eager(D), scored(D, REAL), scored(D, FAKE))
        assert term.value.shape == (5,)
        assert_close(weighted(term).item(), 2 * (sp(-0.125) + sp(0) + sp(-1.125)))

    @pytest.mark.parametrize(("n", "m"), [(4, 9), (9, 4), (1, 5)])
    def test_by_loop(self, n: int, m: int) -> None:
        real, fake = clusters(20 * n, n, m)
        D = Quadratic(normal(2, 3, 3))
        sides = scored(D, real), scored(D, fake)
        close = [i for found in sources(real, fake, 1.5).values() for i in found]
        expected = 0.3 * sum(sp(-sides[1].logits[i].item()) for i in close)
        assert_close(weighted(ClosePairFakeAsReal(0.3, 1.5)(eager(D), *sides)).item(), expected)

    def test_slope_is_that_of_a_real_sample(self) -> None:
        """-lambda s(-d) in a close fake's logit, nothing in the others'."""
        D = Linear([1, 0], 0.5)
        value = weighted(ClosePairFakeAsReal(2.0, DELTA)(eager(D), scored(D, REAL), scored(D, FAKE)))
        assert_close(gradients(value, D)["b"].item(), -2 * sum(sigmoid(-v - 0.5) for v in (0.125, 0, 1.125)))


def test_the_whole_of_equation_8() -> None:
    """Both penalties beside the non-saturating D loss are minus FARGAN's theoretical objective."""
    k, weight = 10.0, 0.5
    real, fake = clusters(77, 5, 12)
    D = Quadratic(normal(3, 3, 3) / 20)
    x, y = (D(side).tolist() for side in (real, fake))
    close = sources(real, fake, 1.5)
    assert len(close) > 1
    eight = (
        sum(-sp(-v) for v in x) / 5
        + sum(-sp(v) for v in y) / 12
        - equation_6(real, fake, (x, y), k, 1.5)
        + weight * sum(-sp(-y[i]) for found in close.values() for i in found)
    )
    penalties = (ClosePairDifference(k, 1.5), ClosePairFakeAsReal(weight, 1.5))
    objective, _ = d_objective(
        {"D": Opponent(D, NonSaturating(), penalties)},
        {"D": eager(D)},
        Batch(real),
        Batch(fake),
        Now(torch.tensor(0), {}, {}),
        Sides(5, 12),
    )
    assert_close(objective.item(), -eight)


class TestPairDifference:
    @pytest.mark.parametrize(("n", "m"), [(5, 5), (2, 6), (6, 2)])
    @pytest.mark.parametrize("way", [eager, functional])
    def test_by_numpy(self, way: Any, n: int, m: int) -> None:
        """gradient E_v ||grad D(v)||^2 over reals and fakes in equal shares + difference E (D(x) - D(y))^2."""
        model = Quadratic(normal(4, 2, 2))
        x, y, S = normal(5, n, 2).numpy(), normal(6, m, 2).numpy(), model.S.numpy()

        def values(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            D = 1 / (1 + np.exp(-np.einsum("ni,ij,nj->n", v, S, v) / 2))
            return D, (D * (1 - D)) ** 2 * np.square(v @ S).sum(1)

        (Dx, slope_x), (Dy, slope_y) = values(x), values(y)
        size = max(n, m)
        x_again, y_again = np.arange(size) % n, np.arange(size) % m
        expected = 2.0 * (
            3.0 * (slope_x.mean() + slope_y.mean()) / 2 + 5.0 * np.square(Dx[x_again] - Dy[y_again]).mean()
        )
        c = way(model)
        term = PairDifference(2.0, gradient=3.0, difference=5.0)(
            c, scored(c, torch.from_numpy(x)), scored(c, torch.from_numpy(y))
        )
        assert term.value.shape == (size,)
        assert_close(weighted(term).item(), expected)

    def test_linear_critic_by_hand(self) -> None:
        """d = 4 v_1: D = 1/2 and gradient 1 at 0; at v_1 = log(3) / 4 D = 3/4 and gradient 3/4."""
        D = Linear([4, 0])
        x, y = tensor([[0, 0]]), tensor([[np.log(3) / 4, 7]])
        value = weighted(PairDifference(1.0, gradient=10.0, difference=32.0)(eager(D), scored(D, x), scored(D, y)))
        assert_close(value.item(), 10 * (1 + 9 / 16) / 2 + 32 / 16)

    def test_flat(self) -> None:
        D = Linear([0, 0], 1)
        value = weighted(PairDifference()(eager(D), scored(D, REAL), scored(D, FAKE)))
        assert value.item() == 0
        assert all((slope == 0).all() for slope in gradients(value, D).values())


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (ClosePairDifference, "weight", -1.0),
        (ClosePairDifference, "delta", -0.1),
        (ClosePairFakeAsReal, "weight", float("nan")),
        (ClosePairFakeAsReal, "delta", -1.0),
        (PairDifference, "gradient", -1.0),
        (PairDifference, "difference", -1.0),
    ],
)
def test_refuses(make: Any, field: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        make(**{field: value})
    assert str(caught.value) == f"{make.name}.{field}: expected a number of 0 or more, got {value}"
