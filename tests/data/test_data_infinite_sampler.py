"""The endless sampler: every epoch a permutation, stateless, shardable."""

import pytest
import torch

from steadygan.data import InfiniteSampler
from steadygan.errors import InputError


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_each_epoch_is_a_permutation(size):
    sampler = InfiniteSampler(size, seed=3)
    taken = sampler.indices(0, 5 * size).view(5, size)
    assert torch.equal(taken.sort(1).values, torch.arange(size).expand(5, size))


def test_epochs_differ_and_seeds_differ():
    sampler = InfiniteSampler(50, seed=0)
    assert not torch.equal(sampler.permutation(0), sampler.permutation(1))
    assert not torch.equal(sampler.permutation(0), InfiniteSampler(50, seed=1).permutation(0))
    # neighbouring pairs must not share a permutation as they would with a generator seeded by seed + epoch
    assert not torch.equal(sampler.permutation(1), InfiniteSampler(50, seed=1).permutation(0))


@pytest.mark.parametrize(("rank", "world"), [(0, 1), (1, 3), (4, 5), (10, 12)])
def test_pieces_make_the_whole(rank, world):
    whole = InfiniteSampler(7, 5, rank, world).indices(0, 60)
    pieces = InfiniteSampler(7, 5, rank, world)
    cuts = [(0, 10), (10, 5), (15, 0), (15, 1), (16, 44)]
    assert torch.equal(torch.cat([pieces.indices(start, count) for start, count in cuts]), whole)


def test_position_alone_decides():
    used = InfiniteSampler(13, 2)
    used.indices(0, 1000)
    assert torch.equal(used.indices(300, 20), InfiniteSampler(13, 2).indices(300, 20))
    assert torch.equal(used.indices(0, 20), InfiniteSampler(13, 2).indices(0, 20))


@pytest.mark.parametrize(("size", "world"), [(12, 3), (13, 3), (5, 8)])
def test_shards_interleave_to_the_whole_stream(size, world):
    count = 40
    shards = torch.stack([InfiniteSampler(size, 1, rank, world).indices(0, count) for rank in range(world)], 1)
    whole = InfiniteSampler(size, 1).indices(0, count * world)
    assert torch.equal(shards.flatten(), whole)  # disjoint in every epoch and together complete


def test_known_order_never_changes():
    # pinned: resuming an old run must meet the same samples
    assert InfiniteSampler(6, seed=0).indices(0, 12).tolist() == PINNED


PINNED = [3, 1, 0, 4, 2, 5, 2, 3, 1, 0, 4, 5]


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    InfiniteSampler(10).indices(0, 100)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_few_permutations_are_kept():
    sampler = InfiniteSampler(10)
    sampler.indices(0, 10_000)
    assert len(sampler._cache) <= 2


def test_nothing_asked_nothing_given():
    empty = InfiniteSampler(10).indices(25, 0)
    assert empty.shape == (0,)
    assert empty.dtype == torch.int64


@pytest.mark.parametrize("arguments", [(0,), (-3,), (5, 0, 2, 2), (5, 0, -1, 2), (5, 0, 0, 0)])
def test_impossible_samplers_are_refused(arguments):
    with pytest.raises(InputError, match="expected"):
        InfiniteSampler(*arguments)


@pytest.mark.parametrize(("start", "count"), [(-1, 3), (3, -1)])
def test_negative_positions_are_refused(start, count):
    with pytest.raises(InputError, match="at least 0"):
        InfiniteSampler(5).indices(start, count)
