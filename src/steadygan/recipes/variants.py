"""The ways in which every data set is trained, from no remedy to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..config import (
    D2GAN,
    Began,
    Constraints,
    Cramer,
    DenoisingFeatureMatching,
    DiffAugment,
    DualDiscriminator,
    DualGenerator,
    FakeAsReal,
    GradientPenalty,
    LeastSquares,
    Methods,
    Opponent,
    Opponents,
    Packing,
    Penalties,
    PlainLoss,
    SampleDifferences,
    Settings,
    SpectralNorm,
    WeightClipping,
)
from ..config.networks import DcganAutoencoder, MlpAutoencoder
from ..config.parts import Dragan
from .base import recipe


@dataclass(frozen=True)
class Base:
    """A data set's settings without any remedy, and how strong the remedies are there."""

    text: str
    settings: Settings
    weight: float = 0.1  # of every gradient penalty: squared logit per squared data unit
    count: int = 8  # fakes counted as real, in a batch of 64
    small: Base | None = None  # for two cores, where this is for more

    @property
    def image(self) -> bool:
        """Whether the networks are convolutional."""
        return self.settings.discriminator.name == "dcgan"

    def judged(self, **changes: Any) -> dict[str, Any]:
        """The discriminator with other settings, as an update."""
        return {"discriminator": self.settings.discriminator.model_copy(update=changes)}

    def but(self, **changes: Any) -> Settings:
        """The settings with some others instead."""
        return self.settings.model_copy(update=changes)


def nsgan(base: Base) -> Settings:
    """Nothing added."""
    return base.settings


def r1(base: Base) -> Settings:
    """A gradient penalty on real samples."""
    return base.but(penalty=Penalties(r1=GradientPenalty(weight=base.weight)))


def zero_gp(base: Base) -> Settings:
    """A gradient penalty between real and generated samples."""
    return base.but(penalty=Penalties(zero_gp=GradientPenalty(weight=base.weight)))


def far(base: Base) -> Settings:
    """r1, and the fakes that D rates lowest count as real."""
    return r1(base).model_copy(update={"method": Methods(fake_as_real=FakeAsReal(count=base.count, factor=8))})


def rpgan(base: Base) -> Settings:
    """A relativistic loss with a penalty on each side."""
    penalty = GradientPenalty(weight=base.weight)
    return base.but(loss=PlainLoss(name="relativistic_pairing"), penalty=Penalties(r1=penalty, r2=penalty))


def wgan(base: Base) -> Settings:
    """Wasserstein loss, every weight of D clipped, five D steps."""
    clipped = Constraints(weight_clipping=WeightClipping(c=0.01 if base.image else 0.1))
    return base.but(loss=PlainLoss(name="wasserstein"), constraint=clipped, d_steps=5)


def wgan_gp(base: Base) -> Settings:
    """Wasserstein loss, slopes of norm 1 between reals and fakes, five D steps."""
    penalty = Penalties(one_gp=GradientPenalty(weight=base.weight))
    return base.but(loss=PlainLoss(name="wasserstein"), penalty=penalty, d_steps=5)


def lsgan(base: Base) -> Settings:
    """Least squares."""
    return base.but(loss=LeastSquares())


def hinge(base: Base) -> Settings:
    """The hinge loss."""
    return base.but(loss=PlainLoss(name="hinge"))


def dragan(base: Base) -> Settings:
    """Slopes of norm 1 around real samples."""
    return base.but(penalty=Penalties(dragan=Dragan(weight=base.weight)))


def sngan(base: Base) -> Settings:
    """The hinge loss on a D whose layers are divided by their spectral norms."""
    return base.but(loss=PlainLoss(name="hinge"), constraint=Constraints(spectral_norm=SpectralNorm()))


def mdgan(base: Base) -> Settings:
    """D compares the samples of a batch before its last layer."""
    return base.but(**base.judged(minibatch_discrimination=100 if base.image else 5))


def pacgan(base: Base) -> Settings:
    """D judges two samples at once."""
    return base.but(method=Methods(packing=Packing(degree=2)))


def diffaugment(base: Base) -> Settings:
    """D sees reals and fakes with other colours, moved and cut."""
    return base.but(method=Methods(diff_augment=DiffAugment()))


def sdp(base: Base) -> Settings:
    """D's scores and features of realistic fakes and of their nearest reals are pulled together."""
    layers = ("features.1", "features.3") if base.image else ("1", "3", "5")  # what comes out of the activations
    return base.but(method=Methods(sample_differences=SampleDifferences(feature_layers=layers)))


def d2gan(base: Base) -> Settings:
    """Two discriminators with positive outputs, one for reals and one for fakes."""
    return base.but(opponents=Opponents(d1=Opponent(loss=D2GAN()), d2=Opponent(loss=D2GAN(second=True))))


def dual(base: Base) -> Settings:
    """Two discriminators, one that compares the samples of a batch and one of SELUs, and a KL-like G loss."""
    width = getattr(base.settings.discriminator, "width")  # noqa: B009 (every network here has one)
    minimax = PlainLoss(name="minimax")
    if not base.image:
        d1 = base.settings.discriminator.model_copy(update={"minibatch_discrimination": 5})
        d2 = base.settings.discriminator.model_copy(update={"activation": "selu"})
        return base.but(opponents=Opponents(d1=Opponent(discriminator=d1), d2=Opponent(discriminator=d2, loss=minimax)))
    compares = DualDiscriminator(width=width, residual=True, minibatch_discrimination=100)
    selu = DualDiscriminator(width=width, activation="selu", norm="none")
    both = Opponents(d1=Opponent(discriminator=compares), d2=Opponent(discriminator=selu, loss=minimax))
    return base.but(generator=DualGenerator(width=width), discriminator=DualDiscriminator(width=width), opponents=both)


def began(base: Base) -> Settings:
    """D is an autoencoder whose error is the score; how much fakes count is steered."""
    width = getattr(base.settings.discriminator, "width")  # noqa: B009
    network = DcganAutoencoder(width=width) if base.image else MlpAutoencoder(width=width, code=1)
    rate = 1.0 if base.image else 0.001  # at the paper's, k stays 0 for thousands of iterations, and G makes one image
    return base.but(loss=Began(rate=rate), discriminator=network)


def cramer(base: Base) -> Settings:
    """An energy distance between embeddings, slopes of norm 1, five D steps."""
    penalty = Penalties(one_gp=GradientPenalty(weight=base.weight))
    judged = {"embedding": 256 if base.image else 32}
    return base.but(method=Methods(cramer=Cramer()), penalty=penalty, d_steps=5, **base.judged(**judged))


def dfm(base: Base) -> Settings:
    """G also follows a denoiser of D's features of reals."""
    size = {"denoiser": 512, "denoiser_depth": 4} if base.image else {"denoiser": 64, "denoiser_depth": 3}
    method = Methods(denoising_feature_matching=DenoisingFeatureMatching())
    return base.but(method=method, **base.judged(**size))


Variants = dict[str, tuple[Callable[[Base], Settings], str, str]]

VARIANTS: Variants = {
    "nsgan": (nsgan, "no remedy", "goodfellow2014"),
    "r1": (r1, "gradient penalty on reals", "mescheder2018"),
    "zero_gp": (zero_gp, "gradient penalty between reals and fakes", "thanhtung2019"),
    "far": (far, "fake-as-real and r1", "tao2020"),
    "rpgan": (rpgan, "relativistic pairing with r1 and r2", "huang2024"),
    "sdp": (sdp, "differences to realistic fakes penalised", "zhangsdp"),
    "dual": (dual, "two discriminators, one with minibatch discrimination, one with SELU", "zhang2018"),
    "wgan": (wgan, "Wasserstein loss with clipped weights", "arjovsky2017"),
    "wgan-gp": (wgan_gp, "Wasserstein loss with slopes of norm 1", "gulrajani2017"),
    "lsgan": (lsgan, "least squares", "mao2017"),
    "hinge": (hinge, "hinge loss", "lim2017"),
    "dragan": (dragan, "slopes of norm 1 around reals", "kodali2017"),
    "sngan": (sngan, "hinge loss and spectral norm", "miyato2018"),
    "mdgan": (mdgan, "minibatch discrimination", "salimans2016"),
    "pacgan": (pacgan, "packs of two", "lin2018"),
    "d2gan": (d2gan, "two discriminators with positive outputs", "nguyen2017"),
    "began": (began, "an autoencoder as D", "berthelot2017"),
    "cramer": (cramer, "energy distance of embeddings", "bellemare2017"),
    "dfm": (dfm, "denoising feature matching", "wardefarley2017"),
}
FOR_IMAGES: Variants = {**VARIANTS, "diffaugment": (diffaugment, "differentiable augmentation", "zhao2020")}
FEW = ("nsgan", "r1", "zero_gp", "far", "rpgan")  # for data of one's own, and where there are many already


def enrol(data: str, base: Base, variants: Iterable[str]) -> None:
    """Enrols `<data>/<variant>` for each of the variants."""
    for name in variants:
        change, text, paper = FOR_IMAGES[name]
        small = None if base.small is None else partial(change, base.small)
        recipe(f"{data}/{name}", f"{base.text}: {text}", paper, small)(partial(change, base))
