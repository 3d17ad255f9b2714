"""Stacked MNIST: which digits are stacked, what they are called, and that the table never changes."""

import struct

import numpy as np
import pytest
import torch

from steadygan.data.samples import Stacked
from steadygan.data.sets.mnist import FILES
from steadygan.data.sets.stacked_mnist import modes, stacked_mnist, triples
from steadygan.errors import InputError


def idx(tensor):
    return struct.pack(f">BBBB{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape) + tensor.numpy().tobytes()


def digits(count, shift):
    """Digit d of image i is i % 10, written into every pixel as 20 d + shift."""
    label = (torch.arange(count) % 10).to(torch.uint8)
    return (20 * label + shift).view(-1, 1, 1).expand(count, 28, 28).contiguous(), label


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("mnist")
    for name, tensor in zip(FILES, (*digits(50, 0), *digits(30, 5)), strict=True):
        (path / name).write_bytes(idx(tensor))
    return path


@pytest.fixture(scope="module")
def source(folder):
    return stacked_mnist(folder, n=4000)


def test_labels_name_the_digits_that_are_seen(source):
    for pixels, label, shift in (
        (source.read(torch.arange(4000))[:, :, 0, 0], source.label, 0),
        (source.held_out[:, :, 0, 0], source.held_out_label, 5),
    ):
        digit = (pixels.long() - shift) // 20
        assert torch.equal(100 * digit[:, 0] + 10 * digit[:, 1] + digit[:, 2], label)


def test_what_the_source_says_of_itself(folder, source):
    assert source.name == "stacked_mnist"
    assert source.shape == (3, 28, 28)
    assert source.size == 4000
    assert isinstance(source.train, Stacked)
    assert source.held_out.shape == (10_000, 3, 28, 28)
    assert source.held_out.dtype == torch.uint8
    assert source.image
    assert not source.nearest_classes
    assert source.classes == 1000
    assert source.class_names[7] == "007"
    assert source.class_names[999] == "999"
    assert "CC BY-SA 3.0" in source.licence
    assert not source.flip
    other = stacked_mnist(folder, n=10, flip=True, workers=1)
    assert other.flip
    assert other.workers == 1


def test_the_published_number_of_triples_is_the_default(folder):
    source = stacked_mnist(folder)
    assert source.size == 128_000
    share = source.label.bincount(minlength=1000) / 128_000
    assert float((share - 0.001).abs().max()) < 6 * (0.001 / 128_000) ** 0.5  # six deviations of a fair count


def test_the_table_is_the_same_for_ever():
    pinned = [[38217, 16187, 2458], [991, 48796, 54765], [36398, 43769, 32617]]
    assert triples(60_000, 3, 0, 0).tolist() == pinned
    assert triples(60_000, 1000, 0, 0)[:3].tolist() == pinned  # more of them begin alike


def test_the_table_from_the_words_in_whole_numbers():
    words = [int(word) for word in np.random.PCG64([5, 0]).random_raw(12)]
    assert triples(1000, 4, 5, 0).flatten().tolist() == [(word >> 32) * 1000 >> 32 for word in words]


def test_indices_cover_the_images_and_stay_inside():
    table = triples(7, 5000, 3, 0)
    assert table.shape == (5000, 3)
    assert table.dtype == torch.int64
    counts = table.flatten().bincount()
    assert len(counts) == 7
    assert float((counts / 15_000 - 1 / 7).abs().max()) < 0.015
    assert triples(1, 10, 0, 0).unique().tolist() == [0]


def test_seeds_parts_and_channels_differ():
    assert not torch.equal(triples(1000, 50, 0, 0), triples(1000, 50, 1, 0))
    assert not torch.equal(triples(1000, 50, 0, 0), triples(1000, 50, 0, 1))
    columns = triples(1000, 5000, 0, 0).double()
    assert float(columns.T.corrcoef().triu(1).abs().max()) < 0.06


def test_the_seed_changes_the_training_set_and_leaves_the_held_out_one(folder, source):
    other = stacked_mnist(folder, n=4000, seed=1)
    assert not torch.equal(other.label, source.label)
    assert torch.equal(other.held_out, source.held_out)
    assert other.fingerprint() != source.fingerprint()
    assert stacked_mnist(folder, n=4000).fingerprint() == source.fingerprint()
    assert stacked_mnist(folder, n=3999).fingerprint() != source.fingerprint()


def test_modes():
    label = torch.tensor([4, 0, 9])
    assert modes(label, torch.tensor([[0, 1, 2], [2, 2, 2], [1, 1, 0]])).tolist() == [409, 999, 4]


@pytest.mark.parametrize("setting", [{"n": 0}, {"n": 2.5}, {"n": True}, {"seed": -1}, {"seed": 0.5}])
def test_impossible_settings(folder, setting):
    with pytest.raises(InputError, match="must be a whole number"):
        stacked_mnist(folder, **setting)


def test_mnist_itself_must_be_there(tmp_path):
    with pytest.raises(InputError, match="MNIST's four files"):
        stacked_mnist(tmp_path)
