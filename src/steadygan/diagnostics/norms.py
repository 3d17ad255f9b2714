"""Norms of weights and gradients, the distance of an average from its network, and non-finite values."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import InputError


@torch.no_grad()
def parameter_norm(module: nn.Module) -> float:
    """||theta|| = (sum theta_i^2)^(1/2) over all parameters, summed in float64; 0 without any, not finite if one is."""
    return float(_total(module.parameters()))


@torch.no_grad()
def gradient_norm(module: nn.Module) -> float | None:
    """||grad theta|| over the parameters that hold a gradient, summed in float64; None if none does.

    Not finite if a gradient is not.
    """
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return float(_total(gradients)) if gradients else None


@torch.no_grad()
def ema_distance(average: nn.Module, live: nn.Module, size: float | None = None) -> float:
    """||theta_ema - theta|| / ||theta|| over parameters without buffers, summed in float64 [yazici2019].

    size: ||theta|| as returned by `parameter_norm`, if known. It shows how far the averaged weights trail the live
    ones. If all live weights are 0, it is 0 for an average that is also 0, and infinite otherwise. Non-finite weights
    give NaN or infinity. Raises InputError when the networks' parameters differ in names or shapes.
    """
    ours, theirs = dict(average.named_parameters()), dict(live.named_parameters())
    if ours.keys() != theirs.keys():
        odd = min(ours.keys() ^ theirs.keys())
        raise InputError(f"expected an average of the same network, got {odd!r} in one only: pass its own average")
    for name, own in ours.items():
        if own.shape != theirs[name].shape:
            raise InputError(
                f"expected an average of the same network, got {name!r} {tuple(own.shape)} for "
                f"{tuple(theirs[name].shape)}: pass its own average"
            )
    apart = (own.to(theirs[name].device, torch.float64) - theirs[name] for name, own in ours.items())
    distance, size = float(_total(apart)), parameter_norm(live) if size is None else size
    if size == 0.0:
        return distance if distance == 0.0 or math.isnan(distance) else math.inf
    return distance / size


@torch.no_grad()
def non_finite(*tensors: Tensor) -> int:
    """How many values of all tensors are NaN or infinite."""
    counts = [(~tensor.detach().isfinite()).sum() for tensor in tensors]
    return int(torch.stack([count.to(counts[0].device) for count in counts]).sum()) if counts else 0


def _total(tensors: Iterable[Tensor]) -> Tensor:
    """The norm of all numbers of all tensors, float64, on the first one's device."""
    norms = [torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64) for tensor in tensors]
    if not norms:
        return torch.zeros((), dtype=torch.float64)
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return total
