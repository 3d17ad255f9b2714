"""Finite sets of samples that are read by index, wherever they are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import torch
from torch import Tensor

Progress: TypeAlias = Callable[[str, int, int], None]  # what is done, how much of it, of how much

IN_MEMORY = 2 * 1024**3  # bytes up to which a set lives on the device as one tensor
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


def in_memory(samples: Samples, workers: int | None) -> Tensor | Samples:
    """The set as one uint8 tensor, unless it is larger than 2 GiB or a number of workers asks for a loader."""
    if workers is not None or not fits(samples):
        return samples
    return samples.read(torch.arange(len(samples)))


def workers_for(samples: Samples, workers: int | None) -> int | None:
    """Worker processes for a `Source` of these samples: as given, none for a set in memory, else 2."""
    return workers if workers is not None or fits(samples) else WORKERS


def fits(samples: Samples) -> bool:
    """Whether the set, as uint8, takes at most 2 GiB."""
    return len(samples) * prod(samples.shape) <= IN_MEMORY
