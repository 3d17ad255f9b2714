"""Real samples that batches of fakes are held against, look after look: what they cost once is kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteError
from ..metrics.pairwise import FEW, flat_samples
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
    Real samples that occur twice count once. `own` are the figures of the fresh samples themselves: what
    a perfect generator would get. Raises InputError for samples of shapes that differ, or fewer than two.
    """

    def __init__(self, real: Tensor, fresh: Tensor) -> None:
        x = flat_samples(real.detach().to(torch.float64), "real", 2)
        self.shape = real.shape[1:]
        x = torch.unique(x, dim=0)
        self._x = x
        apart = F.pdist(x)
        self.delta = CLOSE * median(apart) if x.shape[0] > 1 else 0.0
        self.spread = float(apart.mean()) if x.shape[0] > 1 else 0.0
        self._close = (EDGE * self.delta) ** 2 + _rounding(x)
        k = min(NEIGHBOUR, x.shape[0] - 1)
        self._ball = _squares(x, x).kthvalue(k + 1, dim=1).values if k else x.new_zeros(x.shape[0])
        self._even: dict[int, float] = {}
        self._fresh = self._flat(fresh, "fresh real")
        self._fresh_cells = _squares(self._x, self._fresh).argmin(0)
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
        squares = _squares(self._x, y)
        close = (squares <= self._close).sum(1)
        cells = squares.argmin(0)
        count = cells.bincount(minlength=n)
        again = _squares(y, y).fill_diagonal_(math.inf)
        near = again.amin(1) <= self._close + _rounding(y)  # the diagonal aside
        figures = {
            "close_pairs": float(close.sum()) / m,
            "most_on_one_real": float(close.max()),
            "nearest_share": float(count.max()) / m,
            "duplicates": float(near.sum()) / m,
            "batch_coverage": float((squares.amin(1) <= self._ball).sum()) / n,
            "batch_balance": _perplexity(count) / self._evenness(m),
        }
        if self.spread > 0.0:
            within = again.triu(1).sqrt_()
            own = float(within.sum()) / (m * (m - 1) / 2)
            figures["diversity"] = own / self.spread
            apart = 2.0 * float(squares.sqrt_().mean()) / self.spread - 1.0 - own / self.spread
            figures["batch_distance"] = apart - self._noise
        return Held(figures, cells)

    def _evenness(self, m: int) -> float:
        """The perplexity of as many fresh samples' cells; of all of them where there are fewer."""
        m = min(m, self._fresh.shape[0])
        if m not in self._even:
            self._even[m] = _perplexity(self._fresh_cells[:m].bincount(minlength=self._x.shape[0]))
        return self._even[m]

    def _flat(self, x: Tensor, name: str) -> Tensor:
        return flat_samples(x, name, 2, like=self._x.reshape(-1, *self.shape))


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """||a_i - b_j||^2 (n, m), float64."""
    if a.shape[1] <= FEW:
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square_()
    centre = a.mean(0)
    a, b = a - centre, b - centre
    sizes = a.square().sum(1, keepdim=True) + b.square().sum(1)
    return sizes.addmm_(a, b.T, alpha=-2.0).clamp_(min=0.0)


def _rounding(x: Tensor) -> float:
    """The error of squared distances between these: equal samples may seem so far apart."""
    return ROUNDING * float((x - x.mean(0)).square().sum(1).mean())


def _perplexity(count: Tensor) -> float:
    shares = count.to(torch.float64) / count.sum()
    return float(torch.special.entr(shares).sum().exp())
