"""Fakes held against kept reals: the figures of each pair of batches, plain loops, and answers known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor

from known import normal, tensor
from steadygan.diagnostics import diversity, pair_figures
from steadygan.diagnostics.yardstick import QUALITY, Yardstick
from steadygan.errors import InputError, NonFiniteError

SHARED = ("close_pairs", "most_on_one_real", "nearest_share", "duplicates")
KEYS = {*SHARED, *QUALITY, "batch_balance", "batch_coverage", "diversity", "batch_distance"}
SHAPES = [(2,), (20,), (1, 4, 4)]  # few numbers are compared by differences, many by products


def near(real: Tensor, m: int, seed: int = 5) -> Tensor:
    """Fakes on and round the first real samples, some of them twice."""
    where = (torch.rand(m, generator=torch.Generator().manual_seed(seed)) ** 2 * real.shape[0]).long()
    noise = normal(seed + 1, m, *real.shape[1:]) * torch.arange(m).view(-1, *[1] * (real.ndim - 1)) / (20 * m)
    fake = real[where] + noise
    fake[-4:] = fake[:4]
    return fake


def perplexity(labels: np.ndarray) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return math.exp(-sum(p * math.log(p) for p in shares))


def energy(x: np.ndarray, y: np.ndarray) -> float:
    """In units of the reals' spread, nothing taken off."""
    return float((2 * cdist(x, y).mean() - pdist(y).mean() - pdist(x).mean()) / pdist(x).mean())


def by_loop(real: Tensor, fresh: Tensor, fake: Tensor) -> dict[str, float]:
    x, z, y = (np.unique(real.flatten(1).numpy(), axis=0), fresh.flatten(1).numpy(), fake.flatten(1).numpy())
    own = cdist(x, x)
    balls = [sorted(row)[5] for row in own]
    across = cdist(x, y)
    return {
        "batch_balance": perplexity(across.argmin(0)) / perplexity(cdist(x, z[: len(y)]).argmin(0)),
        "batch_coverage": float(np.mean([across[i].min() <= balls[i] for i in range(len(x))])),
        "batch_distance": energy(x, y) - max(0.0, energy(x, z)),
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m", [30, 64])
def test_pairs_and_diversity_are_those_of_their_own_functions(shape: tuple[int, ...], m: int) -> None:
    real, fresh = normal(0, 40, *shape), normal(1, 50, *shape)
    fake = near(real, m)
    yardstick = Yardstick(real, fresh)
    found = yardstick.figures(fake)[0]
    assert found.keys() == KEYS
    expected = pair_figures(real, fake)
    assert {key: found[key] for key in SHARED} == pytest.approx(expected, rel=1e-12)
    assert expected["close_pairs"] > 0.1
    assert 0.1 < expected["duplicates"] < 1.0
    assert found["diversity"] == pytest.approx(diversity(fake, real), rel=1e-9)
    assert yardstick.delta == pytest.approx(0.01 * np.median(pdist(real.flatten(1))), rel=1e-12)
    assert yardstick.spread == pytest.approx(pdist(real.flatten(1)).mean(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m", [12, 60])
def test_cells_coverage_and_distance_by_loops(shape: tuple[int, ...], m: int) -> None:
    real, fresh, fake = normal(0, 30, *shape), normal(1, 40, *shape), normal(2, m, *shape) + 0.8
    figures, cells = Yardstick(real, fresh).figures(fake)
    expected = by_loop(real, fresh, fake)
    assert {key: figures[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    assert 0 < expected["batch_coverage"] < 1
    assert cells is not None
    x = torch.unique(real.flatten(1), dim=0)
    assert cells.tolist() == cdist(x, fake.flatten(1)).argmin(0).tolist()


def test_coverage_reaches_to_the_fifth_nearest_other() -> None:
    """Of 0 .. 10, the middle's ball has a radius of 3, as three neighbours lie on one side; the ends' one of 5."""
    real = torch.arange(11.0, dtype=torch.float64).unsqueeze(1)
    yardstick = Yardstick(real, real)
    radius = [5, 4, 3, 3, 3, 3, 3, 3, 3, 4, 5]
    for fake, covered in ((-5.1, 0), (-4.9, 1), (-3.1, 1), (-2.9, 2), (5.0, 11), (5.1, 8)):
        assert sum(abs(fake - i) <= r for i, r in enumerate(radius)) == covered
        found = yardstick.figures(tensor([[fake], [fake]]))[0]
        assert found["batch_coverage"] == covered / 11


def test_few_reals_have_fewer_neighbours() -> None:
    real = tensor([[0.0], [1.0], [3.0]])  # to the second nearest other: 3, 2, 3
    yardstick = Yardstick(real, real)
    assert yardstick.figures(tensor([[-2.5], [-2.5]]))[0]["batch_coverage"] == 1 / 3
    assert yardstick.figures(tensor([[-1.0], [-1.0]]))[0]["batch_coverage"] == 2 / 3


class TestKnownAnswers:
    def test_fresh_samples_get_their_own(self) -> None:
        for seed in range(4):
            real, fresh = normal(0, 30, 2), normal(seed + 1, 40, 2)
            yardstick = Yardstick(real, fresh)
            found = yardstick.figures(fresh)[0]
            assert found == pytest.approx(yardstick.own, abs=1e-15)
            assert found["batch_balance"] == 1.0
            raw = energy(real.numpy(), fresh.numpy())
            assert found["batch_distance"] == pytest.approx(min(0.0, raw), abs=1e-12)

    def test_nothing_is_added_where_fresh_samples_are_nearer_than_chance(self) -> None:
        real, fake = normal(0, 30, 2), normal(3, 20, 2)
        assert energy(real.numpy(), real.numpy()) < 0
        found = Yardstick(real, real).figures(fake)[0]["batch_distance"]
        assert found == pytest.approx(energy(real.numpy(), fake.numpy()), rel=1e-12)
        moved = real + 0.5
        assert (noise := energy(real.numpy(), moved.numpy())) > 0
        found = Yardstick(real, moved).figures(fake)[0]["batch_distance"]
        assert found == pytest.approx(energy(real.numpy(), fake.numpy()) - noise, rel=1e-12)

    def test_all_fakes_on_one_point(self) -> None:
        real, fresh = normal(0, 30, 2), normal(1, 40, 2)
        yardstick = Yardstick(real, fresh)
        found = yardstick.figures(real[:1].repeat(25, 1))[0]
        cells = cdist(np.unique(real.numpy(), axis=0), fresh[:25]).argmin(0)
        assert found["batch_balance"] == pytest.approx(1 / perplexity(cells), rel=1e-12)
        assert found["most_on_one_real"] == 25.0
        assert (found["nearest_share"], found["duplicates"], found["diversity"]) == (1.0, 1.0, 0.0)
        assert found["batch_coverage"] < 0.5
        expected = 2 * cdist(real[:1], real).mean() / yardstick.spread - 1 - yardstick._noise
        assert found["batch_distance"] == pytest.approx(expected, rel=1e-9)

    def test_half_of_the_modes_missing(self) -> None:
        """Four far points of eight reals each, and fakes on two of them."""
        corners = 100 * tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).repeat_interleave(8, 0)
        real = corners + normal(0, 32, 2)
        found = Yardstick(real, real).figures(torch.cat([real[:16], real[:16]]))[0]
        assert found["batch_balance"] == pytest.approx(1 / 2, rel=1e-12)
        assert found["batch_coverage"] == pytest.approx(1 / 2)
        assert found["batch_distance"] > 0.1

    def test_distance_does_not_depend_on_place_or_unit(self) -> None:
        real, fresh, fake = normal(0, 30, 20), normal(1, 40, 20), 0.5 * normal(2, 25, 20) + 0.3
        one = Yardstick(real, fresh).figures(fake)[0]
        other = Yardstick(7 * real + 50, 7 * fresh + 50).figures(7 * fake + 50)[0]
        assert other == pytest.approx(one, rel=1e-9)


def test_repeated_reals_count_once() -> None:
    """But as what the data are: a part of which half of them are is worth half."""
    real, fresh, fake = normal(0, 30, 2), normal(1, 40, 2), normal(2, 25, 2)
    again = torch.cat([real, real[:20], real[:5]])[torch.randperm(55, generator=torch.Generator().manual_seed(0))]
    one, other = Yardstick(real, fresh), Yardstick(again, fresh)
    ours, theirs = other.figures(fake)[0], one.figures(fake)[0]
    assert {key: ours[key] for key in KEYS - {*QUALITY}} == {key: theirs[key] for key in KEYS - {*QUALITY}}
    assert (other.delta, other.spread) == (one.delta, one.spread)


@pytest.mark.parametrize("dim", [2, 20])
def test_one_distinct_real(dim: int) -> None:
    """No distance between reals, so none to measure by: what compares with it is absent."""
    real = normal(0, 1, dim).repeat(6, 1)
    yardstick = Yardstick(real, real)
    assert (yardstick.delta, yardstick.spread) == (0.0, 0.0)
    found = yardstick.figures(torch.cat([real[:2], normal(1, 2, dim)]))[0]
    assert found == {
        "close_pairs": 0.5,
        "most_on_one_real": 2.0,
        "nearest_share": 1.0,
        "duplicates": 0.5,
        "batch_balance": 1.0,
        "batch_coverage": 1.0,
        "served": 1.0,
        "covered": 1.0,
        "quality": 0.5,
        "quality_error": 0.5,
    }
    assert yardstick.figures(normal(1, 2, dim))[0]["batch_coverage"] == 0.0
    bad = yardstick.figures(normal(1, 2, dim) * math.nan)[0]
    assert bad.keys() == found.keys()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_fakes_that_are_not_finite(value: float) -> None:
    yardstick = Yardstick(normal(0, 30, 2), normal(1, 40, 2))
    fake = normal(2, 25, 2)
    fake[3, 1] = value
    figures, cells = yardstick.figures(fake)
    assert figures.keys() == yardstick.figures(normal(2, 25, 2))[0].keys() == KEYS
    assert all(math.isnan(figure) for figure in figures.values())
    assert cells is None


def test_far_fakes_that_are_equal_are_duplicates() -> None:
    """However far away, and however many numbers a sample has."""
    places = 1e6 * normal(3, 5, 50)
    yardstick = Yardstick(normal(0, 30, 50), normal(1, 40, 50))
    found = yardstick.figures(torch.cat([places, places[:3], 1e6 * normal(4, 2, 50)]))[0]
    assert found["duplicates"] == 6 / 10
    assert yardstick.figures(places[:1].repeat(20, 1))[0]["diversity"] < 1e-3
    assert yardstick.figures(places[:1].repeat(20, 1))[0]["duplicates"] == 1.0


def test_more_fakes_than_fresh_samples_or_fewer() -> None:
    """Balance is that of as many fresh samples, the first ones; of all where there are fewer."""
    real, fresh = normal(0, 30, 2), normal(1, 40, 2)
    yardstick = Yardstick(real, fresh)
    assert yardstick.figures(fresh[:9])[0]["batch_balance"] == 1.0
    assert yardstick.figures(fresh.repeat(3, 1))[0]["batch_balance"] == pytest.approx(1.0, rel=1e-12)
    assert yardstick.figures(fresh[9:18])[0]["batch_balance"] != 1.0


@pytest.mark.parametrize("shape", [(2,), (20,), (3, 5, 5)])
def test_other_types_and_shapes(shape: tuple[int, ...]) -> None:
    real, fresh, fake = normal(0, 30, *shape).float(), normal(1, 40, *shape).float(), normal(2, 25, *shape).float()
    one, _ = Yardstick(real, fresh).figures(fake)
    wide, _ = Yardstick(real.double(), fresh.double()).figures(fake.double())
    flat, _ = Yardstick(real.flatten(1), fresh.flatten(1)).figures(fake.flatten(1))
    assert one == wide == flat
    assert all(type(value) is float for value in one.values())
    half = Yardstick(real.bfloat16(), fresh.bfloat16()).figures(fake.bfloat16())[0]
    assert half == Yardstick(*(x.bfloat16().double() for x in (real, fresh))).figures(fake.bfloat16().double())[0]


def test_what_does_not_fit() -> None:
    real, fresh = normal(0, 30, 2), normal(1, 40, 2)
    yardstick = Yardstick(real, fresh)
    for call, told in (
        (lambda: yardstick.figures(normal(2, 5, 3)), "expected fake samples (n >= 2, 2), got (5, 3)"),
        (lambda: yardstick.figures(normal(2, 5, 2, 1)), "expected fake samples (n >= 2, 2), got (5, 2, 1)"),
        (lambda: yardstick.figures(fresh[:1]), "expected fake samples (n >= 2, 2), got (1, 2): draw more"),
        (lambda: Yardstick(real, normal(2, 5, 3)), "expected fresh real samples (n >= 2, 2), got (5, 3)"),
        (lambda: Yardstick(real, fresh[:1]), "expected fresh real samples"),
        (lambda: Yardstick(real[:1], fresh), "expected real samples"),
        (lambda: Yardstick(real[:, 0], fresh[:, 0]), "expected real samples"),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).startswith(told)
        assert "\n" not in str(error.value)
    for pair in ((real * math.nan, fresh), (real, fresh * math.inf)):
        with pytest.raises(NonFiniteError, match="not finite"):
            Yardstick(*pair)


def test_nothing_is_disturbed() -> None:
    real, fresh, fake = (normal(seed, 30, 20).requires_grad_() for seed in range(3))
    before, random = [x.detach().clone() for x in (real, fresh, fake)], torch.random.get_rng_state()
    yardstick = Yardstick(real, fresh)
    one, other = yardstick.figures(fake)[0], yardstick.figures(fake)[0]
    assert one == other
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(x, y) for x, y in zip((real, fresh, fake), before, strict=True))
    assert torch.is_grad_enabled()
