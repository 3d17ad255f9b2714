"""Settings of optimisation: optimisers, learning-rate schedules, the generator's average, and when to measure."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Annotated, ClassVar, Literal

from ..errors import InputError
from .block import Block, Kinds
from .values import Count, Positive, Share, Weight, real, several, whole


@dataclass(frozen=True)
class Optimizer(Block):
    """Both players' optimiser: betas belong to adam, alpha to rmsprop, momentum to rmsprop and sgd."""

    key = "optimizer"
    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    betas: Annotated[
        tuple[float, float], several(real(0.0, below=1.0), "two numbers from 0 to below 1, such as 0.5,0.9", 2)
    ] = (0.5, 0.9)
    alpha: Share = 0.99
    momentum: Share = 0.0
    eps: Positive = 1e-8
    weight_decay: Weight = 0.0


class Schedule(Block):
    """A factor on the learning rates, a function of the iteration and its own horizon, never of where a run stops."""

    key = "schedule"
    constant: ClassVar[bool] = False  # the horizon does not matter

    def factor(self, iteration: int, horizon: int) -> float:
        """The factor at iteration number `iteration` (from 0) of a run of `horizon` iterations."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """1 throughout: constant learning rates."""

    name = "constant"
    constant = True

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Linear(Schedule):
    """1 until the share `start` of the horizon, then a straight line to `end` at the horizon and after it."""

    name = "linear"
    start: Share = 0.5
    end: Weight = 0.0

    def progress(self, iteration: int, horizon: int) -> float:
        """0 before the fall, 1 from the horizon on."""
        return min(1.0, max(0.0, (iteration / max(1, horizon) - self.start) / (1.0 - self.start)))

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0 + (self.end - 1.0) * self.progress(iteration, horizon)


@dataclass(frozen=True)
class Cosine(Linear):
    """1 until `start` of the horizon, then half a cosine to `end`."""

    name = "cosine"

    def factor(self, iteration: int, horizon: int) -> float:
        return self.end + (1.0 - self.end) * (1.0 + cos(pi * self.progress(iteration, horizon))) / 2


SCHEDULE = Kinds("schedule", {each.name: each for each in (Constant, Linear, Cosine)}, Schedule)


@dataclass(frozen=True)
class Ema(Block):
    """theta_ema <- decay theta_ema + (1 - decay) theta after each generator step [yazici2019].

    Either a plain `decay`, or `half_life` in images: decay = 0.5^(batch / h), where h is `ramp_up` times the images
    seen so far, up to `half_life`, so that an early average does not consist of initial weights.
    """

    key = "ema"
    rivals = ("decay", "half_life")
    decay: Annotated[float | None, real(0.0, below=1.0)] = 0.999
    half_life: Annotated[float | None, real(above=0.0)] = None
    ramp_up: Annotated[float | None, real(above=0.0)] = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.decay is None) == (self.half_life is None):
            raise InputError(
                f"ema: expected a decay or a half_life, got {self.decay} and {self.half_life}: set one of them to none"
            )

    def at(self, iteration: int, batch: int) -> float:
        """The decay of the update after iteration number `iteration` (from 0)."""
        if self.decay is not None:
            return self.decay
        assert self.half_life is not None
        life = self.half_life
        if self.ramp_up is not None:
            life = min(life, max(1.0, (iteration + 1) * batch * self.ramp_up))
        return float(0.5 ** (batch / life))


@dataclass(frozen=True)
class Evaluate(Block):
    """Generated samples are measured every so many iterations, `n` at a time; images by the `features` of a network.

    auto: the data set's own network, if there is one. cifar: the package's own for 32 x 32 colour photographs.
    inception: FID and similar, with weights downloaded on first use.
    """

    key = "evaluate"
    every: Count = 1000
    n: Annotated[int, whole(100, most=10**7)] = 10_000
    features: Literal["auto", "digits", "cifar", "inception"] | None = "auto"
