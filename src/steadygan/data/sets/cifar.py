"""CIFAR-10 and CIFAR-100: their authors' own batches, checked before they are read, or image files made of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...config.data import Cifar10, Cifar100
from ...errors import InputError
from ...places import data_root, given_place
from ..cache import fetch
from ..images.folder import folder
from ..samples import Progress
from ..source import DATA, Source

SIDE = 32
LICENCE = "no licence stated by its authors, who ask to be cited"


@DATA.register("cifar10")
def cifar10(
    path: str | Path | None = Cifar10.path,
    flip: bool = Cifar10.flip,
    workers: int | None = Cifar10.workers,
    progress: Progress | None = None,
) -> Source:
    """60,000 photographs of 32 x 32 pixels in 10 classes; the 10,000 test images are held out [krizhevsky2009].

    path: a folder with `cifar-10-batches-py` or `cifar-10-python.tar.gz`, that archive, or a folder or zip of images in
    10 class folders (held out is then what lies in `test` or `test.zip` beside `train`). None looks into
    STEADYGAN_DATA, else into the cache folder, and downloads what is not there. The batches are pickles: none is
    opened unless its checksum is the published one. Raises InputError for data that are missing, changed or of
    other classes.
    """
    return _cifar(10, path, flip, workers, progress)


@DATA.register("cifar100")
def cifar100(
    path: str | Path | None = Cifar100.path,
    flip: bool = Cifar100.flip,
    workers: int | None = Cifar100.workers,
    progress: Progress | None = None,
) -> Source:
    """60,000 photographs of 32 x 32 pixels in 100 classes; the 10,000 test images are held out [krizhevsky2009].

    Everything as for `cifar10`, from `cifar-100-python` or `cifar-100-python.tar.gz`.
    """
    return _cifar(100, path, flip, workers, progress)


def _cifar(classes: int, path: str | Path | None, flip: bool, workers: int | None, progress: Progress | None) -> Source:
    place = data_root() if path is None else given_place(path, f"CIFAR-{classes}")
    root = _batches(classes, place, progress, download=path is None)
    if root is None:
        return _images(classes, place, flip, workers, progress)
    (pixels, label, names), (held_out, held_out_label, _) = (_read(classes, root, train) for train in (True, False))
    return Source(
        f"cifar{classes}",
        (3, SIDE, SIDE),
        train=pixels,
        label=label,
        held_out=held_out,
        held_out_label=held_out_label,
        image=True,
        class_names=names,
        nearest_classes=False,
        flip=flip,
        workers=workers,
        licence=LICENCE,
    )


def _torchvision(classes: int) -> Any:
    from torchvision import datasets

    return getattr(datasets, f"CIFAR{classes}")


def _batches(classes: int, place: Path, progress: Progress | None, download: bool) -> Path | None:
    """The folder that holds the folder of batches, unpacked or downloaded if need be; None: `place` has none."""
    theirs = _torchvision(classes)
    inner, archive = theirs.base_folder, theirs.filename
    if place.is_dir() and place.name == inner:
        return place.parent
    if (place / inner).is_dir():
        return place
    packed = place if place.name.endswith((".tar.gz", ".tgz")) else place / archive
    if packed.is_file():
        advice = f"unpack it where you can write, and name the folder that holds {inner} with --data (or path=)"
        unpack = partial(_unpack, packed, checksum=theirs.tgz_md5)
        fetch(packed.parent, inner, unpack, advice, f"unpacking {packed.name}")
        return packed.parent
    if not download:
        return None
    advice = f"put {archive} there, or name the folder of it or of {inner} with --data (or path=)"
    fetch(place, inner, lambda into: theirs(str(into), download=True), advice, f"downloading CIFAR-{classes}", progress)
    return place


def _unpack(packed: Path, into: Path, checksum: str) -> None:
    from torchvision.datasets.utils import check_integrity, extract_archive

    if not check_integrity(packed, checksum):
        advice = "it is truncated or changed; remove it and download it again"
        raise InputError(f"expected {packed.name} with the published checksum, got another one: {advice}")
    extract_archive(packed, into)


def _read(classes: int, root: Path, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Pixels (n, 3, 32, 32) uint8, labels and names of classes, by torchvision, which compares checksums first."""
    theirs = _torchvision(classes)
    try:
        found = theirs(str(root), train=train)
    except (RuntimeError, OSError):  # the first: a file is not there or is another one
        where = root / theirs.base_folder
        raise InputError(
            f"expected CIFAR-{classes}'s batches with the published checksums in {str(where)!r}, got missing or "
            f"changed files: remove that folder, then unpack {theirs.filename} again or let it be downloaded"
        ) from None
    pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(found.targets), tuple(found.classes)


def _images(classes: int, place: Path, flip: bool, workers: int | None, progress: Progress | None) -> Source:
    """Image files in class folders; held out is `test` beside `train`, if it is there."""
    train, test = _split(place)
    if train.is_dir() and not any(entry.is_dir() for entry in train.iterdir()):
        theirs = _torchvision(classes)
        raise InputError(
            f"expected CIFAR-{classes} in {str(place)!r}, got neither {theirs.base_folder}, {theirs.filename} "
            f"nor class folders of images: check the path, or leave it out to download CIFAR-{classes}"
        )
    source = folder(train, size=SIDE, channels=3, flip=flip, workers=workers, progress=progress)
    found = 0 if source.label is None else len(source.class_names)
    if found != classes:
        got = f"{found} of them" if found else "none"
        raise InputError(
            f"expected {classes} class folders of CIFAR-{classes} in {str(train)!r}, got {got}: check the path"
        )
    held_out, held_out_label = source.held_out, source.held_out_label
    own = f"image files, not CIFAR-{classes}'s own pixels: compare figures only with runs on the same files"
    notes = [own, *source.notes]
    if test is not None:
        other = folder(test, size=SIDE, channels=3, progress=progress)
        if other.label is not None and other.class_names != source.class_names:
            raise InputError(f"expected the classes of {train.name} in {str(test)!r}, got others: rename its folders")
        index = torch.arange(other.size or 0)
        held_out, held_out_label = other.read(index), other.label
        notes.append(f"held out: the {len(index):,} images of {test.name}")
    return replace(
        source,
        name=f"cifar{classes}",
        held_out=held_out,
        held_out_label=held_out_label,
        nearest_classes=False,
        licence=LICENCE,
        notes=tuple(notes),
    )


def _split(place: Path) -> tuple[Path, Path | None]:
    """Training images, and test images where they are not a part of the same: `test.zip` beside `train.zip`, or so."""
    if (place / "train.zip").is_file():
        place = place / "train.zip"
    test = place.with_name(place.name.replace("train", "test")) if place.name in ("train", "train.zip") else None
    return place, test if test is not None and test.exists() else None
