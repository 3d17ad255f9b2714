"""Blocks of distances and nearest neighbours, against NumPy in float64."""

import numpy as np
import pytest
import torch

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import NearestNeighbour, blocks


def points(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def distances(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(2))


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 9, 64])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-6)])
@pytest.mark.parametrize("rows", [None, 1, 7, 50, 80])
def test_blocks_make_all_distances(dim, dtype, tolerance, rows):
    a, b = points(50, dim, 0, dtype), points(33, dim, 1, dtype)
    found = torch.cat([block.clone() for block in blocks.distance_blocks(a, b, rows)])
    np.testing.assert_allclose(found.numpy(), distances(a, b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dim", [2, 64])
def test_squares_are_their_squares(dim):
    a, b = points(50, dim), points(33, dim, 1)
    found = torch.cat([block.clone() for block in blocks.square_blocks(a, b, 20)])
    np.testing.assert_allclose(found.numpy(), distances(a, b) ** 2, rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 64])
def test_far_from_the_origin_nothing_cancels(dim):
    a, b = points(20, dim, 0, torch.float32) + 1000.0, points(30, dim, 1, torch.float32) + 1000.0
    found = torch.cat([block.clone() for block in blocks.distance_blocks(a, b)])
    np.testing.assert_allclose(found.numpy(), distances(a, b), rtol=1e-4)


def test_blocks_stay_small_on_a_cpu():
    assert blocks.rows_per_block(10_000, torch.device("cpu")) * 10_000 <= blocks.CPU_BLOCK
    assert blocks.rows_per_block(10**9, torch.device("cpu")) == 1
    assert blocks.rows_per_block(10_000, torch.device("cuda")) > 1000


@pytest.mark.parametrize("dim", [2, 64])
def test_assign_distance(monkeypatch, dim):
    monkeypatch.setattr(blocks, "CPU_BLOCK", 100)  # several blocks
    x, reference = points(90, dim), points(31, dim, 1)
    lookup, all_of_them = NearestNeighbour(reference), distances(x, reference)
    nearest = all_of_them.argmin(1)
    np.testing.assert_array_equal(lookup.assign(x).numpy(), nearest)
    np.testing.assert_allclose(lookup.distance(x).numpy(), all_of_them.min(1), rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 64])
def test_a_reference_sample_is_at_distance_exactly_0_from_itself(dim):
    reference = points(40, dim, dtype=torch.float32)
    lookup = NearestNeighbour(reference)
    assert torch.equal(lookup.assign(reference), torch.arange(40))
    assert torch.equal(lookup.distance(reference), torch.zeros(40))


def test_classify_takes_the_label_of_the_nearest():
    lookup = NearestNeighbour(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 3, 7]))
    assert lookup.classify(torch.tensor([[0.4], [0.6], [2.9], [3.1], [99.0]])).tolist() == [7, 3, 3, 7, 7]


def test_of_equally_near_ones_the_first_counts():
    lookup = NearestNeighbour(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    assert lookup.assign(torch.zeros(1, 2)).tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("dim", [1, 2, 9])
def test_ties_go_to_the_first_whoever_is_asked_and_however_many_there_are(dtype, dim):
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * dim).view(-1, dim).to(dtype)
    twice = torch.cat([corners, corners])
    lookup = NearestNeighbour(twice)
    assert torch.equal(lookup.assign(twice), torch.arange(len(corners)).repeat(2))
    assert torch.equal(lookup.assign(torch.zeros(50, dim)), torch.zeros(50, dtype=torch.int64))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_near_duplicates_are_told_apart_anywhere_in_the_plane(offset):
    step = np.float32(2.0**-10)  # one unit in the last place of 1e4
    reference = torch.from_numpy(np.float32(offset) + step * np.arange(0, 400, 2, dtype=np.float32)).view(100, 2)
    x = reference + torch.tensor([step, -step]) * torch.tensor([[0.0], [1.0]]).repeat(50, 1)
    assert torch.equal(NearestNeighbour(reference).assign(x), torch.arange(100))
    np.testing.assert_array_equal(NearestNeighbour(reference).assign(x).numpy(), distances(x, reference).argmin(1))


def test_many_points_have_their_true_neighbours():
    x, reference = points(10_000, 2, 0, torch.float32) + 100.0, points(1000, 2, 1, torch.float32) + 100.0
    found, exact = NearestNeighbour(reference).assign(x), distances(x, reference)
    chosen = np.take_along_axis(exact, found.numpy()[:, None], 1)[:, 0]
    np.testing.assert_allclose(chosen, exact.min(1), rtol=1e-6)
    assert (found.numpy() == exact.argmin(1)).mean() > 0.999


def test_neighbours_that_are_known_are_not_looked_up_again(monkeypatch):
    lookup, x = NearestNeighbour(points(9, 2), torch.arange(9) % 4), points(50, 2, 1)
    distance, label, known = lookup.distance(x), lookup.classify(x), lookup.assign(x)
    monkeypatch.setattr(NearestNeighbour, "assign", None)
    assert torch.equal(lookup.distance(x, known), distance)
    assert torch.equal(lookup.classify(x, known), label)


def test_images_and_dtypes_are_taken_as_they_come():
    reference = points(6, 12, dtype=torch.float32).view(6, 3, 2, 2)
    lookup = NearestNeighbour(reference)
    assert torch.equal(lookup.assign(reference.double()), torch.arange(6))
    assert lookup.assign(reference[:0]).shape == (0,)


def test_no_graph_is_kept():
    x = points(5, 2).requires_grad_()
    assert not NearestNeighbour(points(4, 2)).distance(x).requires_grad
    assert torch.is_grad_enabled()


def test_wrong_arguments():
    for reference in (torch.zeros(3), torch.zeros(0, 2)):
        with pytest.raises(InputError, match="reference"):
            NearestNeighbour(reference)
    with pytest.raises(InputError, match="one label per reference sample"):
        NearestNeighbour(torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(InputError, match="labels"):
        NearestNeighbour(torch.zeros(3, 2)).classify(torch.zeros(1, 2))
    with pytest.raises(InputError, match=r"\(n, 2\), got \(1, 3\)"):
        NearestNeighbour(torch.zeros(3, 2)).assign(torch.zeros(1, 3))
    with pytest.raises(NonFiniteError, match="2 of 3"):
        NearestNeighbour(torch.zeros(3, 2)).assign(torch.tensor([[0, 0], [np.nan, 0], [0, np.inf]]))
