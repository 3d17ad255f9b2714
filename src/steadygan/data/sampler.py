"""An endless, shuffled walk over a finite data set that needs no state: position in, indices out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError


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
                f"expected a shard rank in 0..{self.world - 1}, got {self.rank} of {self.world}: mend the shard"
            )

    def indices(self, start: int, count: int) -> Tensor:
        """Indices (count,) int64, on the CPU, of the positions start .. start + count - 1."""
        if start < 0 or count < 0:
            raise InputError(f"expected start and count of at least 0, got {start} and {count}: mend the call")
        if count == 0:
            return torch.empty(0, dtype=torch.int64)
        return torch.cat([self.permutation(epoch)[part] for epoch, part in self._walk(start, count)])

    def coins(self, start: int, count: int) -> Tensor:
        """A fair coin (count,) bool for each of these positions, the same whenever it is asked for."""
        if count == 0:
            return torch.empty(0, dtype=torch.bool)
        return torch.cat([self._coins(epoch)[part] for epoch, part in self._walk(start, count)])

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
            self._cache[key] = epoch, draw(torch.Generator().manual_seed(_mix(key)))
        return self._cache[key][1]


def _mix(key: str) -> int:
    """A 63-bit seed in which neighbouring seeds and epochs have nothing in common, the same on every platform."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
