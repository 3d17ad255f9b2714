"""Fakes that sit on real samples, or on each other: where the gradients explode and a collapse begins."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteError, check_number
from ..metrics.nearest import NearestNeighbour
from ..metrics.pairwise import ball_tiles, flat_samples

CLOSE = 0.01  # of the median distance between real samples
EDGE = 1.0 + 2.0**-25  # the balls of `ball_tiles` are open, and end a little early: with this, their edge lies inside


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
