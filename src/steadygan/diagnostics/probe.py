"""Whether a discriminator is still alive: how many of its hidden units do anything, and whether it has a slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..critics import kept_buffers, takes_label
from ..rng import borrowed
from ..thresholds import DEAD_GRADIENT

DEAD_SHARE = 0.01  # of hidden units
STEADY = 1e-6  # relative to a unit's largest output: less variation is rounding

_ACTIVATIONS = "torch.nn.modules.activation"
_NOT_UNITS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def active_units(module: nn.Module, x: Tensor, label: Tensor | None = None) -> float:
    """Share of the hidden units of `module` whose output varies over the batch x (n >= 2, *shape), of classes `label`.

    Units are the features, or the channels of a feature map, that come out of activation modules; in a network without
    such modules, out of linear and convolutional layers but the last. A module without hidden units counts as 1.
    Buffers, hooks, grad mode and random state stay as they were, and dropout acts as seeded with 0.
    """
    outputs = _outputs(module, x, label, _is_activation)
    if not outputs:
        outputs = _outputs(module, x, label, lambda part: isinstance(part, _LAYERS))[:-1]
    active = [_varies(output) for output in outputs]
    if not active:
        return 1.0
    return float(torch.cat([each.to("cpu") for each in active]).to(torch.float64).mean())


def dead_discriminator(gradient_mean: float, active: float) -> str | None:
    """Why the discriminator counts as dead, in one line, or None while it lives.

    gradient_mean: mean ||grad_y d(y)|| over fakes, dead below 1e-8. active: from `active_units`, dead below 0.01.
    """
    reasons = []
    if gradient_mean < DEAD_GRADIENT:
        reasons.append(f"its mean gradient at the fakes is {gradient_mean:.2g}, below {DEAD_GRADIENT:g}")
    if active < DEAD_SHARE:
        reasons.append(f"{100 * active:.2g} % of its hidden units are active, under {100 * DEAD_SHARE:g} %")
    return f"dead discriminator: {' and '.join(reasons)}" if reasons else None


def _is_activation(part: nn.Module) -> bool:
    return type(part).__module__ == _ACTIVATIONS and not isinstance(part, _NOT_UNITS)


def _outputs(module: nn.Module, x: Tensor, label: Tensor | None, wanted: Callable[[nn.Module], bool]) -> list[Tensor]:
    """What the wanted sub-modules put out, in the order of execution; a module that is used twice stands twice."""
    found: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim >= 2:
            found.append(output.detach().clone())  # an in-place layer behind it would change it

    handles = [part.register_forward_hook(keep) for part in module.modules() if wanted(part)]
    try:
        with borrowed(0, x.device), kept_buffers(module), torch.no_grad():
            module(x, label=label) if takes_label(module) else module(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _varies(output: Tensor) -> Tensor:
    """Whether each unit of output (n, units, ...) varies over the batch, anywhere: (units,) bool."""
    output = output.flatten(2) if output.ndim > 2 else output.unsqueeze(2)
    spread = output.amax(0) - output.amin(0)
    return (spread > STEADY * output.abs().amax(0)).any(1)
