"""An endless, shuffled walk over a finite data set that needs no state: position in, indices out."""

from __future__ import annotations

import hashlib
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
    _cache: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        first = start * self.world + self.rank
        last = first + (count - 1) * self.world
        pieces = []
        while first <= last:
            epoch, offset = divmod(first, self.size)
            stop = min(self.size, last + 1 - epoch * self.size)
            piece = self.permutation(epoch)[offset : stop : self.world]
            pieces.append(piece)
            first += self.world * max(1, piece.shape[0])
        return torch.cat(pieces)

    def permutation(self, epoch: int) -> Tensor:
        """The order (size,) in which epoch number `epoch` visits the samples."""
        found = self._cache.get(epoch)
        if found is None:
            generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
            found = torch.randperm(self.size, generator=generator)
            while len(self._cache) > 1:  # two epochs: a request rarely spans more, and large sets stay affordable
                self._cache.pop(next(iter(self._cache)))
            self._cache[epoch] = found
        return found


def _mix(seed: int, epoch: int) -> int:
    """A 63-bit seed in which neighbouring (seed, epoch) pairs have nothing in common, the same on every platform."""
    digest = hashlib.blake2b(f"{seed}/{epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
