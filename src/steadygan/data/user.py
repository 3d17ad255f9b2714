"""The user's own tensors, arrays and datasets as a `Source`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
)

from ..errors import InputError, one_line
from ..types import Batch
from ..types.batch import mapped
from .arrays import as_tensor, channels_first, dark, image_source, image_values
from .images.listing import shown
from .items import LABELS, PICTURES, WIDE, Items, check_alike, labels_of, split
from .samples import CHANNELS, SMALLEST, WORKERS
from .source import Source

LIMIT = 2 * 1024**3  # bytes of a dataset that we are willing to hold in memory
MOST_NAMED = 5  # columns in a line
MOST_COMPARED = 2**26  # numbers of samples that are looked at for repetitions


def from_user(data: Any) -> Source:
    """Training data from a tensor or array (n, *shape), a torch `Dataset`, a data frame, or a `Source` as it is.

    `types.Batch(x, label, given)` brings classes and conditions, one per sample. Items of a `Dataset` are x, (x, label)
    or {"image": x, "label": label}; a `DataLoader` gives those of its dataset, Hugging Face's `Dataset` its images and
    labels or its columns of numbers, a frame of pandas or polars its columns. Images are uint8 of shape (n, 1 or 3, h,
    w), kept as they are, PIL images, and with h, w >= 8 what `arrays.image_values` takes for such, [0, 1] as it is;
    everything else is numbers in float32 (a float32 tensor on the CPU is not copied), or in float64 where float32 could
    not tell them apart. A dataset is read once, in order; a map-style one above 2 GiB is read while training, its
    labels taken from its `targets` or `labels`. Raises InputError for other things, rows that are not finite, samples
    of differing shapes, labels that are no class numbers, conditions that are not one per sample, and a dataset above 2
    GiB that can only be iterated.
    """
    found = _gathered(data)
    return found if isinstance(found, Source) else found.told(_source(found.x, found.label))


def to_judge(data: Any, image: bool | None = None, name: str = "data", label: NDArray[Any] | None = None) -> Source:
    """Samples of the user's to be measured: numbers as `from_user` takes them, images as `arrays.image_source` does.

    So an array, a `Dataset` of its rows and a file of it are the same. image: whether they must be images or numbers;
    None takes images of at least 8 x 8 pixels for such where their numbers are those of images.
    """
    found = _gathered(data)
    if isinstance(found, Source):
        return found
    upright = channels_first(found.x)
    if image or (image is None and upright is not None and min(upright.shape[2:]) >= SMALLEST):
        try:
            source = image_source(found.x, name, label)
            return found.told(source if found.label is None else replace(source, label=found.label))
        except InputError:
            if image:
                raise
    return found.told(numbers(found.x, name, label=found.label))


def as_condition(leaf: Any) -> Tensor:
    """One of the tensors or arrays of conditions, as a tensor; raises InputError for anything else."""
    if not isinstance(leaf, Tensor | np.ndarray):
        got = f"{type(leaf).__name__}: encode them as numbers"
        raise InputError(f"expected conditions as tensors or arrays, one entry per sample, got {got}")
    return as_tensor(leaf, "conditions")


class Gathered(NamedTuple):
    """Samples (n, *shape) as they came, their classes, and what is known of them."""

    x: Tensor
    label: Tensor | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    given: Any = None  # conditions (n, ...)

    def told(self, source: Source) -> Source:
        """The source of these samples, with what is known of them."""
        notes = (*self.notes, *source.notes)
        return replace(source, class_names=self.class_names, notes=notes, given=self.given)


def _gathered(data: Any) -> Gathered | Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, Batch):
        given = mapped(as_condition, data.given)
        label = None if data.label is None else as_tensor(data.label, "labels").long()
        return Gathered(as_tensor(data.x, "data"), label, given=given)
    if isinstance(data, Tensor | np.ndarray):
        return Gathered(as_tensor(data, "data"))
    if isinstance(data, DataLoader):
        return _of_loader(data)
    if hasattr(data, "to_numpy") and hasattr(data, "columns"):
        return _of_frame(data)
    if isinstance(data, Dataset):
        return _large(data) or Gathered(*_read(data))
    if isinstance(data, Mapping):
        got = f"{', '.join(map(str, data))}: give one, such as data[{next(iter(data), 'train')!r}]"
        raise InputError(f"expected one set of samples, got a mapping of {got}")
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _of_rows(data)
    got = f"{type(data).__name__}: convert it (a file: steadygan.data.points(path))"
    raise InputError(f"expected data as a tensor, an array, a torch Dataset or a steadygan Source, got {got}")


def _source(samples: Tensor, label: Tensor | None = None) -> Source:
    shape = tuple(samples.shape[1:])
    if 0 in samples.shape or len(shape) != 3:
        return _no_images(samples, label)
    like = "pass images as uint8 or in [-1, 1], of shape (n, 1 or 3, h, w)"
    if shape[0] not in CHANNELS:
        if shape[2] not in CHANNELS or min(shape[:2]) < SMALLEST:
            return _no_images(samples, label)
        try:
            image_values(samples, "data")
        except InputError:
            return _no_images(samples, label)
        raise InputError(
            f"expected images of shape (n, 1 or 3, h, w), got {tuple(samples.shape)}: permute (0, 3, 1, 2)"
        )
    if samples.dtype != torch.uint8 and min(shape[1:]) < SMALLEST:
        return _no_images(samples, label)
    try:
        found = image_values(samples, "data", rescaled=False)
    except InputError:
        source = numbers(samples, "data", label=label)
        low, high = (float(value) for value in samples.aminmax())
        return replace(source, notes=(*source.notes, f"values from {low:g} to {high:g} are read as numbers: {like}"))
    told = () if samples.dtype == torch.uint8 or found.span == (-1.0, 1.0) else (found.told,)
    notes = (*told, *dark(found.x))
    return Source("data", shape, found.x, label, image=True, span=found.span, notes=notes)


def _no_images(samples: Tensor, label: Tensor | None) -> Source:
    source = numbers(samples, "data", label=label)
    if samples.dtype != torch.uint8 or samples.ndim < 3:
        return source
    note = f"bytes of shape {tuple(samples.shape)} are read as numbers: images have the shape (n, 1 or 3, h, w)"
    return replace(source, notes=(*source.notes, note))


def _of_loader(loader: DataLoader[Any]) -> Gathered | Source:
    """The items of its dataset, or those among them that its sampler names."""
    data, sampler = loader.dataset, loader.sampler
    if isinstance(sampler, SubsetRandomSampler):
        data = Subset(data, [*sampler.indices])
    found = _gathered(data)
    if isinstance(data, IterableDataset | Subset) or isinstance(sampler, RandomSampler | SequentialSampler):
        return found
    notes = (*found.notes, f"the loader's {type(sampler).__name__} is ignored: each item of its dataset counts once")
    return replace(found, notes=notes) if isinstance(found, Source) else found._replace(notes=notes)


def _of_frame(frame: Any) -> Source:
    """The columns of a data frame, which are all numbers."""
    columns = []
    for name in frame.columns:
        column = np.asarray(frame[name].to_numpy())
        try:
            if column.dtype.kind not in "fiubO":
                raise TypeError(f"{column.dtype}")
            columns.append(column.astype(np.float64) if column.dtype.kind == "O" else column)
        except (TypeError, ValueError) as error:
            got = f"{one_line(error)} in {shown(str(name))}: remove or convert that column"
            raise InputError(f"expected columns of numbers in the data frame, got {got}") from None
    if not columns:
        raise InputError("expected columns of numbers in the data frame, got none: check the data")
    return numbers(np.stack(columns, 1), "data", tuple(map(str, frame.columns)))


def _of_rows(rows: Any) -> Gathered | Source:
    """Images and labels of Hugging Face's `Dataset`, or its columns of numbers."""
    names, kinds = [*(rows.column_names or ())], rows.features or {}
    label = next((key for key in LABELS[:3] if key in names), None)
    if any(key in names for key in PICTURES[:3]) or not hasattr(rows, "__len__"):
        class_names = tuple(getattr(kinds.get(label), "names", None) or ())
        large = _large(rows)
        return Gathered(*_read(rows), class_names) if large is None else replace(large, class_names=class_names)
    table = {name: np.asarray(rows[name]) for name in names if name != label}
    left = [name for name, column in table.items() if column.dtype.kind not in "fiub" or column.ndim != 1]
    kept = {name: column for name, column in table.items() if name not in left}
    if not kept:
        raise InputError(f"expected a column image, or columns of numbers, got {', '.join(names)}: rename one")
    source = numbers(np.stack([*kept.values()], 1), "data", tuple(kept), label=labels_of(rows, len(rows)))
    notes = [f"non-numeric columns are left out: {shown(', '.join(left))}"] if left else []
    return replace(source, notes=(*notes, *source.notes))


def _large(dataset: Any) -> Source | None:
    """A map-style dataset that is too large to be held, judged by its first item; None for any other."""
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__") or not len(dataset):
        return None
    count = len(dataset)
    x, label = split(dataset[0], 0)
    if x.nbytes * count <= LIMIT:
        return None
    shape = tuple(x.shape)
    samples = Items(dataset, shape, count, x.dtype == torch.uint8)
    labels, notes = labels_of(dataset, count), list[str]()
    if label is not None and (labels is None or int(labels[0]) != label):
        why = "has no list `targets` of class numbers" if labels is None else "disagrees with its list `targets`"
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


def numbers(data: Any, name: str, columns: tuple[str, ...] = (), label: Tensor | None = None) -> Source:
    """Tensor or array `data` as finite samples (n, *shape) on the CPU, and what is odd about them.

    float32, or float64 where that is wanted to tell the values of a coordinate apart; `name` stands in the errors.
    """
    given = as_tensor(data, name)
    samples = given.to(torch.float32)
    if samples.ndim < 2:
        got = f"{tuple(samples.shape)}: reshape them to (n, 1) if each sample is a single number"
        raise InputError(f"expected samples of shape (n, dim) in {name}, got {got}")
    if samples.numel() == 0:
        raise InputError(f"expected at least one sample in {name}, got shape {tuple(samples.shape)}: check the data")
    finite = samples.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()
        value = samples[bad[0]].flatten()
        shown = float(value[~value.isfinite()][0])
        where = f"row {int(bad[0])} (counted from 0; {len(bad)} of {len(samples)} rows)"
        raise InputError(f"expected finite float32 numbers in {name}, got {shown} in {where}: remove or fix these rows")
    notes = []
    if given.dtype in WIDE:
        exact = given.to(torch.float64)
        if given.dtype == torch.int64 and int((exact.to(torch.int64) != given).sum()):
            notes.append(f"whole numbers of {name} above 2^53 lost precision in float64")
        if _coarse(exact, samples):
            samples = exact
    return Source(
        name, tuple(samples.shape[1:]), samples, label, columns=columns, notes=(*notes, *_odd(samples, columns))
    )


def _coarse(exact: Tensor, single: Tensor) -> bool:
    """Whether float32 moves a coordinate by more than 1e-4 of its deviation, where that is no rounding itself."""
    low, high = exact.aminmax(dim=0)
    moved = (exact - single).abs().amax(0) > 1e-4 * exact.std(0, correction=0)
    return bool((moved & (high - low > 1e-14 * torch.maximum(low.abs(), high.abs()))).any())


def _odd(samples: Tensor, columns: tuple[str, ...]) -> list[str]:
    """Notes on samples that are all the same, coordinates that never change, and samples that are repeated."""
    n, flat = len(samples), samples.flatten(1)
    constant = (flat.amin(0) == flat.amax(0)).nonzero().flatten().tolist()
    if n > 1 and len(constant) == flat.shape[1]:
        return [f"all {n:,} samples are the same"]
    told = []
    if n > 1 and constant and samples.ndim == 2:
        names = ", ".join(columns[i] if columns else f"{i + 1}" for i in constant[:MOST_NAMED])
        more = f" and {len(constant) - MOST_NAMED:,} more" if len(constant) > MOST_NAMED else ""
        told.append(f"column{'s' * (len(constant) > 1)} {shown(names)}{more} never change{'s' * (len(constant) == 1)}")
    if flat.numel() > MOST_COMPARED:
        return told
    generator = torch.Generator("cpu").manual_seed(0)
    weights = torch.rand(flat.shape[1], generator=generator, dtype=torch.float64, device="cpu").to(flat.device)
    different = len(torch.unique(((flat - flat[:1]) * weights).sum(1)))  # equal samples give equal sums, others do not
    if different <= n // 2:
        told.append(f"only {different:,} of {n:,} samples are distinct: the others repeat them")
    return told


def _read(dataset: Any) -> tuple[Tensor, Tensor | None]:
    samples: list[Tensor] = []
    labels: list[int] = []
    held = 0
    sequence = hasattr(dataset, "__len__") and not isinstance(dataset, IterableDataset)
    # a map-style dataset need not end by itself when iterated
    items = (dataset[index] for index in range(len(dataset))) if sequence else dataset
    for index, item in enumerate(items):
        x, label = split(item, index)
        if samples:
            check_alike(x, tuple(samples[0].shape), samples[0].dtype, index)
        if index and (label is None) != (not labels):
            raise InputError(f"expected a label with every sample or with none, item {index} differs: fix the dataset")
        samples.append(x)
        if label is not None:
            labels.append(label)
        held += x.nbytes
        if held > LIMIT:
            got = f"more at item {index}: add __getitem__ and __len__, or use smaller samples"
            raise InputError(f"expected at most {LIMIT / 1024**3:g} GiB from a dataset without indices, got {got}")
    if not samples:
        raise InputError("expected at least one sample in the dataset, got none: check the data")
    if samples[0].ndim == 0:
        raise InputError("expected samples of shape (dim,) or more, got single numbers: return x.reshape(1)")
    wide = any(x.dtype == torch.float64 for x in samples)
    x = torch.stack([x.double() for x in samples] if wide else samples)
    return x, torch.tensor(labels) if labels else None
