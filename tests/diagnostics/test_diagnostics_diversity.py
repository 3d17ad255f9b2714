"""Diversity: by hand, SciPy's mean distances, and the closed form of scaled and of collapsed fakes."""

import math

import pytest
import torch
from scipy.spatial.distance import pdist

from steadygan.diagnostics import diversity
from steadygan.errors import InputError


def points(n, dim, seed=0):
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def line(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_by_hand():
    assert diversity(line(0.0, 3.0), line(0.0, 1.0, 5.0)) == pytest.approx(3 / (10 / 3), rel=1e-15)
    assert diversity(line(0.0, 1.0, 5.0), line(0.0, 3.0)) == pytest.approx((10 / 3) / 3, rel=1e-15)
    plane = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert diversity(plane, 2 * plane) == 0.5


@pytest.mark.parametrize("dim", [1, 8, 9, 100])
@pytest.mark.parametrize("sizes", [(2, 30), (17, 5), (50, 50)])
def test_scipy(dim, sizes):
    fake, real = 0.3 * points(sizes[0], dim, 1), points(sizes[1], dim)
    expected = pdist(fake.numpy()).mean() / pdist(real.numpy()).mean()
    assert diversity(fake, real) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 64])
def test_fakes_that_are_all_the_same(dim):
    assert diversity((points(1, dim) / 3).repeat(9, 1), points(4, dim)) == 0.0


def test_fakes_on_two_points():
    """k of m fakes lie elsewhere: k (m - k) of the m (m - 1) / 2 pairs are one distance apart."""
    fake = torch.cat([line(*[0.0] * 7), line(*[2.0] * 3)])
    assert diversity(fake, line(0.0, 1.0)) == pytest.approx(2 * 21 / 45, rel=1e-15)


def test_moves_and_scales():
    fake, real = points(20, 5, 1), points(30, 5)
    expected = diversity(fake, real)
    turn = torch.linalg.qr(points(5, 5, 7)).Q
    assert diversity(fake.flip(0) + 100, real.flip(0) - 50) == pytest.approx(expected, rel=1e-12)
    assert diversity(fake @ turn, real) == pytest.approx(expected, rel=1e-12)
    assert diversity(3 * fake, 2 * real) == pytest.approx(1.5 * expected, rel=1e-12)


def test_any_number_of_fakes_from_the_data_reads_one():
    few = [diversity(points(2, 3, 2 * seed + 1), points(200, 3, 2)) for seed in range(400)]
    error = math.sqrt(sum((each - 1) ** 2 for each in few)) / 400
    assert sum(few) / 400 == pytest.approx(1.0, abs=4 * error)
    assert error < 0.03


def test_images_and_narrow_dtypes():
    fake, real = points(6, 12, 1), points(7, 12)
    assert diversity(fake.view(6, 3, 2, 2), real.view(7, 3, 2, 2)) == diversity(fake, real)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        expected = diversity(fake.to(dtype).double(), real.to(dtype).double())
        assert diversity(fake.to(dtype).requires_grad_(), real.to(dtype)) == expected
        assert diversity(fake, real.to(dtype)) == diversity(fake, real.to(dtype).double())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_samples_show(value):
    fine, bad = points(4, 3), points(4, 3)
    bad[1, 2] = value
    assert math.isnan(diversity(bad, fine))
    assert math.isnan(diversity(fine, bad))


def test_wrong_arguments():
    some = points(3, 2)
    with pytest.raises(InputError, match=r"fake samples \(n >= 2, 2\).*draw more"):
        diversity(some[:1], some)
    with pytest.raises(InputError, match=r"real samples \(n >= 2.*draw more"):
        diversity(some, some[:1])
    with pytest.raises(InputError, match="reshape"):
        diversity(some[:, :1], some)
    for dim in (2, 64):
        with pytest.raises(InputError, match="real samples that differ"):
            diversity(points(3, dim), (points(1, dim) / 3).repeat(5, 1))
