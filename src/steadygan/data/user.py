"""The user's own tensors, arrays and datasets as a `Source`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .arrays import tensor_of
from .items import CHANNELS, Items, check_alike, is_pixels, labels_of, split
from .samples import SMALLEST, WORKERS
from .source import Source

LIMIT = 2 * 1024**3  # bytes of a dataset that we are willing to hold in memory


def from_user(data: Any) -> Source:
    """Training data from a tensor or array (n, *shape), a torch `Dataset` of x or (x, label), or a `Source` as it is.

    uint8 of shape (n, 1 or 3, h, w) and PIL images are images, kept as they are; everything else is used in float32 (a
    float32 tensor on the CPU is not copied), and drawn as images when it has such a shape, h, w >= 8, and lies in
    [-1, 1]. A dataset is read once, in order; a map-style one above 2 GiB is read while training, its labels taken from
    its `targets` or `labels`. Raises InputError for other things, rows that are not finite, samples of differing
    shapes, labels that are no class numbers, and a dataset above 2 GiB that can only be iterated.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, Tensor | np.ndarray):
        return _source(_as_they_are(data))
    if isinstance(data, torch.utils.data.Dataset):
        return _large(data) or _source(*_read(data))
    got = f"{type(data).__name__}: convert it (a file: steadygan.data.points(path))"
    raise InputError(f"expected data as a tensor, an array, a torch Dataset or a steadygan Source, got {got}")


def _as_they_are(data: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """Images of uint8 as they are, other numbers as finite float32."""
    if data.dtype not in (torch.uint8, np.uint8) or data.ndim != 4 or 0 in data.shape:
        return as_samples(data, "data")
    if data.shape[1] not in CHANNELS:
        if data.shape[3] not in CHANNELS:
            return as_samples(data, "data")
        raise InputError(f"expected images of shape (n, 1 or 3, h, w), got {tuple(data.shape)}: permute (0, 3, 1, 2)")
    return data.detach().cpu() if isinstance(data, Tensor) else tensor_of(data)


def _source(samples: Tensor, label: Tensor | None = None) -> Source:
    shape = tuple(samples.shape[1:])
    pixels = is_pixels(samples.dtype, shape)
    image, notes = pixels, list[str]()
    if not pixels and len(shape) == 3 and shape[0] in CHANNELS and min(shape[1:]) >= SMALLEST:
        low, high = (float(value) for value in samples.aminmax())
        image = low >= -1.0 and high <= 1.0
        if image and low >= 0.0:
            notes.append("the images lie in [0, 1]; a generator that ends in tanh makes [-1, 1]: give uint8 or 2 x - 1")
        if not image:
            notes.append(f"values from {low:g} to {high:g} are taken for numbers: give images as uint8 or in [-1, 1]")
    return Source("data", shape, samples, label, image=image, notes=tuple(notes))


def _large(dataset: Any) -> Source | None:
    """A map-style dataset that is too large to be held, judged by its first item; None for any other."""
    if isinstance(dataset, torch.utils.data.IterableDataset) or not hasattr(dataset, "__len__") or not len(dataset):
        return None
    count = len(dataset)
    x, label = split(dataset[0], 0)
    if x.nbytes * count <= LIMIT:
        return None
    shape = tuple(x.shape)
    samples = Items(dataset, shape, count, x.dtype == torch.uint8)
    labels, notes = labels_of(dataset, count), list[str]()
    if label is not None and (labels is None or int(labels[0]) != label):
        why = "has no list `targets` of class numbers" if labels is None else "says otherwise in `targets`"
        labels = None
        notes.append(f"the labels are left out: the dataset is read item by item, and {why}")
    return Source(
        "data",
        shape,
        samples,
        labels,
        image=samples.pixels,
        workers=WORKERS,
        digest=samples.digest(labels),
        notes=tuple(notes),
    )


def as_samples(data: Any, name: str) -> Tensor:
    """Tensor or array `data` as finite float32 samples (n, *shape) on the CPU; `name` stands in the errors."""
    if data.dtype.kind not in "fiub" if isinstance(data, np.ndarray) else data.is_complex():
        raise InputError(f"expected real numbers in {name}, got dtype {data.dtype}: convert them to float32")
    if isinstance(data, np.ndarray):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is named below
            samples = tensor_of(np.asarray(data, dtype=np.float32))
    else:
        samples = data.detach().to("cpu", torch.float32)
    if samples.ndim < 2:
        got = f"{tuple(samples.shape)}: reshape them to (n, 1) if each sample is one number"
        raise InputError(f"expected samples of shape (n, dim) in {name}, got {got}")
    if samples.numel() == 0:
        raise InputError(f"expected at least one sample in {name}, got shape {tuple(samples.shape)}: check the data")
    finite = samples.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()
        value = samples[bad[0]].flatten()
        shown = float(value[~value.isfinite()][0])
        where = f"row {int(bad[0])} (counted from 0; {len(bad)} of {len(samples)} rows)"
        raise InputError(
            f"expected finite float32 numbers in {name}, got {shown} in {where}: remove or mend these rows"
        )
    return samples


def _read(dataset: Any) -> tuple[Tensor, Tensor | None]:
    samples: list[Tensor] = []
    labels: list[int] = []
    held = 0
    sequence = hasattr(dataset, "__len__") and not isinstance(dataset, torch.utils.data.IterableDataset)
    # a map-style dataset need not end by itself when iterated
    items = (dataset[index] for index in range(len(dataset))) if sequence else dataset
    for index, item in enumerate(items):
        x, label = split(item, index)
        if samples:
            check_alike(x, tuple(samples[0].shape), samples[0].dtype, index)
        if index and (label is None) != (not labels):
            raise InputError(f"expected a label with every sample or with none, item {index} differs: mend the dataset")
        samples.append(x)
        if label is not None:
            labels.append(label)
        held += x.nbytes
        if held > LIMIT:
            got = f"more at item {index}: give it __getitem__ and __len__, or smaller samples"
            raise InputError(f"expected at most {LIMIT / 1024**3:g} GiB from a dataset without indices, got {got}")
    if not samples:
        raise InputError("expected at least one sample in the dataset, got none: check the data")
    if samples[0].ndim == 0:
        raise InputError("expected samples of shape (dim,) or more, got single numbers: make each one x.reshape(1)")
    x = torch.stack(samples)
    return x if x.dtype == torch.uint8 else as_samples(x, "the dataset"), torch.tensor(labels) if labels else None
