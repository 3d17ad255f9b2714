"""NumPy's files of arrays, read without ever running a pickle, and the images of the user's own that lie in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..places import reading
from .images.listing import by, shown
from .samples import IN_MEMORY, SMALLEST
from .source import Source

IMAGES = ("images", "samples", "x", "arr_0")  # names in an .npz, the first that holds images
LABELS = ("labels", "label", "y")


def images_of_array(
    file: Path, size: int | None, channels: int | None, flip: bool, workers: int | None, licence: str
) -> Source:
    """Images from an array (n, h, w), (n, h, w, c) or (n, c, h, w), c of 1 or 3, and labels (n,) from an .npz.

    uint8, or floating point within [-1, 1]; within [0, 1] it is rescaled, x = 2 u - 1. An .npz gives its array
    `images`, `samples`, `x` or `arr_0`, else its first of three axes or more, and the labels `labels`, `label` or `y`.
    size, channels: what the images must be; nothing is resized. Raises InputError for anything else, pickles and
    arrays above 2 GiB among it.
    """
    with reading(shown(file.name)):
        if file.suffix.lower() == ".npz":
            name, images, label = _from_npz(file)
        else:
            _affordable(file.name, file.stat().st_size)
            name, images, label = shown(file.name), read_npy(file), None
    values, note = _values(_ordered(images, name, size, channels), name)
    classes = None if label is None else _labels(label, len(values), name)
    shape = tuple(values.shape[1:])
    found = f"{name}: {len(values):,} images of {by((shape[2], shape[1]))}"
    if classes is not None:
        found += f", {int(classes.max()) + 1:,} classes"
    return Source(
        name,
        shape,
        train=values,
        label=classes,
        image=True,
        nearest_classes=False,
        flip=flip,
        workers=workers,
        licence=licence,
        notes=(f"{found}; {note}",),
    )


def _from_npz(file: Path) -> tuple[str, NDArray[Any], NDArray[Any] | None]:
    """The name of the array of images, that array, and perhaps labels."""
    with opened_npz(file) as archive:
        with ZipFile(file) as members:
            for info in members.infolist():
                _affordable(f"{file.name}:{info.filename}", info.file_size)
        name, array = first_of(archive, file.name, 3, "images (n, h, w) or (n, h, w, c)", IMAGES)
        label = next((archive[key] for key in LABELS if key in archive.files and key != name), None)
        return shown(f"{file.name}:{name}"), array, label


def _affordable(name: str, size: int) -> None:
    if size > IN_MEMORY + 4096:  # and a header
        raise InputError(
            f"expected an array of at most {IN_MEMORY / 1024**3:g} GiB in {shown(name)}, got {size / 1024**3:.1f}: "
            "save uint8, or the images as PNG files in a folder or .zip"
        )


def _ordered(array: NDArray[Any], name: str, size: int | None, channels: int | None) -> NDArray[Any]:
    """The images as (n, c, h, w), c of 1 or 3, square and as large as they must be."""
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
    for what, wanted, got in (("size", size, h), ("channels", channels, c)):
        if wanted not in (None, got):
            raise InputError(
                f"expected images of {what}={wanted} in {name}, got {got}, and arrays are not resized or converted: "
                f"leave {what} out, or save the images as PNG files"
            )
    return array


def _values(images: NDArray[Any], name: str) -> tuple[Tensor, str]:
    """Pixels as they are, or float32 in [-1, 1], and what was done."""
    if images.dtype == np.uint8:
        return tensor_of(images), "pixels 0 to 255"
    if images.dtype.kind != "f":
        raise InputError(
            f"expected uint8 pixels or floating-point values in {name}, got {images.dtype}: "
            "save 0 to 255 as uint8, or [-1, 1] as float32"
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.0 and high <= 1.0):  # NaN among them
        bad = (~np.isfinite(images)).any(axis=(1, 2, 3)).nonzero()[0]
        said = f"values that are not finite in image {bad[0]} (from 0)" if len(bad) else f"{low:g} to {high:g}"
        raise InputError(f"expected values within [-1, 1] or [0, 1] in {name}, got {said}: rescale or save uint8")
    values = tensor_of(images.astype(np.float32))
    if low >= 0.0:
        return values.mul_(2.0).sub_(1.0), "values lie in [0, 1] and are rescaled to [-1, 1]"
    return values, "values lie in [-1, 1] and are used as they are"


def tensor_of(array: NDArray[Any]) -> Tensor:
    """The array as a tensor; a copy only where its memory is in pieces, or read-only, of which torch warns."""
    whole = np.asarray(array, order="C")
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())


def _labels(array: NDArray[Any], count: int, name: str) -> Tensor:
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.dtype.kind not in "iu" or array.shape != (count,) or int(array.min()) < 0:
        least = f", least {array.min()}" if array.dtype.kind in "iu" and array.size else ""
        came = f"{array.dtype} of shape {array.shape}{least}"
        raise InputError(f"expected {count:,} labels in {name}, whole numbers from 0, got {came}: save one per image")
    return torch.from_numpy(array.astype(np.int64))


def read_npy(file: Path) -> NDArray[np.generic]:
    """The array of a .npy file; raises InputError for an empty or damaged one and for a pickle."""
    if file.stat().st_size == 0:
        raise InputError(f"expected an array in {file.name}, got an empty file: save it again with numpy.save")
    with file.open("rb") as stream:  # before numpy sees it: it takes any file without its mark for a pickle
        mark = stream.read(6)
    if mark != b"\x93NUMPY":
        raise InputError(f"expected a .npy array in {file.name}, got a pickle or another format: use numpy.save")
    try:
        array: NDArray[np.generic] = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy's reader fails in many ways on a damaged header
        raise _unreadable(file.name, error) from None
    return array


@contextmanager
def opened_npz(file: Path) -> Iterator[NpzFile]:
    """The arrays of an .npz file by name, each read when it is asked for; errors inside the `with` as `read_npy`'s."""
    if file.stat().st_size == 0:
        raise InputError(f"expected arrays in {file.name}, got an empty file: save them again with numpy.savez")
    if not is_zipfile(file):  # numpy would read a lone array, or try a pickle
        raise InputError(f"expected a .npz archive in {file.name}, got another format: save it with numpy.savez")
    try:
        with np.load(file, allow_pickle=False) as archive:
            yield archive
    except InputError:
        raise
    except Exception as error:  # zip's, zlib's, numpy's
        raise _unreadable(file.name, error) from None


def first_of(
    archive: NpzFile, file: str, axes: int, wanted: str, preferred: tuple[str, ...] = ()
) -> tuple[str, NDArray[Any]]:
    """The first array of so many axes or more in the archive, preferred names first; `wanted` says of what."""
    found = []
    for name in dict.fromkeys([*(name for name in preferred if name in archive.files), *archive.files]):
        array: NDArray[Any] = archive[name]
        if array.ndim >= axes:
            return name, array
        found.append(f"{name} {array.shape}")
    told = shown(", ".join(found)) or "no array"
    raise InputError(f"expected {wanted} in {shown(file)}, got {told}: save it with numpy.savez")


def _unreadable(name: str, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return InputError(f"expected plain numbers in {name}, got a pickle, which could run code: save plain numbers")
    return InputError(f"expected a readable NumPy file at {name}, got {' '.join(str(error).split())}: save it again")
