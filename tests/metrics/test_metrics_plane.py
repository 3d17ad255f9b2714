"""The energy distance in the plane by blocks: against all pairs in float64, for clouds of every kind, and its parts."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from steadygan.data import DATA
from steadygan.metrics import EnergyDistance, plane
from steadygan.metrics.energy import mean_distance, mean_own_distance


def normal(n, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def uniform(n, seed=0):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed))


def mixture(n, seed=0):
    return DATA["grid25"]().fresh(n, torch.Generator().manual_seed(seed))


def lattice(side):
    axis = torch.arange(float(side))
    return torch.cartesian_prod(axis, axis)


def with_outlier(n):
    points = normal(n)
    points[7] = 1e6
    return points


CLOUDS = {
    "one distribution": (normal(2000), normal(1700, 1)),
    "far apart": (normal(2000) + 3.0, normal(1700, 1) - 3.0),
    "modes": (mixture(2500), mixture(2000, 1)),
    "collapsed": (torch.tensor([0.7, 0.7]) + 0.01 * normal(2000), mixture(2000, 1)),
    "one point": (torch.full((1500, 2), 0.3), mixture(1000, 1)),
    "two points": ((normal(2000)[:, :1] > 0).float().expand(2000, 2).contiguous(), normal(1500, 1)),
    "few places": ((12 * uniform(2000)).floor(), (12 * uniform(1500, 1)).floor() + 0.3),
    "lattices": (lattice(40), lattice(40) + 0.5),
    "line": (uniform(1500)[:, :1] * torch.tensor([1.0, 2.0]), normal(1500, 1)),
    "cross": (normal(1500) * torch.tensor([1.0, 1e-4]), normal(1500, 1) * torch.tensor([1e-4, 1.0])),
    "near pairs": (normal(1500), normal(1500) + 1e-6 * normal(1500, 1)),
    "heavy tails": (normal(1500) * (4 * normal(1500, 2)[:, :1]).exp(), normal(1500, 1)),
    "outlier": (with_outlier(1500), normal(1500, 1)),
    "large offset": (normal(1500) + 1e4, normal(1500, 1) + 1e4),
    "tiny": (1e-25 * normal(1500), 1e-25 * normal(1500, 1) + 1e-25),
    "unequal numbers": (normal(3000), normal(40, 1) + 0.5),
    "a handful": (normal(5), normal(3, 1)),
}


def by_all_pairs(a, b):
    """Energy and mean distance between a and b in float64."""
    a, b = a.double().numpy(), b.double().numpy()
    cross = cdist(a, b).mean()
    return 2 * cross - cdist(a, a).mean() - cdist(b, b).mean(), cross


@pytest.mark.parametrize("name", CLOUDS)
def test_all_pairs_in_float64(name):
    a, b = CLOUDS[name]
    exact, unit = by_all_pairs(a, b)
    assert plane.plane_energy(a, b) == pytest.approx(exact, abs=5e-6 * unit)


def test_double_loop():
    a, b = normal(60), normal(40, 1) + 1e4
    exact = sum(
        weight * math.dist(x, y) / (len(one) * len(other))
        for weight, one, other in ((2, a, b), (-1, a, a), (-1, b, b))
        for x in one.tolist()
        for y in other.tolist()
    )
    assert plane.plane_energy(a, b) == pytest.approx(exact, rel=1e-6)


def test_its_error_is_far_below_what_another_draw_changes():
    a, b = mixture(3000), mixture(3000, 1)
    exact, unit = by_all_pairs(a, b)
    everything = 2 * mean_distance(a, b) - mean_own_distance(a) - mean_own_distance(b)
    assert everything == pytest.approx(exact, abs=5e-9 * unit)
    another, _ = by_all_pairs(mixture(3000, 2), b)
    assert abs(plane.plane_energy(a, b) - exact) < 2e-7 * unit
    assert abs(another - exact) > 1e-5 * unit


def test_the_tolerance_decides_how_good_it_is(monkeypatch):
    a, b = normal(3000) + 3.0, normal(3000, 1) - 3.0
    exact, unit = by_all_pairs(a, b)
    errors = []
    for tolerance in (1e-5, 1e-1):
        monkeypatch.setattr(plane, "TOLERANCE", tolerance)
        errors.append(abs(plane.plane_energy(a, b) - exact) / unit)
    assert errors[0] < 1e-7
    assert 1e-5 < errors[1] < 1e-1


@pytest.mark.parametrize("leaf", [2, 20, 10_000])
def test_any_size_of_blocks_makes_the_same_sum(monkeypatch, leaf):
    monkeypatch.setattr(plane, "LEAF", leaf)
    monkeypatch.setattr(plane, "BUFFER", 3000)  # many rounds
    a, b = normal(500), normal(301, 1) + 0.2
    exact, unit = by_all_pairs(a, b)
    assert plane.plane_energy(a, b) == pytest.approx(exact, abs=3e-7 * unit)


def test_weights_by_hand():
    points = np.array([[0.0, 3.0, 3.0], [0.0, 4.0, 4.0]])
    assert plane.weighted_distances(points, np.array([1.0, 1.0, 0.0])) == pytest.approx(10.0)
    assert plane.weighted_distances(points, np.array([1.0, -2.0, 0.5])) == pytest.approx(2 * 5 * (-2.0 + 0.5))
    assert plane.weighted_distances(points[:, 1:], np.array([1.0, 5.0])) == 0.0


def test_shift_turn_order_and_scale():
    a, b = normal(1500), normal(1500, 1) + 0.5
    value = plane.plane_energy(a, b)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert plane.plane_energy(b, a) == pytest.approx(value, rel=1e-6)
    assert plane.plane_energy(a.flip(0), b) == pytest.approx(value, rel=1e-6)
    assert plane.plane_energy(a @ turn, b @ turn) == pytest.approx(value, rel=1e-5)
    assert plane.plane_energy(a - 7.0, b - 7.0) == pytest.approx(value, rel=1e-5)
    assert plane.plane_energy(1e3 * a, 1e3 * b) == pytest.approx(1e3 * value, rel=1e-6)
    assert plane.plane_energy(a, a.flip(0)) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("name", ["one distribution", "modes", "two points", "few places", "a handful"])
def test_every_pair_of_points_comes_once(name):
    points = torch.cat(CLOUDS[name]).double().numpy().T
    tree = plane._grow(points / np.hypot(*points).mean(), np.ones(points.shape[1]))
    first = 1 << tree.depth

    def leaves(block):
        while block < first:
            block *= 2
        return block

    met = np.zeros((first, first), dtype=int)
    a, b, nodes = plane._far_pairs(tree)
    for one, other in zip(a, b, strict=True):
        width = leaves(one) // one  # smallest blocks below this one
        i, j = one * width - first, other * width - first
        met[i : i + width, j : j + width] += 1
    np.testing.assert_array_equal(met + met.T - np.diag(met.diagonal()), 1)
    assert ((a != b) | (nodes == 0)).all()
    assert (nodes[a < first] > 0).all()
    assert (nodes > 0).any() == (first > 1)


@pytest.mark.parametrize("p", [2, 5, plane.NODES])
def test_nodes_stand_for_all_polynomials_below_p(p):
    at = np.linspace(-1.0, 1.0, 9)
    basis = plane._basis(at, p)
    for power in range(p):
        np.testing.assert_allclose(plane._nodes(p) ** power @ basis, at**power, atol=1e-13)
    assert abs(plane._nodes(p) ** p @ basis - at**p).max() > 1e-3
    np.testing.assert_allclose(plane._basis(plane._nodes(p), p), np.eye(p), atol=1e-14)


@pytest.mark.parametrize("gap", [0.5, 1.0, 2.0, 4.0])
def test_the_error_of_the_nodes_is_as_small_as_the_docstring_says(gap):
    at = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 2, 400))  # box, axis: two unit squares `gap` apart
    exact = np.hypot(*(at[0, :, :, None] - at[1, :, None]) / 2.0 + np.array([1.0 + gap, 0.0])[:, None, None])
    edge = 1.0 + 2.0 * gap
    ratio = edge + math.sqrt(edge**2 - 1.0)
    for p in (3, 5, 7):
        basis = plane._basis(at, p)
        weights = [np.einsum("ik,jk->ijk", basis[:, box, 0], basis[:, box, 1]).reshape(p * p, -1) for box in (0, 1)]
        node = np.stack(np.meshgrid(plane._nodes(p), plane._nodes(p), indexing="ij")).reshape(2, -1)
        kernel = np.hypot(*(node[:, :, None] - node[:, None]) / 2.0 + np.array([1.0 + gap, 0.0])[:, None, None])
        error = abs(weights[0].T @ kernel @ weights[1] - exact).max()
        assert error < 0.1 / gap * ratio ** (2 - p)


def test_it_is_taken_where_it_is_worth_it(monkeypatch):
    many, few = normal(5000), normal(1000, 1)
    assert plane.suits_plane(many, many)
    assert plane.suits_plane(many.repeat(2, 1), few)
    assert not plane.suits_plane(few, many.repeat(2, 1))  # the many are the reference, whose own pairs are known
    assert not plane.suits_plane(few, few)
    assert not plane.suits_plane(many.double(), many.double())
    assert not plane.suits_plane(many.repeat(1, 2), many.repeat(1, 2))
    monkeypatch.setattr("steadygan.metrics.energy.plane_energy", lambda *_: 42.0)
    assert EnergyDistance(many)(many + 1.0) == 42.0
    assert EnergyDistance(many.view(-1, 1, 2))(many.view(-1, 1, 2) + 1.0) == 42.0
    assert EnergyDistance(few)(few + 1.0) < 2.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_that_are_not_finite_are_left_to_all_pairs(bad):
    a, b = normal(5000), normal(5000, 1)
    a[3, 1] = bad
    assert not plane.suits_plane(a, b)
    assert not plane.suits_plane(b, a)
    assert not math.isfinite(EnergyDistance(b)(a))


def test_equal_sets_are_at_distance_0():
    a = normal(5000)
    assert 0.0 <= EnergyDistance(a)(a.flip(0)) < 1e-7


def test_the_host_is_left_as_it_was():
    a, b = normal(5000).requires_grad_(), normal(5000, 1)
    kept = a.detach().clone(), b.clone()
    EnergyDistance(b)(a)
    assert torch.equal(a, kept[0])
    assert torch.equal(b, kept[1])
    assert a.grad is None
