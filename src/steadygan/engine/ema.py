"""Exponential moving average of the generator's weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError


@dataclass(frozen=True)
class Ema:
    """theta_ema <- decay theta_ema + (1 - decay) theta after each generator step [yazici2019].

    Either a plain `decay`, or `half_life` in images: decay = 0.5^(batch / h), where h grows as `ramp_up` times the
    images seen so far until it reaches `half_life`, so that an early average is not one of random weights.
    """

    decay: float | None = 0.999
    half_life: float | None = None
    ramp_up: float | None = 0.05

    def __post_init__(self) -> None:
        if (self.decay is None) == (self.half_life is None):
            raise InputError("ema: give either decay or half_life, and None for the other")
        if self.decay is not None and not 0 <= self.decay < 1:
            raise InputError(f"ema: decay must be in [0, 1), not {self.decay}")
        if self.half_life is not None and not self.half_life > 0:
            raise InputError(f"ema: half_life must be above 0 images, not {self.half_life}")
        if self.ramp_up is not None and not self.ramp_up > 0:
            raise InputError(f"ema: ramp_up must be above 0, or None for none, not {self.ramp_up}")

    def at(self, iteration: int, batch: int) -> float:
        """The decay of the update after iteration number `iteration` (from 0)."""
        if self.decay is not None:
            return self.decay
        assert self.half_life is not None
        life = self.half_life
        if self.ramp_up is not None:
            life = min(life, max(1.0, (iteration + 1) * batch * self.ramp_up))
        return float(0.5 ** (batch / life))


class Average:
    """A copy of a network that follows its weights, in eval mode; buffers are copied as they are."""

    def __init__(self, network: nn.Module, settings: Ema) -> None:
        self.settings = settings
        self.network = deepcopy(network).eval().requires_grad_(False)
        ours, theirs = dict(self.network.named_parameters()), dict(network.named_parameters())
        if ours.keys() != theirs.keys():
            raise InputError("ema: the generator's parameters changed names when it was copied: give it plain modules")
        self._parameters: list[Tensor] = [ours[name] for name in theirs]
        self._sources: list[Tensor] = list(theirs.values())
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, iteration: int, batch: int) -> None:
        """One step towards the network as it is now."""
        weight = 1.0 - self.settings.at(iteration, batch)
        torch._foreach_lerp_(self._parameters, self._sources, weight)
        for ours, theirs in self._buffers:
            ours.copy_(theirs)
