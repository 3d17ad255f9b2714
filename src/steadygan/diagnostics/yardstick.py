"""Where batches of fakes lie among real samples: on them, on each other, as far apart as they, and as evenly."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, NonFiniteError, check_number
from ..metrics.blocks import FEW, ball_tiles, first_least, flat_samples
from ..metrics.neighbours import NearestNeighbour, perplexity

NEIGHBOUR = 5  # a real sample's ball reaches to its fifth nearest other one
ROUNDING = 1e-14  # of squared distances by product of matrices, seen from the centre
CLOSE = 0.01  # of the median distance between real samples
EDGE = 1.0 + 2.0**-25  # the balls of `ball_tiles` are open, and end a little early: with this, their edge lies inside


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
        self.own, _ = self.figures(fresh)
        if "batch_distance" in self.own:
            self._noise = max(0.0, self.own["batch_distance"])
            self.own["batch_distance"] -= self._noise

    @torch.no_grad()
    def figures(self, fake: Tensor) -> tuple[dict[str, float], Tensor | None]:
        """The figures of fakes (m, *shape), m >= 2, and the cell of each (m,), its nearest real sample's index.

        Where one is not finite, the figures are NaN and the cells None. Raises InputError as above.
        """
        try:
            y = self._flat(fake.detach(), "fake")
        except NonFiniteError:
            return dict.fromkeys(self.own, math.nan), None
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
            "batch_balance": _evenness(cells) / _evenness(self._fresh_cells[:m]),  # all where there are fewer
        }
        if self.spread > 0.0:
            figures["diversity"] = within / self.spread
            apart = (2.0 * float(across.mean()) - within) / self.spread - 1.0
            figures["batch_distance"] = apart - self._noise
        return figures, cells

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


@torch.no_grad()
def pair_figures(real: Tensor, fake: Tensor, delta: float | None = None) -> dict[str, float]:
    """How many fakes (m, *shape) of a batch are close to its real samples (n, *shape), or to each other [tao2020].

    (x_i, y_j) is a close pair when ||x_i - y_j|| <= delta, Euclidean over the flattened samples, in the data's unit;
    delta is 1 % of the median ||x_i - x_j||, i < j, unless given. With delta = 0, as for reals most of whose pairs are
    equal, exact equals count alone; rounding puts no pair that is delta apart outside.
    close_pairs = close pairs / m. most_on_one_real = max_i of the close fakes of x_i, the over-fitting source.
    nearest_share = max_i of the share of fakes whose nearest real sample is x_i (the first, of equally near ones).
    duplicates = the share of fakes within delta of another fake. Non-finite samples make all four NaN. Raises
    InputError when there are no fakes or no reals, only one real and no delta, shapes that differ, or a delta below 0.
    """
    if delta is not None:
        check_number("delta", delta, 0.0)
    x, y = real.detach().to(torch.float64), fake.detach()
    try:
        x = flat_samples(x, "real", 2 if delta is None else 1)
        y = flat_samples(y, "fake", 1, like=x.reshape(real.shape))
    except NonFiniteError:
        return dict.fromkeys(("close_pairs", "most_on_one_real", "nearest_share", "duplicates"), math.nan)
    n, m = x.shape[0], y.shape[0]
    near = EDGE * (CLOSE * median(F.pdist(x)) if delta is None else delta)
    close = torch.zeros(n, dtype=torch.int64, device=x.device)  # fakes within delta of each real sample
    for rows, _, inside in ball_tiles(x, x.new_full((n,), near), y):
        close[rows] += inside.sum(1)
    again = torch.zeros(m, dtype=torch.bool, device=x.device)
    for rows, columns, inside in ball_tiles(y, y.new_full((m,), near), y, own=True):
        again[rows] |= inside.any(1)
        again[columns] |= inside.any(0)
    nearest = NearestNeighbour(x).assign(y).bincount(minlength=n)
    return {
        "close_pairs": int(close.sum()) / m,
        "most_on_one_real": float(close.max()),
        "nearest_share": int(nearest.max()) / m,
        "duplicates": int(again.sum()) / m,
    }


def median(values: Tensor) -> float:
    """The mean of the two middle ones where their number is even, unlike torch's."""
    ordered, count = values.sort().values, values.shape[0]
    return float((ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0)


@torch.no_grad()
def diversity(fake: Tensor, real: Tensor) -> float:
    """mean_{i<j} ||y_i - y_j|| / mean_{i<j} ||x_i - x_j|| of fakes y (m, *shape) and reals x (n, *shape).

    Euclidean over the flattened samples, or over D's features of both. 1 for fakes drawn as the reals are, however
    many of either; 0 when all fakes are the same. A collapse to one point shows at once, the loss of half of the modes
    hardly, as the other half may lie as far apart. Minibatch discrimination and the minibatch deviation let D itself
    see a like figure [salimans2016, karras2018]. Non-finite samples make it NaN. Raises InputError for fewer than two
    of either, shapes that differ, or reals that are all the same.
    """
    x = real.detach().to(torch.float64)
    try:
        x = flat_samples(x, "real", 2)
        y = flat_samples(fake.detach(), "fake", 2, like=x.reshape(real.shape))
    except NonFiniteError:
        return math.nan
    spread = float(F.pdist(x).mean())
    if spread == 0.0:
        raise InputError("expected real samples that differ, got the same one again and again: draw others")
    return float(F.pdist(y).mean()) / spread


def _evenness(cells: Tensor) -> float:
    return perplexity(cells.bincount().to(torch.float64) / cells.shape[0])
