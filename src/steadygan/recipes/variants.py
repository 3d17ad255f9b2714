"""The ways in which every data set is trained, from no remedy to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

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


class Variant(NamedTuple):
    """A way to train any base: in words, the paper, and what is changed of the base's settings."""

    text: str
    paper: str
    change: Callable[[Base], Settings]


def penalised(base: Base, *names: str) -> Penalties:
    """Gradient penalties of the base's weight."""
    return Penalties(**{name: GradientPenaltySettings(weight=base.weight) for name in names})


def far(base: Base) -> Settings:
    method = Methods(fake_as_real=parts.FakeAsRealSettings(count=base.count, factor=8))
    return base.but(penalty=penalised(base, "r1"), method=method)


def sdp(base: Base) -> Settings:
    return base.but(method=Methods(sample_differences=parts.SampleDifferencesSettings(feature_layers=("all",))))


def dual(base: Base) -> Settings:
    width, minimax = base.judge().width, PlainLoss(name="minimax")
    if base.image:
        compares = networks.DualDiscriminator(width=width, residual=True, minibatch_discrimination=100)
        selu = networks.DualDiscriminator(width=width, activation="selu", norm="none")
        G, D = networks.DualGenerator(width=width), networks.DualDiscriminator(width=width)
        base = replace(base, settings=base.but(generator=G, discriminator=D))
    else:
        compares, selu = base.judge(minibatch_discrimination=5), base.judge(activation="selu")
    d1, d2 = OpponentSettings(discriminator=compares), OpponentSettings(discriminator=selu, loss=minimax)
    return base.but(opponents=Opponents(d1=d1, d2=d2))


def wgan(base: Base) -> Settings:
    clipped = Constraints(weight_clipping=parts.WeightClippingSettings(c=0.01 if base.image else 0.1))
    return base.but(loss=PlainLoss(name="wasserstein"), constraint=clipped, d_steps=5)


def d2gan(base: Base) -> Settings:
    first, second = (OpponentSettings(loss=parts.D2GANSettings(second=second)) for second in (False, True))
    return base.but(opponents=Opponents(d1=first, d2=second))


def began(base: Base) -> Settings:
    width = base.judge().width
    network = networks.DcganAutoencoder(width=width) if base.image else networks.MlpAutoencoder(width=width, code=1)
    rate = 1.0 if base.image else 0.001  # at the paper's, k stays 0 for thousands of iterations, and G makes one image
    return base.but(loss=parts.BeganSettings(rate=rate), discriminator=network)


def cramer(base: Base) -> Settings:
    D, method = base.judge(embedding=256 if base.image else 32), Methods(cramer=parts.CramerSettings())
    return base.but(method=method, penalty=penalised(base, "one_gp"), d_steps=5, discriminator=D)


def dfm(base: Base) -> Settings:
    size = {"denoiser": 512, "denoiser_depth": 4} if base.image else {"denoiser": 64, "denoiser_depth": 3}
    method = Methods(denoising_feature_matching=parts.DenoisingFeatureMatchingSettings())
    return base.but(method=method, discriminator=base.judge(**size))


HINGE, WASSERSTEIN, PAIRING = (PlainLoss(name=name) for name in ("hinge", "wasserstein", "relativistic_pairing"))
DRAGAN, SPECTRAL = parts.DraganSettings, Constraints(spectral_norm=parts.SpectralNormSettings())
PACKED, AUGMENTED = Methods(packing=parts.PackingSettings(degree=2)), Methods(diff_augment=parts.DiffAugmentSettings())
FOR_IMAGES = {
    "nsgan": Variant("no remedy", "goodfellow2014", lambda b: b.settings),
    "r1": Variant("gradient penalty on reals", "mescheder2018", lambda b: b.but(penalty=penalised(b, "r1"))),
    "zero_gp": Variant(
        "gradient penalty between reals and fakes", "thanhtung2019", lambda b: b.but(penalty=penalised(b, "zero_gp"))
    ),
    "far": Variant("fake-as-real and r1", "tao2020", far),
    "rpgan": Variant(
        "relativistic pairing with r1 and r2",
        "huang2024",
        lambda b: b.but(loss=PAIRING, penalty=penalised(b, "r1", "r2")),
    ),
    "sdp": Variant("differences to realistic fakes penalised", "zhangsdp", sdp),
    "dual": Variant("two discriminators, one with minibatch discrimination, one with SELU", "zhang2018", dual),
    "wgan": Variant("Wasserstein loss with clipped weights", "arjovsky2017", wgan),
    "wgan-gp": Variant(
        "Wasserstein loss with slopes of norm 1",
        "gulrajani2017",
        lambda b: b.but(loss=WASSERSTEIN, penalty=penalised(b, "one_gp"), d_steps=5),
    ),
    "lsgan": Variant("least squares", "mao2017", lambda b: b.but(loss=parts.LeastSquaresSettings())),
    "hinge": Variant("hinge loss", "lim2017", lambda b: b.but(loss=HINGE)),
    "dragan": Variant(
        "slopes of norm 1 around reals",
        "kodali2017",
        lambda b: b.but(penalty=Penalties(dragan=DRAGAN(weight=b.weight))),
    ),
    "sngan": Variant("hinge loss and spectral norm", "miyato2018", lambda b: b.but(loss=HINGE, constraint=SPECTRAL)),
    "mdgan": Variant(
        "minibatch discrimination",
        "salimans2016",
        lambda b: b.but(discriminator=b.judge(minibatch_discrimination=100 if b.image else 5)),
    ),
    "pacgan": Variant("packs of two", "lin2018", lambda b: b.but(method=PACKED)),
    "d2gan": Variant("two discriminators with positive outputs", "nguyen2017", d2gan),
    "began": Variant("an autoencoder as D", "berthelot2017", began),
    "cramer": Variant("energy distance of embeddings", "bellemare2017", cramer),
    "dfm": Variant("denoising feature matching", "wardefarley2017", dfm),
    "diffaugment": Variant("differentiable augmentation", "zhao2020", lambda b: b.but(method=AUGMENTED)),
}
VARIANTS = {name: told for name, told in FOR_IMAGES.items() if name != "diffaugment"}
FEW = ("nsgan", "r1", "zero_gp", "far", "rpgan")  # for data of one's own, and where there are many already


def enrol(data: str, base: Base, variants: Iterable[str]) -> None:
    """Enrols `<data>/<variant>` for each of the variants."""
    for name in variants:
        text, paper, change = FOR_IMAGES[name]
        small = None if base.small is None else partial(change, base.small)
        recipe(f"{data}/{name}", f"{base.text}: {text}", paper, small)(partial(change, base))
