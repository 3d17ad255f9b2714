"""Close pairs and duplicates: tiny sets by hand, SciPy's distances in a loop, and what moves and scales change."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from steadygan.diagnostics import pair_figures
from steadygan.errors import InputError

KEYS = ("close_pairs", "most_on_one_real", "nearest_share", "duplicates")


def points(n, dim, seed=0):
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def line(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def near_fakes(real, m, spread, seed=1):
    """Fakes round real samples, many on the first ones."""
    draw = torch.Generator().manual_seed(seed)
    where = (torch.rand(m, generator=draw) ** 3 * real.shape[0]).long()
    return real[where] + spread * torch.rand(m, 1, generator=draw, dtype=real.dtype) * points(
        m, real.shape[1], seed + 1
    )


def by_loop(real, fake, delta):
    x, y = real.flatten(1).numpy(), fake.flatten(1).numpy()
    if delta is None:
        delta = 0.01 * np.median(pdist(x))
    across, own = cdist(x, y), cdist(y, y)
    np.fill_diagonal(own, np.inf)
    counts = np.bincount(across.argmin(0), minlength=len(x))
    return {
        "close_pairs": (across <= delta).sum() / len(y),
        "most_on_one_real": (across <= delta).sum(1).max(),
        "nearest_share": counts.max() / len(y),
        "duplicates": (own.min(1) <= delta).mean(),
    }


def test_by_hand():
    real, fake = line(0.0, 1.0, 10.0), line(0.25, 0.5, 0.75, 5.6, 30.0)
    found = pair_figures(real, fake, 0.5)
    # near 0: .25, .5; near 1: .5, .75; nearest to 0: .25, .5 (the first of equals); to 1: .75; to 10: 5.6, 30
    assert found == {"close_pairs": 4 / 5, "most_on_one_real": 2.0, "nearest_share": 2 / 5, "duplicates": 3 / 5}
    found = pair_figures(real, fake, 0.4999)
    assert found == {"close_pairs": 2 / 5, "most_on_one_real": 1.0, "nearest_share": 2 / 5, "duplicates": 3 / 5}
    found = pair_figures(real, fake, 0.24)
    assert found == {"close_pairs": 0.0, "most_on_one_real": 0.0, "nearest_share": 2 / 5, "duplicates": 0.0}


@pytest.mark.parametrize(
    ("real", "median"), [((0.0, 1.0, 5.0), 4.0), ((0.0, 1.0, 5.0, 16.0), 8.0), ((3.0, 5.0), 2.0)]
)  # distances 1, 4, 5; 1, 4, 5, 11, 15, 16: the mean of the middle two; 2
def test_delta_is_one_percent_of_the_median_distance(real, median):
    for off, close in ((0.0099, 1.0), (0.0101, 0.0)):
        fake = line(real[0] - off * median)
        assert pair_figures(line(*real), fake)["close_pairs"] == close
        assert pair_figures(line(*real), torch.cat([fake, fake - off * median]))["duplicates"] == close


@pytest.mark.parametrize("dim", [1, 8, 9, 200])
def test_pairs_just_delta_apart_are_close(dim):
    real = torch.zeros(2, dim, dtype=torch.float64)
    real[1] = 100.0
    fake = torch.zeros(3, dim, dtype=torch.float64)
    fake[0, 0], fake[1, 0], fake[2, -1] = 0.3, 0.6, 0.3
    fake[2, 0] -= 0.0 if dim > 1 else 0.6  # -0.3, beyond delta of the others
    found = pair_figures(real, fake, 0.3)
    assert (found["close_pairs"], found["most_on_one_real"], found["duplicates"]) == (2 / 3, 2.0, 2 / 3)
    assert pair_figures(real, fake, 0.3 * (1 - 1e-6))["close_pairs"] == 0.0


@pytest.mark.parametrize("dim", [2, 8, 9, 48])
@pytest.mark.parametrize("delta", [None, 0.3])
@pytest.mark.parametrize("sizes", [(40, 90), (90, 40)])
def test_scipy(dim, delta, sizes):
    real = points(sizes[0], dim)
    fake = near_fakes(real, sizes[1], 0.1 / math.sqrt(dim) if delta is None else 0.6 / math.sqrt(dim))
    found = pair_figures(real, fake, delta)
    assert found == pytest.approx(by_loop(real, fake, delta), rel=1e-12)
    assert all(found[key] > 0 for key in KEYS)
    assert found["nearest_share"] < 1
    assert found["duplicates"] < 1


def test_images_are_flattened():
    real, fake = points(10, 12), near_fakes(points(10, 12), 10, 0.01)
    assert pair_figures(real.view(10, 3, 2, 2), fake.view(10, 3, 2, 2)) == pair_figures(real, fake)


def test_moves_orders_and_scales_change_nothing():
    real = points(30, 12)
    fake = near_fakes(real, 40, 0.02)
    expected = pair_figures(real, fake)
    assert 0 < expected["close_pairs"] < 1
    turn = torch.linalg.qr(points(12, 12, 7)).Q
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    for changed in (lambda x: x + 100.0, lambda x: x @ turn, lambda x: 1e-3 * x):
        assert pair_figures(changed(real), changed(fake)) == expected
    assert pair_figures(real.flip(0), fake[order]) == expected


def test_one_real_that_takes_all():
    real = points(5, 9)
    found = pair_figures(real, real[2:3].repeat(7, 1))
    assert found == {"close_pairs": 1.0, "most_on_one_real": 7.0, "nearest_share": 1.0, "duplicates": 1.0}


@pytest.mark.parametrize("dim", [2, 64])
def test_reals_that_are_all_the_same_count_equals_alone(dim):
    real = (points(1, dim) / 3).repeat(6, 1)
    fake = torch.cat([real[:2], real[:1] * (1 + 1e-12), points(1, dim, 5)])
    found = pair_figures(real, fake)
    assert found == {"close_pairs": 12 / 4, "most_on_one_real": 2.0, "nearest_share": 1.0, "duplicates": 2 / 4}
    assert pair_figures(real, fake, 0.0) == found


def test_a_single_fake_and_a_single_real():
    found = pair_figures(line(0.0), line(0.5), 0.5)
    assert found == {"close_pairs": 1.0, "most_on_one_real": 1.0, "nearest_share": 1.0, "duplicates": 0.0}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_samples_show(value):
    fine, bad = points(4, 3), points(4, 3)
    bad[1, 2] = value
    for real, fake in ((bad, fine), (fine, bad)):
        found = pair_figures(real, fake, 1.0)
        assert tuple(found) == KEYS
        assert all(math.isnan(figure) for figure in found.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_samples_are_widened(dtype):
    real, fake = points(200, 16).to(dtype), near_fakes(points(200, 16), 200, 0.02).to(dtype)
    expected = pair_figures(real.double(), fake.double())
    assert pair_figures(real.requires_grad_(), fake.requires_grad_()) == expected
    mixed = pair_figures(real, near_fakes(points(200, 16), 200, 0.02))
    assert mixed == pair_figures(real.double(), near_fakes(points(200, 16), 200, 0.02))


def test_nothing_is_disturbed():
    state = torch.random.get_rng_state()
    pair_figures(points(5, 2), points(5, 2, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_wrong_arguments():
    some = points(3, 2)
    with pytest.raises(InputError, match=r"real samples \(n >= 2.*draw more"):
        pair_figures(some[:1], some)
    with pytest.raises(InputError, match=r"real samples \(n >= 1.*draw more"):
        pair_figures(some[:0], some, 1.0)
    with pytest.raises(InputError, match=r"fake samples \(n >= 1, 2\).*draw more"):
        pair_figures(some, some[:0])
    with pytest.raises(InputError, match=r"fake samples \(n >= 1, 2\), got \(3, 1\)"):
        pair_figures(some, some[:, :1])
    for delta in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="delta must be a finite number of 0 or more"):
            pair_figures(some, some, delta)
