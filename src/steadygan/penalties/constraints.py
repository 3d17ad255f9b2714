"""Constraints: what is done to the critic's weights after each of its steps, instead of a term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..config.parts import Constraints, SpectralNormSettings, WeightClippingSettings
from ..models.spectral import spectral_norm, spectral_step
from ..registry import Registry
from ..types import Constraint

CONSTRAINTS: Registry[type[Constraint]] = Registry(Constraints.kinds)


@CONSTRAINTS.register("weight_clipping")
@dataclass(frozen=True)
class WeightClipping(WeightClippingSettings, Constraint):
    """Clamps every parameter of D to [-c, c] after each of its steps [arjovsky2017]."""

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(-self.c, self.c)


@CONSTRAINTS.register("spectral_norm")
@dataclass(frozen=True)
class SpectralNorm(SpectralNormSettings, Constraint):
    """Divides every weight W of D by its largest singular value, estimated as u' W v [miyato2018].

    One power iteration of u and v follows each D step.
    """

    def prepare(self, network: Any) -> None:
        spectral_norm(network)

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        spectral_step(network)
