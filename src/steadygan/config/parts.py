"""Settings of losses, penalties, methods and constraints: the names and fields of their registries, without torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ..errors import InputError
from .block import Block, Parts, Switch
from .values import Count, Flag, Names, Natural, Of, Positive, Real, Weight, choice, real


class PlainLoss(Block):
    """An adversarial loss without settings of its own."""

    name: Literal["nonsaturating", "minimax", "wasserstein", "hinge", "relativistic_pairing", "relativistic_average"]


class LeastSquares(Block):
    """Targets of the least-squares loss: a for fakes, b for reals, c for the generator."""

    name: Literal["least_squares"] = "least_squares"
    a: Real = 0.0
    b: Real = 1.0
    c: Real = 1.0


class D2GAN(Block):
    """The first or second of two discriminators with positive outputs: alpha is the first one's, beta the second's."""

    name: Literal["d2gan"] = "d2gan"
    alpha: Positive = 0.2
    beta: Positive = 0.1
    second: Flag = False


class Began(Block):
    """Reconstruction errors: fakes' ones are drawn to `gamma` times those of reals, at `rate`."""

    name: Literal["began"] = "began"
    gamma: Weight = 0.5
    rate: Weight = 0.001


Loss: TypeAlias = Annotated[PlainLoss | LeastSquares | D2GAN | Began, Field(discriminator="name")]


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


class DiffAugment(Block):
    """Images are changed at random before D sees them: colours, shifts and holes of these shares of a side."""

    color: Flag = True
    translation: Annotated[float, real(0.0, 1.0)] = 0.125
    cutout: Annotated[float, real(0.0, 1.0)] = 0.5


class SampleDifferences(Block):
    """D judges its `count` most realistic fakes and their nearest reals alike, from iteration `start` on.

    `count` grows by one every `grow_every` iterations; `feature_layers` are sub-modules of D that are compared, too.
    """

    weight: Weight = 0.01
    start: Natural = 3000
    count: Count = 5
    grow_every: Count = 5000
    feature_layers: Names = ()
    normalise: Annotated[Literal["squared", "l2", "none"], choice("squared", "l2", "none")] = "squared"
    batch_sum: Flag = False
    reuse_batch: Flag = False


class Cramer(Switch):
    """An energy distance between embeddings in place of the loss; no settings: `method.cramer=` turns it on."""

    key: ClassVar[str] = "method.cramer"


class DenoisingFeatureMatching(Block):
    """G's features follow what a denoiser of those of reals makes of them."""

    weight: Weight = 0.03


class Methods(Parts):
    """Methods on what the discriminator is shown; none of them is plain training."""

    diff_augment: DiffAugment | None = None  # before packing, so that each image has changes of its own
    packing: Packing | None = None
    fake_as_real: FakeAsReal | None = None
    sample_differences: SampleDifferences | None = None
    cramer: Cramer | None = None
    denoising_feature_matching: DenoisingFeatureMatching | None = None


class WeightClipping(Block):
    """Every parameter of D is kept within [-c, c]."""

    c: Positive = 0.01


class SpectralNorm(Switch):
    """Every weight of D is divided by its largest singular value; no settings: `constraint.spectral_norm=` is it."""

    key: ClassVar[str] = "constraint.spectral_norm"


class Constraints(Parts):
    """What is done to D's parameters or buffers after each of its steps: one thing at most."""

    exclusive: ClassVar[tuple[str, ...]] = ("weight_clipping", "spectral_norm")

    weight_clipping: WeightClipping | None = None
    spectral_norm: SpectralNorm | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        names = [name for name, _ in self.items()]
        if len(names) > 1:
            raise InputError(f"constraint: expected one at most, got {' and '.join(names)}: drop one of them")
        return self
