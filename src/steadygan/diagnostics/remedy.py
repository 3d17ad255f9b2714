"""What is changed when a run goes back to where it was healthy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import InputError, check_number, check_whole


@dataclass(frozen=True)
class Remedy:
    """Changes that each roll-back makes once more: factors on the learning rates and on the weights of all penalties.

    r1 and fake_as_real switch a part on where it is not: the weight of an r1 penalty [mescheder2018], the number of
    fakes that are counted as real [tao2020]. Nothing is changed unless it is asked for. Raises InputError for factors
    that are not above 0.
    """

    lr_g: float = 1.0
    lr_d: float = 1.0
    penalties: float = 1.0
    r1: float | None = None
    fake_as_real: int | None = None

    def __post_init__(self) -> None:
        for name in ("lr_g", "lr_d", "penalties"):
            check_number(f"remedy.{name}", getattr(self, name), 0.0, above=True)
        if self.r1 is not None:
            check_number("remedy.r1", self.r1, 0.0, above=True)
        if self.fake_as_real is not None:
            check_whole("remedy.fake_as_real", self.fake_as_real, 1)

    @property
    def told(self) -> str:
        """What it changes, in words; empty for nothing."""
        factors = [("lr_g", self.lr_g), ("lr_d", self.lr_d), ("penalty weights", self.penalties)]
        parts = [f"{name} x {value:g}" for name, value in factors if value != 1.0]
        parts += [] if self.r1 is None else [f"r1 of weight {self.r1:g} on"]
        parts += [] if self.fake_as_real is None else [f"fake-as-real of {self.fake_as_real} on"]
        return ", ".join(parts)

    def plain(self) -> dict[str, Any]:
        """As JSON's types."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Remedy:
        """From `plain`; raises InputError for one that it cannot read."""
        known = {field.name for field in fields(cls)}
        if not stored.keys() <= known:
            raise InputError(
                f"expected a remedy of {', '.join(sorted(known))}, got {', '.join(sorted(stored))}: upgrade steadygan"
            )
        return cls(**stored)
