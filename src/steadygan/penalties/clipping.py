"""Weight clipping: a constraint on the critic's parameters instead of a term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import check_number
from ..registry import Registry
from ..types import Constraint

CONSTRAINTS: Registry[type[Constraint]] = Registry("constraint")


@CONSTRAINTS.register("weight_clipping")
@dataclass(frozen=True)
class WeightClipping(Constraint):
    """Clamps every parameter of D to [-c, c] after each of its steps [arjovsky2017]."""

    c: float = 0.01

    def __post_init__(self) -> None:
        check_number("weight_clipping: c", self.c, 0, above=True)

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(-self.c, self.c)
