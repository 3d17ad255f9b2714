"""Where real samples come from: a finite training set, an unlimited sampler, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TypeAlias

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Batch
from .sampler import InfiniteSampler

Sampler: TypeAlias = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True, eq=False)
class Source:
    """Real data with all that training and measuring need to know of it; float32 on the CPU until `to`.

    shape: of one sample, such as (2,) or (64,).
    train, label: training samples (n, *shape), finite, and their classes (n,) int64; no `train` means unlimited data.
    sampler: (count, generator) -> (count, *shape), fresh samples of the true distribution on the generator's device.
    held_out, held_out_label: real data kept from training.
    centres, std: of a mixture of Gaussians, (modes, *shape) and the noise's standard deviation per coordinate.
    offset, scale: the user's units are `x * scale + offset`, both of a sample's shape; None when x is in them already.
    image_shape: how a flat sample is drawn, such as (8, 8); its values lie in [-1, 1].
    Raises InputError when there is neither `train` nor `sampler`, or when a tensor does not fit `shape`.
    """

    name: str
    shape: tuple[int, ...]
    train: Tensor | None = None
    label: Tensor | None = None
    sampler: Sampler | None = None
    held_out: Tensor | None = None
    held_out_label: Tensor | None = None
    centres: Tensor | None = None
    std: float | None = None
    image_shape: tuple[int, ...] | None = None
    offset: Tensor | None = None
    scale: Tensor | None = None

    def __post_init__(self) -> None:
        if self.train is None and self.sampler is None:
            raise InputError(f"expected training samples or a sampler for data {self.name!r}, got neither: give one")
        for what, x, label in (
            ("train", self.train, self.label),
            ("held_out", self.held_out, self.held_out_label),
        ):
            if x is None:
                if label is not None:
                    raise InputError(f"expected {what} samples beside their labels in {self.name!r}, got none")
                continue
            if x.ndim < 1 or x.shape[0] == 0 or tuple(x.shape[1:]) != self.shape:
                raise InputError(
                    f"expected {what} samples of shape (n >= 1, {_comma(self.shape)}), got {tuple(x.shape)}: reshape"
                )
            if label is not None and label.shape != x.shape[:1]:
                raise InputError(f"expected {x.shape[0]} {what} labels, one per sample, got shape {tuple(label.shape)}")

    @property
    def size(self) -> int | None:
        """Number of training samples; None when they are unlimited."""
        return None if self.train is None else self.train.shape[0]

    @property
    def unseen(self) -> Sampler | None:
        """`fresh` where it gives real samples that training never sees; None where only the training set exists."""
        return None if self.sampler is None and self.held_out is None else self.fresh

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Source:
        """The same source with its tensors on `device` and its samples in `dtype`; sampling follows the generator."""

        def moved(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(device, dtype if x.is_floating_point() else x.dtype)

        sampler = self.sampler
        if sampler is not None:
            sampler = _Cast(sampler.sampler if isinstance(sampler, _Cast) else sampler, dtype)
        return replace(
            self,
            train=moved(self.train),
            label=moved(self.label),
            sampler=sampler,
            held_out=moved(self.held_out),
            held_out_label=moved(self.held_out_label),
            centres=moved(self.centres),
            offset=moved(self.offset),
            scale=moved(self.scale),
        )

    def fingerprint(self) -> str:
        """A hash of the training samples and labels, so that a resumed run notices other data; "" when unlimited."""
        digest = blake2b(digest_size=16)
        for tensor in (self.train, self.label):
            if tensor is not None:
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return "" if self.train is None else digest.hexdigest()

    def standardised(self) -> Source:
        """The same training set with mean 0 and standard deviation 1 per coordinate; `restore` gives the units back.

        A constant coordinate keeps scale 1. Penalties and learning rates then mean the same whatever the units. A
        source with more than a training set (a sampler, held-out data), or standardised already, comes back as it is.
        """
        if self.train is None or self.unseen is not None or self.scale is not None:
            return self
        offset, scale = self.train.mean(0), self.train.std(0, correction=0)
        varies = self.train.amax(0) > self.train.amin(0)  # rounding leaves a constant one a tiny deviation
        scale = torch.where(varies & (scale > 0), scale, 1.0)
        return replace(self, train=(self.train - offset) / scale, offset=offset, scale=scale)

    def restore(self, x: Tensor) -> Tensor:
        """Samples (n, *shape) in the user's units."""
        if self.offset is None or self.scale is None:
            return x
        return x * self.scale.to(x) + self.offset.to(x)

    def stream(self, seed: int, shard: tuple[int, int] = (0, 1)) -> Stream:
        """The endless training stream of shard (rank, world)."""
        size = self.size
        return Stream(self, None if size is None else InfiniteSampler(size, seed, *shard))

    def fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Real samples (n, *shape) to measure against: newly sampled, else resampled held-out, else training ones."""
        if self.sampler is not None:
            return self.sampler(n, generator)
        pool = self.train if self.held_out is None else self.held_out
        assert pool is not None  # __post_init__ saw to it
        index = torch.randint(pool.shape[0], (n,), generator=generator, device=generator.device)
        return pool[index.to(pool.device)]


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
            if generator is None or source.sampler is None:
                raise InputError(f"expected a torch.Generator to draw from {source.name!r}, got None: pass one")
            return Batch(source.sampler(count, generator))
        assert source.train is not None
        index = self.sampler.indices(start, count).to(source.train.device)
        return Batch(source.train[index], None if source.label is None else source.label[index])


@dataclass(frozen=True)
class _Cast:
    """A sampler whose samples come in another dtype; drawn in float32 first, so that the numbers are the same."""

    sampler: Sampler
    dtype: torch.dtype

    def __call__(self, n: int, generator: torch.Generator) -> Tensor:
        return self.sampler(n, generator).to(self.dtype)


def _comma(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape)) or "no more axes"
