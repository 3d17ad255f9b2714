"""How many different samples a generator can make: the birthday-paradox test, without visual inspection."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import check_number
from .blocks import TIE, ball_tiles, flat_samples, kth_distance
from .neighbours import DIMENSIONS, to_others, tree_of

NEAR_SHARE = 0.01
RULE_OF_THREE = 3.0  # with no event in t trials, its probability is below 3 / t with 95 % confidence: exp(-3) = 0.05


class Support(NamedTuple):
    """How many different samples there seem to be: `size`, only a lower bound (95 %) when `bound`, by `collisions`."""

    size: float
    collisions: int
    bound: bool

    @property
    def batch(self) -> float:
        """Number of samples among which there is a collision with probability 1/2: s^2 / 2 size = ln 2."""
        return math.sqrt(2.0 * math.log(2.0) * self.size)


@torch.no_grad()
def support(samples: Tensor, near: float = 0.0) -> Support:
    """Size of the support of the distribution of samples (n >= 2, *shape), from pairs nearer than `near` [arora2018].

    Of n (n-1) / 2 pairs, C collide: nearer than `near`, in the samples' unit, or equal. Two draws from items of
    probabilities p_i collide with probability sum_i p_i^2, so 2C / n (n-1) estimates that without bias, and
    size = n (n-1) / 2C the effective number of items, 1 / sum_i p_i^2: all N where they are equally frequent, else
    fewer. For equally frequent ones Var C = (1 - 1/N) E C, so size has a relative error of about C^-1/2 and is about
    1/C too large. When C = 0 only the bound n (n-1) / 6 is known. For a continuous distribution, size is the number of
    cells as large as a ball of radius `near`: read it beside the real data's, of as many samples with the same `near`
    (`near_duplicate`). Raises InputError for fewer than two samples and NonFiniteError.
    """
    check_number("near", near, 0.0)
    flat = flat_samples(samples, "drawn", 2)
    pairs = flat.shape[0] * (flat.shape[0] - 1) // 2
    found = _equal_pairs(flat) if near == 0.0 else _near_pairs(flat, near)
    if found == 0:
        return Support(pairs / RULE_OF_THREE, 0, True)
    return Support(pairs / found, found, False)


def near_duplicate(real: Tensor) -> float:
    """A `near`: the distance that 1 % of real samples (n, *shape) fall short of to their nearest other one.

    With it about n / 200 pairs of the real samples collide, so these, and the fakes of a perfect generator, read a
    size of about 100 n, whatever the true one: what n samples can show is a size well below that. It is 0 where 1 %
    of them have an equal. Take n >= 1,000. Raises InputError for fewer than two samples and NonFiniteError.
    """
    flat = flat_samples(real, "real", 2)
    if flat.shape[1] <= DIMENSIONS:
        return float(torch.from_numpy(to_others(tree_of(flat), 1)[0]).quantile(NEAR_SHARE))
    return float(kth_distance(flat, 1).quantile(NEAR_SHARE))


def _near_pairs(flat: Tensor, near: float) -> int:
    if flat.shape[1] <= DIMENSIONS:
        tree = tree_of(flat)
        return (int(tree.count_neighbors(tree, near * (1.0 - TIE))) - len(flat)) // 2
    radius = torch.full(flat.shape[:1], near, dtype=torch.float64, device=flat.device)
    return sum(int(inside.count_nonzero()) for _, _, inside in ball_tiles(flat, radius, flat, own=True))


def _equal_pairs(flat: Tensor) -> int:
    """By sorting: were all samples equal, as of a collapsed generator, distances would be in doubt for every pair."""
    count = torch.unique(flat, dim=0, return_counts=True)[1]
    return int((count * (count - 1) // 2).sum())
