"""Sets read by index: a mapped file, stacked channels, a loader; a `Source` decodes whatever they hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from steadygan.data import InfiniteSampler, Mapped, Samples, Source, Stacked, samples
from steadygan.data.loader import Loader
from steadygan.errors import InputError
from steadygan.pixels import to_values

SHAPE = (3, 4, 5)
INDEX = torch.tensor([6, 0, 6, 3])


def pixels(n: int = 7, shape: tuple[int, ...] = SHAPE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)


@pytest.fixture
def mapped(tmp_path: Path) -> Mapped:
    (tmp_path / "pixels").write_bytes(pixels().numpy().tobytes())
    return Mapped(tmp_path / "pixels", 7, SHAPE)


def test_a_mapped_file_is_read_by_index(mapped: Mapped) -> None:
    assert isinstance(mapped, Samples)
    assert (len(mapped), mapped.shape) == (7, SHAPE)
    assert torch.equal(mapped.read(INDEX), pixels()[INDEX])
    assert mapped.to("cpu") is mapped


def test_a_mapped_file_goes_to_another_process_without_its_content(mapped: Mapped) -> None:
    mapped.read(INDEX)
    packed = pickle.dumps(mapped)
    assert len(packed) < 1000
    assert torch.equal(pickle.loads(packed).read(INDEX), pixels()[INDEX])


def test_stacked_channels_are_those_of_the_table() -> None:
    images, table = pixels(5, (4, 4)), torch.tensor([[0, 1, 2], [4, 4, 0]])
    stacked = Stacked(images, table)
    assert isinstance(stacked, Samples)
    assert (len(stacked), stacked.shape) == (2, (3, 4, 4))
    found = stacked.read(torch.tensor([1, 0]))
    assert torch.equal(found, torch.stack([images[[4, 4, 0]], images[[0, 1, 2]]]))


def test_small_sets_live_in_memory_unless_workers_are_asked_for(
    mapped: Mapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, workers = samples.at_hand(mapped, None)
    assert isinstance(whole, Tensor)
    assert torch.equal(whole, pixels())
    assert workers is None
    assert samples.at_hand(mapped, 1) == (mapped, 1)
    assert samples.at_hand(mapped, 0) == (mapped, 0)
    monkeypatch.setattr(samples, "IN_MEMORY", 7 * 60 - 1)
    assert samples.at_hand(mapped, None) == (mapped, samples.WORKERS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_source_decodes_pixels_wherever_they_are(mapped: Mapped, dtype: torch.dtype) -> None:
    label = torch.arange(7) % 3
    wanted = to_values(pixels()[INDEX], dtype)
    for train in (pixels(), mapped):
        source = Source("tiny", SHAPE, train=train, label=label, held_out=pixels(), image=True).to("cpu", dtype)
        batch = source.at(INDEX)
        assert batch.x.dtype == dtype
        assert torch.equal(batch.x, wanted)
        assert batch.label is not None
        assert torch.equal(batch.label, label[INDEX])
        assert (source.size, source.classes) == (7, 3)
        held = source.held_out_samples()
        assert held is not None
        assert torch.equal(held, to_values(pixels(), dtype))
        assert isinstance(source.held_out, Tensor)
        assert source.held_out.dtype == torch.uint8  # a fourth of the memory


def test_some_of_the_training_samples() -> None:
    source = Source("tiny", SHAPE, train=pixels(), image=True)
    everything, three = source.some(7), source.some(3, seed=1)
    assert everything is not None
    assert three is not None
    assert torch.equal(everything, to_values(pixels()))
    assert three.shape == (3, *SHAPE)
    assert torch.equal(three, source.some(3, seed=1))
    rows = [next(i for i, row in enumerate(everything) if torch.equal(row, found)) for found in three]
    assert len(set(rows)) == 3


def test_images_are_told_from_other_samples() -> None:
    with pytest.raises(InputError, match=r"expected images of shape \(1 or 3, height, width\), got \(2, 4, 5\)"):
        Source("tiny", (2, 4, 5), train=pixels(3, (2, 4, 5)), image=True)
    with pytest.raises(InputError, match="workers must be a whole number of 0 or more, not -1"):
        Source("tiny", SHAPE, train=pixels(), workers=-1)


def test_a_fingerprint_sees_other_pixels_and_other_labels(mapped: Mapped) -> None:
    found = {
        Source("a", SHAPE, train=pixels()).fingerprint(),
        Source("a", SHAPE, train=pixels().flip(0)).fingerprint(),
        Source("a", SHAPE, train=pixels(), label=torch.zeros(7, dtype=torch.int64)).fingerprint(),
        Source("a", SHAPE, train=mapped).fingerprint(),
    }
    assert len(found) == 4
    assert Source("a", SHAPE, train=mapped, digest="known").fingerprint() == "known"


class TestCoins:
    def test_half_are_heads_and_each_stays_as_it_fell(self) -> None:
        sampler = InfiniteSampler(10, seed=3)
        coins = sampler.coins(0, 4000)
        assert coins.dtype == torch.bool
        assert 1880 < int(coins.sum()) < 2120
        assert torch.equal(InfiniteSampler(10, seed=3).coins(1234, 77), coins[1234:1311])
        assert not torch.equal(InfiniteSampler(10, seed=4).coins(0, 4000), coins)
        assert sampler.coins(5, 0).shape == (0,)

    def test_an_image_is_not_always_the_same_way_round(self) -> None:
        sampler = InfiniteSampler(10, seed=3)
        order, coins = sampler.indices(0, 4000), sampler.coins(0, 4000)
        heads = torch.stack([coins[order == i].double().mean() for i in range(10)])
        assert bool(((heads > 0.4) & (heads < 0.6)).all())

    def test_shards_share_them_out(self) -> None:
        whole = InfiniteSampler(13, 1).coins(0, 60)
        shards = torch.stack([InfiniteSampler(13, 1, rank, 3).coins(0, 20) for rank in range(3)], 1)
        assert torch.equal(shards.flatten(), whole)


class Failing:
    """Samples of which one cannot be read."""

    shape = SHAPE

    def __len__(self) -> int:
        return 7

    def read(self, index: Tensor) -> Tensor:
        if 3 in index:
            raise InputError("expected a readable sample, got a broken one at 3: mend it")
        return pixels()[index]

    def to(self, device: object) -> Failing:
        return self


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loader_gives_what_the_stream_gives(mapped: Mapped, workers: int) -> None:
    source = Source("tiny", SHAPE, train=mapped, label=torch.arange(7), flip=True, image=True, workers=workers)
    stream = source.stream(4)
    loader = Loader(stream, workers)
    before = torch.get_rng_state()
    assert not loader.reading
    loader.begin((i, 5) for i in range(10, 100, 5))
    for start in (10, 15, 20):
        there, here = loader.take(start, 5), stream.take(start, 5)
        assert torch.equal(there.x, here.x)
        assert torch.equal(there.label, here.label)
    assert loader.reading
    out_of_order = loader.take(60, 5)  # answered all the same; the queue is of no use any more
    assert torch.equal(out_of_order.x, stream.take(60, 5).x)
    assert not loader.reading
    assert torch.equal(torch.get_rng_state(), before)


def test_a_readers_error_is_told_in_one_line() -> None:
    source = Source("tiny", SHAPE, train=Failing(), image=True, workers=1)
    loader = Loader(source.stream(4), 1)
    loader.begin((i, 7) for i in range(0, 700, 7))
    with pytest.raises(InputError) as error:
        loader.take(0, 7)
    assert str(error.value) == "expected a readable sample, got a broken one at 3: mend it"
    loader.close()
