"""0-GP's image figures [thanhtung2019]: MNIST by fully connected networks, ImageNet with and without interpolation."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...config import Settings
from ...config.data import DATA, Mnist
from ...config.networks import Mlp, MlpDiscriminator
from ...config.optimisation import Constant, Evaluate, Optimizer
from ...config.parts import GradientPenaltySettings, Penalties
from .table import Claim, PaperTable, Row, enrol, network, published, short

SCALED = (0.3081 * 2) ** 2  # their images are (x - .1307) / .3081 of [0, 1], ours are in [-1, 1]
LENGTHS = ((0.5, 1000), (0.5, 10_000), (0.9, 10_000))  # beta1, iterations
KINDS = {
    "none": "no penalty",
    "r1": "0-GP-sample, r1 on the probability",
    "one_gp": "1-GP",
    "zero_gp": "0-GP between reals and fakes",
}


def penalty(kind: str, weight: float, **own: Any) -> Penalties:
    return Penalties() if kind == "none" else Penalties(**{kind: GradientPenaltySettings(weight, **own)})


def mnist(kind: str, beta: float, horizon: int, weight: float) -> Settings:
    """784 numbers by networks of 3 x 512; the rate of the second moment goes with beta1: .9 with .5, .99 with .9."""
    return Settings(
        data=Mnist(),
        generator=Mlp(width=512, depth=3, activation="relu", output="tanh"),
        discriminator=MlpDiscriminator(width=512, depth=3, activation="relu"),
        latent_dim=50,
        penalty=penalty(kind, round(weight * SCALED, 2), of="probability"),
        optimizer=Optimizer(betas=(beta, 0.9 if beta < 0.9 else 0.99)),
        lr_g=3e-4,
        batch_size=128,
        schedule=Constant(),
        ema=None,
        horizon=horizon,
        evaluate=Evaluate(every=max(500, horizon // 10), n=10_000),
        checkpoint_every=1000,
        log_every=100,
    )


def imagenet(kind: str) -> Settings:
    """GAN_stability's setting, on the logit, with two rates."""
    return Settings(
        data=DATA.find("imagenet64")(),
        **network("resnet64"),
        latent_dim=256,
        penalty=penalty(kind, 10.0),
        optimizer=Optimizer(name="rmsprop", alpha=0.99),
        lr_g=1e-4,
        lr_d=3e-4,
        horizon=1_000_000,
        **published(10_000),
    )


def on_mnist(kind: str, beta: float, horizon: int, weight: float = 100.0) -> Row:
    """These networks train on two cores as they are."""
    name = f"mnist-{dashed(kind)}-beta{round(10 * beta)}-{horizon // 1000}k" + ("" if weight == 100 else "-w50")
    settings = partial(mnist, kind, beta, horizon, weight)
    return Row(name, f"MNIST, beta1 {beta:g}, {horizon:,} iterations: {KINDS[kind]}", settings, settings)


def on_imagenet(kind: str) -> Row:
    settings = partial(imagenet, kind)
    return Row(
        f"imagenet-{dashed(kind)}", f"ImageNet at 64 x 64: {KINDS[kind]}", settings, partial(short, settings, 2000)
    )


def dashed(kind: str) -> str:
    return kind.replace("_", "-")


def claims(end: str, *kinds: str) -> tuple[Claim, ...]:
    """0-GP is better than each of the others there."""
    return tuple(
        Claim(f"{end}: 0-GP learns where {KINDS[kind]} does not", f"mnist-zero-gp-{end}", f"mnist-{dashed(kind)}-{end}")
        for kind in kinds
    )


enrol(
    PaperTable(
        "zero-gp-mnist",
        "figures 3, 7 and 8: fully connected networks on MNIST",
        "zero-gp",
        "thanhtung2019",
        "frechet",
        (
            *(on_mnist(kind, beta, length) for beta, length in LENGTHS for kind in KINDS),
            on_mnist("zero_gp", 0.5, 10_000, 50.0),
        ),
        claims("beta5-1k", "none", "r1", "one_gp") + claims("beta9-10k", "r1"),
        (
            "the paper shows samples and gives no numbers: ours are Frechet distances of the digit network",
            f"its weight of 100 is {100 * SCALED:.0f} on images in [-1, 1]",
        ),
    ),
    PaperTable(
        "zero-gp-figure4",
        "ImageNet: Inception Score over a million iterations",
        "zero-gp",
        "thanhtung2019",
        "inception_score",
        (on_imagenet("r1"), on_imagenet("zero_gp")),
        (Claim("0-GP above 0-GP-sample", "imagenet-zero-gp", "imagenet-r1"),),
        ("GAN_stability's optimiser and batch are meant",),
    ),
)
