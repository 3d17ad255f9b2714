"""Distances between two sets of samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError
from .pairwise import distance_blocks, rows_per_block


@dataclass(frozen=True, eq=False)
class EnergyDistance:
    """Energy distance of samples to `reference` (m, *shape), whose own term is computed once [szekely2013].

    E = 2 mean_ij ||x_i - y_j|| - mean_ij ||x_i - x_j|| - mean_ij ||y_i - y_j||, without a square root, in the data's
    unit; Euclidean over the flattened samples, all pairs, i = j too. So E >= 0, E = 0 only for equal sets, and two
    sets drawn from one distribution are about (1/n + 1/m) mean ||x - x'|| apart.
    """

    reference: Tensor
    _own: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.reference.ndim < 2 or self.reference.shape[0] == 0:
            raise InputError(
                f"expected reference samples (n >= 1, *shape), got {tuple(self.reference.shape)}: reshape them"
            )
        object.__setattr__(self, "_own", mean_own_distance(self.reference))

    def __call__(self, samples: Tensor) -> float:
        """The distance of samples (n, *shape); raises InputError when there are none or their shape differs."""
        if samples.shape[0] == 0 or samples.shape[1:] != self.reference.shape[1:]:
            raise InputError(
                f"expected samples of shape (n >= 1, {', '.join(map(str, self.reference.shape[1:]))}), "
                f"got {tuple(samples.shape)}: reshape them"
            )
        samples = samples.to(self.reference)
        cross = mean_distance(samples, self.reference)
        energy = 2.0 * cross - mean_own_distance(samples) - self._own
        return 0.0 if energy < 0.0 else energy  # rounding can end below 0; NaN stays NaN


def energy_distance(a: Tensor, b: Tensor) -> float:
    """`EnergyDistance(b)(a)`, once: a (n, *shape), b (m, *shape) [szekely2013]."""
    return EnergyDistance(b)(a)


@torch.no_grad()
def mean_distance(a: Tensor, b: Tensor) -> float:
    """mean_ij ||a_i - b_j|| over all n m pairs of a (n, *shape) and b (m, *shape)."""
    sums = [block.sum() for block in distance_blocks(a.flatten(1), b.flatten(1))]
    return _total(sums) / (a.shape[0] * b.shape[0])


@torch.no_grad()
def mean_own_distance(a: Tensor) -> float:
    """mean_ij ||a_i - a_j|| over all n^2 pairs, those with i = j too, of a (n, *shape); computes each pair once."""
    flat = a.flatten(1)
    n = flat.shape[0]
    sums = []
    start = 0
    while start < n:
        stop = min(n, start + rows_per_block(n - start, flat.device))
        rows = flat[start:stop]
        for block in distance_blocks(rows, flat[start:], stop - start):
            square = block[:, : stop - start]
            square.fill_diagonal_(0.0)  # a matrix product leaves rounding there
            sums += [2.0 * block.sum(), -square.sum()]
        start = stop
    return _total(sums) / n**2


def _total(sums: list[Tensor]) -> float:
    """Their sum in float64, one transfer: a block's float32 sum is pairwise and good to 1e-7, a long one is not."""
    return float(torch.stack(sums).cpu().to(torch.float64).sum())
