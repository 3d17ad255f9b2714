"""Settings of losses, penalties, methods and constraints, without torch; each part inherits its own from here."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

from ..errors import InputError
from .block import Block, Context, Kinds, Parts
from .values import By, Count, Few, Names, Natural, Of, Positive, Weight, real


@dataclass(frozen=True)
class PlainLoss(Block):
    """An adversarial loss without settings of its own."""

    name: str


@dataclass(frozen=True)
class LeastSquaresSettings(Block):
    """Targets of the least-squares loss: a for fakes, b for reals, c for the generator."""

    name = "least_squares"
    a: float = 0.0
    b: float = 1.0
    c: float = 1.0


@dataclass(frozen=True)
class D2GANSettings(Block):
    """The first or second of two discriminators with positive outputs: alpha is the first one's, beta the second's."""

    name = "d2gan"
    alpha: Positive = 0.2
    beta: Positive = 0.1
    second: bool = False

    def fits(self, context: Context) -> None:
        if context.alone:
            raise InputError(
                "loss: expected two discriminators for d2gan, got one: set opponents=d1,d2 and "
                "opponents.d2.loss.second=true"
            )


@dataclass(frozen=True)
class BeganSettings(Block):
    """Reconstruction errors, where those of fakes are pulled towards `gamma` times those of reals, at `rate`."""

    name = "began"
    gamma: Weight = 0.5
    rate: Weight = 0.001

    def fits(self, context: Context) -> None:
        network = context.judge.discriminator
        if not getattr(network, "rebuilds", False):
            raise InputError(
                f"{context.where}discriminator: expected an autoencoder for the loss began, got {network.name}: set "
                f"discriminator={'dcgan' if context.image else 'mlp'}_autoencoder"
            )


PLAIN = ("nonsaturating", "minimax", "wasserstein", "hinge", "relativistic_pairing", "relativistic_average")
LOSSES = (LeastSquaresSettings, D2GANSettings, BeganSettings)
LOSS = Kinds("loss", dict.fromkeys(PLAIN, PlainLoss) | {each.name: each for each in LOSSES})


@dataclass(frozen=True)
class GradientPenaltySettings(Block):
    """weight * E (||grad|| - target)^2 of the logit, probability or sum of logits, every `interval` D steps.

    by: the gradient itself, or a difference over steps of N(0, sigma^2 I).
    """

    weight: Weight = 10.0
    _: KW_ONLY
    of: Of = "logit"
    interval: Count = 1
    by: By = "gradient"
    sigma: Positive = 0.01


@dataclass(frozen=True)
class DraganSettings(GradientPenaltySettings):
    """The same around real samples shifted by `scale` batch standard deviations."""

    _: KW_ONLY
    scale: Weight = 0.5


@dataclass(frozen=True)
class ClosePairDifferenceSettings(Block):
    """Differences of the critic between a real sample and the fakes within `delta`."""

    weight: Weight = 10.0
    delta: Weight = 0.01


@dataclass(frozen=True)
class ClosePairFakeAsRealSettings(Block):
    """Fakes within `delta` of a real sample count as real."""

    weight: Weight = 1.0
    delta: Weight = 0.01


@dataclass(frozen=True)
class PairDifferenceSettings(Block):
    """Gradients and differences of the probability over independent pairs."""

    weight: Weight = 1.0
    gradient: Weight = 10.0
    difference: Weight = 10.0


class Penalties(Parts):
    """Penalties on the discriminator."""

    kinds = Kinds(
        "penalty",
        {
            "r1": GradientPenaltySettings,
            "r2": GradientPenaltySettings,
            "zero_gp": GradientPenaltySettings,
            "one_gp": GradientPenaltySettings,
            "dragan": DraganSettings,
            "close_pair_difference": ClosePairDifferenceSettings,
            "close_pair_fake_as_real": ClosePairFakeAsRealSettings,
            "pair_difference": PairDifferenceSettings,
        },
    )


class MethodSettings(Block):
    """What a method adds to a block."""

    restrained: ClassVar[bool] = False  # needs a D that was built for it, so that no remedy can switch it on


@dataclass(frozen=True)
class FakeAsRealSettings(MethodSettings):
    """`count` fakes of `factor * count` candidates are shown as real.

    scope: whether several processes that train together choose among the candidates of "all", or each among its "own".
    """

    count: Natural
    factor: Few = 8
    scope: Literal["all", "own"] = "all"

    def fits(self, context: Context) -> None:
        at_most_batch("fake_as_real", self.count, context)


@dataclass(frozen=True)
class PackingSettings(MethodSettings):
    """The discriminator judges `degree` samples at once."""

    restrained = True
    degree: Few = 2

    def fits(self, context: Context) -> None:
        if context.conditional:
            raise InputError(
                f"{context.where}method.packing: expected no packing with conditional=true, because several samples "
                "have "
                "no one class: set method.packing=none or conditional=false"
            )


@dataclass(frozen=True)
class DiffAugmentSettings(MethodSettings):
    """Images are randomly augmented before D sees them: colours, and shifts and holes of these shares of a side."""

    color: bool = True
    translation: Annotated[float, real(0.0, 1.0)] = 0.125
    cutout: Annotated[float, real(0.0, 1.0)] = 0.5

    def fits(self, context: Context) -> None:
        if context.image is False:
            raise InputError(
                f"{context.where}method.diff_augment: expected images, because it shifts and cuts them, got points: "
                "leave "
                "it out"
            )


@dataclass(frozen=True)
class SampleDifferencesSettings(MethodSettings):
    """D rates its `count` most realistic fakes and their nearest reals alike, from iteration `start` on.

    `count` grows by one every `grow_every` iterations; `feature_layers` are sub-modules of D that are compared as well.
    """

    weight: Weight = 0.01
    start: Natural = 3000
    count: Few = 5
    grow_every: Count = 5000
    feature_layers: Names = ()
    normalise: Literal["squared", "l2", "none"] = "squared"
    batch_sum: bool = False
    reuse_batch: bool = False
    pairs: Literal["again", "once"] = "again"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs == "once" and not self.reuse_batch:
            raise InputError(
                "method.sample_differences.reuse_batch: expected true with pairs=once, because pairs come from one "
                "batch, got "
                "false: set it"
            )

    def fits(self, context: Context) -> None:
        at_most_batch("sample_differences", self.count, context)


@dataclass(frozen=True)
class CramerSettings(MethodSettings):
    """An energy distance between embeddings instead of the loss; no settings: `method.cramer=` switches it on."""

    restrained = True

    def fits(self, context: Context) -> None:
        loss = context.judge.loss.name
        if loss != "nonsaturating":
            raise InputError(
                f"{context.where}loss: expected none with method.cramer, which has its own objective, got "
                f"{loss}: leave it out"
            )


@dataclass(frozen=True)
class DenoisingFeatureMatchingSettings(MethodSettings):
    """G's features follow a denoiser of the features of reals."""

    restrained = True
    weight: Weight = 0.03

    def fits(self, context: Context) -> None:
        network = context.judge.discriminator
        if not getattr(network, "denoiser", 0):
            raise InputError(
                f"{context.where}method.denoising_feature_matching: expected a discriminator with a denoiser for its "
                f"features, got {network.name} without: set {context.where}discriminator.denoiser=128"
            )


class Methods(Parts):
    """Methods on what the discriminator is shown; none of them is plain training."""

    kinds = Kinds(
        "method",
        {
            "diff_augment": DiffAugmentSettings,  # before packing, so that each image has changes of its own
            "packing": PackingSettings,
            "fake_as_real": FakeAsRealSettings,
            "sample_differences": SampleDifferencesSettings,
            "cramer": CramerSettings,
            "denoising_feature_matching": DenoisingFeatureMatchingSettings,
        },
    )


@dataclass(frozen=True)
class WeightClippingSettings(Block):
    """Every parameter of D is kept within [-c, c]."""

    c: Positive = 0.01


@dataclass(frozen=True)
class SpectralNormSettings(Block):
    """Every weight of D is divided by its largest singular value; no settings: set `constraint.spectral_norm=`."""


class Constraints(Parts):
    """Changes to D's parameters or buffers after each of its steps: at most one."""

    kinds = Kinds("constraint", {"weight_clipping": WeightClippingSettings, "spectral_norm": SpectralNormSettings})
    lone = True


def at_most_batch(name: str, count: int, context: Context) -> None:
    """Raises InputError for a method's count of more samples than a batch has."""
    if count > context.batch_size:
        raise InputError(
            f"{context.where}method.{name}.count: expected at most the batch of {context.batch_size}, got {count}: "
            "lower it or raise batch_size"
        )
