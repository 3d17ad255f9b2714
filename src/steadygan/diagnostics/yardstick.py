"""Where batches of fakes lie among real samples: how close, how far apart, and how evenly spread."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, NonFiniteError, check_number
from ..metrics.blocks import FEW, ball_tiles, first_least, flat_samples
from ..metrics.modes import served
from ..metrics.neighbours import NearestNeighbour, perplexity
from .space import Space, as_they_are

NEIGHBOUR = 5  # a real sample's ball reaches to its fifth nearest other one
ROUNDING = 1e-14  # of squared distances by product of matrices, seen from the centre
CLOSE = 0.01  # of the median distance between real samples
CLUSTERS, EACH = 24, 16  # parts of data of which none are known, at most, and real samples of each, at least
QUALITY = ("served", "covered", "quality", "quality_error")
TRIED, CLEAR = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20), 0.7  # numbers of clusters, and when these stand apart
RECENT = 512  # reals that are held against the yardstick, and become one
OTHER, SURE, TWICE = 0.2, 4.0, 2  # quality that reals of the same data lose by chance, errors of it, looks in a row
EDGE = 1.0 + 2.0**-25  # the balls of `ball_tiles` are open, and end a little early: with this, their edge lies inside


class Yardstick:
    """Training samples `real` (n, *shape), and other real samples `fresh` (m, *shape) that show what is normal.

    `figures(fake)` returns those of `pair_figures` and `diversity`, and those of the cells of the real samples:
    batch_balance = exp(H(p)) / exp(H(q)), p the fakes' shares of the cells and q those of equally many fresh samples;
    batch_coverage = the share of real samples with a fake no further than their fifth nearest other real [naeem2020];
    batch_distance = (2 E ||x - y|| - E ||y - y'|| - E ||x - x'||) / E ||x - x'||, the energy distance in units of the
    reals' spread, less the value for the fresh samples where that is above 0 [szekely2013].

    `quality(fake)` is how much of the data the fakes serve, and how near they are. Both compare the vectors that
    `space` makes of samples; `spread`, the reals' mean distance, is in the data's own unit. Real samples that occur
    twice count once; where all are equal, diversity and batch_distance are absent. `own` holds the figures of the fresh
    samples, those of a perfect generator.

    label (n,): the classes of `real`, where fakes are requested by class. unseen (k, *shape): real samples that D is
    not trained on, by which `quality` is measured if given, because a small training set is a poor measure of the data.
    Raises InputError for samples of different shapes, or fewer than two, and NonFiniteError for real ones that are not
    finite.
    """

    def __init__(
        self,
        real: Tensor,
        fresh: Tensor,
        space: Space | None = None,
        label: Tensor | None = None,
        unseen: Tensor | None = None,
    ) -> None:
        self.shape, self.space = real.shape[1:], space or Space()
        whole = flat_samples(real.detach().to(torch.float64), "real", 2)
        self._like = whole[:1].reshape(-1, *self.shape)
        vectors, others = self._flat(real.detach(), "real"), self._flat(fresh.detach(), "fresh real")
        self._x = x = torch.unique(vectors, dim=0)
        apart = F.pdist(x)
        self.delta = CLOSE * median(apart) if x.shape[0] > 1 else 0.0
        self._spread = float(apart.mean()) if x.shape[0] > 1 else 0.0
        self.spread = self._spread
        if self.space.embed is not as_they_are:
            whole = torch.unique(whole, dim=0)
            self.spread = float(F.pdist(whole).mean()) if whole.shape[0] > 1 else 0.0
        self._close = (EDGE * self.delta) ** 2 + _rounding(x)
        k = min(NEIGHBOUR, x.shape[0] - 1)
        self._ball = _distances(x, x).kthvalue(k + 1, dim=1).values  # the nearest is each sample itself
        self._fresh_cells = first_least(_distances(others, x))
        self._unseen = None if unseen is None else torch.unique(self._flat(unseen.detach(), "unseen real"), dim=0)
        known = torch.cat([vectors if self._unseen is None else self._unseen, others])
        self._centres = self.space.centres
        if self._centres is not None:
            self._centres = self._centres.to(known)
        elif self.space.part is None:
            self._centres = clusters(known, min(CLUSTERS, len(known) // EACH))
        self._parts = self.space.parts if self._centres is None else len(self._centres)
        self._reference = self._counts(known)
        self._class_parts: Tensor | None = None  # in which part most reals of a class lie
        self._agreement = 0.0
        if label is not None:
            where = self._where(vectors)
            table = where.new_zeros(int(label.max()) + 1, self._parts)
            self._class_parts = table.index_put_((label, where), where.new_ones(()), accumulate=True).argmax(1)
            self._agreement = float((self._class_parts[label] == where).double().mean())
        self._held = x if self._unseen is None else self._unseen  # what quality is told by
        wide = (
            self._spread if self._unseen is None else float(F.pdist(self._held).mean()) if len(self._held) > 1 else 0.0
        )
        among = _distances(self._held, self._held)
        self._reach = among.kthvalue(min(NEIGHBOUR, len(among) - 1) + 1, dim=1).values
        middle = _distances(self._held, self._held.mean(0, keepdim=True)).mean()
        self._wide, self._worst = wide, 2.0 * float(middle) / wide - 1.0 if wide else 0.0
        self._noise, self._covered, self._chance = 0.0, 0.0, 0.0
        self.own, _ = self.figures(fresh)
        if "batch_distance" in self.own:
            self._noise = max(0.0, self.own["batch_distance"])
            self.own["batch_distance"] -= self._noise
        if wide:
            self._chance = max(0.0, self._energy(_distances(others, self._held), _distances(others, others)))
        self.own |= self.quality(fresh)

    @property
    def device(self) -> torch.device:
        """Where its samples are."""
        return torch.device(self._x.device)

    @torch.no_grad()
    def figures(self, fake: Tensor) -> tuple[dict[str, float], Tensor | None]:
        """The figures of fakes (m, *shape), m >= 2, and the cell of each (m,), the index of its nearest real sample.

        If any is not finite, the figures are NaN and the cells None. Raises InputError as above.
        """
        try:
            y = self._flat(fake.detach(), "fake")
        except NonFiniteError:
            return dict.fromkeys(self.own, math.nan), None
        n, m = self._x.shape[0], y.shape[0]
        across, again = _distances(y, self._x), _distances(y, y).fill_diagonal_(0.0)
        within = float(again.sum()) / (m * (m - 1))
        held = across if self._unseen is None else _distances(y, self._held)
        quality = self._quality(y, held, again)
        cells = first_least(across)
        by = math.sqrt(self._close)
        close = (across[across.gather(1, cells.unsqueeze(1)).squeeze(1) <= by] <= by).sum(0)  # few have any
        near = again.fill_diagonal_(math.inf).amin(1) <= math.sqrt(self._close + _rounding(y))
        figures = {
            "close_pairs": float(close.sum()) / m,
            "most_on_one_real": float(close.max()),
            "nearest_share": float(cells.bincount().max()) / m,
            "duplicates": float(near.sum()) / m,
            "batch_coverage": float((across.amin(0) <= self._ball).sum()) / n,
            "batch_balance": _evenness(cells) / _evenness(self._fresh_cells[:m]),  # all where there are fewer
        }
        if self._spread > 0.0:
            figures["diversity"] = within / self._spread
            apart = (2.0 * float(across.mean()) - within) / self._spread - 1.0
            figures["batch_distance"] = apart - self._noise
        return figures | quality, cells

    @torch.no_grad()
    def quality(self, fake: Tensor) -> dict[str, float]:
        """How good fakes (m, *shape) are, m >= 2, as a share: 1 is as good as real data. NaN if one is not finite.

        served is `metrics.modes.served` over the parts of the data; covered is batch_coverage over that of the fresh
        reals, at most 1; quality = served * nearness, where nearness = 1 - d / d_1, between 0 and 1. d is the energy
        distance, d_1 that of fakes that all lie at the mean of the reals, as a generator that knows only the mean would
        place them. quality_error is the standard error of both due to chance. Where all reals are equal, quality is the
        share of fakes that equal them.
        """
        try:
            y = self._flat(fake.detach(), "fake")
        except NonFiniteError:
            return dict.fromkeys(QUALITY, math.nan)
        return self._quality(y, _distances(y, self._held), _distances(y, y).fill_diagonal_(0.0))

    def _energy(self, apart: Tensor, again: Tensor) -> float:
        """The energy distance of vectors whose distances from the reals, and from each other, these are."""
        within = float(again.sum()) / (len(again) * (len(again) - 1))
        return (2.0 * float(apart.mean()) - within) / self._wide - 1.0

    def _quality(self, y: Tensor, apart: Tensor, again: Tensor) -> dict[str, float]:
        """Of vectors y (m, dim), their distances from the reals (m, n) and from each other (m, m)."""
        m = y.shape[0]
        share, error = served(self._counts(y), self._reference)
        coverage = float((apart.amin(0) <= self._reach).double().mean())
        self._covered = self._covered or coverage or 1.0  # of the fresh reals, which come first
        found = {"served": share, "covered": min(1.0, coverage / self._covered)}
        if self._worst <= 0.0:
            return {**found, "quality": float((apart.mean(1) == 0.0).double().mean()), "quality_error": m**-0.5}
        energy = self._energy(apart, again) - self._chance
        each = 2.0 * (apart.mean(1) - again.sum(1) / (m - 1))  # each fake counts in two distances of the mean
        chance = math.hypot(float(each.std()) / math.sqrt(m) / self._wide, 1.0 / m)
        less, near, more = (self._nearness(energy + by) for by in (chance, 0.0, -chance))
        chance = max(near - less, more - near)
        return {**found, "quality": share * near, "quality_error": math.hypot(near * error, share * chance)}

    def _nearness(self, energy: float) -> float:
        return min(1.0, max(0.0, 1.0 - energy / self._worst))

    @torch.no_grad()
    def agreement(self, fake: Tensor, label: Tensor) -> float | None:
        """The share of fakes in the part where most reals of their class lie, relative to that share for reals.

        None where classes are unknown, or where parts do not separate them: fewer than half of the reals agree.
        """
        parts = self._class_parts
        if parts is None or self._agreement < 0.5:
            return None
        try:
            where = self._where(self._flat(fake.detach(), "fake"))
        except NonFiniteError:
            return None
        known = label < len(parts)
        return float((parts[label[known]] == where[known]).double().mean()) / self._agreement

    def _where(self, y: Tensor) -> Tensor:
        """In which part of the data each of these vectors lies."""
        if self._centres is None:
            assert self.space.part is not None
            return self.space.part(y)
        return first_least(_distances(y, self._centres))

    def _counts(self, y: Tensor) -> Tensor:
        """How many of these vectors lie in each part of the data."""
        return self._where(y).bincount(minlength=self._parts)

    def _flat(self, x: Tensor, name: str) -> Tensor:
        flat = flat_samples(x, name, 2, like=self._like)
        if self.space.embed is as_they_are:
            return flat
        return self.space.embed(x).to(torch.float64).flatten(1)


@dataclass
class Standard:
    """The yardstick of a run, which is rebuilt when the data change.

    The data count as changed when the newest `RECENT` real samples are compared with it at `TWICE` looks in a row and
    their quality is below 1 by more than `OTHER` and by `SURE` standard errors. Half of them then become the next
    yardstick, with clusters as parts, since the modes of the new data are unknown.
    """

    yardstick: Yardstick
    odd: int = 0  # looks in a row at which the newest reals did not fit
    made_of: Tensor | None = None  # the reals of one that was made anew

    def renew(self, reals: Tensor) -> bool:
        """Whether the newest reals (n, *shape) have shown for long enough that the data changed; it is then rebuilt."""
        if len(reals) < RECENT or not bool(reals.isfinite().all()):
            return False
        found = self.yardstick.quality(reals[: RECENT // 2])
        self.odd = self.odd + 1 if 1.0 - found["quality"] > max(OTHER, SURE * found["quality_error"]) else 0
        if self.odd < TWICE:
            return False
        self.put(reals[:RECENT].clone(), 0)
        return True

    def put(self, made_of: Tensor, odd: int) -> None:
        """Builds a yardstick from these reals (RECENT, *shape)."""
        self.made_of, self.odd = made_of, odd
        self.yardstick = Yardstick(made_of[::2], made_of[1::2], Space(self.yardstick.space.embed))

    def state(self) -> dict[str, Any]:
        """Its state for a checkpoint; empty while it is the first one."""
        return {} if self.made_of is None and not self.odd else {"made_of": self.made_of, "odd": self.odd}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a `state`, on top of the yardstick from the first data."""
        self.odd = int(state.get("odd", 0))
        if state.get("made_of") is not None:
            self.put(state["made_of"].to(self.yardstick.device), self.odd)


def clusters(x: Tensor, most: int) -> Tensor:
    """The centres (k, dim) of at most `most` clusters of x (n, dim), by k-means with a fixed seed [arthur2007].

    k is the number of clusters that are most clearly separated (mean silhouette above `CLEAR` [rousseeuw1987]), or
    `most` where none are.
    """
    from scipy.cluster.vq import kmeans2

    points, found, clearest = x.cpu().numpy(), x.mean(0, keepdim=True), CLEAR
    apart = _distances(x, x)
    for k in (k for k in (*TRIED, most) if 2 <= k <= most):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cluster without samples, which is left out
            centres, where = kmeans2(points, k, iter=20, minit="++", missing="warn", seed=0)
        used, own = np.unique(where, return_inverse=True)
        clear = silhouette(apart, torch.from_numpy(own).to(x.device)) if len(used) > 1 else 0.0
        if clear > clearest or (k == most and clearest == CLEAR):
            found, clearest = torch.from_numpy(centres[used]).to(x), max(clear, clearest)
    return found


def silhouette(apart: Tensor, where: Tensor) -> float:
    """mean_i (b_i - a_i) / max(a_i, b_i) of samples with distances `apart` (n, n) in clusters `where` (n,).

    a_i: the mean distance from the others of its own cluster, b_i: that from the nearest other cluster; 0 for a sample
    that is alone in its cluster [rousseeuw1987].
    """
    inside = F.one_hot(where).to(apart)
    count = inside.sum(0)
    mean = apart @ inside / count
    own = inside.bool()
    alone = count[where] < 2
    a = mean[own] * count[where] / (count[where] - 1).clamp(min=1)
    b = mean.masked_fill(own, math.inf).amin(1)
    score = torch.where(alone, 0.0, (b - a) / torch.maximum(a, b).clamp(min=torch.finfo(a.dtype).tiny))
    return float(score.mean())


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
    equal, only exact equals count; rounding never excludes a pair at distance delta. close_pairs = close pairs / m.
    most_on_one_real = max_i of the close fakes of x_i, the over-fitting source. nearest_share = max_i of the share of
    fakes whose nearest real sample is x_i (the first, of equally near ones). duplicates = the share of fakes within
    delta of another fake. Non-finite samples make all four NaN. Raises InputError when there are no fakes or no reals,
    only one real and no delta, shapes that differ, or a delta below 0.
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

    Euclidean over the flattened samples, or over D's features of both. It is 1 for fakes distributed like the reals,
    however many of either, and 0 when all fakes are equal. A collapse to one point shows at once; the loss of half of
    the modes hardly does, as the other half may lie as far apart. Minibatch discrimination and the minibatch deviation
    let D itself see a similar figure [salimans2016, karras2018]. Non-finite samples make it NaN. Raises InputError for
    fewer than two of either, shapes that differ, or reals that are all equal.
    """
    x = real.detach().to(torch.float64)
    try:
        x = flat_samples(x, "real", 2)
        y = flat_samples(fake.detach(), "fake", 2, like=x.reshape(real.shape))
    except NonFiniteError:
        return math.nan
    spread = _mean_apart(x)
    if spread == 0.0:
        raise InputError("expected real samples that differ, got copies of one sample: draw others")
    return _mean_apart(y) / spread


def _mean_apart(x: Tensor) -> float:
    """mean_{i<j} ||x_i - x_j|| of x (n, dim); exactly 0 where all are equal, as products of large ones may not say."""
    if bool((x == x[0]).all()):
        return 0.0
    return float(_distances(x, x).fill_diagonal_(0.0).sum()) / (len(x) * (len(x) - 1))


def _evenness(cells: Tensor) -> float:
    return perplexity(cells.bincount().to(torch.float64) / cells.shape[0])
