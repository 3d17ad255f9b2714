"""What is changed when a run goes back to where it was healthy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass

from ..config.opponents import RemedyFactors
from ..errors import InputError
from ..types import Method, Part, Penalty


@dataclass(frozen=True)
class Remedy(RemedyFactors):
    """Changes that each roll-back makes once more: factors on the learning rates and on the weights of all penalties.

    penalties, methods: switched on for every discriminator that has none of that name, such as penalties.r1(1.0)
    [mescheder2018] or FakeAsReal(8) [tao2020]. Nothing is changed unless it is asked for. Raises InputError for factors
    that are not above 0, and for parts that are neither penalties nor methods.
    """

    penalties: Sequence[Penalty] = ()
    methods: Sequence[Method] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, given, kind in (("penalties", self.penalties, Penalty), ("methods", self.methods, Method)):
            if not isinstance(given, Sequence) or not all(isinstance(each, kind) for each in given):
                raise InputError(f"remedy.{name} must be a list of {name}, not {given!r}: put them in brackets")
        for method in self.methods:
            if method.raw(1) != 1 or method.single or method.replaces_loss:
                raise InputError(
                    f"expected methods in a remedy that any discriminator can take, got {method.name}, which needs one "
                    "of its own: train with it from the beginning"
                )

    @property
    def told(self) -> str:
        """What it changes the first time, in words; empty for nothing."""
        parts = (f"{_told(part)} on" for part in (*self.penalties, *self.methods))
        return ", ".join(filter(None, [self.told_again, *parts]))

    @property
    def told_again(self) -> str:
        """The same of every later time: parts are on by then."""
        factors = [("lr_g", self.lr_g), ("lr_d", self.lr_d), ("penalty weights", self.penalty_weights)]
        return ", ".join(f"{name} x {value:g}" for name, value in factors if value != 1.0)


def _told(part: Part) -> str:
    settings = ", ".join(dict.fromkeys(_settings(part)))
    return f"{part.name}({settings})" if settings else part.name


def _settings(part: object) -> Iterator[str]:
    """What is set of a part: its first setting, and all that are not at their default."""
    for i, field in enumerate(fields(part) if is_dataclass(part) else ()):
        value = getattr(part, field.name)
        if is_dataclass(value):
            yield from _settings(value)
        elif field.name != "name" and (i == 0 or value != field.default):
            yield f"{field.name}={value:g}" if isinstance(value, float) else f"{field.name}={value}"
