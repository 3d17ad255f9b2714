"""The energy distance: SciPy in one dimension, SciPy's pairs in float64 in several, closed forms and invariance."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as scipy_energy_distance

from steadygan.errors import InputError
from steadygan.metrics import EnergyDistance, blocks, energy_distance
from steadygan.metrics.energy import mean_distance, mean_own_distance


def points(n, dim, seed=0, shift=0.0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed)) + shift


def by_scipy(a, b):
    def mean(x, y):
        return cdist(x, y).mean()

    a, b = a.double().numpy(), b.double().numpy()
    return 2 * mean(a, b) - mean(a, a) - mean(b, b)


def test_scipy_in_one_dimension_is_its_square_root():
    a, b = points(300, 1), 1.3 * points(211, 1, 1, 0.4)
    theirs = scipy_energy_distance(a.squeeze(1).numpy(), b.squeeze(1).numpy())
    assert math.sqrt(energy_distance(a, b)) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 9, 64])
@pytest.mark.parametrize("block", [64, 1000, 1 << 18])
def test_scipy_in_any_dimension(monkeypatch, dim, block):
    monkeypatch.setattr(blocks, "CPU_BLOCK", block)
    a, b = points(97, dim), points(60, dim, 1, 0.2)
    assert energy_distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-8)


@pytest.mark.parametrize("dim", [2, 64])
def test_float32_is_good_enough_for_the_figures_that_matter(dim):
    a, b = points(2000, dim, dtype=torch.float32), points(1500, dim, 1, 0.1, dtype=torch.float32)
    assert energy_distance(a, b) == pytest.approx(by_scipy(a, b), abs=2e-6 * dim)


def test_two_points_by_hand():
    a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    assert energy_distance(a, b) == pytest.approx(10.0)
    assert energy_distance(torch.cat([a, b]), b) == pytest.approx(2 * 2.5 - 2.5)


def test_closed_form_of_two_normals():
    # in 1-D: E|x - y| for a difference N(m, s^2) is s sqrt(2/pi) exp(-m^2 / 2 s^2) + m erf(m / s sqrt 2)
    def expected_distance(m, s):
        return s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(m / (s * math.sqrt(2)))

    a, b = points(4000, 1), points(4000, 1, 1, 1.0)
    exact = 2 * expected_distance(1.0, math.sqrt(2)) - 2 * expected_distance(0.0, math.sqrt(2))
    assert energy_distance(a, b) == pytest.approx(exact, abs=0.03)


def test_own_term_counts_every_pair_of_all_n_squared(monkeypatch):
    monkeypatch.setattr(blocks, "CPU_BLOCK", 37)
    x = points(41, 2)
    assert mean_own_distance(x) == pytest.approx(mean_distance(x, x), rel=1e-12)
    assert mean_own_distance(torch.tensor([[0.0], [1.0]])) == 0.5


@pytest.mark.parametrize("dim", [2, 64])
def test_sums_in_float32_lose_nothing_that_counts(dim):
    x, y = points(700, dim, dtype=torch.float32) + 1.0, points(600, dim, 1, dtype=torch.float32)
    exact = cdist(x.double().numpy(), x.double().numpy()).mean()
    assert mean_own_distance(x) == pytest.approx(exact, rel=3e-8)
    exact = cdist(x.double().numpy(), y.double().numpy()).mean()
    assert mean_distance(x, y) == pytest.approx(exact, rel=3e-8)


def test_equal_sets_are_at_distance_0_and_it_is_never_negative():
    for dim in (2, 20):
        x = points(500, dim, dtype=torch.float32)
        assert 0.0 <= energy_distance(x, x.flip(0)) < 1e-5


def test_symmetry_translation_rotation_scale():
    a, b = points(80, 2), points(70, 2, 1, 0.5)
    value = energy_distance(a, b)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    assert energy_distance(b, a) == pytest.approx(value)
    assert energy_distance(a + 7.0, b + 7.0) == pytest.approx(value)
    assert energy_distance(a @ turn, b @ turn) == pytest.approx(value)
    assert energy_distance(3.0 * a, 3.0 * b) == pytest.approx(3.0 * value)  # it has the data's unit


def test_samples_of_one_distribution_are_as_far_apart_as_the_docstring_says():
    n = 1000
    values = [energy_distance(points(n, 2, 2 * k), points(n, 2, 2 * k + 1)) for k in range(20)]
    assert np.mean(values) == pytest.approx(2 / n * math.sqrt(math.pi), rel=0.2)  # E|x - x'| = sqrt(pi) in the plane


def test_images_are_flattened_and_the_reference_is_reused():
    a, b = points(20, 12), points(30, 12, 1)
    measure = EnergyDistance(b.view(30, 3, 2, 2))
    assert measure(a.view(20, 3, 2, 2)) == pytest.approx(energy_distance(a, b))
    assert measure(a.view(20, 3, 2, 2)) == measure(a.view(20, 3, 2, 2))


def test_nan_stays_nan():
    assert math.isnan(energy_distance(torch.tensor([[float("nan")], [0.0]]), torch.zeros(2, 1)))


def test_wrong_arguments():
    for reference in (torch.zeros(3), torch.zeros(0, 2)):
        with pytest.raises(InputError, match="reference"):
            EnergyDistance(reference)
    for samples in (torch.zeros(0, 2), torch.zeros(4, 3), torch.zeros(4)):
        with pytest.raises(InputError, match=r"shape \(n >= 1, 2\)"):
            EnergyDistance(torch.zeros(3, 2))(samples)
