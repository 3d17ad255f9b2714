"""Real samples that batches of fakes are held against, look after look: what they cost once is kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteError
from ..metrics.pairwise import FEW, first_least, flat_samples
from .close_pairs import CLOSE, EDGE, median

NEIGHBOUR = 5  # a real sample's ball reaches to its fifth nearest other one
ROUNDING = 1e-14  # of squared distances by product of matrices, seen from the centre


class Held(NamedTuple):
    """A batch of fakes held against the reals: its figures, and the cell of each fake."""

    figures: dict[str, float]
    cells: Tensor | None  # (m,) index of the nearest real sample; None where a fake is not finite


class Yardstick:
    """Training samples `real` (n, *shape), and other real samples `fresh` (m, *shape) that show what is normal.

    `figures(fake)` gives those of `pair_figures` and `diversity`, and of the cells of the real samples:
    batch_balance = exp(H(p)) / exp(H(q)), p the fakes' shares of the cells and q those of equally many fresh samples;
    batch_coverage = the share of real samples that have a fake no further than their fifth nearest other real sample
    [naeem2020];
    batch_distance = (2 E ||x - y|| - E ||y - y'|| - E ||x - x'||) / E ||x - x'||, the energy distance in units of the
    reals' spread, less what the fresh samples get where that is above 0 [szekely2013].
    Real samples that occur twice count once; where all of them are equal, diversity and batch_distance are absent.
    `own` are the figures of the fresh samples themselves: what a perfect generator would get. Raises InputError for
    samples of shapes that differ, or fewer than two, and NonFiniteError for real ones that are not finite.
    """

    def __init__(self, real: Tensor, fresh: Tensor) -> None:
        x = flat_samples(real.detach().to(torch.float64), "real", 2)
        self.shape = real.shape[1:]
        self._x = x = torch.unique(x, dim=0)
        apart = F.pdist(x)
        self.delta = CLOSE * median(apart) if x.shape[0] > 1 else 0.0
        self.spread = float(apart.mean()) if x.shape[0] > 1 else 0.0
        self._close = (EDGE * self.delta) ** 2 + _rounding(x)
        k = min(NEIGHBOUR, x.shape[0] - 1)
        self._ball = _distances(x, x).kthvalue(k + 1, dim=1).values  # the nearest is each sample itself
        self._fresh_cells = first_least(_distances(self._flat(fresh.detach(), "fresh real"), x))
        self._noise = 0.0
        self.own = self.figures(fresh).figures
        if "batch_distance" in self.own:
            self._noise = max(0.0, self.own["batch_distance"])
            self.own["batch_distance"] -= self._noise

    @torch.no_grad()
    def figures(self, fake: Tensor) -> Held:
        """The figures of fakes (m, *shape), m >= 2; NaN where one is not finite. Raises InputError as above."""
        try:
            y = self._flat(fake.detach(), "fake")
        except NonFiniteError:
            return Held(dict.fromkeys(self.own, math.nan), None)
        n, m = self._x.shape[0], y.shape[0]
        across, again = _distances(y, self._x), _distances(y, y)
        within = float(again.fill_diagonal_(0.0).sum()) / (m * (m - 1))
        close = (across <= math.sqrt(self._close)).sum(0)
        near = again.fill_diagonal_(math.inf).amin(1) <= math.sqrt(self._close + _rounding(y))
        cells = first_least(across)
        figures = {
            "close_pairs": float(close.sum()) / m,
            "most_on_one_real": float(close.max()),
            "nearest_share": float(cells.bincount().max()) / m,
            "duplicates": float(near.sum()) / m,
            "batch_coverage": float((across.amin(0) <= self._ball).sum()) / n,
            "batch_balance": _perplexity(cells) / _perplexity(self._fresh_cells[:m]),  # all where there are fewer
        }
        if self.spread > 0.0:
            figures["diversity"] = within / self.spread
            apart = (2.0 * float(across.mean()) - within) / self.spread - 1.0
            figures["batch_distance"] = apart - self._noise
        return Held(figures, cells)

    def _flat(self, x: Tensor, name: str) -> Tensor:
        return flat_samples(x, name, 2, like=self._x.reshape(-1, *self.shape))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """||a_i - b_j|| (n, m), float64."""
    if a.shape[1] <= FEW:
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    centre = b.mean(0)
    a, b = a - centre, b - centre
    sizes = a.square().sum(1, keepdim=True) + b.square().sum(1)
    return sizes.addmm_(a, b.T, alpha=-2.0).clamp_(min=0.0).sqrt_()


def _rounding(x: Tensor) -> float:
    """The error of squared distances between these: equal samples may seem so far apart."""
    return ROUNDING * float((x - x.mean(0)).square().sum(1).mean())


def _perplexity(cells: Tensor) -> float:
    shares = cells.bincount().to(torch.float64) / cells.shape[0]
    return float(torch.special.entr(shares).sum().exp())
