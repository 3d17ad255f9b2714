"""The user's own tensors, arrays and datasets as a `Source`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .source import Source

LIMIT = 2 * 1024**3  # bytes of a dataset that we are willing to hold in memory


def from_user(data: Any) -> Source:
    """Training data from a tensor or array (n, *shape), a torch `Dataset` of x or (x, label), or a `Source` as it is.

    Values are used as they are, in float32; a float32 tensor on the CPU is not copied. A dataset is read once, in
    order. Raises InputError for other things, rows that are not finite, samples of differing shapes, and a dataset
    above 2 GiB.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, Tensor | np.ndarray):
        samples = as_samples(data, "data")
        return Source("data", tuple(samples.shape[1:]), samples)
    if isinstance(data, torch.utils.data.Dataset):
        samples, label = _read(data)
        return Source("data", tuple(samples.shape[1:]), samples, label)
    raise InputError(
        f"expected data as a tensor, an array, a torch Dataset or a steadygan Source, got {type(data).__name__}: "
        "convert it (a file: steadygan.data.points(path))"
    )


def as_samples(data: Any, name: str) -> Tensor:
    """Tensor or array `data` as finite float32 samples (n, *shape) on the CPU; `name` stands in the errors."""
    if isinstance(data, np.ndarray):
        if data.dtype.kind not in "fiub":
            raise InputError(f"expected real numbers in {name}, got dtype {data.dtype}: convert them to float32")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is named below
            array = np.array(data, dtype=np.float32, copy=None, order="C")
        samples = torch.from_numpy(array if array.flags.writeable else array.copy())  # torch warns of read-only memory
    else:
        if data.is_complex():
            raise InputError(f"expected real numbers in {name}, got dtype {data.dtype}: convert them to float32")
        samples = data.detach().to("cpu", torch.float32)
    if samples.ndim < 2:
        raise InputError(
            f"expected samples of shape (n, dim) in {name}, got {tuple(samples.shape)}: "
            "reshape them to (n, 1) if each sample is one number"
        )
    if samples.numel() == 0:
        raise InputError(f"expected at least one sample in {name}, got shape {tuple(samples.shape)}: check the data")
    finite = samples.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()
        value = samples[bad[0]].flatten()
        shown = float(value[~value.isfinite()][0])
        raise InputError(
            f"expected finite float32 numbers in {name}, got {shown} in row {int(bad[0])} "
            f"(counted from 0; {len(bad)} of {len(samples)} rows): remove or mend these rows"
        )
    return samples


def _read(dataset: Any) -> tuple[Tensor, Tensor | None]:
    samples: list[Tensor] = []
    labels: list[int] = []
    held = 0
    for index, item in enumerate(_items(dataset)):
        x, label = _split(item, index)
        if samples and x.shape != samples[0].shape:
            raise InputError(
                f"expected samples of one shape, got {tuple(x.shape)} at {index} after {tuple(samples[0].shape)}: "
                "resize them in the dataset's transform"
            )
        if index and (label is None) != (not labels):
            raise InputError(f"expected a label with every sample or with none, item {index} differs: mend the dataset")
        samples.append(x)
        if label is not None:
            labels.append(label)
        held += x.nbytes
        if held > LIMIT:
            raise InputError(
                f"expected a dataset of at most {LIMIT / 1024**3:g} GiB in float32, got more at item {index}: "
                "use a Subset or smaller samples"
            )
    if not samples:
        raise InputError("expected at least one sample in the dataset, got none: check the data")
    if samples[0].ndim == 0:
        raise InputError("expected samples of shape (dim,) or more, got single numbers: make each one x.reshape(1)")
    return as_samples(torch.stack(samples), "the dataset"), torch.tensor(labels) if labels else None


def _items(dataset: Any) -> Iterator[Any]:
    if isinstance(dataset, torch.utils.data.IterableDataset) or not hasattr(dataset, "__len__"):
        yield from dataset
    else:
        for index in range(len(dataset)):  # a map-style dataset need not end by itself when iterated
            yield dataset[index]


def _split(item: Any, index: int) -> tuple[Tensor, int | None]:
    parts = item if isinstance(item, tuple | list) else (item,)
    if not 1 <= len(parts) <= 2 or not isinstance(parts[0], Tensor | np.ndarray | np.generic | float | int):
        raise InputError(
            f"expected x or (x, label) with x a tensor or array, got {_describe(item)} at {index}: "
            "give the dataset a transform that returns tensors"
        )
    x = torch.as_tensor(parts[0])
    if x.is_complex():
        raise InputError(f"expected real numbers, got {x.dtype} at {index}: convert them to float32")
    return x.detach().to("cpu", torch.float32), None if len(parts) == 1 else _label(parts[1], index)


def _label(value: Any, index: int) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        number = float("nan")
    if not number.is_integer():
        raise InputError(f"expected a class number as label, got {_describe(value)} at {index}: convert it to an int")
    return int(number)


def _describe(item: Any) -> str:
    if isinstance(item, tuple | list):
        return f"a {type(item).__name__} of {len(item)} ({', '.join(type(part).__name__ for part in item[:3])})"
    return type(item).__name__
