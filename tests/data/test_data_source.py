"""A source of real data and its training stream."""

import pytest
import torch

from steadygan.data import DATA, Source
from steadygan.errors import InputError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(n, generator):
    return torch.rand(n, 2, generator=generator, device=generator.device)


def finite(n=10):
    return Source("mine", (3,), torch.arange(3.0 * n).view(n, 3), torch.arange(n))


def test_finite_stream_visits_each_sample_once_per_epoch():
    batch = finite().stream(seed=1).take(0, 30)
    assert batch.x.shape == (30, 3)
    assert torch.equal(batch.label.view(3, 10).sort(1).values, torch.arange(10).expand(3, 10))
    assert torch.equal(batch.x[:, 0], 3.0 * batch.label)  # labels travel with their samples


def test_finite_stream_is_stateless_and_leaves_the_generator_alone():
    stream, draw = finite().stream(seed=1), generator()
    before = draw.get_state()
    parts = torch.cat([stream.take(0, 10, draw).x, stream.take(10, 5, draw).x])
    assert torch.equal(parts, finite().stream(seed=1).take(0, 15).x)
    assert torch.equal(draw.get_state(), before)


def test_shards_of_a_stream_are_disjoint_and_complete():
    shards = [finite().stream(4, (rank, 3)).take(0, 20).label for rank in range(3)]
    assert torch.equal(torch.stack(shards, 1).flatten(), finite().stream(4).take(0, 60).label)


def test_unlimited_stream_draws_with_the_generator_whatever_the_position():
    source = Source("square", (2,), sampler=uniform)
    assert source.size is None
    batch = source.stream(seed=0).take(500, 4, generator(7))
    assert torch.equal(batch.x, uniform(4, generator(7)))
    assert batch.label is None


def test_unlimited_stream_wants_a_generator():
    with pytest.raises(InputError, match=r"torch\.Generator"):
        Source("square", (2,), sampler=uniform).stream(0).take(0, 4)


def test_training_set_wins_over_the_sampler_in_the_stream():
    train = torch.full((5, 2), 9.0)
    source = Source("both", (2,), train, sampler=uniform)
    assert source.size == 5
    assert torch.equal(source.stream(0).take(0, 5, generator()).x, train)


def test_fresh_prefers_the_sampler_then_held_out_then_train():
    train, held = torch.zeros(4, 2), torch.ones(3, 2)
    with_all = Source("a", (2,), train, sampler=uniform, held_out=held)
    assert torch.equal(with_all.fresh(6, generator(2)), uniform(6, generator(2)))
    assert torch.equal(Source("b", (2,), train, held_out=held).fresh(6, generator()), torch.ones(6, 2))
    assert torch.equal(Source("c", (2,), train).fresh(6, generator()), torch.zeros(6, 2))


def test_unseen_is_there_only_when_training_does_not_see_it():
    train = torch.zeros(4, 2)
    assert Source("c", (2,), train).unseen is None
    held = Source("b", (2,), train, held_out=torch.ones(3, 2))
    assert torch.equal(held.unseen(2, generator()), torch.ones(2, 2))
    assert Source("a", (2,), sampler=uniform).unseen is not None


def test_resampling_covers_the_pool_and_follows_the_generator():
    source = finite()
    drawn = source.fresh(500, generator(3))
    assert torch.equal(drawn, source.fresh(500, generator(3)))
    assert len(drawn.unique(dim=0)) == 10


def test_to_changes_dtype_and_leaves_labels():
    source = DATA["digits"]().to("cpu", torch.float64)
    assert source.train.dtype == source.held_out.dtype == torch.float64
    assert source.label.dtype == source.held_out_label.dtype == torch.int64
    ring = DATA["ring8"](n=16).to("cpu", torch.float64)
    assert ring.centres.dtype == ring.fresh(3, generator()).dtype == ring.train.dtype == torch.float64
    assert ring.to("cpu", torch.float32).fresh(3, generator()).dtype == torch.float32


def test_to_keeps_the_numbers():
    ring = DATA["ring8"]()
    assert torch.equal(ring.to("cpu", torch.float64).fresh(9, generator()), ring.fresh(9, generator()).double())


def test_standardised_and_back():
    train = torch.randn(500, 3, generator=generator()) * torch.tensor([0.01, 1.0, 300.0]) + torch.tensor(
        [5.0, 0.0, -900.0]
    )
    source = Source("mine", (3,), train).standardised()
    torch.testing.assert_close(source.train.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(source.train.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(source.restore(source.train), train, rtol=1e-5, atol=1e-3)
    assert source.standardised() is source
    assert torch.equal(Source("mine", (3,), train).restore(train), train)
    assert source.to("cpu", torch.float64).restore(source.train.double()).dtype == torch.float64


def test_a_constant_coordinate_keeps_its_scale():
    train = torch.stack([torch.full((1000,), 0.1), torch.arange(1000.0)], 1)
    source = Source("mine", (2,), train).standardised()
    assert float(source.scale[0]) == 1.0
    assert float(source.train[:, 0].abs().max()) < 1e-6


@pytest.mark.parametrize("name", ["gaussian", "digits", "ring8"])
def test_what_is_measured_against_more_than_its_training_set_is_not_standardised(name):
    source = DATA[name]()
    assert source.standardised() is source


ON_DISK = {"points", "folder", "mnist", "stacked_mnist", "cifar10", "cifar100"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", sorted(set(DATA) - ON_DISK))
def test_sources_work_on_a_gpu(name):
    source = DATA[name]().to("cuda")
    draw = torch.Generator("cuda").manual_seed(0)
    assert source.fresh(5, draw).device.type == "cuda"
    assert source.stream(0).take(0, 5, draw).x.device.type == "cuda"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"train": torch.zeros(4, 3)},
        {"train": torch.zeros(0, 2)},
        {"train": torch.zeros(4, 2), "label": torch.zeros(3)},
        {"train": torch.zeros(4, 2), "held_out": torch.zeros(4)},
        {"sampler": uniform, "label": torch.zeros(3)},
    ],
)
def test_sources_that_do_not_fit_together_are_refused(fields):
    with pytest.raises(InputError, match="expected"):
        Source("bad", (2,), **fields)
