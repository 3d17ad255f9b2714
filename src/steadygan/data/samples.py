"""Finite sets of samples that are read by index, and the endless shuffled stream over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from ..errors import InputError

Progress: TypeAlias = Callable[
    [str, int, int], None
]  # what is done, how much of it, of how much; of 0 what can only be waited for

IN_MEMORY = 2 * 1024**3  # bytes up to which a set lives on the device as one tensor
CHANNELS = (1, 3)  # of an image
SMALLEST = 8  # pixels of a side of an image: where the networks begin
WORKERS = 2  # processes that read a larger one


@runtime_checkable
class Samples(Protocol):
    """A finite set of samples of one shape: uint8 pixels, or float32 values as they are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""

    def __len__(self) -> int: ...

    def read(self, index: Tensor) -> Tensor:
        """Samples (k, *shape) at `index` (k,) int64 on the CPU, where they are kept and as they are kept."""

    def to(self, device: torch.device | str) -> Self:
        """The set on `device` if it lives in memory, as it is otherwise."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """Samples in a file of uint8, one after the other and nothing else: mapped into memory, read when asked for."""

    path: Path
    count: int
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.count

    def read(self, index: Tensor) -> Tensor:
        return self._all[index]

    def to(self, device: torch.device | str) -> Mapped:
        return self

    @cached_property
    def _all(self) -> Tensor:
        size = self.count * prod(self.shape)
        return torch.from_file(str(self.path), shared=False, size=size, dtype=torch.uint8).view(self.count, *self.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping: a worker process makes its own."""
        return {"path": self.path, "count": self.count, "shape": self.shape}


@dataclass(frozen=True, eq=False)
class Stacked:
    """Samples whose channels are images: sample i is `images[table[i]]`, images (n, h, w), table (N, channels)."""

    images: Tensor
    table: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.table.shape[1], *self.images.shape[1:])

    def __len__(self) -> int:
        return self.table.shape[0]

    def read(self, index: Tensor) -> Tensor:
        return self.images[self.table[index.to(self.table.device)]]

    def to(self, device: torch.device | str) -> Stacked:
        return Stacked(self.images.to(device), self.table.to(device))


def at_hand(samples: Samples, workers: int | None) -> tuple[Tensor | Samples, int | None]:
    """The set as a `Source` takes it, and its number of worker processes.

    Up to 2 GiB, as uint8, it is one tensor and needs none; a larger one is read by 2; `workers` says otherwise.
    """
    if workers is not None:
        return samples, workers
    if len(samples) * prod(samples.shape) > IN_MEMORY:
        return samples, WORKERS
    return samples.read(torch.arange(len(samples))), None


@dataclass(frozen=True)
class InfiniteSampler:
    """Which training sample stands at each position of an endless stream of shuffled epochs.

    Position p of shard `rank` is position q = p * world + rank of the whole stream, and q is entry `q mod size` of the
    permutation of epoch `q // size`, drawn by a CPU generator seeded from (seed, epoch). So a run resumes from a
    number, and shards are disjoint and together complete whether or not `world` divides `size`. Raises InputError for
    an empty data set or a shard that does not exist.
    """

    size: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    _cache: dict[str, tuple[int, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"expected a data set of at least 1 sample, got {self.size}: check the data")
        if not 0 <= self.rank < self.world:
            raise InputError(
                f"expected a shard rank in 0..{self.world - 1}, got {self.rank} of {self.world}: correct it"
            )

    def indices(self, start: int, count: int) -> Tensor:
        """Indices (count,) int64, on the CPU, of the positions start .. start + count - 1."""
        if start < 0 or count < 0:
            raise InputError(f"expected start and count of at least 0, got {start} and {count}: fix the call")
        return self._gathered(self.permutation, start, count)

    def coins(self, start: int, count: int) -> Tensor:
        """A fair coin (count,) bool for each of these positions, the same whenever it is asked for."""
        return self._gathered(self._coins, start, count)

    def _gathered(self, of: Callable[[int], Tensor], start: int, count: int) -> Tensor:
        parts = [of(epoch)[part] for epoch, part in self._walk(start, count)]
        return torch.cat(parts) if parts else of(0)[:0]

    def _walk(self, start: int, count: int) -> Iterator[tuple[int, slice]]:
        """The epochs that `count` positions run through, and which entries of each."""
        first = start * self.world + self.rank
        last = first + (count - 1) * self.world
        while first <= last:
            epoch, offset = divmod(first, self.size)
            part = slice(offset, min(self.size, last + 1 - epoch * self.size), self.world)
            yield epoch, part
            first += self.world * max(1, len(range(*part.indices(self.size))))

    def permutation(self, epoch: int) -> Tensor:
        """The order (size,) in which epoch number `epoch` visits the samples."""
        return self._drawn(f"{self.seed}/{epoch}", epoch, lambda g: torch.randperm(self.size, generator=g))

    def _coins(self, epoch: int) -> Tensor:
        return self._drawn(f"{self.seed}/{epoch}/coins", epoch, lambda g: torch.rand(self.size, generator=g) < 0.5)

    def _drawn(self, key: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What is drawn for an epoch, kept for two of them: a request rarely spans more, and large sets stay small."""
        if key not in self._cache:
            for old in [k for k, (when, _) in self._cache.items() if abs(when - epoch) > 1]:
                del self._cache[old]
            digest = blake2b(key.encode(), digest_size=8).digest()  # neighbouring epochs have nothing in common
            seed = int.from_bytes(digest, "little") >> 1
            self._cache[key] = epoch, draw(torch.Generator().manual_seed(seed))
        return self._cache[key][1]


def digest_of(*tensors: Tensor | None, words: str = "") -> str:
    """A hash of these words and of the tensors' numbers, one after the other."""
    digest = blake2b(words.encode(), digest_size=16)
    for tensor in filter(torch.is_tensor, tensors):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
