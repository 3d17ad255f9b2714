"""IDX, the format of MNIST's files: a number for the type, the sizes of the axes, then the bytes."""

from __future__ import annotations

import gzip
import zlib
from contextlib import closing
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ..errors import InputError

LIMIT = 2 * 1024**3  # bytes that a file may unpack to: forty times MNIST
UINT8 = 0x08
TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
KINDS = {1: "labels", 3: "images"}


def read_images(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Images (n, height, width) uint8 and their labels (n,) int64; raises InputError when their counts differ."""
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(classes):
        raise InputError(
            f"expected one label per image, got {len(pixels)} images in {images.name} and {len(classes)} labels in "
            f"{labels.name}: take both files from the same data set"
        )
    return pixels, classes.to(torch.int64)


def read_idx(file: Path, axes: int) -> Tensor:
    """The uint8 tensor of `axes` axes in an IDX file, gzip or plain, whatever it is called.

    Header: two zero bytes, the type (8: uint8), the number of axes, then each axis' size as a big-endian int32.
    Raises InputError, naming the file, for one that is missing, damaged, cut short or too long, of another type or
    another number of axes.
    """
    try:
        with closing(_opened(file)) as stream:
            return _parsed(stream, file.name, axes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"expected a whole gzip file {file.name}, got {error}: copy or download it again") from None
    except OSError as error:
        raise InputError(f"expected to read {str(file)!r}, got {error.strerror or error}: check the file") from None


def _opened(file: Path) -> BinaryIO | gzip.GzipFile:
    with file.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(file, "rb") if packed else file.open("rb")


def _parsed(stream: BinaryIO | gzip.GzipFile, name: str, axes: int) -> Tensor:
    kind = f"an IDX file of {KINDS.get(axes, f'{axes} axes')}"
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in {UINT8, *TYPES}:
        raise InputError(f"expected {kind} in {name}, got another format: take MNIST's own files")
    if magic[2] != UINT8:
        raise InputError(f"expected {kind} in {name} with values of uint8, got {TYPES[magic[2]]}: convert it")
    if magic[3] != axes:
        found = KINDS.get(magic[3], "something else")
        raise InputError(
            f"expected {kind} in {name}, with {axes} axes, got {magic[3]} ({found}): check which file is which"
        )
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise InputError(f"expected {kind} in {name}, got a file cut short in its header: copy or download it again")
    sizes = [int.from_bytes(header[at : at + 4], "big") for at in range(0, 4 * axes, 4)]
    size = prod(sizes)
    if not 1 <= size <= LIMIT:
        raise InputError(f"expected {kind} in {name} of 1 byte to {LIMIT >> 30} GiB, got sizes {sizes}: check the file")
    content = stream.read(size + 1)
    if len(content) != size:
        what = f"only {len(content)}" if len(content) < size else "more"
        raise InputError(f"expected {size} bytes in {name} after its header, got {what}: copy or download it again")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(sizes)
