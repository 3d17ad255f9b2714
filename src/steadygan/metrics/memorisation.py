"""Whether fakes are copies of training samples: nearer to them than new real samples are."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .blocks import flat_samples
from .neighbours import NearestNeighbour

ONE_IN = 100  # a fake is taken for memorised when it is among the nearest one in so many held-out samples


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Compares how far fakes and `held_out` reals (m >= 99, *shape) are from the nearest `training` sample (n, *shape).

    memorised: share of fakes no farther than h_(j), the j-th smallest distance of a held-out sample, with
    j = floor((m+1) / 100). nearer_than_held_out: P(d < h) + P(d = h) / 2 for a random fake's distance d and a random
    held-out sample's h, what Mann and Whitney's test of data copying [meehan2020] ranks. Fakes as new as held-out
    samples have j / (m+1), about 0.01, and 0.5; copies 1 and 1 (where held-out samples hold copies too, those tie in
    the second). Fakes far from all data have 0 and 0: no sign of quality. Distances are Euclidean over the flattened
    samples. Raises InputError for too few samples or other shapes, and NonFiniteError.
    """

    training: Tensor
    held_out: Tensor
    _lookup: NearestNeighbour = field(init=False, repr=False)
    _distances: Tensor = field(init=False, repr=False)  # (m,): of the held-out samples, ascending

    def __post_init__(self) -> None:
        flat_samples(self.training, "training", 1)
        flat_samples(self.held_out, "held-out", ONE_IN - 1, like=self.training)
        object.__setattr__(self, "_lookup", NearestNeighbour(self.training))
        object.__setattr__(self, "_distances", self._lookup.distance(self.held_out).sort().values)

    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """memorised and nearer_than_held_out of fakes (k, *shape); raises InputError when there are none."""
        flat_samples(fakes, "fake", 1, like=self.training)
        distance, held_out = self._lookup.distance(fakes), self._distances
        m = held_out.shape[0]
        bar = held_out[(m + 1) // ONE_IN - 1]
        ranks = torch.searchsorted(held_out, distance) + torch.searchsorted(held_out, distance, right=True)
        return {
            "memorised": float((distance <= bar).to(torch.float64).mean()),
            "nearer_than_held_out": 1.0 - float(ranks.to(torch.float64).mean()) / (2 * m),
        }
