"""The 2-D data sets against their formulas, in closed form and against independent NumPy and scikit-learn code."""

import math
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.datasets import make_swiss_roll

from steadygan.data import DATA, gaussian, grid25, ring8, swissroll, two_gaussians, two_gaussians_fake
from steadygan.errors import InputError

SYNTHETIC = ["gaussian", "grid25", "ring8", "swissroll", "two_gaussians"]
N = 40_000


def draw(source, n=N, seed=0):
    return source.fresh(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SYNTHETIC)
def test_contract(name):
    source = DATA[name]()
    x = draw(source, 100)
    assert source.name == name
    assert source.shape == (2,)
    assert x.shape == (100, 2)
    assert x.dtype == torch.float32
    assert x.isfinite().all()
    assert torch.equal(x, draw(source, 100))
    assert not torch.equal(x, draw(source, 100, seed=1))
    assert draw(source, 0).shape == (0, 2)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_finite_version_is_drawn_once_from_its_seed(name):
    source = DATA[name](n=50, seed=3)
    assert source.size == 50
    assert torch.equal(source.train, source.sampler(50, torch.Generator().manual_seed(3)))
    assert torch.equal(source.train, DATA[name](n=50, seed=3).train)
    assert not torch.equal(source.train, DATA[name](n=50, seed=4).train)
    assert DATA[name](n=None).size is None


@pytest.mark.parametrize(
    ("name", "size"), [("gaussian", 100), ("two_gaussians", 100), ("ring8", None), ("grid25", None)]
)
def test_default_training_sets(name, size):
    assert DATA[name]().size == size


@pytest.mark.parametrize("name", SYNTHETIC)
def test_global_generator_is_left_alone_and_sources_travel_between_processes(name):
    before = torch.random.get_rng_state()
    source = DATA[name](n=10)
    x = draw(source, 10)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(draw(pickle.loads(pickle.dumps(source)), 10), x)


def test_gaussian_is_standard_normal():
    x = draw(gaussian(scale=2.0)).numpy() / 2.0
    for column in x.T:
        assert kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.02


@pytest.mark.parametrize("scale", [1.0, 2.0, 10.0])
def test_ring8_centres_and_noise(scale):
    source = ring8(scale=scale)
    by_hand = [[scale * math.cos(k * math.pi / 4) / 1.414, scale * math.sin(k * math.pi / 4) / 1.414] for k in range(8)]
    torch.testing.assert_close(source.centres, torch.tensor(by_hand), rtol=1e-6, atol=1e-6)
    assert source.std == 0.02 / 1.414  # whatever the scale
    check_mixture(source)


def test_ring8_default_scale_is_2():
    assert float(ring8().centres[0, 0]) == pytest.approx(2.0 / 1.414)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_grid25_centres_and_noise(scale):
    source = grid25(scale=scale)
    by_hand = [[scale * i / 2.828, scale * j / 2.828] for i in range(-4, 5, 2) for j in range(-4, 5, 2)]
    torch.testing.assert_close(source.centres, torch.tensor(by_hand), rtol=1e-6, atol=1e-6)
    assert source.std == pytest.approx(0.05 * scale / 2.828)  # the noise grows with it
    check_mixture(source)


def check_mixture(source):
    x = draw(source).double()
    centres = source.centres.double()
    modes = len(centres)
    mode = torch.cdist(x, centres).argmin(1)
    counts = mode.bincount(minlength=modes)
    chi2 = float(((counts - N / modes) ** 2 / (N / modes)).sum())
    assert chi2 < modes - 1 + 5 * math.sqrt(2 * (modes - 1))
    noise = ((x - centres[mode]) / source.std).numpy()
    for column in noise.T:
        assert kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.02


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_swissroll_has_the_distribution_of_scikit_learn(scale):
    theirs, _ = make_swiss_roll(N, noise=0.25, random_state=0)
    theirs = scale * theirs[:, [0, 2]] / 7.5
    ours = draw(swissroll(scale=scale)).numpy()
    for angle in np.linspace(0.0, np.pi, 7):  # one-dimensional marginals in every direction fix the distribution
        direction = np.array([np.cos(angle), np.sin(angle)])
        assert kstest(ours @ direction, theirs @ direction).pvalue > 1e-3
    assert kstest(np.hypot(*ours.T), np.hypot(*theirs.T)).pvalue > 1e-3
    assert kstest(np.arctan2(*ours.T), np.arctan2(*theirs.T)).pvalue > 1e-3
    assert kstest(off_the_roll(ours / scale), off_the_roll(theirs / scale)).pvalue > 1e-3


def off_the_roll(x):
    """Radial distance of points (n, 2) from the nearest turn of the roll without noise, where radius = angle."""
    radius, angle = 7.5 * np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    turns = np.round((radius - angle) / (2 * np.pi))
    return radius - angle - 2 * np.pi * turns


@pytest.mark.parametrize(
    ("sampler", "mean", "covariance"),
    [
        (two_gaussians().sampler, (0.4, 0.9), ((1.0, 0.5), (0.5, 1.0))),
        (two_gaussians_fake, (1.3, 1.2), ((1.0, 0.7), (0.7, 1.0))),
    ],
)
def test_two_gaussians_moments_and_shape(sampler, mean, covariance):
    x = sampler(N, torch.Generator().manual_seed(0)).double().numpy()
    np.testing.assert_allclose(x.mean(0), mean, atol=0.025)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.03)
    white = np.linalg.solve(np.linalg.cholesky(np.array(covariance)), (x - mean).T)
    for column in white:
        assert kstest(column, "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", ["gaussian", "ring8", "grid25", "swissroll"])
@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_scales_are_refused(name, scale):
    with pytest.raises(InputError, match="scale"):
        DATA[name](scale=scale)


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_impossible_sizes_are_refused(n):
    with pytest.raises(InputError, match=r"ring8\.n: expected a whole number of 1 or more"):
        ring8(n=n)


def test_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match=r"unknown data set 'ring9': did you mean 'ring8'\? known: .*swissroll"):
        DATA["ring9"]


def test_all_names_are_there():
    assert {*SYNTHETIC} <= set(DATA)
