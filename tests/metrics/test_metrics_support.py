"""The birthday-paradox test: supports of known size, pairs counted by SciPy, and expectations in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import blocks
from steadygan.metrics.support import Support, near_duplicate, support


def points(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def drawn(n, items, dim=16, seed=0, share=None):
    draw = torch.Generator().manual_seed(seed)
    share = torch.ones(items) if share is None else share
    return points(items, dim, 99, torch.float32)[torch.multinomial(share, n, replacement=True, generator=draw)]


def test_by_hand():
    a, b, c = torch.zeros(2), torch.ones(2), torch.tensor([0.0, 5.0])
    assert support(torch.stack([a, b, a, c, b, a])) == Support(15 / 4, 4, False)  # a thrice, b twice: 3 + 1 pairs
    assert support(torch.stack([a, b, c, c]), near=1.5) == Support(6 / 2, 2, False)
    assert support(torch.stack([a, b]), near=1.4) == Support(1 / 3, 0, True)
    assert support(torch.stack([a, b]), near=1.42) == Support(1.0, 1, False)


@pytest.mark.parametrize("near", [0.0, 1e-3, 0.5])
def test_a_thousand_items(near):
    found = support(drawn(10_000, 1000), near)
    assert found.size == pytest.approx(1000, rel=0.02)
    assert not found.bound
    assert found.collisions == round(10_000 * 9_999 / 2 / found.size)
    noisy = drawn(10_000, 1000) + 1e-5 * points(10_000, 16, 3, torch.float32)
    assert support(noisy, near).collisions == (found.collisions if near else 0)


def test_few_draws_are_right_on_average():
    seen = [support(drawn(50, 1000, 2, seed)).collisions / (50 * 49 / 2) for seed in range(600)]
    error = math.sqrt(1 / 1000 * (1 - 1 / 1000) / (50 * 49 / 2) / 600)
    assert abs(np.mean(seen) - 1 / 1000) < 4 * error  # no bias
    assert np.std(seen) / math.sqrt(600) == pytest.approx(error, rel=0.15)


def test_items_that_are_not_equally_frequent_count_as_the_effective_number():
    share = 1.0 / torch.arange(1, 501, dtype=torch.float64)
    share /= share.sum()
    effective = 1.0 / float(share.square().sum())
    assert effective < 50  # of 500
    assert support(drawn(10_000, 500, share=share)).size == pytest.approx(effective, rel=0.04)


def test_no_collision_gives_a_bound_that_holds():
    found = support(points(200, 16), 1e-3)
    assert found == Support(200 * 199 / 2 / 3.0, 0, True)
    # at a support of that size there would be no collision in one of twenty
    draw = torch.Generator().manual_seed(0)
    items = torch.randint(0, round(found.size), (400, 200, 1), generator=draw).double()
    none = [support(x).bound for x in items]
    assert np.mean(none) == pytest.approx(0.05, abs=0.035)


@pytest.mark.parametrize("size", [50, 365, 1000])
def test_batch_with_a_duplicate_with_probability_one_half(size):
    distinct, n = 1.0, 0
    while distinct > 0.5:
        distinct, n = distinct * (1 - n / size), n + 1
    assert Support(size, 1, False).batch == pytest.approx(n, abs=1.0)
    assert Support(365, 1, False).batch == pytest.approx(22.49, abs=0.01)


@pytest.mark.parametrize("dim", [2, 8, 9, 64])
@pytest.mark.parametrize("side", [16, 100, 1024])
def test_scipy(monkeypatch, dim, side):
    monkeypatch.setattr(blocks, "TILE", side)
    x = points(100, dim)
    distances = pdist(x.numpy())
    for share in (0.001, 0.01, 0.5):
        near = float(np.quantile(distances, share))
        assert support(x, near).collisions == (distances < near).sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("near", [0.0, 1e-12, 1e-3])
def test_rounding_hides_no_equals(dtype, near):
    x = (1000.0 + points(100, 256)).to(dtype).repeat(3, 1)
    assert support(x, near) == Support(300 * 299 / 2 / 300, 300, False)
    signed = torch.tensor([[0.0, 1.0], [-0.0, 1.0]])
    assert support(signed, near).collisions == 1


def test_a_generator_that_collapsed_to_one_sample():
    for near in (0.0, 0.1):
        assert support(torch.full((2000, 64), 0.3), near) == Support(1.0, 1999 * 1000, False)


def test_near_duplicate_is_a_quantile_of_the_real_neighbours():
    real = points(1000, 8)
    nearest = torch.cdist(real, real).fill_diagonal_(math.inf).amin(1)
    assert near_duplicate(real) == pytest.approx(float(nearest.quantile(0.01)), rel=1e-9)
    assert near_duplicate(torch.cat([real[:300], real[:5]])) == 0.0


@pytest.mark.parametrize("dim", [2, 64])
def test_real_data_reads_what_the_docstring_says(dim):
    real, fresh = points(4000, dim), points(4000, dim, 1)
    near = near_duplicate(real)
    for sample in (real, fresh):
        assert support(sample, near).collisions == pytest.approx(20, abs=14)  # n / 200
    few = fresh[torch.randint(0, 200, (4000,), generator=torch.Generator().manual_seed(2))]
    assert support(few, near).size == pytest.approx(200, rel=0.1)


def test_images_are_flattened():
    x = points(40, 12).repeat(2, 1)
    assert support(x.view(80, 3, 2, 2)) == support(x)
    assert near_duplicate(x.view(80, 3, 2, 2)) == near_duplicate(x)


def test_wrong_arguments():
    for call in (support, near_duplicate):
        with pytest.raises(InputError, match=r"\(n >= 2, \*shape\), got \(1, 3\): draw more"):
            call(torch.zeros(1, 3))
        with pytest.raises(NonFiniteError, match="1 of 2"):
            call(torch.tensor([[0.0], [math.nan]]))
    for near in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="near must be a finite number of 0 or more"):
            support(torch.zeros(3, 3), near)
