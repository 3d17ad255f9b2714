"""Learning-rate schedules: functions of the absolute iteration and of their own horizon, never of where a run stops."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

from ..errors import InputError
from ..registry import Registry


class Schedule:
    """A factor on the learning rates."""

    constant: ClassVar[bool] = False  # the horizon does not matter

    def factor(self, iteration: int, horizon: int) -> float:
        """The factor of iteration number `iteration` (from 0) in a run of `horizon` iterations."""
        raise NotImplementedError


SCHEDULES: Registry[type[Schedule]] = Registry("schedule")


@SCHEDULES.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """1 throughout."""

    constant = True

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0


@dataclass(frozen=True)
class _Falling(Schedule):
    start: float = 0.5  # share of the horizon at which the fall begins
    end: float = 0.0  # factor at the horizon and after it

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise InputError(f"schedule: start must be a share of the horizon in [0, 1), not {self.start}")
        if not self.end >= 0:
            raise InputError(f"schedule: end must be 0 or more, not {self.end}")

    def progress(self, iteration: int, horizon: int) -> float:
        """0 before the fall, 1 from the horizon on."""
        return min(1.0, max(0.0, (iteration / max(1, horizon) - self.start) / (1.0 - self.start)))


@SCHEDULES.register("linear")
@dataclass(frozen=True)
class Linear(_Falling):
    """1 until `start` of the horizon, then a straight line to `end`."""

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0 + (self.end - 1.0) * self.progress(iteration, horizon)


@SCHEDULES.register("cosine")
@dataclass(frozen=True)
class Cosine(_Falling):
    """1 until `start` of the horizon, then half a cosine to `end`."""

    def factor(self, iteration: int, horizon: int) -> float:
        return self.end + (1.0 - self.end) * (1.0 + cos(pi * self.progress(iteration, horizon))) / 2
