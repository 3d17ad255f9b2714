"""Neighbours in few dimensions by a k-d tree: the figures of `Manifold` and `precision_recall`, without all pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .birthday import RULE_OF_THREE, Support
from .pairwise import TIE, flat_samples

DIMENSIONS = 3  # up to which a tree beats all pairs
AT_A_TIME = 256  # balls whose samples are listed together: a collapsed generator's all lie in each of them


@dataclass(frozen=True, eq=False)
class Neighbours:
    """precision, recall (at 3) and density, coverage (at 5) of points against `real` ones (n > 5, dim <= 3).

    The same numbers as `precision_recall` and `Manifold` give, which see for formulas and errors [naeem2020,
    kynkaanniemi2019]: in few dimensions a tree finds them in a hundredth of the time.
    """

    real: Tensor
    _tree: Any = field(init=False, repr=False)
    _radii: NDArray[np.float64] = field(init=False, repr=False)  # (5, n): distance to the 1st .. 5th nearest other one

    def __post_init__(self) -> None:
        points = _points(flat_samples(self.real, "real", 6))
        tree = _grown(points)
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "_radii", _to_others(tree, points, 5))

    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """The four figures of fakes (m >= 4, dim)."""
        points = _points(flat_samples(fakes, "fake", 4, like=self.real))
        other = _grown(points)
        near = _to_others(other, points, 3)[2]
        inner = self._radii[4] * (1.0 - TIE)  # a fake that is just as far is not in the ball
        held = other.query_ball_point(self._tree.data, inner, return_length=True)
        return {
            "precision": _in_some_ball(self._tree.data, self._radii[2], other),
            "recall": _in_some_ball(points, near, self._tree),
            "density": float(held.sum()) / (5 * len(points)),
            "coverage": float((held > 0).mean()),
        }


def near_pairs(samples: Tensor, near: float) -> Support:
    """`support(samples, near)` for points (n >= 2, dim <= 3), by a tree [arora2018]."""
    points = _points(flat_samples(samples, "drawn", 2))
    tree, n = _grown(points), len(points)
    found = (int(tree.count_neighbors(tree, near * (1.0 - TIE))) - n) // 2
    pairs = n * (n - 1) // 2
    return Support(pairs / RULE_OF_THREE, 0, True) if found == 0 else Support(pairs / found, found, False)


def near_point(real: Tensor, share: float = 0.01) -> float:
    """`near_duplicate(real)` for points (n >= 2, dim <= 3), by a tree."""
    points = _points(flat_samples(real, "real", 2))
    return float(torch.from_numpy(_to_others(_grown(points), points, 1)[0]).quantile(share))


def _in_some_ball(centres: NDArray[np.float64], radius: NDArray[np.float64], tree: Any) -> float:
    """Share of the tree's points that lie in a ball, on its surface too."""
    inside = np.zeros(tree.n, dtype=bool)
    for start in range(0, len(centres), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        for found in tree.query_ball_point(centres[part], radius[part]):
            inside[found] = True
    return float(inside.mean())


def _to_others(tree: Any, points: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """(k, n): how far the 1st .. k-th nearest other one is; of equal points one is the point itself."""
    distances: NDArray[np.float64] = tree.query(points, k + 1)[0]
    return distances[:, 1:].T


def _grown(points: NDArray[np.float64]) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(points)


def _points(x: Tensor) -> NDArray[np.float64]:
    return x.detach().cpu().to(torch.float64).numpy()
