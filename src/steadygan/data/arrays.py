"""NumPy files, read without ever running a pickle, and the user's own images in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile, is_zipfile

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..places import reading
from .images.listing import by, several, shown
from .samples import CHANNELS, IN_MEMORY, SMALLEST
from .source import Source

IMAGES = ("images", "samples", "x", "arr_0")  # names in an .npz, the first that holds images
LABELS = ("labels", "label", "y")
DARK = 32  # of 255: where the brightest pixel of a set is below it, something else was meant


class Values(NamedTuple):
    """Images as they are kept, uint8 or float32, what was done, and the range of floating-point ones as given."""

    x: Tensor
    told: str
    span: tuple[float, float] | None = None


def images_of_array(
    file: Path, size: int | None, channels: int | None, flip: bool, workers: int | None, licence: str
) -> Source:
    """Images from an array (n, h, w), (n, h, w, c) or (n, c, h, w), c of 1 or 3, and labels (n,) from an .npz.

    Their numbers are taken as `image_values` takes them. An .npz gives its array `images`, `samples`, `x` or `arr_0`,
    else its first of three axes or more, and the labels `labels`, `label` or `y`. size, channels: what the images must
    be; nothing is resized. Raises InputError for anything else, pickles and arrays above 2 GiB among it.
    """
    name, images, label = read_images(file)
    source = image_source(images, name, label)
    _, c, h, w = source.train.shape  # type: ignore[union-attr]
    if h != w or h < SMALLEST:
        came = " x ".join(map(str, images.shape))
        raise InputError(
            f"expected square images of at least {SMALLEST} x {SMALLEST} pixels in {name}, got {came}: "
            "save square ones, or save PNG files and add size=64"
        )
    for what, wanted, got in (("size", size, h), ("channels", channels, c)):
        if wanted not in (None, got):
            raise InputError(
                f"expected images of {what}={wanted} in {name}, got {got}, and arrays are not resized or converted: "
                f"leave {what} out, or save the images as PNG files"
            )
    return replace(source, flip=flip, workers=workers, licence=licence)


def image_source(images: Tensor | NDArray[Any], name: str, label: NDArray[Any] | None = None) -> Source:
    """Images as `images_of_array` takes them, square or not; raises InputError for other shapes and values."""
    whole = as_tensor(images, name)
    upright = channels_first(whole)
    if upright is None or 0 in whole.shape:
        came = " x ".join(map(str, whole.shape))
        raise InputError(
            f"expected images n x h x w, n x h x w x c or n x c x h x w, c of 1 or 3, in {name}, got {came}: "
            "reshape them"
        )
    values = image_values(upright, name)
    shape, n = tuple(values.x.shape[1:]), len(values.x)
    found = f"{name}: {several(n, 'image')} of {by((shape[2], shape[1]))}"
    classes = None if label is None else _labels(label, n, name)
    if classes is not None:
        found += f", {several(int(classes.max()) + 1, 'class', 'es')}"
    return Source(
        name,
        shape,
        train=values.x.contiguous(),
        label=classes,
        image=True,
        nearest_classes=False,
        span=values.span,
        notes=(f"{found}; {values.told}", *dark(values.x)),
    )


def channels_first(x: Tensor) -> Tensor | None:
    """Images (n, h, w), (n, h, w, c) or (n, c, h, w), c of 1 or 3, as (n, c, h, w); None for other shapes."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        x = x.movedim(3, 1)
    return x if x.ndim == 4 and x.shape[1] in CHANNELS else None


def image_values(x: Tensor, name: str, rescaled: bool = True) -> Values:
    """The numbers of images: pixels as they are, or float32 in [-1, 1].

    uint8 stays; true is 255; uint16 is divided by 257; whole numbers from 0 to 255, one of them 32 or more, are pixels;
    floating point within [-1, 1] stays, and within [0, 1] becomes x = 2 u - 1 if it may be `rescaled`. Raises
    InputError for other numbers.
    """
    if x.dtype == torch.uint8:
        return Values(x, "pixels 0 to 255")
    if x.dtype == torch.bool:
        return Values(x.to(torch.uint8) * 255, "true is white, false is black")
    if x.dtype == torch.uint16:
        return Values(((x.to(torch.int32) + 128) // 257).to(torch.uint8), "16 bits are divided by 257")
    low, high = (float(value) for value in x.aminmax())
    if low >= 0.0 and DARK <= high <= 255.0 and (not x.is_floating_point() or bool((x == x.round()).all())):
        return Values(x.to(torch.uint8), f"whole numbers from {low:g} to {high:g} are read as pixels")
    if not x.is_floating_point():
        raise InputError(
            f"expected uint8 pixels or floating-point values in {name}, got {low:g} to {high:g} as "
            f"{str(x.dtype).removeprefix('torch.')}: save 0 to 255 as uint8, or [-1, 1] as float32"
        )
    if not (low >= -1.0 and high <= 1.0):  # NaN among them
        bad = (~x.isfinite()).flatten(1).any(1).nonzero().flatten()
        said = f"values that are not finite in image {int(bad[0])} (from 0)" if len(bad) else f"{low:g} to {high:g}"
        raise InputError(f"expected values within [-1, 1] or [0, 1] in {name}, got {said}: rescale or save uint8")
    values = x.to(torch.float32)
    if low < 0.0:
        return Values(values, "values lie in [-1, 1] and are used as they are", (-1.0, 1.0))
    if rescaled:
        return Values(2.0 * values - 1.0, "values lie in [0, 1] and are rescaled to [-1, 1]", (0.0, 1.0))
    told = "the images lie in [0, 1]; a generator that ends in tanh makes [-1, 1]: give uint8 or 2 x - 1"
    return Values(values, told, (0.0, 1.0))


def dark(pixels: Tensor | int) -> tuple[str, ...]:
    """A line where the brightest of all these pixels is nearly black."""
    if not isinstance(pixels, int):
        pixels = int(pixels.max()) if pixels.dtype == torch.uint8 else 255
    if pixels >= DARK:
        return ()
    what = "12-bit data in 16-bit files, or a mask of 0 and 1?"
    return (f"the brightest pixel of all is {pixels} of 255, so all images are nearly black ({what}): rescale them",)


def read_images(file: Path) -> tuple[str, NDArray[Any], NDArray[Any] | None]:
    """The name of the array of images in a .npy or .npz, that array, and perhaps labels."""
    with reading(shown(file.name)):
        if file.suffix.lower() == ".npz":
            return _from_npz(file)
        _affordable(file.name, file.stat().st_size)
        return shown(file.name), read_npy(file), None


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


def as_tensor(data: Any, name: str) -> Tensor:
    """The real numbers of a tensor or array, as a tensor on the CPU; raises InputError for other kinds."""
    if isinstance(data, Tensor):
        if data.is_complex():
            raise InputError(f"expected real numbers in {name}, got dtype {data.dtype}: convert them to float32")
        return data.detach().cpu()
    if data.dtype.kind not in "fiub":
        raise InputError(f"expected real numbers in {name}, got dtype {data.dtype}: convert them to float32")
    if data.dtype.itemsize > 8 or data.dtype == np.uint64:  # which torch cannot compute with
        data = data.astype(np.float64)
    elif data.dtype == np.uint32:
        data = data.astype(np.int64)
    return tensor_of(data.astype(data.dtype.newbyteorder("="), copy=False))


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
