"""Distances to the k-th neighbour, and who lies in which ball: loops in float64, whole numbers, and rounding."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import blocks
from steadygan.metrics.blocks import ball_tiles, flat_samples, kth_distance


def points(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def whole(n, dim, seed=0, high=3):
    return torch.randint(0, high, (n, dim), generator=torch.Generator().manual_seed(seed))


def squares(a, b):
    if a.dtype == torch.int64:
        return ((a[:, None] - b[None]) ** 2).sum(2).numpy()
    return cdist(a.double().numpy(), b.double().numpy(), "sqeuclidean")


def kth(a, k):
    own = squares(a, a).astype(np.float64)
    np.fill_diagonal(own, np.inf)
    return np.sqrt(np.sort(own, 1)[:, k - 1])


def inside(centres, radius, x, own=False):
    found = torch.zeros(centres.shape[0], x.shape[0], dtype=torch.int64)
    for rows, columns, tile in ball_tiles(centres, radius, x, own):
        found[rows, columns] += tile
    return found.numpy()


@pytest.fixture(params=[16, 50, 1024])
def tile(request, monkeypatch):
    monkeypatch.setattr(blocks, "TILE", request.param)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("dim", [1, 2, 8, 9, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loops_in_float64(dim, dtype):
    a, b = points(50, dim, 0, dtype), points(33, dim, 1, dtype)
    for k in (1, 4, 49):
        np.testing.assert_allclose(kth_distance(a, k).numpy(), kth(a, k), rtol=1e-12)
    radius = torch.linspace(0.1, 1.5 * dim**0.5, 50, dtype=torch.float64)
    np.testing.assert_array_equal(inside(a, radius, b), squares(a, b) < radius.square().numpy()[:, None])


def test_wide_samples_come_in_smaller_tiles(monkeypatch):
    monkeypatch.setattr(blocks, "OPERAND", 640)  # 10 rows of 64
    a = points(50, 64)
    assert next(blocks._tiles(a, a)).squares.shape == (10, 10)
    np.testing.assert_allclose(kth_distance(a, 3).numpy(), kth(a, 3), rtol=1e-12)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("dim", [2, 9, 64])
@pytest.mark.parametrize("offset", [0, 4096])
def test_whole_numbers_with_ties_everywhere(dim, offset):
    a, b = whole(60, dim) + offset, whole(70, dim, 1) + offset
    for k in (1, 3):
        radius = kth_distance(a.float(), k)
        np.testing.assert_allclose(radius.numpy(), kth(a, k), rtol=1e-14)
        limit = np.rint(radius.square().numpy())[:, None]
        for x in (a, b):
            exact = (squares(a, x) < limit) | (squares(a, x) == 0)
            np.testing.assert_array_equal(inside(a.float(), radius, x.float()), exact)
    assert (squares(a, b) == limit).sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_the_kth_neighbour_itself_is_never_inside(dtype, mean):
    x = (points(400, 2048) + mean * (1.0 + points(1, 2048, 1).abs())).to(dtype)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(2))
    for k in (1, 5):
        held = inside(x, kth_distance(x, k), x[order])
        np.testing.assert_array_equal(held.sum(1), k)  # itself and the k - 1 nearer ones
        assert held[order, range(400)].all()


def test_features_with_a_large_mean_leave_no_doubt(monkeypatch):
    monkeypatch.setattr(blocks, "_exact", None)  # what is slow is not needed
    x = 100.0 + points(300, 2048, dtype=torch.float32)
    np.testing.assert_allclose(kth_distance(x, 5).numpy(), kth(x, 5), rtol=1e-12)
    assert inside(x, kth_distance(x, 5), x).sum() == 1500


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("width", [1e-3, 1e-7, 1e-10])
def test_clusters_far_narrower_than_apart(dim, width):
    centres = 10.0 * points(4, dim, 1).repeat(20, 1)
    a, b = centres + width * points(80, dim), centres + width * points(80, dim, 2)
    radius = kth_distance(a, 3)
    np.testing.assert_allclose(radius.numpy(), kth(a, 3), rtol=1e-12)
    np.testing.assert_array_equal(inside(a, radius, b), np.sqrt(squares(a, b)) < radius.numpy()[:, None])


@pytest.mark.parametrize("dim", [2, 64])
def test_a_ball_without_radius_holds_what_equals_its_centre(dim):
    a = points(10, dim, dtype=torch.float32).repeat(4, 1)
    assert torch.equal(kth_distance(a, 3), torch.zeros(40, dtype=torch.float64))
    assert (kth_distance(a, 4) > 0.1).all()
    near = a[:10].clone()
    near[:, 0] = near[:, 0].nextafter(torch.tensor(9.0))
    held = inside(a[:10], torch.zeros(10, dtype=torch.float64), torch.cat([a[:10], near]))
    np.testing.assert_array_equal(held, np.eye(10, 20))
    one_point = torch.full((30, dim), 3.3)
    assert inside(one_point, kth_distance(one_point, 5), one_point).all()


@pytest.mark.parametrize("dim", [2, 64])
def test_a_ball_ends_at_its_radius(dim):
    centre, x = torch.ones(1, dim), torch.ones(3, dim, dtype=torch.float64)
    x[:, 1] += torch.tensor([0.5 - 1e-7, 0.5, 0.5 + 1e-7], dtype=torch.float64)
    assert inside(centre, torch.tensor([0.5], dtype=torch.float64), x).tolist() == [[1, 0, 0]]


def test_samples_that_exploded_disturb_nothing():
    a, b = points(40, 64), points(30, 64, 1)
    radius = kth_distance(a, 5)
    wild = torch.cat([b, 1e30 * b[:2], 1e200 * b[:2]])
    np.testing.assert_array_equal(inside(a, radius, wild)[:, :30], inside(a, radius, b))
    assert inside(a, radius, wild)[:, 30:].sum() == 0


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("dim", [2, 64])
def test_own_pairs_come_once(dim):
    a = points(60, dim)
    radius = torch.full((60,), 0.9 * (2 * dim) ** 0.5, dtype=torch.float64)
    np.testing.assert_array_equal(inside(a, radius, a, own=True), np.triu(inside(a, radius, a), 1))


@pytest.mark.parametrize("dim", [9, 64, 2048])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_the_bound_of_the_rounding_error_holds(dim, scale):
    a = points(60, dim) * torch.logspace(-2, 2, dim, dtype=torch.float64)
    b = torch.cat([a[:20], a[:20] + 1e-6, scale * points(40, dim, 1)])
    for part in blocks._tiles(a, b):
        exact = torch.from_numpy(squares(a[part.rows], b[part.columns]))
        slack = blocks._slack(exact, part.size, dim)
        assert ((part.squares - exact).abs() <= slack).all()
        assert (part.squares - exact).abs().amax() > 0  # there is rounding
    assert slack.amax() < 1e-9 * part.size.amax()


def test_autocast_and_grad_mode_change_nothing():
    a = points(50, 64, dtype=torch.float32).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        radius = kth_distance(a, 3)
        held = inside(a, radius, a)
    assert not radius.requires_grad
    assert torch.is_grad_enabled()
    assert torch.equal(radius, kth_distance(a, 3))
    np.testing.assert_array_equal(held.sum(1), 3)


def test_flat_samples():
    images = points(4, 12, dtype=torch.float32).view(4, 3, 2, 2)
    assert torch.equal(flat_samples(images, "real", 4), images.flatten(1))
    assert flat_samples(images.double(), "fake", 1, like=images).dtype == torch.float32
    with pytest.raises(InputError, match=r"^expected real samples \(n >= 6, \*shape\), got \(4, 3, 2, 2\): draw more$"):
        flat_samples(images, "real", 6)
    with pytest.raises(InputError, match=r"^expected fake samples \(n >= 1, 3, 2, 2\), got \(4, 12\): reshape them$"):
        flat_samples(images.flatten(1), "fake", 1, like=images)
    with pytest.raises(InputError, match=r"got \(5,\): reshape"):
        flat_samples(torch.zeros(5), "real", 9)
    with pytest.raises(InputError, match=r"floats, got torch\.uint8"):
        flat_samples(images.to(torch.uint8), "real", 1)
    with pytest.raises(NonFiniteError, match=r"^2 of 3 fake samples"):
        flat_samples(torch.tensor([[0, 0], [np.nan, 0], [0, np.inf]]), "fake", 1)
