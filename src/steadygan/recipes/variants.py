"""The ways in which every data set is trained, from no remedy to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from ..config import Settings, networks, parts
from ..config.opponents import Opponents, OpponentSettings
from ..config.parts import Constraints, GradientPenaltySettings, Methods, Penalties, PlainLoss
from .recipe import recipe


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
        return bool(self.settings.data.image)

    def judge(self, **changes: Any) -> Any:
        """The settings of the discriminator, with some others instead."""
        return replace(self.settings.discriminator, **changes)  # type: ignore[type-var]

    def but(self, **changes: Any) -> Settings:
        """The settings with some others instead."""
        return replace(self.settings, **changes)


Change: TypeAlias = Callable[[Base], Settings]
FOR_IMAGES: dict[str, tuple[Change, str, str]] = {}  # what is changed of a base, in words, and the paper, by name
FEW = ("nsgan", "r1", "zero_gp", "far", "rpgan")  # for data of one's own, and where there are many already


def variant(name: str, text: str, paper: str) -> Callable[[Change], Change]:
    """Enrols a way to train any base, in the order in which they stand here."""

    def enrolled(change: Change) -> Change:
        FOR_IMAGES[name] = change, text, paper
        return change

    return enrolled


@variant("nsgan", "no remedy", "goodfellow2014")
def nsgan(base: Base) -> Settings:
    return base.settings


@variant("r1", "gradient penalty on reals", "mescheder2018")
def r1(base: Base) -> Settings:
    return base.but(penalty=Penalties(r1=GradientPenaltySettings(weight=base.weight)))


@variant("zero_gp", "gradient penalty between reals and fakes", "thanhtung2019")
def zero_gp(base: Base) -> Settings:
    return base.but(penalty=Penalties(zero_gp=GradientPenaltySettings(weight=base.weight)))


@variant("far", "fake-as-real and r1", "tao2020")
def far(base: Base) -> Settings:
    return replace(r1(base), method=Methods(fake_as_real=parts.FakeAsRealSettings(count=base.count, factor=8)))


@variant("rpgan", "relativistic pairing with r1 and r2", "huang2024")
def rpgan(base: Base) -> Settings:
    penalty = GradientPenaltySettings(weight=base.weight)
    return base.but(loss=PlainLoss(name="relativistic_pairing"), penalty=Penalties(r1=penalty, r2=penalty))


@variant("sdp", "differences to realistic fakes penalised", "zhangsdp")
def sdp(base: Base) -> Settings:
    return base.but(method=Methods(sample_differences=parts.SampleDifferencesSettings(feature_layers=("all",))))


@variant("dual", "two discriminators, one with minibatch discrimination, one with SELU", "zhang2018")
def dual(base: Base) -> Settings:
    width = base.judge().width
    minimax = PlainLoss(name="minimax")
    if not base.image:
        d1 = base.judge(minibatch_discrimination=5)
        d2 = base.judge(activation="selu")
        return base.but(
            opponents=Opponents(
                d1=OpponentSettings(discriminator=d1), d2=OpponentSettings(discriminator=d2, loss=minimax)
            )
        )
    compares = networks.DualDiscriminator(width=width, residual=True, minibatch_discrimination=100)
    selu = networks.DualDiscriminator(width=width, activation="selu", norm="none")
    both = Opponents(d1=OpponentSettings(discriminator=compares), d2=OpponentSettings(discriminator=selu, loss=minimax))
    return base.but(
        generator=networks.DualGenerator(width=width),
        discriminator=networks.DualDiscriminator(width=width),
        opponents=both,
    )


@variant("wgan", "Wasserstein loss with clipped weights", "arjovsky2017")
def wgan(base: Base) -> Settings:
    clipped = Constraints(weight_clipping=parts.WeightClippingSettings(c=0.01 if base.image else 0.1))
    return base.but(loss=PlainLoss(name="wasserstein"), constraint=clipped, d_steps=5)


@variant("wgan-gp", "Wasserstein loss with slopes of norm 1", "gulrajani2017")
def wgan_gp(base: Base) -> Settings:
    penalty = Penalties(one_gp=GradientPenaltySettings(weight=base.weight))
    return base.but(loss=PlainLoss(name="wasserstein"), penalty=penalty, d_steps=5)


@variant("lsgan", "least squares", "mao2017")
def lsgan(base: Base) -> Settings:
    return base.but(loss=parts.LeastSquaresSettings())


@variant("hinge", "hinge loss", "lim2017")
def hinge(base: Base) -> Settings:
    return base.but(loss=PlainLoss(name="hinge"))


@variant("dragan", "slopes of norm 1 around reals", "kodali2017")
def dragan(base: Base) -> Settings:
    return base.but(penalty=Penalties(dragan=parts.DraganSettings(weight=base.weight)))


@variant("sngan", "hinge loss and spectral norm", "miyato2018")
def sngan(base: Base) -> Settings:
    return base.but(loss=PlainLoss(name="hinge"), constraint=Constraints(spectral_norm=parts.SpectralNormSettings()))


@variant("mdgan", "minibatch discrimination", "salimans2016")
def mdgan(base: Base) -> Settings:
    return base.but(discriminator=base.judge(minibatch_discrimination=100 if base.image else 5))


@variant("pacgan", "packs of two", "lin2018")
def pacgan(base: Base) -> Settings:
    return base.but(method=Methods(packing=parts.PackingSettings(degree=2)))


@variant("d2gan", "two discriminators with positive outputs", "nguyen2017")
def d2gan(base: Base) -> Settings:
    return base.but(
        opponents=Opponents(
            d1=OpponentSettings(loss=parts.D2GANSettings()), d2=OpponentSettings(loss=parts.D2GANSettings(second=True))
        )
    )


@variant("began", "an autoencoder as D", "berthelot2017")
def began(base: Base) -> Settings:
    width = base.judge().width
    network = networks.DcganAutoencoder(width=width) if base.image else networks.MlpAutoencoder(width=width, code=1)
    rate = 1.0 if base.image else 0.001  # at the paper's, k stays 0 for thousands of iterations, and G makes one image
    return base.but(loss=parts.BeganSettings(rate=rate), discriminator=network)


@variant("cramer", "energy distance of embeddings", "bellemare2017")
def cramer(base: Base) -> Settings:
    penalty = Penalties(one_gp=GradientPenaltySettings(weight=base.weight))
    embedding = base.judge(embedding=256 if base.image else 32)
    return base.but(method=Methods(cramer=parts.CramerSettings()), penalty=penalty, d_steps=5, discriminator=embedding)


@variant("dfm", "denoising feature matching", "wardefarley2017")
def dfm(base: Base) -> Settings:
    size = {"denoiser": 512, "denoiser_depth": 4} if base.image else {"denoiser": 64, "denoiser_depth": 3}
    method = Methods(denoising_feature_matching=parts.DenoisingFeatureMatchingSettings())
    return base.but(method=method, discriminator=base.judge(**size))


@variant("diffaugment", "differentiable augmentation", "zhao2020")
def diffaugment(base: Base) -> Settings:
    return base.but(method=Methods(diff_augment=parts.DiffAugmentSettings()))


VARIANTS = {name: told for name, told in FOR_IMAGES.items() if name != "diffaugment"}


def enrol(data: str, base: Base, variants: Iterable[str]) -> None:
    """Enrols `<data>/<variant>` for each of the variants."""
    for name in variants:
        change, text, paper = FOR_IMAGES[name]
        small = None if base.small is None else partial(change, base.small)
        recipe(f"{data}/{name}", f"{base.text}: {text}", paper, small)(partial(change, base))
