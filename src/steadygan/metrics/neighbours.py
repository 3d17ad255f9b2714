"""The nearest real samples: cells and their balance, classes, copies, density and coverage; by all pairs or a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, check_whole
from .blocks import TIE, ball_tiles, check_reference, first_least, flat_samples, kth_distance, square_blocks

DIMENSIONS = 3  # up to which a tree beats all pairs
ONE_IN = 100  # a fake is taken for memorised when it is among the nearest one in so many held-out samples
AT_A_TIME = 256  # balls whose samples are listed together: a collapsed generator's all lie in each of them


@dataclass(frozen=True, eq=False)
class Manifold:
    """Density and coverage of fakes y_j, by balls round `real` samples x_i (n > k, *shape) [naeem2020].

    Ball i reaches to the `k`-th nearest other real sample, `radii`_i (n,) float64 away; they are computed once, here,
    unless kept ones are handed in. A fake is in ball i when it is nearer than that to x_i, or equal to it.
    density = 1/(k m) sum_ij [y_j in ball i] and coverage = 1/n sum_i [some y_j in ball i].
    Of fakes distributed as the real samples E density = 1, E coverage = 1 - (n-1)...(n-k) / ((m+n-1)...(m+n-k)), about
    1 - 2^-k for m = n: compare figures of the same n, m and k. Of fakes that equal the real samples both are 1 (density
    is less where several are as far as the k-th, as in discrete data, and more where more than k are equal).
    Distances are compared in float64, in memory that does not grow with n m. Raises InputError for too few samples or
    radii that do not fit, and NonFiniteError.
    """

    real: Tensor
    k: int = 5
    radii: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))  # empty: to be computed

    def __post_init__(self) -> None:
        check_whole("k", self.k, 1)
        real = flat_samples(self.real, "real", self.k + 1)
        if self.radii.numel() == 0:
            object.__setattr__(self, "radii", kth_distance(real, self.k))
        elif self.radii.shape != real.shape[:1] or self.radii.dtype != torch.float64:
            raise InputError(
                f"expected the float64 radii of {real.shape[0]} real samples, got {self.radii.dtype} "
                f"{tuple(self.radii.shape)}: leave them out to have them computed"
            )

    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """density and coverage of fakes (m, *shape); raises InputError when there are none, and NonFiniteError."""
        real, fakes = self.real.flatten(1), flat_samples(fakes, "fake", 1, like=self.real)
        held = 0
        covered = torch.zeros(real.shape[0], dtype=torch.bool, device=real.device)
        for rows, _, inside in ball_tiles(real, self.radii.to(real.device), fakes):
            held += int(inside.count_nonzero())
            covered[rows] |= inside.any(1)
        share = int(covered.count_nonzero()) / real.shape[0]
        return {"density": held / (self.k * fakes.shape[0]), "coverage": share}


@dataclass(frozen=True, eq=False)
class NearestNeighbour:
    """Looks up nearest neighbours among `reference` (n, *shape), whose classes are `label` (n,) if it has any.

    Distances are Euclidean over the flattened samples; of equally near ones the first counts. Whatever comes in is
    taken to the reference's device and dtype. Raises InputError for an empty reference, labels that do not fit it, or
    samples of another shape, and NonFiniteError for samples that are NaN or infinite.
    """

    reference: Tensor
    label: Tensor | None = None

    def __post_init__(self) -> None:
        check_reference(self.reference)
        if self.label is not None and self.label.shape != self.reference.shape[:1]:
            got = f"{tuple(self.label.shape)} for {self.reference.shape[0]}"
            raise InputError(f"expected one label per reference sample, got {got}: fix the labels")

    @property
    def size(self) -> int:
        """Number of reference samples."""
        return self.reference.shape[0]

    @torch.no_grad()
    def assign(self, x: Tensor) -> Tensor:
        """Index (n,) int64 of the reference sample nearest to each of x (n, *shape)."""
        x, reference = flat_samples(x, "compared", 0, like=self.reference), self.reference.flatten(1)
        if x.shape[0] == 0:
            return torch.empty(0, dtype=torch.int64, device=x.device)
        return torch.cat([first_least(block) for block in square_blocks(x, reference)])

    @torch.no_grad()
    def distance(self, x: Tensor, assigned: Tensor | None = None) -> Tensor:
        """Distance (n,) from each of x (n, *shape) to its nearest reference sample, `assigned` where it is known."""
        nearest = self.reference.flatten(1)[self.assign(x) if assigned is None else assigned]
        x = flat_samples(x, "compared", 0, like=self.reference)
        distance: Tensor = torch.linalg.vector_norm(x - nearest, dim=1)
        return distance

    def classify(self, x: Tensor, assigned: Tensor | None = None) -> Tensor:
        """Class (n,) int64 of the reference sample nearest to each of x (n, *shape), `assigned` where it is known."""
        if self.label is None:
            raise InputError("expected labels of the reference samples to classify by, got none: pass label=")
        return self.label[self.assign(x) if assigned is None else assigned]


@dataclass(frozen=True, eq=False)
class Balance:
    """Compares fakes with `fresh` reals (m, *shape) by the `training` sample (n, *shape) nearest to each [tao2020].

    The cells of m fakes give a histogram p, those of the fresh samples a histogram q:
    balance = exp(H(p)) / exp(H(q)), 1 when fakes are as even as real data; balance_tv = 1/2 sum_i |p_i - q_i|.
    The perplexity exp(H) grows with the number of samples, so both sides have the same number: fakes beyond m are
    measured in groups of m and averaged, and with fewer than m fakes only as many fresh ones are used.
    """

    training: Tensor
    fresh: Tensor
    _lookup: NearestNeighbour = field(init=False, repr=False)
    _cells: Tensor = field(init=False, repr=False)  # (m,): cell of each fresh sample

    def __post_init__(self) -> None:
        if self.fresh.shape[0] == 0:
            raise InputError("expected at least one fresh real sample to compare fakes with, got none: draw some")
        object.__setattr__(self, "_lookup", NearestNeighbour(self.training))
        object.__setattr__(self, "_cells", self._lookup.assign(self.fresh))

    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """balance and balance_tv of fakes (k, *shape); raises InputError when there are none."""
        if fakes.shape[0] == 0:
            raise InputError("expected at least one fake to measure the balance of, got none: draw some")
        group = min(fakes.shape[0], self._cells.shape[0])
        real = _shares(self._cells[:group], self._lookup.size)
        cells = self._lookup.assign(fakes)
        count = cells.shape[0] // group  # an incomplete last group is left out
        shares = [_shares(part, self._lookup.size) for part in cells[: count * group].chunk(count)]
        even = sum(perplexity(fake) for fake in shares) / count
        apart = sum(float((fake - real).abs().sum()) / 2 for fake in shares) / count
        return {"balance": even / perplexity(real), "balance_tv": apart}


def balance(fakes: Tensor, training: Tensor, fresh: Tensor) -> dict[str, float]:
    """`Balance(training, fresh)(fakes)`, once [tao2020]."""
    return Balance(training, fresh)(fakes)


def _shares(cells: Tensor, size: int) -> Tensor:
    return cells.bincount(minlength=size).cpu().to(torch.float64) / cells.shape[0]


def perplexity(shares: Tensor) -> float:
    """exp(H) of shares (n,), in effectively used ones."""
    return float(torch.special.entr(shares).sum().exp())  # entr(0) = 0


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


def neighbours_of(real: Tensor) -> Callable[[Tensor], dict[str, float]]:
    """What gives precision, recall (at 3), density and coverage (at 5) of points against `real` ones (n > 5, dim <= 3).

    The same numbers as `precision_recall` and `Manifold` give, which see for formulas and errors [naeem2020,
    kynkaanniemi2019]: in few dimensions a tree finds them in a hundredth of the time.
    """
    tree = tree_of(flat_samples(real, "real", 6))
    radii = to_others(tree, 5)

    def figures(fakes: Tensor) -> dict[str, float]:
        other = tree_of(flat_samples(fakes, "fake", 4, like=real))
        inner = radii[4] * (1.0 - TIE)  # a fake that is just as far is not in the ball
        held = other.query_ball_point(tree.data, inner, return_length=True)
        return {
            "precision": _in_some_ball(tree.data, radii[2], other),
            "recall": _in_some_ball(other.data, to_others(other, 3)[2], tree),
            "density": float(held.sum()) / (5 * other.n),
            "coverage": float((held > 0).mean()),
        }

    return figures


def tree_of(points: Tensor) -> Any:
    """A k-d tree of points (n, dim)."""
    from scipy.spatial import cKDTree

    return cKDTree(points.detach().cpu().to(torch.float64).numpy())


def to_others(tree: Any, k: int) -> NDArray[np.float64]:
    """(k, n): how far the 1st .. k-th nearest other one of a tree's points is; of equal ones, one is it."""
    distances: NDArray[np.float64] = tree.query(tree.data, k + 1)[0]
    return distances[:, 1:].T


def _in_some_ball(centres: NDArray[np.float64], radius: NDArray[np.float64], tree: Any) -> float:
    """Share of the tree's points that lie in a ball, on its surface too."""
    inside = np.zeros(tree.n, dtype=bool)
    for start in range(0, len(centres), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        for found in tree.query_ball_point(centres[part], radius[part]):
            inside[found] = True
    return float(inside.mean())
