"""Distances between two sets of samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..errors import InputError
from .blocks import check_reference, distance_blocks, rows_per_block
from .plane import plane_energy, suits_plane

STRIP = 512  # rows of a set's own distances at a time: those left of a strip are known, its square comes twice


@dataclass(frozen=True, eq=False)
class EnergyDistance:
    """Energy distance of samples to `reference` (m, *shape), whose own term is computed once [szekely2013].

    E = 2 mean_ij ||x_i - y_j|| - mean_ij ||x_i - x_j|| - mean_ij ||y_i - y_j||, without a square root, in the data's
    unit; Euclidean over the flattened samples, all pairs, i = j too. So E >= 0, E = 0 only for equal sets, and two
    sets drawn from one distribution are about (1/n + 1/m) mean ||x - x'|| apart. In float32 E is good to 3e-7 of the
    mean distances; in the plane, where 10,000 x 10,000 pairs are summed by blocks (`plane`), mostly so, too, and to
    5e-6 where all samples lie in few places.
    """

    reference: Tensor

    def __post_init__(self) -> None:
        check_reference(self.reference)

    def __call__(self, samples: Tensor) -> float:
        """The distance of samples (n, *shape); raises InputError when there are none or their shape differs."""
        shape, wanted = tuple(samples.shape), tuple(self.reference.shape[1:])
        if samples.shape[0] == 0 or shape[1:] != wanted:
            axes = ", ".join(map(str, wanted))
            raise InputError(f"expected samples of shape (n >= 1, {axes}), got {shape}: reshape them")
        samples = samples.to(self.reference)
        if suits_plane(samples.flatten(1), self.reference.flatten(1)):
            energy = plane_energy(samples.flatten(1), self.reference.flatten(1))
        else:
            energy = 2.0 * mean_distance(samples, self.reference) - mean_own_distance(samples) - self._own
        return 0.0 if energy < 0.0 else energy  # rounding can end below 0; NaN stays NaN

    @cached_property
    def _own(self) -> float:
        return mean_own_distance(self.reference)


def energy_distance(a: Tensor, b: Tensor) -> float:
    """`EnergyDistance(b)(a)`, once: a (n, *shape), b (m, *shape) [szekely2013]."""
    return EnergyDistance(b)(a)


@torch.no_grad()
def mean_distance(a: Tensor, b: Tensor) -> float:
    """mean_ij ||a_i - b_j|| over all n m pairs of a (n, *shape) and b (m, *shape)."""
    sums = [block.sum(1) for block in distance_blocks(a.flatten(1), b.flatten(1))]
    return _total(sums) / (a.shape[0] * b.shape[0])


@torch.no_grad()
def mean_own_distance(a: Tensor) -> float:
    """mean_ij ||a_i - a_j|| over all n^2 pairs, those with i = j too, of a (n, *shape); computes each pair once."""
    flat = a.flatten(1)
    n = flat.shape[0]
    rows = max(STRIP, rows_per_block(n, flat.device))
    sums = []
    for start in range(0, n, rows):
        strip, row = flat[start : start + rows], 0
        for block in distance_blocks(strip, flat[start:]):
            square = block[:, : strip.shape[0]]
            square[:, row : row + block.shape[0]].fill_diagonal_(0.0)  # a matrix product leaves rounding there
            sums += [2.0 * block.sum(1), -square.sum(1)]
            row += block.shape[0]
    return _total(sums) / n**2


def _total(rows: list[Tensor]) -> float:
    """Their sum in float64, one transfer: a row's float32 sum is pairwise and good to 1e-7, a long one is not."""
    return float(torch.cat(rows).cpu().to(torch.float64).sum())
