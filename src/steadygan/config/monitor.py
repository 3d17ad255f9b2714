"""Settings of the collapse monitor: what is done when it raises an alarm."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..errors import InputError
from .block import Block, Parts
from .parts import DiffAugment, FakeAsReal, Penalties, SampleDifferences
from .values import Count, Positive, Text, choice


class Shown(Parts):
    """Methods that only change what D is shown: others need a D that was built for them."""

    diff_augment: DiffAugment | None = None
    fake_as_real: FakeAsReal | None = None
    sample_differences: SampleDifferences | None = None


class Remedy(Block):
    """What a roll-back changes each time: factors on rates and penalty weights, parts that are switched on."""

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """A lone value says nothing of what it is to change."""
        raise InputError(
            f"monitor.remedy: expected one of its settings, got {value}: write monitor.remedy.lr_d={value}"
        )

    lr_g: Positive = 1.0
    lr_d: Positive = 1.0
    penalty_weights: Positive = 1.0
    penalty: Penalties = Field(default_factory=Penalties)
    method: Shown = Field(default_factory=Shown)


class Monitor(Block):
    """warn tells, stop ends the run (exit code 4), rollback goes back to a healthy checkpoint, up to `times` times."""

    policy: Annotated[Literal["warn", "stop", "rollback"], choice("warn", "stop", "rollback")] = "warn"
    times: Count = 3
    remedy: Remedy = Field(default_factory=Remedy)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.policy != "rollback" and self.remedy != Remedy():
            raise InputError(
                f"monitor.remedy: expected monitor.policy=rollback beside a remedy, got {self.policy}: set it"
            )
        return self
