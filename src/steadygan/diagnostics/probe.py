"""Whether a discriminator is still alive: how many of its hidden units do anything, and whether it has a slope."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..numbers import DEAD_GRADIENT
from ..types.critic import kept_buffers, takes_label
from .hidden import HiddenUnits

DEAD_SHARE = 0.01  # of hidden units


def active_units(module: nn.Module, x: Tensor, label: Tensor | None = None) -> float:
    """Share of the hidden units of `module` whose output varies over the batch x (n >= 2, *shape), of classes `label`.

    Units are the features, or the channels of a feature map, that come out of activation modules; in a network without
    such modules, out of linear and convolutional layers but the last. A module without hidden units counts as 1.
    Buffers, hooks, grad mode and random state stay as they were, and dropout acts as seeded with 0.
    """
    with HiddenUnits(module) as units, borrowed(0, x.device), kept_buffers(module), torch.no_grad():
        module(x, label=label) if takes_label(module) else module(x)
    return units.active()


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
