"""What is changed when a run goes back to where it was well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ..config.opponents import RemedyFactors
from ..errors import InputError
from ..methods import FakeAsReal
from ..penalties import PENALTIES
from ..types import Method, Part, Penalty
from .causes import Change


@dataclass(frozen=True)
class Remedy(RemedyFactors):
    """Changes that each roll-back makes once more: factors on the learning rates and on the weights of all penalties.

    penalties, methods: switched on for every discriminator that has none of that name, such as penalties.r1(1.0)
    [mescheder2018] or FakeAsReal(8) [tao2020]. Nothing is changed unless it is asked for; own=True asks for what the
    verdict advises each time. Raises InputError for factors that are not above 0, for parts that are neither penalties
    nor methods, and for anything beside own=True.
    """

    penalties: Sequence[Penalty] = ()
    methods: Sequence[Method] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.own and (self.changes or self.penalties or self.methods):
            raise InputError("expected own=True alone in a remedy, got other changes beside it: leave one of them out")
        for name, given, kind in (("penalties", self.penalties, Penalty), ("methods", self.methods, Method)):
            if not isinstance(given, Sequence) or not all(isinstance(each, kind) for each in given):
                raise InputError(f"remedy.{name} must be a list of {name}, not {given!r}: put them in brackets")
        for method in self.methods:
            if method.raw(1) != 1 or method.single or method.replaces_loss:
                raise InputError(
                    f"expected methods in a remedy that any discriminator can take, got {method.name}, which needs one "
                    "of its own: train with it from the beginning"
                )

    @staticmethod
    def of(change: Change) -> Remedy:
        """What a verdict advises."""
        make: Any = None if change.penalty is None else PENALTIES[change.penalty[0]]
        penalties = [] if change.penalty is None else [make(change.penalty[1])]
        methods = [FakeAsReal(change.fakes)] if change.fakes else []
        return Remedy(change.lr_g, change.lr_d, change.penalty_weights, penalties=penalties, methods=methods)

    @property
    def changes(self) -> bool:
        """Whether a factor changes anything."""
        return (self.lr_g, self.lr_d, self.penalty_weights) != (1.0, 1.0, 1.0)

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
