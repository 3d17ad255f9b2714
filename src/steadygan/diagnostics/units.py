"""The hidden units of a network: which of them vary, and whether a discriminator is dead."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..quantities import DEAD_GRADIENT
from ..types.critic import kept_buffers
from ..types.labels import told
from ..types.taps import Hooked

STEADY = 1e-6  # relative to a unit's largest output: less variation is rounding

_ACTIVATIONS = "torch.nn.modules.activation"
_NOT_UNITS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

Extremes = tuple[Tensor, Tensor]
DEAD_SHARE = 0.01  # of hidden units


class HiddenUnits(Hooked):
    """Units are the features, or the channels of a feature map, that come out of activation modules; in a network
    without such modules, out of linear and convolutional layers but the last. Forwards of the same batch size or of
    others count together, call by call; hooks are on the network inside of `with` only.
    """

    def __init__(self, module: Any) -> None:
        parts = [*module.modules()] if isinstance(module, nn.Module) else []
        self._parts = [part for part in parts if is_activation(part)]
        self._layers = [] if self._parts else [part for part in parts if isinstance(part, _LAYERS)]
        self._seen: list[Extremes] = []  # smallest and largest of each call's outputs
        self._call = 0
        self._ended = False
        self._outputs: list[Tensor] = []  # of the last two calls

    def hooks(self) -> Iterable[tuple[nn.Module, Callable[..., None]]]:
        """Those that look at outputs."""
        return [(part, self._keep) for part in self._parts or self._layers]

    def begin(self) -> None:
        """Another forward follows: its calls are counted from the first one on."""
        self._call = 0
        self._ended = False
        self._outputs = []

    def end(self) -> None:
        """The forward is over: what runs until the next `begin` (a denoiser that D brings) does not count."""
        self._ended = True

    def features(self) -> Tensor | None:
        """What the last hidden layer put out in the last forward, (n, numbers); None where there is none."""
        behind = len(self._outputs) - (1 if self._parts else 2)  # the last plain layer puts out the logits
        return self._outputs[behind].flatten(1) if behind >= 0 else None

    def active(self) -> float:
        """Share of the units whose output varied over all samples of all forwards; 1 without hidden units.

        A unit with non-finite outputs counts as active: it is not dead, and `non_finite` reports it.
        """
        seen = self._seen if self._parts else self._seen[:-1]
        varied = [_varies(low, high) for low, high in seen]
        return float(torch.cat([each.to("cpu") for each in varied]).to(torch.float64).mean()) if varied else 1.0

    @torch.no_grad()
    def _keep(self, _: nn.Module, __: Any, output: Any) -> None:
        if self._ended or not isinstance(output, Tensor) or output.ndim < 2:
            return
        low, high = _extremes(output)
        if self._call < len(self._seen):
            before = self._seen[self._call]
            self._seen[self._call] = torch.minimum(low, before[0]), torch.maximum(high, before[1])
        else:
            self._seen.append((low, high))
        self._call += 1
        self._outputs = [*self._outputs[-1:], output.detach().clone()]  # an in-place layer behind would change it


def is_activation(part: nn.Module) -> bool:
    """Whether hidden units come out of this module."""
    return type(part).__module__ == _ACTIVATIONS and not isinstance(part, _NOT_UNITS)


def _extremes(output: Tensor) -> Extremes:
    """The smallest and largest value over the samples (n, units, ...), each (units, ...)."""
    if output.is_contiguous():
        return output.amin(0), output.amax(0)
    last = output.movedim(1, -1)  # as channels_last stores it: ten times as fast
    return last.amin(0).movedim(-1, 0), last.amax(0).movedim(-1, 0)


def _varies(low: Tensor, high: Tensor) -> Tensor:
    """Whether each unit (units, ...) varies between these, anywhere: (units,) bool."""
    if low.ndim == 1:
        low, high = low.unsqueeze(1), high.unsqueeze(1)
    low, high = low.flatten(1), high.flatten(1)
    spread = high - low
    return ((spread > STEADY * torch.maximum(low.abs(), high.abs())) | ~spread.isfinite()).any(1)


def active_units(module: nn.Module, x: Tensor, label: Tensor | None = None) -> float:
    """Share of the hidden units of `module` whose output varies over the batch x (n >= 2, *shape), of classes `label`.

    Units are the features, or the channels of a feature map, that come out of activation modules; in a network without
    such modules, out of linear and convolutional layers but the last. A module without hidden units counts as 1.
    Buffers, hooks, grad mode and random state stay as they were, and dropout acts as seeded with 0.
    """
    with HiddenUnits(module) as units, borrowed(0, x.device), kept_buffers(module), torch.no_grad():
        module(x.clone(), **told(module, label))
    return units.active()


def dead_discriminator(gradient_mean: float, active: float) -> str | None:
    """Why the discriminator counts as dead, in one line; None if it does not.

    gradient_mean: mean ||grad_y d(y)|| over fakes, dead below 1e-8. active: from `active_units`, dead below 0.01.
    """
    reasons = []
    if gradient_mean < DEAD_GRADIENT:
        reasons.append(f"its mean gradient at the fakes is {gradient_mean:.2g}, below {DEAD_GRADIENT:g}")
    if active < DEAD_SHARE:
        reasons.append(f"{100 * active:.2g} % of its hidden units are active, under {100 * DEAD_SHARE:g} %")
    return f"dead discriminator: {' and '.join(reasons)}" if reasons else None
