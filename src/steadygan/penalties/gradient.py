"""Gradient penalties as one class: WHERE the critic is measured x TARGET norm x OF logit or probability.

And constraints, which bound its slope without a term: what is done to its weights after each of its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ..config.block import check, taking
from ..config.parts import (
    Constraints,
    DraganSettings,
    GradientPenaltySettings,
    Penalties,
    SpectralNormSettings,
    WeightClippingSettings,
)
from ..config.values import Count, Weight
from ..losses import cycled
from ..models.layers import safe_sqrt
from ..models.spectral import spectral_norm, spectral_step
from ..registry import Registry
from ..types import Batch, Constraint, Critic, Draw, Now, Of, Penalty, Scored, Term

PENALTIES: Registry[object] = Registry(Penalties.kinds)
CONSTRAINTS: Registry[type[Constraint]] = Registry(Constraints.kinds)


class Points:
    """Chooses the points at which the input gradient is taken."""

    needs_fake: ClassVar[bool] = True

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {}

    def at(self, now: Now) -> Self:
        return self

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        raise NotImplementedError


@dataclass(frozen=True)
class OnReal(Points):
    """The real side, as the loss scored it: no further forward."""

    needs_fake = False

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return real


@dataclass(frozen=True)
class OnFake(Points):
    """The fake side, as the loss scored it: no further forward."""

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return fake


@dataclass(frozen=True)
class Interpolated(Points):
    """x~ = a x + (1 - a) y with one a ~ U(0, 1) per sample [gulrajani2017, thanhtung2019].

    Where the counts differ, the smaller side is shuffled and repeated cyclically.
    """

    mix: Tensor | None = None  # (max(n, m),), a
    order: Tensor | None = None  # (min(n, m),), its ranks are the shuffle

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        draws = {"mix": Draw((max(real, fake),))}
        return draws if real == fake else draws | {"order": Draw((min(real, fake),))}

    def at(self, now: Now) -> Self:
        return replace(self, mix=now.noise["mix"], order=now.noise.get("order"))

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        n, m = real.batch.size, fake.batch.size
        x, y = real.batch, fake.batch
        if n != m:
            order = torch.rand(min(n, m), device=x.x.device) if self.order is None else self.order
            index = cycled(order.argsort(), max(n, m))
            x, y = (x.take(index), y) if n < m else (x, y.take(index))
        a = torch.rand(max(n, m), dtype=x.x.dtype, device=x.x.device) if self.mix is None else self.mix
        a = a.view(-1, *[1] * (x.x.ndim - 1))
        return critic.score(Batch((a * x.x + (1.0 - a) * y.x).detach(), x.label))


@dataclass(frozen=True)
class AroundReal(Points):
    """x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate, std per coordinate over the batch (ddof 0)."""

    needs_fake = False

    scale: float = DraganSettings.scale
    u: Tensor | None = None  # (n, *shape)

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((real, *shape))}

    def at(self, now: Now) -> Self:
        return replace(self, u=now.noise["u"])

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        x = real.batch.x.detach()
        u = torch.rand_like(x) if self.u is None else self.u
        return critic.score(Batch(x + self.scale * x.std(0, correction=0) * u, real.batch.label))


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """weight * E (||grad_v d(v)|| - target)^2 over the chosen points v: squared L2 norm per sample, no factor 1/2.

    of: "logit" measures d, "probability" D = sigmoid(d), whose squared gradient (D (1 - D))^2 ||grad d||^2 is at most a
    sixteenth of it.
    interval: evaluated every so many D steps with its weight times interval (lazy regularisation [karras2020]).
    The papers and codes that write gamma / 2 (StyleGAN, R3GAN) mean gamma = 2 * weight.
    """

    weight: Weight
    points: Points = field(default_factory=OnReal)
    target: float = 0.0
    of: Of = GradientPenaltySettings.of
    interval: Count = GradientPenaltySettings.interval
    name: str = "gradient"

    def __post_init__(self) -> None:
        check(self)

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


@PENALTIES.register("r1")
@taking(GradientPenaltySettings)
def r1(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E_x ||grad d(x)||^2 on the real side [mescheder2018]; fake-as-real's companion, k = 10 in [tao2020]."""
    return GradientPenalty(own.weight, OnReal(), of=own.of, interval=own.interval, name="r1")


@PENALTIES.register("r2")
@taking(GradientPenaltySettings)
def r2(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E_y ||grad d(y)||^2 on the fake side [mescheder2018]."""
    return GradientPenalty(own.weight, OnFake(), of=own.of, interval=own.interval, name="r2")


@PENALTIES.register("zero_gp")
@taking(GradientPenaltySettings)
def zero_gp(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E ||grad d(a x + (1-a) y)||^2, a ~ U(0, 1) per sample [thanhtung2019, eq. 6]."""
    return GradientPenalty(own.weight, Interpolated(), of=own.of, interval=own.interval, name="zero_gp")


@PENALTIES.register("one_gp")
@taking(GradientPenaltySettings)
def one_gp(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E (||grad d(a x + (1-a) y)|| - 1)^2, a ~ U(0, 1) per sample [gulrajani2017]."""
    return GradientPenalty(own.weight, Interpolated(), target=1.0, of=own.of, interval=own.interval, name="one_gp")


@PENALTIES.register("dragan")
@taking(DraganSettings)
def dragan(own: DraganSettings) -> GradientPenalty:
    """weight * E (||grad d(x')|| - 1)^2, x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate.

    The form of public code; Kodali's paper perturbs with N(0, c I) and measures between x and x' [kodali2017].
    """
    return GradientPenalty(
        own.weight, AroundReal(own.scale), target=1.0, of=own.of, interval=own.interval, name="dragan"
    )


@CONSTRAINTS.register("weight_clipping")
@dataclass(frozen=True)
class WeightClipping(WeightClippingSettings, Constraint):
    """Clamps every parameter of D to [-c, c] after each of its steps [arjovsky2017]."""

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(-self.c, self.c)


@CONSTRAINTS.register("spectral_norm")
@dataclass(frozen=True)
class SpectralNorm(SpectralNormSettings, Constraint):
    """Divides every weight W of D by its largest singular value, estimated as u' W v [miyato2018].

    One power iteration of u and v follows each D step.
    """

    def prepare(self, network: Any) -> None:
        spectral_norm(network)

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        spectral_step(network)
