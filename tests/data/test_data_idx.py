"""MNIST's file format: read exactly, or refused in one line that names the file."""

import gzip
import struct

import pytest
import torch

from steadygan.data.sets.mnist import LIMIT, read_idx, read_images
from steadygan.errors import InputError

IMAGES = bytes(range(24))  # two of 3 x 4


def idx(content, *sizes, kind=8):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, kind, len(sizes), *sizes) + content


@pytest.fixture
def file(tmp_path):
    def write(content, name="images"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def refusal(path, axes=3):
    with pytest.raises(InputError) as caught:
        read_idx(path, axes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    assert path.name in message
    return message


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["images", "images.gz"])  # the content tells, not the name
def test_what_was_written_is_read(file, pack, name):
    found = read_idx(file(pack(idx(IMAGES, 2, 3, 4)), name), 3)
    assert found.dtype == torch.uint8
    assert torch.equal(found, torch.arange(24, dtype=torch.uint8).view(2, 3, 4))
    assert torch.equal(read_idx(file(pack(idx(b"\7\0\3", 3)), name), 1), torch.tensor([7, 0, 3], dtype=torch.uint8))


def test_it_may_be_written_to(file):
    read_idx(file(idx(IMAGES, 2, 3, 4)), 3).add_(1)


def test_sizes_are_big_endian(file):
    assert read_idx(file(idx(bytes(258), 258)), 1).shape == (258,)


def test_images_with_their_labels(file):
    images, labels = file(gzip.compress(idx(IMAGES, 2, 3, 4))), file(idx(b"\5\t", 2), "labels")
    pixels, classes = read_images(images, labels)
    assert pixels.shape == (2, 3, 4)
    assert classes.tolist() == [5, 9]
    assert classes.dtype == torch.int64


def test_labels_of_another_set(file):
    with pytest.raises(InputError, match="2 images in images and 3 labels in labels"):
        read_images(file(idx(IMAGES, 2, 3, 4)), file(idx(b"abc", 3), "labels"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_too_few_and_too_many_bytes(file, pack):
    assert "24 bytes" in refusal(file(pack(idx(IMAGES[:-1], 2, 3, 4))))
    assert "only 23" in refusal(file(pack(idx(IMAGES[:-1], 2, 3, 4))))
    assert "got more" in refusal(file(pack(idx(IMAGES + b"x", 2, 3, 4))))


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\0\0\x08", b"\x89PNG\r\n\x1a\n...", b"\0\0\0\0\0\0\0\0", b"text, no bytes"]
)
def test_other_formats(file, content):
    assert "another format" in refusal(file(content))


def test_a_header_cut_short(file):
    assert "header" in refusal(file(idx(IMAGES, 2, 3, 4)[:10]))


def test_images_and_labels_exchanged(file):
    assert "with 3 axes, got 1 (labels)" in refusal(file(idx(b"ab", 2)))
    assert "with 1 axes, got 3 (images)" in refusal(file(idx(IMAGES, 2, 3, 4)), 1)


@pytest.mark.parametrize(("kind", "said"), [(0x0D, "float32"), (0x09, "int8"), (0x0C, "int32")])
def test_other_types(file, kind, said):
    assert said in refusal(file(idx(bytes(96), 2, 3, 4, kind=kind)))


@pytest.mark.parametrize("sizes", [(0, 28, 28), (2**32 - 1, 2**32 - 1, 2**32 - 1), (LIMIT + 1, 1, 1)])
def test_impossible_sizes_are_refused_before_any_memory_is_taken(file, sizes):
    assert "sizes" in refusal(file(gzip.compress(idx(IMAGES, *sizes))))


def test_a_packed_file_that_would_never_end_is_read_no_further_than_its_sizes(file):
    bomb = gzip.compress(idx(bytes(50_000_000), 2, 3, 4), 1)
    assert len(bomb) < 500_000
    assert "got more" in refusal(file(bomb))


def test_a_damaged_gzip(file):
    whole = gzip.compress(idx(bytes(torch.randperm(240).tolist()), 20, 3, 4))
    assert "gzip" in refusal(file(whole[:-12]))  # cut short
    assert "gzip" in refusal(file(whole[:3]))
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # the checksum at its end
    assert "CRC" in refusal(file(bytes(flipped)))
    flipped = bytearray(whole)
    flipped[60:] = b"\xff" * (len(whole) - 60)
    assert "gzip" in refusal(file(bytes(flipped)))


def test_missing_file_and_folder(tmp_path):
    assert "No such file" in refusal(tmp_path / "nothing")
    (tmp_path / "images").mkdir()
    refusal(tmp_path / "images")
