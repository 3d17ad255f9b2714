"""The changes made at a roll-back: what a verdict advises, or what the user asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple, TypeAlias

from ..config.opponents import RemedyFactors
from ..errors import InputError
from ..methods import FakeAsReal
from ..penalties import PENALTIES
from ..types import Method, Part, Penalty

FIFTH = 0.2  # to which rates are lowered
PENALISED = ("r1", "zero_gp", "one_gp", "dragan", "pair_difference", "close_pair_difference")


@dataclass(frozen=True)
class Setting:
    """What is known about how a run is trained, so that advice names what is not on yet.

    free: D's loss has no equilibrium but 0, so its logits have their own unit. penalties: name -> weight; parts: names
    of methods and constraints; count: N0 of fake-as-real; rates: of G and D; batch: real samples per step. known:
    whether penalties and parts are known at all, which they are not in your own loop. end: the iteration at which the
    rates have decayed; None where they stay constant. length: iterations that the run is planned for, 0 if unknown.
    """

    free: bool = False
    penalties: Mapping[str, float] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()
    count: int = 0
    rates: tuple[float, float] | None = None
    batch: int = 64
    known: bool = False
    end: int | None = None
    length: int = 0

    @property
    def smooth(self) -> str | None:
        """The first penalty that limits D's slope."""
        return next((name for name in PENALISED if name in self.penalties), None)


class Change(NamedTuple):
    """What a roll-back may change: factors, and parts to switch on, by name with their first setting."""

    lr_g: float = 1.0
    lr_d: float = 1.0
    penalty_weights: float = 1.0
    penalty: tuple[str, float] | None = None
    fakes: int = 0

    @property
    def text(self) -> str:
        """The change as one string that `read` understands; "" for none."""
        return "" if self == Change() else json.dumps(self._asdict())

    @staticmethod
    def read(text: str) -> Change:
        """Reads a change from such a string; raises InputError for any other."""
        try:
            found = json.loads(text) if text else {}
            penalty = found.pop("penalty", None)
            return Change(**found, penalty=None if penalty is None else (str(penalty[0]), float(penalty[1])))
        except (ValueError, TypeError, AttributeError, IndexError, KeyError):
            raise InputError(f"expected a change as a roll-back writes it, got {text!r}: start the run again") from None

    def words(self, setting: Setting) -> list[str]:
        """The change as settings of the command line, or as calls in your own loop."""
        told = []
        if self.penalty is not None:
            name, weight = self.penalty
            told.append(f"penalty.{name}.weight={weight:g}" if setting.known else f"sg.penalties.{name}({weight:g})")
        if self.penalty_weights != 1.0:
            for name, weight in setting.penalties.items():
                told.append(f"penalty.{name}.weight={weight * self.penalty_weights:g}")
        if count := self.fakes:
            told.append(f"method.fake_as_real.count={count}" if setting.known else f"sg.methods.FakeAsReal({count})")
        for key, factor, at in (("lr_g", self.lr_g, 0), ("lr_d", self.lr_d, 1)):
            if factor != 1.0:
                rate = None if setting.rates is None else setting.rates[at] * factor
                told.append(f"{key} x {factor:g}" if rate is None else f"{key}={rate:.3g}")
        return told


Changing: TypeAlias = Callable[[Setting], Change]


def smoother(setting: Setting) -> Change:
    """A smaller slope of D: a penalty where there is none, else ten times its weight; half of D's rate."""
    name = setting.smooth
    if name is None:
        return Change(penalty=("one_gp", 10.0) if setting.free and setting.known else ("r1", 1.0), lr_d=0.5)
    return Change(penalty_weights=10.0, lr_d=0.5)


def slower(setting: Setting) -> Change:
    """A fifth of both rates, and a penalty on D where there is none."""
    first = smoother(setting) if setting.smooth is None else Change()
    return first._replace(lr_g=FIFTH, lr_d=FIFTH)


def stronger(setting: Setting) -> Change:
    """A stronger D: a tenth of the penalty, or a weight of 1 if it is far too large."""
    heaviest = max(setting.penalties.values(), default=0.0)
    return Change(penalty_weights=min(0.1, 1.0 / heaviest)) if heaviest else Change(lr_g=0.3)


def fairer(setting: Setting) -> Change:
    """Keeps fakes from being drawn to a few points."""
    if setting.count or not setting.known:
        return smoother(setting)._replace(lr_g=0.5)
    return smoother(setting)._replace(fakes=max(1, setting.batch // 8))


def revived(setting: Setting) -> Change:
    """A lower rate, so that D does not die again."""
    return Change(lr_d=FIFTH)


def bounded(setting: Setting) -> Change:
    """Holds a critic's slopes to 1; lower rates where something already bounds them."""
    if setting.smooth is None and not setting.parts & {"weight_clipping", "spectral_norm"}:
        return Change(penalty=("one_gp", 10.0))
    return Change(lr_g=FIFTH, lr_d=FIFTH)


def nothing(setting: Setting) -> Change:
    """No change, where no setting would help."""
    return Change()


@dataclass(frozen=True)
class Remedy(RemedyFactors):
    """Changes made at each roll-back: factors on the learning rates and on the weights of all penalties.

    penalties, methods: switched on for every discriminator that has none of that name, such as penalties.r1(1.0)
    [mescheder2018] or FakeAsReal(8) [tao2020]. Nothing else is changed. own=True applies what the verdict advises each
    time. Raises InputError for factors that are not above 0, for parts that are neither penalties nor methods, and for
    other changes together with own=True.
    """

    penalties: Sequence[Penalty] = ()
    methods: Sequence[Method] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.own and (self.changes or self.penalties or self.methods):
            raise InputError("expected own=True alone in a remedy, got other changes as well: leave one of them out")
        for name, given, kind in (("penalties", self.penalties, Penalty), ("methods", self.methods, Method)):
            if not isinstance(given, Sequence) or not all(isinstance(each, kind) for each in given):
                raise InputError(f"remedy.{name} must be a list of {name}, not {given!r}: pass a list")
        for method in self.methods:
            if method.raw(1) != 1 or method.single or method.replaces_loss:
                raise InputError(
                    f"expected methods in a remedy that any discriminator can take, got {method.name}, which needs one "
                    "of its own: train with it from the beginning"
                )

    @staticmethod
    def of(change: Change) -> Remedy:
        """The remedy that makes this change."""
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
        """What it changes later, when the parts are already on."""
        factors = [("lr_g", self.lr_g), ("lr_d", self.lr_d), ("penalty weights", self.penalty_weights)]
        return ", ".join(f"{name} x {value:g}" for name, value in factors if value != 1.0)


def _told(part: Part) -> str:
    settings = ", ".join(dict.fromkeys(_settings(part)))
    return f"{part.name}({settings})" if settings else part.name


def _settings(part: object) -> Iterator[str]:
    """What is set of a part: its first setting, and all that are not at their default."""
    for i, each in enumerate(fields(part) if is_dataclass(part) else ()):
        value = getattr(part, each.name)
        if is_dataclass(value):
            yield from _settings(value)
        elif each.name != "name" and (i == 0 or value != each.default):
            yield f"{each.name}={value:g}" if isinstance(value, float) else f"{each.name}={value}"
