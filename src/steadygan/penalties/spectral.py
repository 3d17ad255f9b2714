"""Spectral normalisation as a constraint: prepared once, followed by one power iteration after each step of D."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..models.spectral import spectral_norm, spectral_step
from .clipping import CONSTRAINTS


@CONSTRAINTS.register("spectral_norm")
@dataclass(frozen=True)
class SpectralNorm:
    """Divides every weight W of D by its largest singular value, estimated as u' W v [miyato2018].

    One power iteration of u and v follows each D step.
    """

    def prepare(self, network: Any) -> None:
        spectral_norm(network)

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        spectral_step(network)
