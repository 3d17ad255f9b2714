"""Gradient penalties as one class: WHERE the critic is measured x TARGET norm x OF logit or probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from ..errors import InputError, check_number, check_whole
from ..registry import Registry
from ..types import Critic, Draw, Now, Of, Penalty, Scored, Term
from .points import AroundReal, Interpolated, OnFake, OnReal, Points

PENALTIES: Registry[object] = Registry("penalty")


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """weight * E (||grad_v d(v)|| - target)^2 over the chosen points v: squared L2 norm per sample, no factor 1/2.

    of: "logit" measures d, "probability" D = sigmoid(d), whose squared gradient (D (1 - D))^2 ||grad d||^2 is at most a
    sixteenth of it.
    interval: evaluated every so many D steps with its weight times interval (lazy regularisation [karras2020]).
    The papers and codes that write gamma / 2 (StyleGAN, R3GAN) mean gamma = 2 * weight.
    """

    weight: float
    points: Points = field(default_factory=OnReal)
    target: float = 0.0
    of: Of = "logit"
    interval: int = 1
    name: str = "gradient"

    def __post_init__(self) -> None:
        check_number(f"{self.name}: weight", self.weight, 0)
        if self.of not in ("logit", "probability"):
            raise InputError(f"{self.name}: of must be 'logit' or 'probability', not {self.of!r}")
        check_whole(f"{self.name}: interval", self.interval, 1)

    @property
    def needs_fake(self) -> bool:
        return self.points.needs_fake

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return self.points.noise(real, fake, shape)

    def at(self, now: Now) -> Self:
        points = self.points.at(now)
        return self if points is self.points else replace(self, points=points)

    def active(self, step: int) -> bool:
        return step % self.interval == 0

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        gradient = self.points(critic, real, fake).input_gradient(self.of)
        squared = gradient.square().sum(1)
        value = squared if self.target == 0.0 else (safe_sqrt(squared) - self.target).square()
        return Term(value, self.weight * self.interval)


def safe_sqrt(squared: Tensor) -> Tensor:
    """sqrt whose slope at 0 is 0: where the critic is flat, the plain one's infinite slope turns weights into NaN."""
    nonzero = squared != 0  # true of NaN too, which must stay visible
    return torch.where(nonzero, squared, 1.0).sqrt() * nonzero


@PENALTIES.register("r1")
def r1(weight: float = 10.0, *, of: Of = "logit", interval: int = 1) -> GradientPenalty:
    """weight * E_x ||grad d(x)||^2 on the real side [mescheder2018]; fake-as-real's companion, k = 10 in [tao2020]."""
    return GradientPenalty(weight, OnReal(), of=of, interval=interval, name="r1")


@PENALTIES.register("r2")
def r2(weight: float = 10.0, *, of: Of = "logit", interval: int = 1) -> GradientPenalty:
    """weight * E_y ||grad d(y)||^2 on the fake side [mescheder2018]."""
    return GradientPenalty(weight, OnFake(), of=of, interval=interval, name="r2")


@PENALTIES.register("zero_gp")
def zero_gp(weight: float = 10.0, *, of: Of = "logit", interval: int = 1) -> GradientPenalty:
    """weight * E ||grad d(a x + (1-a) y)||^2, a ~ U(0, 1) per sample [thanhtung2019, eq. 6]."""
    return GradientPenalty(weight, Interpolated(), of=of, interval=interval, name="zero_gp")


@PENALTIES.register("one_gp")
def one_gp(weight: float = 10.0, *, of: Of = "logit", interval: int = 1) -> GradientPenalty:
    """weight * E (||grad d(a x + (1-a) y)|| - 1)^2, a ~ U(0, 1) per sample [gulrajani2017]."""
    return GradientPenalty(weight, Interpolated(), target=1.0, of=of, interval=interval, name="one_gp")


@PENALTIES.register("dragan")
def dragan(weight: float = 10.0, *, scale: float = 0.5, of: Of = "logit", interval: int = 1) -> GradientPenalty:
    """weight * E (||grad d(x')|| - 1)^2, x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate.

    The form of public code; Kodali's paper perturbs with N(0, c I) and measures between x and x' [kodali2017].
    """
    return GradientPenalty(weight, AroundReal(scale), target=1.0, of=of, interval=interval, name="dragan")
