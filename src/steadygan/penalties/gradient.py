"""Gradient penalties as one class: WHERE the critic is measured x TARGET norm x OF logit or probability.

Also constraints, which bound the critic's slope without a term, by changing its weights after each of its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import pi, sqrt
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
from ..config.values import By, Count, Positive, Weight
from ..losses import cycled
from ..models.layers import safe_sqrt
from ..models.spectral import spectral_norm, spectral_step
from ..registry import Registry
from ..types import Constraint, Critic, Draw, Now, Of, Output, Penalty, Scored, Term
from ..types.batch import same_condition

PENALTIES: Registry[object] = Registry(Penalties.kinds)
CONSTRAINTS: Registry[type[Constraint]] = Registry(Constraints.kinds)


class Points:
    """Chooses the points at which the input gradient is taken."""

    needs_fake: ClassVar[bool] = True

    def count(self, real: int, fake: int) -> int:
        """How many points there are, for this many samples of either side."""
        return max(real, fake)

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {}

    def at(self, now: Now) -> Self:
        return self

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        raise NotImplementedError


@dataclass(frozen=True)
class OnReal(Points):
    """The real side, as scored for the loss: no further forward."""

    needs_fake = False

    def count(self, real: int, fake: int) -> int:
        return real

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return real


@dataclass(frozen=True)
class OnFake(Points):
    """The fake side, as scored for the loss: no further forward."""

    def count(self, real: int, fake: int) -> int:
        return fake

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return fake


@dataclass(frozen=True)
class Interpolated(Points):
    """x~ = a x + (1 - a) y with one a ~ U(0, 1) per sample [gulrajani2017, thanhtung2019].

    Where the counts differ, the smaller side is shuffled and repeated cyclically. Between samples with different
    conditions there is no sensible point, so x itself is used.
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
        if (same := same_condition(x, y)) is not None:
            a = torch.where(same, a, 1.0)
        a = a.view(-1, *[1] * (x.x.ndim - 1))
        return critic.score(x._replace(x=(a * x.x + (1.0 - a) * y.x).detach()))


@dataclass(frozen=True)
class AroundReal(Points):
    """x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate, std per coordinate over the batch (ddof 0)."""

    needs_fake = False

    scale: float = DraganSettings.scale
    u: Tensor | None = None  # (n, *shape)

    def count(self, real: int, fake: int) -> int:
        return real

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((real, *shape))}

    def at(self, now: Now) -> Self:
        return replace(self, u=now.noise["u"])

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        x = real.batch.x.detach()
        u = torch.rand_like(x) if self.u is None else self.u
        return critic.score(real.batch._replace(x=x + self.scale * x.std(0, correction=0) * u))


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """weight * E (||grad_v d(v)|| - target)^2 over the chosen points v: squared L2 norm per sample, no factor 1/2.

    of: "logit" measures d. "probability" measures D = sigmoid(d), whose squared gradient (D (1 - D))^2 ||grad d||^2 is
    at most a sixteenth of it. "sum" measures the sum of a sample's k logits, as public code of patch discriminators
    does: k^2 times the square of "logit", which measures their mean; the same for k = 1.

    by: "difference" replaces the gradient with s = (d(v + sigma n) - d(v)) / sigma, n ~ N(0, I): one forward and no
    second derivative. E s^2 = ||grad d||^2 + O(sigma^2), and s^2 - 2 target sqrt(pi / 2) |s| + target^2 has the mean of
    (||grad d|| - target)^2 [lin2025]. D must return the same for v twice: no dropout, no torch spectral norm.

    interval: evaluated every `interval` D steps, with its weight times interval (lazy regularisation [karras2020]).
    Papers and code that write gamma / 2 (StyleGAN, R3GAN) mean gamma = 2 * weight.
    """

    weight: Weight
    points: Points = field(default_factory=OnReal)
    target: float = 0.0
    of: Of = GradientPenaltySettings.of
    interval: Count = GradientPenaltySettings.interval
    by: By = GradientPenaltySettings.by
    sigma: Positive = GradientPenaltySettings.sigma
    name: str = "gradient"
    step: Tensor | None = field(default=None, repr=False)  # (n, *shape), n, of a difference

    def __post_init__(self) -> None:
        if self.step is None:  # inside of a step all is checked
            check(self)

    @property
    def needs_fake(self) -> bool:
        return self.points.needs_fake

    @property
    def compares(self) -> bool:
        return self.by == "difference"

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        own = self.points.noise(real, fake, shape)
        if not self.compares:
            return own
        return {**own, "step": Draw((self.points.count(real, fake), *shape), "normal")}

    def at(self, now: Now) -> Self:
        points = self.points.at(now)
        if self.compares:
            return replace(self, points=points, step=now.noise["step"])
        return self if points is self.points else replace(self, points=points)

    def active(self, step: int) -> bool:
        return step % self.interval == 0

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        at = self.points(critic, real, fake)
        if self.compares:
            return Term(self._of_slope(self._slope(critic, at)), self.weight * self.interval)
        squared = at.input_gradient(self.of).square().sum(1)
        value = squared if self.target == 0.0 else (safe_sqrt(squared) - self.target).square()
        return Term(value, self.weight * self.interval)

    def _slope(self, critic: Critic, at: Scored) -> Tensor:
        """d's change over sigma n, in units of sigma; (n,)."""
        x = at.batch.x.detach()
        step = torch.randn_like(x) if self.step is None else self.step
        moved = critic(at.batch._replace(x=x + self.sigma * step))
        return (self._measured(moved) - self._measured(at)) / self.sigma

    def _measured(self, said: Output | Scored) -> Tensor:
        if self.of == "sum":
            return said.logits if said.logit_map is None else said.logit_map.sum(1)
        return torch.sigmoid(said.logits) if self.of == "probability" else said.logits

    def _of_slope(self, slope: Tensor) -> Tensor:
        """What has the mean of (||grad|| - target)^2 over the direction n, of which slope is grad . n."""
        if self.target == 0.0:
            return slope.square()
        return slope.square() - 2.0 * self.target * sqrt(pi / 2) * slope.abs() + self.target**2


def _penalty(own: GradientPenaltySettings, points: Points, name: str, target: float = 0.0) -> GradientPenalty:
    return GradientPenalty(own.weight, points, target, own.of, own.interval, own.by, own.sigma, name)


@PENALTIES.register("r1")
@taking(GradientPenaltySettings)
def r1(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E_x ||grad d(x)||^2 on the real side [mescheder2018]; fake-as-real's companion, k = 10 in [tao2020]."""
    return _penalty(own, OnReal(), name="r1")


@PENALTIES.register("r2")
@taking(GradientPenaltySettings)
def r2(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E_y ||grad d(y)||^2 on the fake side [mescheder2018]."""
    return _penalty(own, OnFake(), name="r2")


@PENALTIES.register("zero_gp")
@taking(GradientPenaltySettings)
def zero_gp(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E ||grad d(a x + (1-a) y)||^2, a ~ U(0, 1) per sample [thanhtung2019, eq. 6]."""
    return _penalty(own, Interpolated(), name="zero_gp")


@PENALTIES.register("one_gp")
@taking(GradientPenaltySettings)
def one_gp(own: GradientPenaltySettings) -> GradientPenalty:
    """weight * E (||grad d(a x + (1-a) y)|| - 1)^2, a ~ U(0, 1) per sample [gulrajani2017]."""
    return _penalty(own, Interpolated(), target=1.0, name="one_gp")


@PENALTIES.register("dragan")
@taking(DraganSettings)
def dragan(own: DraganSettings) -> GradientPenalty:
    """weight * E (||grad d(x')|| - 1)^2, x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate.

    The form of public code; Kodali's paper perturbs with N(0, c I) and measures between x and x' [kodali2017].
    """
    return _penalty(own, AroundReal(own.scale), target=1.0, name="dragan")


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
