"""Settings of losses, penalties, methods and constraints: the names and fields of their registries, without torch."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .block import Block, Parts
from .values import Count, Natural, Of, Positive, Real, Weight


class PlainLoss(Block):
    """An adversarial loss without settings of its own."""

    name: Literal["nonsaturating", "minimax", "wasserstein", "hinge", "relativistic_pairing", "relativistic_average"]


class LeastSquares(Block):
    """Targets of the least-squares loss: a for fakes, b for reals, c for the generator."""

    name: Literal["least_squares"] = "least_squares"
    a: Real = 0.0
    b: Real = 1.0
    c: Real = 1.0


Loss: TypeAlias = Annotated[PlainLoss | LeastSquares, Field(discriminator="name")]


class GradientPenalty(Block):
    """weight * E (||grad|| - target)^2 of the logit or probability, every `interval` D steps."""

    weight: Weight = 10.0
    of: Of = "logit"
    interval: Count = 1


class Dragan(GradientPenalty):
    """The same around real samples moved by `scale` batch standard deviations."""

    scale: Weight = 0.5


class ClosePairDifference(Block):
    """Difference of the critic between a real sample and the fakes within `delta`."""

    weight: Weight = 10.0
    delta: Weight = 0.01


class ClosePairFakeAsReal(Block):
    """Fakes within `delta` of a real sample count as real."""

    weight: Weight = 1.0
    delta: Weight = 0.01


class PairDifference(Block):
    """Gradients and differences of the probability over independent pairs."""

    weight: Weight = 1.0
    gradient: Weight = 10.0
    difference: Weight = 10.0


class Penalties(Parts):
    """Penalties on the discriminator."""

    r1: GradientPenalty | None = None
    r2: GradientPenalty | None = None
    zero_gp: GradientPenalty | None = None
    one_gp: GradientPenalty | None = None
    dragan: Dragan | None = None
    close_pair_difference: ClosePairDifference | None = None
    close_pair_fake_as_real: ClosePairFakeAsReal | None = None
    pair_difference: PairDifference | None = None


class FakeAsReal(Block):
    """`count` fakes of `factor * count` candidates are shown as real."""

    count: Natural
    factor: Count = 8


class Packing(Block):
    """The discriminator judges `degree` samples at once."""

    degree: Count = 2


class Methods(Parts):
    """Methods on what the discriminator is shown; none of them is plain training."""

    packing: Packing | None = None
    fake_as_real: FakeAsReal | None = None


class WeightClipping(Block):
    """Every parameter of D is kept within [-c, c]."""

    c: Positive = 0.01


class Constraints(Parts):
    """What is done to D's parameters after each of its steps."""

    weight_clipping: WeightClipping | None = None
