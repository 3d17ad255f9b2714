"""The best images that two cores can train: small R3GAN networks, with everything that keeps a GAN stable."""

from __future__ import annotations

from typing import Any

from ..config import Settings
from ..config.data import Cifar10, Mnist
from ..config.networks import Modern28Discriminator, Modern28Generator, Modern32Discriminator, Modern32Generator
from ..config.optimisation import Cosine, Ema, Evaluate, Optimizer
from ..config.parts import FakeAsRealSettings, GradientPenaltySettings, Methods, Penalties, PlainLoss
from .recipe import recipe


def modern(weight: float, count: int, **changes: Any) -> Settings:
    """Relativistic pairing with r1 and r2 of this weight, `count` of 32 reals being fakes [huang2024, tao2020].

    The paper's batches of 512 see hundreds of millions of images, here 32 see less than a million: the rate is higher
    and falls by 20 instead of 4; the penalty, which there falls to a tenth, stays where that begins, 0.5 for digits
    and 0.025 for CIFAR-10 in our units without the factor 1/2; Adam's beta2 stays at 0.99, its last one.
    """
    penalty = GradientPenaltySettings(weight=weight)
    common = {
        "loss": PlainLoss("relativistic_pairing"),
        "penalty": Penalties(r1=penalty, r2=penalty),
        "method": Methods(fake_as_real=FakeAsRealSettings(count=count, factor=8)),
        "optimizer": Optimizer(betas=(0.0, 0.99)),
        "lr_g": 1e-3,
        "schedule": Cosine(start=0.0, end=0.05),
        "latent_dim": 64,
        "batch_size": 32,
        "ema": Ema(decay=None, half_life=20_000.0),
        "log_every": 100,
        "checkpoint_every": 1000,
    }
    return Settings(**{**common, **changes})


@recipe("showcase/mnist", "MNIST's handwritten digits: half an hour of two cores for the best of them", "huang2024")
def showcase_mnist() -> Settings:
    """A mean top probability near that of real digits is what it is for."""
    return modern(
        0.5,
        4,
        data=Mnist(),
        generator=Modern28Generator(width=8),
        discriminator=Modern28Discriminator(width=8),
        horizon=10_000,
        evaluate=Evaluate(every=1000, n=2500),
    )


@recipe("showcase/cifar10", "CIFAR-10's photographs: three hours of two cores for the best of them", "huang2024")
def showcase_cifar10() -> Settings:
    """As `showcase/mnist`, wider, under a weaker penalty."""
    return modern(
        0.02,
        2,
        data=Cifar10(flip=True),
        generator=Modern32Generator(),
        discriminator=Modern32Discriminator(),
        horizon=20_000,
        evaluate=Evaluate(every=2000, n=5000, features="cifar"),
    )
