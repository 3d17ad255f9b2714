"""Settings of several discriminators, and of the collapse monitor that watches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from ..errors import InputError
from .block import Block, Kinds, Parts
from .networks import DISCRIMINATOR
from .parts import LOSS, Constraints, Methods, Penalties
from .values import Count, Positive, Text, Weight


@dataclass(frozen=True)
class OpponentSettings(Block):
    """One of several discriminators; whatever is none here falls back to the shared setting of the same name."""

    discriminator: Annotated[Block, DISCRIMINATOR] | None = None
    loss: Annotated[Block, LOSS] | None = None
    penalty: Penalties | None = None
    method: Methods | None = None
    constraint: Constraints | None = None
    weight: Weight = 1.0


class Opponents(Parts):
    """Discriminators trained side by side, each with its own network; none of them means a single one, named D."""

    kinds = Kinds("opponent", {"d1": OpponentSettings, "d2": OpponentSettings})


class RemedyMethods(Methods):
    """Methods that a roll-back may switch on: those that only change what D is shown."""

    @classmethod
    def names(cls) -> list[str]:
        return [name for name in cls.kinds.known if not getattr(cls.kinds.find(name), "restrained", False)]


@dataclass(frozen=True)
class RemedyFactors(Block):
    """Factors that each roll-back applies to the learning rates and to the weights of all penalties.

    own: applies what the verdict advises each time, instead of anything given here.
    """

    key = "remedy"
    lr_g: Positive = 1.0
    lr_d: Positive = 1.0
    penalty_weights: Positive = 1.0
    own: bool = False


@dataclass(frozen=True)
class RemedySettings(RemedyFactors):
    """What a roll-back changes each time: factors on rates and penalty weights, and parts that are switched on."""

    penalty: Penalties = field(default_factory=Penalties)
    method: RemedyMethods = field(default_factory=RemedyMethods)

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """`own` is the monitor's own; another lone value says nothing of what it is to change."""
        if value == "own":
            return {"own": True}
        raise InputError(
            f"monitor.remedy: expected own, or one of its settings, got {value}: write monitor.remedy.lr_d={value}"
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.own and ((self.lr_g, self.lr_d, self.penalty_weights) != (1.0,) * 3 or self.penalty or self.method):
            raise InputError(
                "monitor.remedy: expected own alone, got other changes as well: leave out one or the other"
            )


@dataclass(frozen=True)
class Monitor(Block):
    """warn reports, stop ends the run (exit code 4), rollback returns to a good checkpoint, up to `times` times."""

    key: ClassVar[str] = "monitor"

    policy: Literal["warn", "stop", "rollback"] = "warn"
    times: Count = 3
    remedy: RemedySettings = field(default_factory=RemedySettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy != "rollback" and self.remedy != RemedySettings():
            raise InputError(
                f"monitor.remedy: expected monitor.policy=rollback with a remedy, got {self.policy}: set it"
            )
