"""Watches the hidden units of a network while it runs: which of them vary, and what its last hidden layer puts out."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

STEADY = 1e-6  # relative to a unit's largest output: less variation is rounding

_ACTIVATIONS = "torch.nn.modules.activation"
_NOT_UNITS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

Extremes = tuple[Tensor, Tensor]  # the smallest and the largest output of each unit, (units, ...)


class HiddenUnits:
    """Watches `module` inside of `with`, and keeps what it saw; anything else than a module has no hidden units.

    Units are the features, or the channels of a feature map, that come out of activation modules; in a network without
    such modules, out of linear and convolutional layers but the last. A module that is used twice counts twice. All
    forwards count together, whatever their batch sizes: call by call, the smallest and largest outputs are kept.
    """

    def __init__(self, module: Any) -> None:
        self._module = module if isinstance(module, nn.Module) else nn.Identity()
        self._parts = [part for part in self._module.modules() if is_activation(part)]
        self._layers = [part for part in self._module.modules() if not self._parts and isinstance(part, _LAYERS)]
        self._seen: list[Extremes] = []  # of each call
        self._call = 0  # in this forward
        self._outputs: list[Tensor] = []  # of its last two calls
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        self._handles = [part.register_forward_hook(self._keep) for part in self._parts or self._layers]
        if self._handles:
            self._handles.append(self._module.register_forward_pre_hook(self._begin))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def features(self) -> Tensor | None:
        """What the last hidden layer put out in the last forward, (n, numbers); None where there is none."""
        behind = len(self._outputs) - (1 if self._parts else 2)  # the last plain layer puts out the logits
        return self._outputs[behind].flatten(1) if behind >= 0 else None

    def active(self) -> float:
        """Share of the units whose output varied over all samples of all forwards; 1 without hidden units.

        A unit whose output was not finite counts as active: that it is no number is for others to tell.
        """
        seen = self._seen if self._parts else self._seen[:-1]
        varied = [_varies(low, high) for low, high in seen]
        return float(torch.cat([each.to(varied[0].device) for each in varied]).double().mean()) if varied else 1.0

    def _begin(self, _: nn.Module, __: Any) -> None:
        self._call, self._outputs = 0, []

    @torch.no_grad()
    def _keep(self, _: nn.Module, __: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim < 2:
            return
        low, high = output.amin(0), output.amax(0)
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


def _varies(low: Tensor, high: Tensor) -> Tensor:
    """Whether each unit (units, ...) varies between these, anywhere: (units,) bool."""
    if low.ndim == 1:
        low, high = low.unsqueeze(1), high.unsqueeze(1)
    low, high = low.flatten(1), high.flatten(1)
    return (~(high - low <= STEADY * torch.maximum(low.abs(), high.abs()))).any(1)
