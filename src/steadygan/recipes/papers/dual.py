"""Dual discriminators' tables [zhang2018]: baselines, ablations, and the loss with penalties, by Inception Score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ...config import Settings
from ...config.data import Cifar10
from ...config.networks import DcganAutoencoder, DualDiscriminator, DualGenerator
from ...config.opponents import Opponents, OpponentSettings
from ...config.optimisation import Optimizer
from ...config.parts import (
    BeganSettings,
    CramerSettings,
    D2GANSettings,
    DenoisingFeatureMatchingSettings,
    DraganSettings,
    GradientPenaltySettings,
    Methods,
    Penalties,
    PlainLoss,
)
from .table import Claim, PaperTable, Published, Row, enrol, published, short

PLAIN = DualDiscriminator(norm="none")
GP = Penalties(one_gp=GradientPenaltySettings(weight=10.0))
D1 = DualDiscriminator(residual=True, minibatch_discrimination=100)
D2 = DualDiscriminator(activation="selu", norm="none")


def gan(**changes: Any) -> Settings:
    """Batch 64, Adam(0, .9) at 2e-4, 100,000 iterations, z of 100 numbers, no average."""
    common = {
        "data": Cifar10(),
        "generator": DualGenerator(),
        "discriminator": DualDiscriminator(),
        "latent_dim": 100,
        "optimizer": Optimizer(betas=(0.0, 0.9)),
        "lr_g": 2e-4,
        "horizon": 100_000,
    }
    return Settings(**published(5000, **{**common, **changes}))


def two(
    d1: DualDiscriminator = D1,
    d2: DualDiscriminator = D2,
    losses: tuple[str, str] = ("nonsaturating", "minimax"),
    **changes: Any,
) -> Settings:
    """D1 nonsaturating and D2 minimax (equation 5), or other losses."""
    first, second = map(PlainLoss, losses)
    return gan(opponents=Opponents(d1=OpponentSettings(d1, first), d2=OpponentSettings(d2, second)), **changes)


def row(
    name: str, text: str, score: float | None, build: Callable[..., Settings] = gan, *judges: Any, **changes: Any
) -> Row:
    settings = partial(build, *judges, **changes)
    published = {} if score is None else {"inception_score": Published(score)}
    return Row(name, text, settings, partial(short, settings, 4000), published)


OURS = row("ours", "D1 with minibatch discrimination, D2 with SELU", 7.47, two)
SLOW: dict[str, Any] = {"lr_g": 1e-4, "optimizer": Optimizer(betas=(0.5, 0.9))}
WITH_MD, MD2 = DualDiscriminator(minibatch_discrimination=100), replace(D2, minibatch_discrimination=100)
DFM = Methods(denoising_feature_matching=DenoisingFeatureMatchingSettings())
POSITIVE = Opponents(d1=OpponentSettings(loss=D2GANSettings()), d2=OpponentSettings(loss=D2GANSettings(second=True)))
BASELINES = (
    row("wgan-gp", "Wasserstein loss, 1-GP", 6.80, loss=PlainLoss("wasserstein"), penalty=GP, d_steps=5,
        discriminator=PLAIN),
    row("dfm", "denoising feature matching", 7.30, method=DFM, discriminator=DualDiscriminator(denoiser=2048), **SLOW),
    row("cramer", "energy distance of embeddings", 6.40, method=Methods(cramer=CramerSettings()), penalty=GP, d_steps=5,
        discriminator=replace(PLAIN, embedding=256), **SLOW),
    row("dragan", "slopes of norm 1 around reals", 7.10, penalty=Penalties(dragan=DraganSettings(weight=10.0)),
        d_steps=2, lr_g=1e-4, discriminator=PLAIN),
    row("dcgan", "no remedy", 6.70),
    row("md", "minibatch discrimination", 7.00, lr_g=1e-4, discriminator=WITH_MD),
    row("began", "an autoencoder as D", 5.40, loss=BeganSettings(), discriminator=DcganAutoencoder(),
        generator=DualGenerator(norm="none")),
    row("d2gan", "two discriminators with positive outputs", 6.76, opponents=POSITIVE),
)  # fmt: skip
BEST = replace(OURS, published={"inception_score": Published(7.65)})  # of single runs
ABLATIONS = (
    row("no-md", "neither has minibatch discrimination", 6.95, two, DualDiscriminator(residual=True)),
    row("no-selu", "D2 with leaky ReLU and batch norm", 7.36, two, D1, DualDiscriminator()),
    row("both-md", "both with minibatch discrimination", 7.52, two, D1, MD2),
    row("both-selu", "both with SELU", 7.06, two, MD2, D2),
    row("no-resblock", "D1 without residual blocks", 7.32, two, replace(D1, residual=False)),
)
HINGE, EQUATION_6 = ("hinge", "hinge"), ("minimax", "minimax")
LOSSES = (
    row("hinge", "hinge loss for both", 7.41, two, losses=HINGE),
    row("ours-gp", "with 1-GP on each", 6.94, two, penalty=GP),
    row("hinge-gp", "hinge loss with 1-GP on each", 6.86, two, losses=HINGE, penalty=GP),
    row("equation-6", "minimax for both, for which the paper has no number", None, two, losses=EQUATION_6),
)


def better(than: tuple[Row, ...]) -> tuple[Claim, ...]:
    """The paper's own GAN is better than each of these."""
    return tuple(Claim(f"better than {row.name}", OURS.name, row.name) for row in than if row.published)


def table(name: str, text: str, ours: Row, others: tuple[Row, ...], *notes: str) -> PaperTable:
    shared = ("the networks are chainer-gan-lib's; the exact ones of the supplement are lost", *notes)
    return PaperTable(name, text, "dual", "zhang2018", "inception_score", (ours, *others), better(others), shared)


SINGLE = "the paper's are best single runs: compared with its 7.65"
enrol(
    table("dual-table1", "Inception Score on CIFAR-10 beside eight GANs", OURS, BASELINES,
          "printed with a score that reads about 7 % higher than TensorFlow's; most rows are quoted there"),
    table("dual-table2", "what each part is for", BEST, ABLATIONS, SINGLE),
    table("dual-table3", "other losses, and gradient penalties", BEST, LOSSES, SINGLE),
)  # fmt: skip
