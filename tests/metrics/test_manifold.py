"""Density and coverage: a loop over the definition, sets whose figures are known, and expectations in closed form."""

import math

import numpy as np
import pytest
import torch

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import blocks
from steadygan.metrics.neighbours import Manifold


def density_coverage(fakes, real, k=5):
    return Manifold(real, k)(fakes)


def points(n, dim, seed=0, shift=0.0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed)) + shift


def by_loops(real, fakes, k):
    real, fakes = real.double().numpy(), fakes.double().numpy()
    held = covered = 0
    for i, x in enumerate(real):
        others = sorted(math.dist(x, other) for j, other in enumerate(real) if j != i)
        count = sum(1 for y in fakes if math.dist(x, y) < others[k - 1] or math.dist(x, y) == 0.0)
        held, covered = held + count, covered + (count > 0)
    return {"density": held / (k * len(fakes)), "coverage": covered / len(real)}


def expected_coverage(n, m, k):
    return 1.0 - math.prod((n - i) / (m + n - i) for i in range(1, k + 1))


@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("k", [1, 3, 5, 39])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loops(dim, k, dtype):
    real, fakes = points(40, dim, dtype=dtype), points(57, dim, 1, 0.3, dtype=dtype)
    assert density_coverage(fakes, real, k) == pytest.approx(by_loops(real, fakes, k), rel=1e-12)


def test_a_line_by_hand():
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # k = 1: radii 1, 1, 2, 4
    measure = Manifold(real, k=1)
    assert measure.radii.tolist() == [1.0, 1.0, 2.0, 4.0]
    # 0.5 lies in balls 0 and 1, 4.0 in 2 and 7, where it is 3 away; 5.0 just at the end of ball 3, in 7's; 90 in none
    assert measure(torch.tensor([[0.5], [4.0], [5.0], [90.0]])) == {"density": 5 / 4, "coverage": 1.0}
    assert measure(torch.tensor([[4.9], [90.0]])) == {"density": 2 / 2, "coverage": 2 / 4}


@pytest.mark.parametrize("dim", [2, 64, 2048])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mean", [0.0, 300.0])
def test_fakes_that_equal_the_real_samples(dim, dtype, mean):
    real = points(400, dim, shift=mean).to(dtype)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    before = real.clone()
    assert Manifold(real)(real[order]) == {"density": 1.0, "coverage": 1.0}
    assert torch.equal(real, before)


def test_fakes_that_equal_discrete_real_samples():
    real = torch.eye(9)  # all are equally far from each other: no other one is nearer than the k-th
    assert Manifold(real)(real) == {"density": 1 / 5, "coverage": 1.0}


def test_one_point():
    real = torch.full((20, 9), 3.3)
    assert Manifold(real)(real) == {"density": 20 / 5, "coverage": 1.0}
    assert Manifold(real)(real[:1]) == {"density": 20 / 5, "coverage": 1.0}
    assert Manifold(real)(real + 1e-6) == {"density": 0.0, "coverage": 0.0}


@pytest.mark.parametrize("dim", [2, 16])
@pytest.mark.parametrize(("n", "m", "k"), [(60, 90, 3), (40, 40, 1), (50, 10, 5)])
def test_expectation_for_fakes_of_the_real_distribution(dim, n, m, k):
    figures = [density_coverage(points(m, dim, 2 * s + 1), points(n, dim, 2 * s), k) for s in range(200)]
    for name, exact in (("density", 1.0), ("coverage", expected_coverage(n, m, k))):
        found = np.array([figure[name] for figure in figures])
        assert abs(found.mean() - exact) < 4 * found.std() / math.sqrt(len(found))
        assert found.std() / math.sqrt(len(found)) < 0.03


def test_order_of_the_published_example():
    # 10,000 and 10,000 normal samples in 1000 dimensions have been found at 1.0555 and 0.9735; a fifth of them here
    real, fakes = points(2000, 1000, dtype=torch.float32), points(2000, 1000, 1, dtype=torch.float32)
    figures = density_coverage(fakes, real)
    assert figures["density"] == pytest.approx(1.0, abs=0.3)  # hubs: it scatters by 0.1
    assert figures["coverage"] == pytest.approx(expected_coverage(2000, 2000, 5), abs=0.03)


def test_fakes_far_away():
    assert density_coverage(points(50, 64, 1, 100.0), points(40, 64)) == {"density": 0.0, "coverage": 0.0}


@pytest.mark.parametrize("dim", [2, 64])
def test_fakes_collapsed_on_one_real_sample(dim):
    real = points(300, dim)
    measure = Manifold(real)
    nearest = torch.cdist(real, real).argsort(1)[:, 1:5]  # k - 1 others lie in a ball, beside its centre
    for sample in (0, 7):
        holding = 1 + int((nearest == sample).sum())
        figures = measure(real[sample].repeat(80, 1))
        assert figures == {"density": holding / 5, "coverage": holding / 300}


def test_half_of_the_modes():
    modes = torch.tensor([[0.0, 0.0], [50.0, 0.0]], dtype=torch.float64)
    figures = density_coverage(modes[0] + points(200, 2, 1), modes.repeat_interleave(100, 0) + points(200, 2))
    assert figures["density"] == pytest.approx(1.0, abs=0.1)
    assert figures["coverage"] == pytest.approx(expected_coverage(100, 200, 5) / 2, abs=0.02)


@pytest.mark.parametrize("dim", [2, 64])
def test_block_size_changes_nothing(monkeypatch, dim):
    real, fakes = points(100, dim, dtype=torch.float32), points(130, dim, 1, dtype=torch.float32)
    whole = Manifold(real)(fakes)
    for side in (16, 99, 100):
        monkeypatch.setattr(blocks, "TILE", side)
        assert Manifold(real)(fakes) == whole


def test_unchanged_by_shifts_scales_and_order():
    real, fakes = points(100, 16), points(90, 16, 1)
    figures = density_coverage(fakes, real)
    assert density_coverage(fakes.flip(0), real.flip(0)) == figures
    assert density_coverage(4.0 * fakes + 8.0, 4.0 * real + 8.0) == figures


def test_images_are_flattened_and_dtypes_are_the_real_ones():
    real, fakes = points(20, 12, dtype=torch.float32), points(30, 12, 1, dtype=torch.float32)
    figures = density_coverage(fakes, real)
    assert density_coverage(fakes.view(30, 3, 2, 2), real.view(20, 3, 2, 2)) == figures
    assert density_coverage(fakes.double(), real) == figures


def test_radii_that_were_kept(monkeypatch):
    real, fakes = points(30, 4), points(20, 4, 1)
    first = Manifold(real, k=2)
    assert first.radii.shape == (30,)
    assert first.radii.dtype == torch.float64
    monkeypatch.setattr("steadygan.metrics.neighbours.kth_distance", None)
    assert Manifold(real, k=2, radii=first.radii)(fakes) == first(fakes)
    assert Manifold(real, k=2, radii=0.0 * first.radii)(fakes) == {"density": 0.0, "coverage": 0.0}
    for radii in (first.radii[:-1], first.radii.float()):
        with pytest.raises(InputError, match="float64 radii of 30 real samples"):
            Manifold(real, k=2, radii=radii)


def test_wrong_arguments():
    with pytest.raises(InputError, match=r"real samples \(n >= 6, \*shape\), got \(5, 2\)"):
        Manifold(points(5, 2))
    Manifold(points(6, 2))
    with pytest.raises(InputError, match="k must be a whole number of 1 or more"):
        Manifold(points(6, 2), k=0)
    with pytest.raises(InputError, match=r"fake samples \(n >= 1, 2\), got \(0, 2\)"):
        Manifold(points(6, 2))(points(0, 2))
    with pytest.raises(InputError, match=r"fake samples \(n >= 1, 2\), got \(4, 3\)"):
        Manifold(points(6, 2))(points(4, 3))
    with pytest.raises(NonFiniteError, match="1 of 6 real"):
        Manifold(points(6, 2).index_fill(0, torch.tensor([3]), math.nan))
    with pytest.raises(NonFiniteError, match="2 of 4 fake"):
        Manifold(points(6, 2))(points(4, 2).index_fill(0, torch.tensor([0, 1]), math.inf))
