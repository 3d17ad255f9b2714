"""Neighbours by a tree are the neighbours by all pairs."""

import pytest
import torch

from steadygan.data import DATA
from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import Manifold, precision_recall, support
from steadygan.metrics.neighbours import neighbours_of
from steadygan.metrics.support import near_duplicate


def drawn(n, seed, name="grid25"):
    return DATA[name]().fresh(n, torch.Generator().manual_seed(seed))


def collapsed(n):
    """All on three places, two of them exactly, one of them not a real one's."""
    x = drawn(4, 9)[:3].repeat(n, 1)[:n]
    x[: n // 4] += 0.3
    x[n // 4 : n // 2] += 1e-3 * torch.randn(n // 2 - n // 4, 2, generator=torch.Generator().manual_seed(3))
    return x


def by_all_pairs(x):
    """The same points in a space of too many dimensions for a tree."""
    return torch.cat([x, torch.zeros(len(x), 3)], 1)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 120), (90, 400)])
def test_the_same_figures_as_by_all_pairs(dim, n, m):
    generator = torch.Generator().manual_seed(dim)
    real, fakes = torch.randn(n, dim, generator=generator), 0.7 * torch.randn(m, dim, generator=generator) + 0.2
    expected = precision_recall(fakes.double(), real.double()) | Manifold(real)(fakes)
    assert neighbours_of(real)(fakes) == pytest.approx(expected)


@pytest.mark.parametrize("fakes", [drawn(400, 2), collapsed(400), drawn(400, 1), drawn(400, 2, "ring8")])
def test_of_mixtures_and_collapsed_generators(fakes):
    real = drawn(400, 1)
    expected = precision_recall(fakes.double(), real.double()) | Manifold(real)(fakes)
    assert neighbours_of(real)(fakes) == pytest.approx(expected)


def test_identical_sets():
    real = drawn(200, 1)
    assert neighbours_of(real)(real) == {"precision": 1.0, "recall": 1.0, "density": 1.0, "coverage": 1.0}
    lattice = torch.cartesian_prod(torch.arange(15.0), torch.arange(15.0))  # ties everywhere
    assert neighbours_of(lattice)(lattice) == pytest.approx(
        precision_recall(lattice, lattice) | Manifold(lattice)(lattice)
    )
    point = torch.zeros(50, 2)
    assert neighbours_of(point)(point)["coverage"] == 1.0


@pytest.mark.parametrize("near", [0.0, 1e-4, 0.05])
def test_support(near):
    for x in (drawn(500, 1), collapsed(500)):
        assert support(x, near) == support(by_all_pairs(x), near)


def test_near_point():
    assert near_duplicate(drawn(1000, 1)) == pytest.approx(near_duplicate(by_all_pairs(drawn(1000, 1))))


def test_errors():
    real = drawn(50, 1)
    with pytest.raises(InputError, match="n >= 6"):
        neighbours_of(real[:5])
    with pytest.raises(InputError, match="fake"):
        neighbours_of(real)(real[:3])
    with pytest.raises(NonFiniteError, match="1 of 50"):
        neighbours_of(real)(real.clone().index_fill_(0, torch.tensor(3), float("nan")))
