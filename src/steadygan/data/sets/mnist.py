"""Handwritten digits: MNIST from its four files, wherever they lie, or downloaded, and scikit-learn's small ones."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ...config.data import Mnist
from ...errors import InputError
from ...places import data_root, given_place, reading
from ..cache import fetch
from ..samples import Progress
from ..source import DATA, Source

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FOLDERS = (".", "MNIST/raw", "mnist", "raw")  # inside the given one
SIDE = 28
CLASSES = tuple("0123456789")
COUNTS = (60_000, 10_000)
LICENCE = "CC BY-SA 3.0 (copyright Yann LeCun and Corinna Cortes, as the Keras documentation passes it on)"
LIMIT = 2 * 1024**3  # bytes that a file may unpack to: forty times MNIST
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
KINDS = {1: "labels", 3: "images"}


@dataclass(frozen=True, eq=False)
class MnistFiles:
    """MNIST's pixels: training and test images (n, 28, 28) uint8, and their classes (n,) int64."""

    train: Tensor
    label: Tensor
    test: Tensor
    test_label: Tensor

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unlike the published set."""
        counts = len(self.train), len(self.test)
        if counts == COUNTS:
            return ()
        return (f"MNIST has {COUNTS[0]} training and {COUNTS[1]} test images, these files {counts[0]} and {counts[1]}",)


@DATA.register("mnist")
def mnist(
    path: str | Path | None = Mnist.path,
    flip: bool = Mnist.flip,
    workers: int | None = Mnist.workers,
    progress: Progress | None = None,
) -> Source:
    """70,000 handwritten digits, 28 x 28 grey pixels, in ten classes; the 10,000 test images are held out [lecun1998].

    path: the folder of its four files; None looks into STEADYGAN_DATA, else into the cache folder, and downloads what
    is not there. Raises InputError for files that are missing, damaged or of another kind.
    """
    digits = read_mnist(path, progress)
    return Source(
        "mnist",
        (1, SIDE, SIDE),
        train=digits.train.unsqueeze(1),
        label=digits.label,
        held_out=digits.test.unsqueeze(1),
        held_out_label=digits.test_label,
        image=True,
        class_names=CLASSES,
        features="digits",
        flip=flip,
        workers=workers,
        licence=LICENCE,
        notes=digits.notes,
    )


def read_mnist(path: str | Path | None, progress: Progress | None = None) -> MnistFiles:
    """MNIST from the folder `path`, or from where data sets lie, downloaded there if need be; errors as `mnist`."""
    folder = data_root() if path is None else given_place(path, "MNIST's folder")
    if not folder.is_dir() and path is not None:
        raise InputError(f"expected the folder of MNIST's files, got the file {str(path)!r}: name its folder")
    files = _find(folder)
    if not files and path is None:
        names = ", ".join(f"{name}.gz" for name in FILES)
        advice = f"put {names} there, or name their folder with --data (or path=)"
        from torchvision.datasets import MNIST

        download = partial(MNIST, download=True)
        fetch(folder, "MNIST/raw", download, advice, "downloading MNIST", progress)
        files = _find(folder)
    missing = [name for name in FILES if name not in files]
    if missing:
        there = f"only {', '.join(file.name for file in files.values())}" if files else "none of them"
        place = next(iter(files.values())).parent if files else folder
        advice = f"put {', '.join(missing)} there, each .gz or not"
        raise InputError(f"expected MNIST's four files in {str(place)!r}, got {there}: {advice}")
    return MnistFiles(*_part(files, FILES[0], FILES[1]), *_part(files, FILES[2], FILES[3]))


def _find(folder: Path) -> dict[str, Path]:
    """The files found in one of the folders in which MNIST is usually kept: the one that holds most of them."""
    return max((_files(folder / inner) for inner in FOLDERS), key=len)


def _files(folder: Path) -> dict[str, Path]:
    found = {}
    for name in FILES:
        for form in (name, name.replace("-idx", ".idx"), f"{name}.gz", f"{name.replace('-idx', '.idx')}.gz"):
            if (folder / form).is_file():
                found[name] = folder / form
                break
    return found


def _part(files: dict[str, Path], images: str, labels: str) -> tuple[Tensor, Tensor]:
    pixels, classes = read_images(files[images], files[labels])
    if pixels.shape[1:] != (SIDE, SIDE):
        size = f"{pixels.shape[1]} x {pixels.shape[2]}"
        raise InputError(
            f"expected MNIST's images of 28 x 28 pixels in {files[images].name}, got {size}: check the file"
        )
    if int(classes.max()) >= len(CLASSES):
        raise InputError(f"expected classes 0..9 in {files[labels].name}, got {int(classes.max())}: check the file")
    return pixels, classes


def read_images(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Images (n, height, width) uint8 and their labels (n,) int64; raises InputError when their counts differ."""
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(classes):
        got = f"{len(pixels)} images in {images.name} and {len(classes)} labels in {labels.name}"
        raise InputError(f"expected one label per image, got {got}: take both files from the same data set")
    return pixels, classes.to(torch.int64)


def read_idx(file: Path, axes: int) -> Tensor:
    """The uint8 tensor of `axes` axes in an IDX file, gzip or plain, whatever it is called.

    Header: two zero bytes, the type (8: uint8), the number of axes, then each axis' size as a big-endian int32.
    Raises InputError, naming the file, for one that is missing, damaged, cut short or too long, of another type or
    another number of axes.
    """
    with reading(repr(str(file))), file.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        try:
            return _parsed(gzip.GzipFile(fileobj=stream) if packed else stream, file.name, axes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            told = f"expected a whole gzip file {file.name}, got {error}: copy or download it again"
            raise InputError(told) from None


def _parsed(stream: BinaryIO | gzip.GzipFile, name: str, axes: int) -> Tensor:
    kind = f"an IDX file of {KINDS.get(axes, f'{axes} axes')}"
    magic = stream.read(4)
    found = TYPES.get(magic[2], "another format") if len(magic) == 4 and magic[:2] == b"\0\0" else "another format"
    if found != "uint8":
        raise InputError(f"expected {kind} in {name} with values of uint8, got {found}: take MNIST's own files")
    if magic[3] != axes:
        came = f"{magic[3]} ({KINDS.get(magic[3], 'something else')})"
        raise InputError(f"expected {kind} in {name}, with {axes} axes, got {came}: check which file is which")
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


@DATA.register("digits")
def digits() -> Source:
    """1,797 handwritten digits of 8 x 8 grey pixels, values in [-1, 1], with their ten classes [alpaydin1998].

    x = pixel / 8 - 1, pixel = 0..16. Every third image (599 of them) is held out, always the same ones: the images come
    in runs of the ten classes, so both parts hold all classes about evenly.
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).to(torch.float32).view(-1, 1, 8, 8) / 8.0 - 1.0
    label = torch.from_numpy(classes).to(torch.int64)
    held = torch.arange(x.shape[0]) % 3 == 2
    return Source(
        "digits",
        (1, 8, 8),
        train=x[~held],
        label=label[~held],
        held_out=x[held],
        held_out_label=label[held],
        image=True,
        class_names=tuple("0123456789"),
        licence="CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
    )
