"""Where real samples come from: a finite training set, an unlimited sampler, or both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..config.data import DATA as SETTINGS
from ..display.card import Card, Shown
from ..display.glimpse import MOST, POINTS, Glimpse
from ..errors import InputError, check_whole
from ..pixels import to_pixels, to_values
from ..registry import Registry
from ..types import Batch
from ..types.batch import form_of, leaves, mapped
from ..types.labels import Conditions
from .samples import InfiniteSampler, Samples, digest_of

Sampler: TypeAlias = Callable[[int, torch.Generator], Tensor]

SMALL = 64  # pixels per side of an image that is only glimpsed
BAD = (213, 94, 0)  # vermilion
KEPT = ("label", "held_out", "held_out_label", "centres")  # tensors beside the training samples


@dataclass(frozen=True, eq=False, repr=False)
class Source(Shown):
    """Real data with all that training and evaluation need to know about it; on the CPU until `to`.

    shape: of one sample, such as (2,) or (3, 32, 32).
    train, label: training samples (n, *shape) and their classes (n,) int64; no `train` means unlimited data. Finite
        numbers (float32, or float64 where float32 could not tell them apart), or uint8 pixels, which are decoded as
        they are read: x = u / 127.5 - 1. A set that is not one tensor is anything that reads by index (`Samples`).
    sampler: (count, generator) -> (count, *shape), fresh samples of the true distribution on the generator's device.
    given: conditions of the training samples, tensors (n, ...) nested in mappings and tuples, of which G makes samples;
        uint8 ones are decoded as images are.
    held_out, held_out_label, held_out_given: real data kept from training.
    log_density: samples (k, *shape) -> (k,), the log of the true density, where it is known.
    centres, std: of a mixture of Gaussians, (modes, *shape) and the noise's standard deviation per coordinate.
    offset, scale: the user's units are `x * scale + offset`, both of a sample's shape; None when x is in them already.
    columns: names of a point's coordinates, where there are any.
    image: samples are images (c, h, w) with values in [-1, 1], drawn as such; class_names: of the classes 0, 1, ...
    span: the original range of floating-point images; None for pixels.
    nearest_classes: the nearest held-out sample tells a sample's class (true of digits, not of photographs).
    features: the name of the feature network for such images, where there is one.
    benchmark_n: how many fakes the literature draws to evaluate a generator of this data.
    lossy: how many of its files use lossy compression, which affects every distance between images.
    flip: a training image is mirrored left to right at half of its visits; their position decides which.
    workers: None reads `train` in this process; with k > 0, k processes read ahead.
    digest: a hash of the training set, where one is known; licence: of the data; notes: messages for the user.
    Raises InputError if there is neither `train` nor `sampler`, or if a tensor does not fit `shape`.
    """

    name: str
    shape: tuple[int, ...]
    train: Tensor | Samples | None = None
    label: Tensor | None = None
    given: Any = None
    sampler: Sampler | None = None
    log_density: Callable[[Tensor], Tensor] | None = None
    held_out: Tensor | None = None
    held_out_label: Tensor | None = None
    held_out_given: Any = None
    centres: Tensor | None = None
    std: float | None = None
    offset: Tensor | None = None
    scale: Tensor | None = None
    columns: tuple[str, ...] = ()
    image: bool = False
    span: tuple[float, float] | None = None
    class_names: tuple[str, ...] = ()
    nearest_classes: bool = True
    features: str | None = None
    benchmark_n: int = 10_000
    lossy: int = 0
    flip: bool = False
    workers: int | None = None
    digest: str | None = None
    licence: str = ""
    notes: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))  # of what it gives
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.train is None and self.sampler is None:
            raise InputError(f"expected training samples or a sampler for data {self.name!r}, got neither: pass one")
        for what, x, label in (("train", self.train, self.label), ("held_out", self.held_out, self.held_out_label)):
            if x is None:
                if label is not None:
                    raise InputError(f"expected {what} samples beside their labels in {self.name!r}, got none")
                continue
            shape = tuple(x.shape) if isinstance(x, Tensor) else (len(x), *x.shape)
            if not shape or shape[0] == 0 or shape[1:] != self.shape:
                axes = ", ".join(map(str, self.shape)) or "no more axes"
                raise InputError(f"expected {what} samples of shape (n >= 1, {axes}), got {shape}: reshape")
            if label is not None and tuple(label.shape) != shape[:1]:
                raise InputError(f"expected {shape[0]} {what} labels, one per sample, got shape {tuple(label.shape)}")
            given = self.given if what == "train" else self.held_out_given
            check_given(given, shape[0], f"{what} samples of {self.name!r}")
        if self.given is not None and (self.train is None or self.flip):
            got = "unlimited samples" if self.train is None else "flip, which would mirror images and not these"
            raise InputError(f"expected training samples, not mirrored, with their conditions, got {got}: leave it out")
        if self.held_out_given is not None:
            self._check_held_out()
        if self.workers is not None:
            check_whole("workers", self.workers, 0)
        if self.image and (len(self.shape) != 3 or self.shape[0] not in (1, 3)):
            raise InputError(f"expected images of shape (1 or 3, height, width), got {self.shape}: reshape them")

    def _check_held_out(self) -> None:
        """Raises InputError unless conditions of held-out samples are of the kind that training samples have."""
        told, wanted = form_of(self.held_out_given), form_of(self.given)
        if self.held_out is None:
            raise InputError(f"expected held_out samples beside held_out_given in {self.name!r}, got none: pass both")
        if told != wanted:
            raise InputError(
                f"expected held_out_given like the training samples' conditions, {wanted}, got {told}: pass the same"
            )
        if self.label is not None and self.held_out_label is None:
            raise InputError(
                "expected held_out_label beside held_out_given, as training samples have, got none: pass it"
            )

    def _card(self, picture: bool) -> Card:
        kind = "images" if self.image else "samples"
        many = f"unlimited {kind}" if self.size is None else f"{self.size:,} {kind}"
        known = [f"{self.classes} classes"] if self.classes is not None else []
        known += [] if self.centres is None else [f"{len(self.centres)} modes"]
        known += [] if self.held_out is None else [f"{len(self.held_out):,} held out"]
        known += ["mirrored"] if self.flip else []
        columns = f"columns {', '.join(self.columns)}" if self.columns else ""
        lines = [", ".join(known), columns, f"on {self.device}, {str(self.dtype).removeprefix('torch.')}"]
        lines += [f"licence: {self.licence}"] if self.licence else []
        title = f"Source {self.name}: {many} of shape {self.shape}"
        return Card(title, [*lines, *self.notes], glimpse=self._glimpse() if picture else None)

    def _glimpse(self) -> Glimpse | None:
        """A few real samples to be drawn small."""
        with suppress(InputError, OSError):  # files that have moved
            drawn = self.fresh(MOST if self.image else POINTS, torch.Generator(self.device).manual_seed(0))
            if self.image:
                return glimpse_of(drawn, image=True)
            return glimpse_of(drawn[:0], False, self.restore(drawn))
        return None

    @property
    def size(self) -> int | None:
        """Number of training samples; None when they are unlimited."""
        return None if self.train is None else len(self.train)

    @property
    def classes(self) -> int | None:
        """Number of classes of the training samples; None when they have no labels."""
        return None if self.label is None else max(len(self.class_names), int(self.label.max()) + 1)

    @property
    def modes(self) -> int | None:
        """How many modes are known to be there: centres, or classes; None where neither is known."""
        return self.classes if self.centres is None else len(self.centres)

    @property
    def unseen(self) -> Sampler | None:
        """`fresh` where it gives real samples that training never sees; None where only the training set exists."""
        return None if self.sampler is None and self.held_out is None else self.fresh

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Source:
        """The same source giving samples on `device` in `dtype`; pixels stay uint8, sampling follows the generator.

        Units keep the dtype that holds them. Samples that `dtype` cannot tell apart are said to be so in the notes.
        """
        device = torch.device(device)

        def moved(x: Tensor | None) -> Tensor | None:
            if x is None:
                return None
            there = x.to(device, dtype if x.is_floating_point() else x.dtype)
            return there.clone() if there.is_inference() else there  # else it could take no part in a gradient

        def unit(x: Tensor | None) -> Tensor | None:
            return x if x is None or device.type == "mps" else x.to(device, torch.promote_types(x.dtype, dtype))

        train, notes = self.train, self.notes
        if isinstance(train, Tensor) and train.dtype == torch.float64 != dtype:
            notes = (*notes, *merged(train, dtype, self.columns))
        if not self.workers:  # other processes read from the CPU
            train = train.to(device) if train is not None and not isinstance(train, Tensor) else moved(train)
        return replace(
            self,
            train=train,
            **{name: moved(getattr(self, name)) for name in KEPT},  # type: ignore[arg-type]
            given=mapped(moved, self.given),
            held_out_given=mapped(moved, self.held_out_given),
            offset=unit(self.offset),
            scale=unit(self.scale),
            notes=notes,
            device=device,
            dtype=dtype,
        )

    def read(self, index: Tensor) -> Tensor:
        """Training samples (k, *shape) at `index` (k,) int64, where they are kept and as they are kept."""
        assert self.train is not None
        if isinstance(self.train, Tensor):
            return self.train[index.to(self.train.device)]
        return self.train.read(index.cpu())

    def decode(self, raw: Tensor, numbers: bool = False) -> Tensor:
        """What was read or held out, on the source's device and in its dtype; pixels become numbers in [-1, 1].

        numbers: whole numbers other than pixels stay whole.
        """
        return decoded(raw, self.device, self.dtype, numbers)

    def at(self, index: Tensor) -> Batch:
        """Training samples at `index` (k,) int64, decoded, with their labels."""
        return self.beside(self.decode(self.read(index)), index)

    def beside(self, x: Tensor, index: Tensor) -> Batch:
        """Training samples x (k, *shape) with the labels and conditions of those at `index` (k,)."""
        label = None if self.label is None else self.label[index.to(self.label.device)].to(self.device)
        given = mapped(lambda leaf: self.decode(leaf[index.to(leaf.device)], numbers=True), self.given)
        return Batch(x, label, given)

    def conditions(self, held_out: bool = False) -> Conditions | None:
        """The conditions that fakes can be made for: of held-out samples, if asked for and present, else of the others.

        None for data without conditions.
        """
        if self.given is None:
            return None
        unseen = held_out and self.held_out_given is not None
        label, given = (self.held_out_label, self.held_out_given) if unseen else (self.label, self.given)
        label = None if label is None else label.to(self.device)
        return Conditions(label, given, partial(decoded, device=self.device, dtype=self.dtype, numbers=True))

    def some(self, most: int, seed: int = 0) -> Tensor | None:
        """The training samples, or `most` of them drawn with `seed` when there are more; None when unlimited."""
        size = self.size
        if size is None:
            return None
        index = torch.arange(size)
        if size > most:
            index = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:most]
        return self.at(index).x

    def held_out_samples(self) -> Tensor | None:
        """The held-out samples, decoded."""
        return None if self.held_out is None else self.decode(self.held_out)

    def fingerprint(self) -> str:
        """A hash of the training samples and labels, so that a resumed run notices other data; "" when unlimited."""
        if self.digest is not None or self.train is None:
            return self.digest or ""
        if isinstance(self.train, Tensor):
            return digest_of(self.train, self.label, *leaves(self.given))
        # too large to be read for a hash: its size and a thousand of its samples
        some = self.train.read(torch.linspace(0, len(self.train) - 1, 1000, dtype=torch.float64).long())
        return digest_of(some, self.label, *leaves(self.given), words=f"{len(self.train)} {self.shape}")

    def standardised(self, scaled: bool = True) -> Source:
        """The same training set with mean 0 and standard deviation 1 per coordinate; `restore` gives the units back.

        It is worked out in the samples' dtype, and float32 after that. A constant coordinate keeps scale 1, and so do
        all unless `scaled`. Penalties and learning rates then mean the same whatever the units. A source with more than
        a training set (a sampler, held-out data), of images, or standardised already, comes back as it is.
        """
        if not isinstance(self.train, Tensor) or self.unseen is not None or self.scale is not None or self.image:
            return self
        offset, scale = self.train.mean(0), self.train.std(0, correction=0)
        low, high = self.train.aminmax(dim=0)
        least = 1e-14 * torch.maximum(low.abs(), high.abs()) if low.dtype == torch.float64 else 0.0
        varies = high - low > least  # rounding leaves a constant one a tiny deviation
        scale = torch.where(varies & (scale > 0) & scaled, scale, 1.0)
        return replace(self, train=((self.train - offset) / scale).float(), offset=offset, scale=scale)

    def restore(self, x: Tensor) -> Tensor:
        """Samples (n, *shape) in the user's units."""
        return x if self.offset is None or self.scale is None else restored(x, self.offset, self.scale)

    def stream(self, seed: int, shard: tuple[int, int] = (0, 1)) -> Stream:
        """The endless training stream of shard (rank, world)."""
        size = self.size
        return Stream(self, None if size is None else InfiniteSampler(size, seed, *shard))

    def fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Real samples (n, *shape) to measure against: newly sampled, else resampled held-out, else training ones."""
        if self.sampler is not None:
            return self.sampler(n, generator).to(self.dtype)  # drawn in float32, so that the numbers are the same
        held = self.held_out
        count = len(held) if held is not None else self.size
        assert count is not None  # __post_init__ saw to it
        index = torch.randint(count, (n,), generator=generator, device=generator.device)
        return self.at(index).x if held is None else self.decode(held[index.to(held.device)])


@dataclass(frozen=True)
class Stream:
    """The training samples in the order in which a run (or one process of it) meets them."""

    source: Source
    sampler: InfiniteSampler | None  # None: unlimited

    def take(self, start: int, count: int, generator: torch.Generator | None = None) -> Batch:
        """Samples number start .. start + count - 1.

        A finite source gives those of its shuffled epochs, on its own device, and leaves `generator` alone; an
        unlimited one draws `count` new ones with `generator`, on the generator's device.
        """
        source = self.source
        if self.sampler is None:
            if generator is None:
                raise InputError(f"expected a torch.Generator to draw from {source.name!r}, got None: pass one")
            return Batch(source.fresh(count, generator))
        return self.shown(start, source.at(self.sampler.indices(start, count)))

    def rows(self, start: int, count: int) -> Tensor:
        """Which training samples stand there, (count,) int64 on the source's device."""
        assert self.sampler is not None
        return self.sampler.indices(start, count).to(self.source.device)

    def shown(self, start: int, batch: Batch) -> Batch:
        """Training samples from position `start` on as a critic sees them: some mirrored, where that is asked for."""
        if not self.source.flip or self.sampler is None:
            return batch
        coins = self.sampler.coins(start, batch.size).to(batch.x.device)
        return batch._replace(x=torch.where(coins.view(-1, 1, 1, 1), batch.x.flip(-1), batch.x))


def decoded(raw: Tensor, device: torch.device, dtype: torch.dtype, numbers: bool = False) -> Tensor:
    """`Source.decode` for a device and dtype, without the source."""
    raw = raw.to(device, non_blocking=True)
    if numbers and raw.dtype != torch.uint8 and not raw.is_floating_point():
        return raw
    return to_values(raw, dtype) if raw.dtype == torch.uint8 else raw.to(dtype)


def check_given(given: Any, n: int, whose: str) -> None:
    """Raises InputError unless conditions are tensors with one entry per sample."""
    if given is not None and not leaves(given):
        raise InputError(
            f"expected conditions for {n} {whose}, got none in {given!r}: pass tensors, or leave given out"
        )
    for leaf in leaves(given):
        if not isinstance(leaf, Tensor) or leaf.ndim < 1 or leaf.shape[0] != n:
            got = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
            raise InputError(f"expected conditions for {n} {whose}, got {got}: pass one per sample, on the first axis")


def restored(x: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
    """x * scale + offset, in the units' dtype where that is the wider one, and on the CPU where the device lacks it."""
    if x.device.type == "mps" and scale.dtype == torch.float64:
        x = x.cpu()
    return x * scale.to(x.device) + offset.to(x.device)


def glimpse_of(x: Tensor, image: bool, real: Tensor | None = None) -> Glimpse | None:
    """Samples (n, *shape) to be drawn small, points in the user's units; None for what is neither images nor points.

    real: real points beside the fakes. Of points of more numbers the first two are drawn, of images of more than 64
    pixels means of squares; pixels that are not finite are vermilion.
    """
    if image:
        side = -(-max(x.shape[2:]) // SMALL)
        values = torch.nn.functional.avg_pool2d(x.float(), side, ceil_mode=True) if side > 1 else x.float()
        pixels = to_pixels(values).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu()
        bad = ~values.isfinite().all(1).cpu()
        pixels = torch.where(bad.unsqueeze(-1), torch.tensor(BAD, dtype=torch.uint8), pixels)
        return Glimpse(images=pixels.tolist())
    if x.ndim != 2 or x.shape[1] < 2:
        return None
    behind = [] if real is None else real[:, :2].double().cpu().tolist()
    return Glimpse(points=x[:, :2].double().cpu().tolist(), real=behind)


def merged(exact: Tensor, dtype: torch.dtype, columns: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A line on float64 numbers (n, *shape) that `dtype` cannot tell apart, where there are such."""
    flat = exact.flatten(1)
    error = (flat - flat.to(dtype)).abs().amax(0) / (flat.amax(0) - flat.amin(0))
    worst = int(torch.where(error.isfinite(), error, 0.0).argmax())
    before, after = (torch.unique(x[:, worst]).numel() for x in (flat, flat.to(dtype)))
    name = columns[worst] if columns else f"number {worst + 1} of a sample"
    if after == before:
        return ()
    what = f"{str(dtype).removeprefix('torch.')} keeps {after:,} of {before:,} different values of {name}"
    return (f"{what}: standardise the data (`.standardised()` of the source, data.standardise=true)",)


DATA: Registry[Callable[..., Source]] = Registry(SETTINGS)
