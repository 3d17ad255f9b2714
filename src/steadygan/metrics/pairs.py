"""Generated samples beside the real ones that they reconstruct or translate: how near they are, and how sharp."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .blocks import flat_samples


@torch.no_grad()
def paired_distance(fake: Tensor, real: Tensor) -> float:
    """mean_i ||y_i - x_i|| / mean_{i<j} ||x_i - x_j|| of samples or features y and x, both (n >= 2, *shape).

    0 where each fake equals its own real sample, 1 where it is as far away as any other real one. Raises InputError for
    shapes that differ, fewer than two, or reals that are all equal, and NonFiniteError for values that are not finite.
    """
    x = flat_samples(real.detach().to(torch.float64), "real", 2)
    y = flat_samples(fake.detach(), "fake", 2, like=x.reshape(real.shape))
    if len(x) != len(y):
        raise InputError(f"expected one fake per real sample, {len(x)}, got {len(y)}: pass them in pairs")
    apart = F.pdist(x).mean()
    if not apart > 0.0:
        raise InputError("expected real samples that differ, got copies of one sample: draw others")
    return float((y - x).norm(dim=1).mean() / apart)


@torch.no_grad()
def paired_match(fake: Tensor, real: Tensor) -> float:
    """mean_i ||y_i - x_i|| / mean_{i != j} ||y_i - x_j|| of samples or features y and x, both (n >= 2, *shape).

    0 where each fake equals its own real sample, 1 where fakes are no nearer to it than to any other: what they are
    made from does not matter. 1, too, where all distances are 0. Raises InputError for shapes that differ, or fewer
    than two, and NonFiniteError for values that are not finite.
    """
    x = flat_samples(real.detach().to(torch.float64), "real", 2)
    y = flat_samples(fake.detach(), "fake", 2, like=x.reshape(real.shape))
    if len(x) != len(y):
        raise InputError(f"expected one fake per real sample, {len(x)}, got {len(y)}: pass them in pairs")
    apart = torch.cdist(y, x, compute_mode="donot_use_mm_for_euclid_dist")
    own = apart.diagonal().sum()
    others = (apart.sum() - own) / (len(x) - 1)
    return float(own / others) if others > 0.0 else 1.0


@torch.no_grad()
def detail(fake: Tensor, real: Tensor) -> float | None:
    """(E |Delta y|^2 / E |Delta x|^2)^(1/2), where Delta x are the differences between neighbours along each axis.

    fake (n, c, ...), real (m, c, ...): images, or signals over time; the channels c are no axis. 1 where fakes have the
    fine detail of the reals, below 1 where they are smooth, as averages are, above 1 where they are noisy. None for
    samples without neighbours, or reals without differences. NaN if a value is not finite. Raises InputError for shapes
    that differ.
    """
    if fake.shape[1:] != real.shape[1:]:
        raise InputError(
            f"expected fakes of shape {tuple(real.shape[1:])}, like the reals, got {tuple(fake.shape[1:])}"
        )
    ours, theirs = _differences(fake), _differences(real)
    return float((ours / theirs).sqrt()) if theirs > 0.0 else None


def _differences(x: Tensor) -> Tensor:
    """The mean square of the differences between neighbours, over all axes but samples and channels."""
    wide = x.detach().to(torch.float64)
    axes = [axis for axis in range(2, x.ndim) if x.shape[axis] > 1]
    return sum((wide.diff(dim=axis).square().mean() for axis in axes), torch.zeros((), dtype=torch.float64))
