"""Whether fakes differ among themselves as much as real samples do."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, NonFiniteError
from ..metrics.pairwise import flat_samples


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
