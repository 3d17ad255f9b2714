"""MNIST from its four files, wherever they lie, or downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..places import data_root, given
from .fetch import fetch
from .idx import read_images
from .licences import LICENCES
from .registry import DATA
from .samples import Progress
from .source import Source

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FOLDERS = (".", "MNIST/raw", "mnist", "raw")  # inside the given one
SIDE = 28
CLASSES = tuple("0123456789")
COUNTS = (60_000, 10_000)


@dataclass(frozen=True, eq=False)
class Digits:
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
    path: str | Path | None = None,
    flip: bool = False,
    workers: int | None = None,
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
        licence=LICENCES["mnist"].licence,
        notes=digits.notes,
    )


def read_mnist(path: str | Path | None, progress: Progress | None = None) -> Digits:
    """MNIST from the folder `path`, or from where data sets lie, downloaded there if need be; errors as `mnist`."""
    folder = data_root() if path is None else given(path, "MNIST's folder")
    if not folder.is_dir() and path is not None:
        raise InputError(f"expected the folder of MNIST's files, got the file {str(path)!r}: give the folder it is in")
    files = _find(folder)
    if not files and path is None:
        fetch(folder, "MNIST/raw", _download, _advice(), "downloading MNIST", progress)
        files = _find(folder)
    missing = [name for name in FILES if name not in files]
    if missing:
        there = "only " + ", ".join(files[name].name for name in FILES if name in files) if files else "none of them"
        place = next(iter(files.values())).parent if files else folder
        raise InputError(
            f"expected MNIST's four files in {str(place)!r}, got {there}: put {', '.join(missing)} there, "
            "each .gz or not"
        )
    return Digits(*_part(files, FILES[0], FILES[1]), *_part(files, FILES[2], FILES[3]))


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


def _download(folder: Path) -> None:
    from torchvision.datasets import MNIST

    MNIST(str(folder), download=True)


def _advice() -> str:
    names = ", ".join(f"{name}.gz" for name in FILES)
    return f"put {names} there, or say with --data (or path=) in which folder they are"
