"""The items of a user's dataset: samples and labels; a dataset too large for memory is read by index."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from ..errors import InputError, one_line
from .arrays import image_values
from .images.picture import pixels_of
from .samples import CHANNELS, digest_of

PICTURES = ("image", "img", "pixel_values", "x")  # what an item that is a mapping may call its sample,
LABELS = ("label", "labels", "fine_label", "y")  # and its class
WIDE = (torch.float64, torch.int64, torch.int32)  # dtypes of which float32 cannot hold all numbers
PROBES = 16  # items that stand for a large dataset in its hash


@dataclass(frozen=True, eq=False)
class Items:
    """The `count` items of a map-style dataset as `Samples` of one shape, uint8 pixels or float32, read when asked for.

    Raises InputError, naming the item, for one of another shape or kind, or with numbers that are not finite.
    """

    dataset: Any
    shape: tuple[int, ...]
    count: int
    pixels: bool = False

    def __len__(self) -> int:
        return self.count

    def read(self, index: Tensor) -> Tensor:
        kept = self.shape, torch.uint8 if self.pixels else torch.float32
        found = []
        for number in index.tolist():
            x, _ = split(self.dataset[number], number)
            check_alike(x, *kept, number)
            x = x.to(kept[1])
            if not self.pixels and not bool(x.isfinite().all()):
                raise InputError(f"expected finite float32 numbers, got others in item {number}: fix or remove it")
            found.append(x)
        return torch.stack(found) if found else torch.empty(0, *self.shape, dtype=kept[1])

    def to(self, device: torch.device | str) -> Items:
        return self

    def digest(self, label: Tensor | None) -> str:
        """A hash of kind, size and labels, and of a few items unless they are drawn anew whenever they are read."""
        index = torch.linspace(0, self.count - 1, PROBES, dtype=torch.float64).long()
        some = self.read(index)
        steady = torch.equal(some, self.read(index))
        words = f"{type(self.dataset).__qualname__} {self.count} {self.shape}"
        return digest_of(label, some if steady else None, words=words)


def split(item: Any, number: int) -> tuple[Tensor, int | None]:
    """The sample of item `number` of a dataset, x or (x, label) or {"image": x, "label": label}, and its label.

    A PIL image or a uint8 tensor (c, h, w), c = 1 or 3, stays uint8; everything else becomes float32, or float64 where
    its dtype is wider than that.
    """
    parts = _named(item) if isinstance(item, Mapping) else item if isinstance(item, tuple | list) else (item,)
    known = len(parts) in (1, 2) and (
        _is_picture(parts[0]) or isinstance(parts[0], Tensor | np.ndarray | np.generic | float | int)
    )
    if not known:
        got = f"{_describe(item)} at {number}: add a transform that returns tensors"
        raise InputError(f"expected x or (x, label) with x a tensor, array or PIL image, got {got}")
    x = _picture(parts[0], number) if _is_picture(parts[0]) else torch.as_tensor(parts[0])
    if x.is_complex():
        raise InputError(f"expected real numbers, got {x.dtype} at {number}: convert them to float32")
    x = x.detach().to("cpu")
    if x.dtype in (torch.bool, torch.uint16) and x.ndim == 3 and x.shape[0] in CHANNELS:
        x = image_values(x, f"item {number}").x
    if not is_pixels(x.dtype, tuple(x.shape)):
        x = x.to(torch.float64 if x.dtype in WIDE else torch.float32)
    return x, None if len(parts) == 1 else _label(parts[1], number)


def _named(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sample and the label of an item that is a mapping; what else it holds is left out."""
    found = [next((item[key] for key in keys if key in item), None) for keys in (PICTURES, LABELS)]
    return tuple(found) if found[1] is not None else (found[0],)


def is_pixels(dtype: torch.dtype, shape: tuple[int, ...]) -> bool:
    """Whether a sample of this dtype and shape is an image that is kept as uint8."""
    return dtype == torch.uint8 and len(shape) == 3 and shape[0] in CHANNELS


def check_alike(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype, number: int) -> None:
    """Raises InputError unless item `number` has the shape of the first, and is pixels or numbers like that."""
    found = tuple(x.shape), x.dtype
    if found[0] != shape or (x.dtype == torch.uint8) != (dtype == torch.uint8):
        what, came, first = ("shape", found[0], shape) if found[0] != shape else ("kind", x.dtype, dtype)
        raise InputError(f"expected samples of one {what}, got {came} at {number} after {first}: fix the transform")


def labels_of(dataset: Any, count: int) -> Tensor | None:
    """Class numbers (count,) int64 from the dataset's `targets` or `labels`, those of a `Subset` too; None without."""
    if isinstance(dataset, Subset):
        whole = labels_of(dataset.dataset, len(dataset.dataset))  # type: ignore[arg-type]
        return None if whole is None else whole[torch.as_tensor(list(dataset.indices))]
    for name in ("targets", "labels", *LABELS):
        columns = getattr(dataset, "column_names", None) or ()
        values = [*dataset[name]] if name in columns else getattr(dataset, name, None)
        if not isinstance(values, list | tuple | Tensor | np.ndarray) or len(values) != count:
            continue
        try:
            found = torch.as_tensor(values)
        except (TypeError, ValueError, RuntimeError):  # names, say, or several targets per item
            continue
        if found.ndim != 1 or found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
            continue
        found = found.detach().to("cpu", torch.int64)
        if int(found.min()) < 0:
            raise negative(int(found.min()), int(found.argmin()))
        return found
    return None


def negative(label: int, number: int) -> InputError:
    """The error for a class number below 0."""
    return InputError(f"expected class numbers of 0 or more as labels, got {label} at {number}: number classes from 0")


def _label(value: Any, number: int) -> int:
    try:
        found = float(value)
    except (TypeError, ValueError, RuntimeError):
        found = float("nan")
    if not found.is_integer():
        raise InputError(f"expected a class number as label, got {_describe(value)} at {number}: convert it to an int")
    if found < 0:
        raise negative(int(found), number)
    return int(found)


def _is_picture(x: Any) -> bool:
    pil = sys.modules.get("PIL.Image")  # without it there is no PIL image
    return pil is not None and isinstance(x, pil.Image)


def _picture(image: Any, number: int) -> Tensor:
    """Its pixels, as those of an image file are taken."""
    try:
        return torch.from_numpy(np.array(pixels_of(image), order="C"))
    except Exception as error:  # a file that is opened lazily, or a mode of other numbers than pixels
        what = f"{one_line(error)} at {number}"
        raise InputError(f"expected images of pixels, got {what}: convert or remove it") from None


def _describe(item: Any) -> str:
    if isinstance(item, Mapping):
        return f"a mapping of {', '.join(map(str, item))}"
    if isinstance(item, tuple | list):
        return f"a {type(item).__name__} of {len(item)} ({', '.join(type(part).__name__ for part in item[:3])})"
    return type(item).__name__
