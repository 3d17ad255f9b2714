"""A second job for G: its samples are to be near the real ones for whose conditions they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..errors import InputError, check_number, unknown
from ..types import Critic, Method, Scored, Term, Terms

NORMS = ("l1", "l2")


@dataclass(frozen=True)
class Reconstruction(Method):
    """Adds weight * E |y_i - x_i|, a mean over the numbers of a sample, to what G minimises [isola2017].

    y_i is made for the conditions of the real sample x_i of the same batch: `Trainer` draws them so for data with
    conditions, and in a loop of your own, fakes and reals are passed in pairs. norm: "l1", or "l2" for (y_i - x_i)^2.
    D's step is unchanged. It is not for points without conditions, whose pairs mean nothing, nor beside a method that
    changes what D is shown. Raises InputError for a weight below 0 or another norm, and for batches of other sizes.
    """

    weight: float = 10.0
    norm: Literal["l1", "l2"] = "l1"

    name = "reconstruction"
    needs_real = True
    paired = True

    def __post_init__(self) -> None:
        check_number("reconstruction: weight", self.weight, 0.0)
        if self.norm not in NORMS:
            raise unknown("norm", self.norm, NORMS)

    def g_terms(self, critic: Critic | Any, real: Scored | None, fake: Scored) -> Terms:
        if real is None or real.batch.size != fake.batch.size:
            got = "none" if real is None else f"{real.batch.size}"
            raise InputError(f"reconstruction: expected a real sample for each of {fake.batch.size} fakes, got {got}")
        apart: Tensor = fake.batch.x - real.batch.x
        size = apart.abs() if self.norm == "l1" else apart.square()
        return {"pairs": Term(size.flatten(1).mean(1), self.weight)}
