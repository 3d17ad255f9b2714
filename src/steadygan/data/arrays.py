"""Images of the user's own that lie in an array: a .npy or .npz file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .entries import shown
from .numpy_file import opened_npz, read_npy
from .samples import IN_MEMORY
from .source import Source
from .survey import SMALLEST, by

IMAGES = ("images", "samples", "x", "arr_0")  # names in an .npz, the first that holds images
LABELS = ("labels", "label", "y")


@dataclass(frozen=True)
class Kept:
    """What a file holds: its array of images, the name of it, and perhaps labels."""

    name: str
    images: NDArray[Any]
    label: NDArray[Any] | None = None


def images_in(
    file: Path, size: int | None, channels: int | None, flip: bool, workers: int | None, licence: str
) -> Source:
    """Images from an array (n, h, w), (n, h, w, c) or (n, c, h, w), c of 1 or 3, and labels (n,) from an .npz.

    uint8, or floating point within [-1, 1]; within [0, 1] it is rescaled, x = 2 u - 1. An .npz gives its array
    `images`, `samples`, `x` or `arr_0`, else its first of three axes or more, and the labels `labels`, `label` or `y`.
    size, channels: what the images must be; nothing is resized. Raises InputError for anything else, pickles and
    arrays above 2 GiB among it.
    """
    try:
        kept = _npz(file) if file.suffix.lower() == ".npz" else _npy(file)
    except OSError as error:
        raise InputError(
            f"expected to read {shown(file.name)}, got {error.strerror or error}: check the file"
        ) from None
    images = _ordered(kept, size, channels)
    values, note = _values(images, kept.name)
    label = None if kept.label is None else _labels(kept.label, len(images), kept.name)
    shape = tuple(values.shape[1:])
    found = f"{kept.name}: {len(values):,} images of {by((shape[2], shape[1]))}"
    if label is not None:
        found += f", {int(label.max()) + 1:,} classes"
    return Source(
        kept.name,
        shape,
        train=values,
        label=label,
        image=True,
        nearest_classes=False,
        flip=flip,
        workers=workers,
        licence=licence,
        notes=(f"{found}; {note}",),
    )


def _npy(file: Path) -> Kept:
    _affordable(file.name, file.stat().st_size)
    return Kept(shown(file.name), read_npy(file))


def _npz(file: Path) -> Kept:
    found = []
    with opened_npz(file) as archive:
        with ZipFile(file) as members:
            for info in members.infolist():
                _affordable(f"{file.name}:{info.filename}", info.file_size)
        names = [*(name for name in IMAGES if name in archive.files), *archive.files]
        for name in names:
            array = archive[name]
            if array.ndim >= 3:
                label = next((archive[key] for key in LABELS if key in archive.files and key != name), None)
                return Kept(shown(f"{file.name}:{name}"), array, label)
            found.append(f"{name} {array.shape}")
    raise InputError(
        f"expected images (n, h, w) or (n, h, w, c) in {shown(file.name)}, "
        f"got {shown(', '.join(dict.fromkeys(found))) or 'no array'}: save them with numpy.savez(file, images=...)"
    )


def _affordable(name: str, size: int) -> None:
    if size > IN_MEMORY + 4096:  # and a header
        raise InputError(
            f"expected an array of at most {IN_MEMORY / 1024**3:g} GiB in {shown(name)}, got {size / 1024**3:.1f}: "
            "save uint8, or the images as PNG files in a folder or .zip"
        )


def _ordered(kept: Kept, size: int | None, channels: int | None) -> NDArray[Any]:
    """The images as (n, c, h, w), c of 1 or 3, square and as large as they must be."""
    array, name = kept.images, kept.name
    came = " x ".join(map(str, array.shape))
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise InputError(
            f"expected images n x h x w, n x h x w x c or n x c x h x w, c of 1 or 3, in {name}, got {came}: "
            "reshape them"
        )
    n, c, h, w = array.shape
    if n == 0 or h != w or h < SMALLEST:
        raise InputError(
            f"expected square images of at least {SMALLEST} x {SMALLEST} pixels in {name}, got {came}: "
            "save others, or the images as PNG files and add size=64"
        )
    if size not in (None, h):
        raise InputError(
            f"expected images of size={size} in {name}, got {h} x {w} pixels, and arrays are not resized: "
            f"leave size out, or save the images as PNG files"
        )
    if channels not in (None, c):
        raise InputError(
            f"expected images of channels={channels} in {name}, got {c}, and arrays are not converted: "
            "leave channels out, or save the images as PNG files"
        )
    return array


def _values(images: NDArray[Any], name: str) -> tuple[Tensor, str]:
    """Pixels as they are, or float32 in [-1, 1], and what was done."""
    if images.dtype == np.uint8:
        return _tensor(images), "pixels 0 to 255"
    if images.dtype.kind != "f":
        raise InputError(
            f"expected uint8 pixels or floating-point values in {name}, got {images.dtype}: "
            "save 0 to 255 as uint8, or [-1, 1] as float32"
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.0 and high <= 1.0):  # NaN among them
        bad = (~np.isfinite(images)).any(axis=(1, 2, 3)).nonzero()[0]
        said = f"values that are not finite in image {bad[0]} (from 0)" if len(bad) else f"{low:g} to {high:g}"
        raise InputError(
            f"expected values within [-1, 1] or [0, 1] in {name}, got {said}: rescale them, or save 0 to 255 as uint8"
        )
    values = _tensor(images.astype(np.float32))
    if low >= 0.0:
        return values.mul_(2.0).sub_(1.0), "values lie in [0, 1] and are rescaled to [-1, 1]"
    return values, "values lie in [-1, 1] and are used as they are"


def _tensor(array: NDArray[Any]) -> Tensor:
    whole = np.ascontiguousarray(array)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())


def _labels(array: NDArray[Any], count: int, name: str) -> Tensor:
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.dtype.kind not in "iu" or array.shape != (count,) or int(array.min()) < 0:
        least = f", least {array.min()}" if array.dtype.kind in "iu" and array.size else ""
        came = f"{array.dtype} of shape {array.shape}{least}"
        raise InputError(
            f"expected {count:,} labels in {name}, whole numbers from 0, got {came}: save one per image as int64"
        )
    return torch.from_numpy(array.astype(np.int64))
