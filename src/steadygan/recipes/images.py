"""Recipes for images: five data sets, full and for two cores; a conditional one."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..config import (
    Cifar10,
    DcganDiscriminator,
    DcganGenerator,
    Digits,
    DualGenerator,
    Ema,
    Evaluate,
    Folder,
    Linear,
    Mnist,
    Optimizer,
    Settings,
    StackedMnist,
)
from ..config.groups import Data
from .base import recipe
from .variants import FOR_IMAGES, Base, enrol, far

METHODS = ("nsgan", "r1", "far", "rpgan")
SMOOTH = DualGenerator(width=24)  # it ends in a convolution at full resolution: digits of closed strokes


def dcgan(width: int, n: int, **changes: Any) -> Settings:
    """DCGAN of this width without normalisation; Adam, its rate falling to 0 over the second half; n fakes measured."""
    common = {
        "generator": DcganGenerator(width=width),
        "discriminator": DcganDiscriminator(width=width),
        "latent_dim": 128,
        "optimizer": Optimizer(betas=(0.5, 0.9)),
        "lr_g": 2e-4,
        "schedule": Linear(start=0.5, end=0.0),
        "evaluate": Evaluate(every=1000, n=n),
        "checkpoint_every": 1000,
        "log_every": 100,
    }
    return Settings(**{**common, **changes})


def cores(data: Data, weight: float, **changes: Any) -> Base:
    """What two cores train in a few minutes: narrow networks, a short run at a higher rate, a shorter average."""
    short = {"lr_g": 1e-3, "ema": Ema(decay=0.99), "horizon": 4000}
    return Base("", dcgan(16, n=1000, data=data, **{**short, **changes}), weight, count=16)


BASES = {
    "digits": Base(
        "8 x 8 handwritten digits",
        dcgan(32, n=5000, data=Digits(), horizon=6000, latent_dim=16, lr_g=1e-3),
        weight=1.0,
        count=16,
    ),
    "mnist": Base(
        "MNIST's handwritten digits, 28 x 28",
        dcgan(64, n=2500, data=Mnist(), horizon=8000, latent_dim=64, lr_g=1e-3, ema=Ema(decay=0.99), generator=SMOOTH),
        weight=2.0,
        count=8,
        small=cores(Mnist(), 2.0, latent_dim=64),
    ),
    "cifar10": Base(
        "CIFAR-10's photographs, 32 x 32",
        dcgan(64, n=5000, data=Cifar10(flip=True), horizon=100_000, evaluate=Evaluate(every=5000, n=5000)),
        weight=10.0,
        count=32,
        small=cores(Cifar10(flip=True), 10.0),
    ),
    "stacked-mnist": Base(
        "three MNIST digits as colours, 1,000 modes",
        dcgan(64, n=26_000, data=StackedMnist(), horizon=50_000, evaluate=Evaluate(every=5000, n=26_000)),
        weight=2.0,
        count=32,
        small=cores(StackedMnist(), 2.0, evaluate=Evaluate(every=2000, n=26_000)),
    ),
    "folder": Base(
        "images of your own (--data)",
        dcgan(64, n=2000, data=Folder(), horizon=50_000, evaluate=Evaluate(every=2000, n=2000)),
        weight=10.0,
        count=32,
        small=cores(Folder(), 10.0),
    ),
}


def conditional(base: Base, width: int) -> Settings:
    """Fake-as-real with DCGANs of this width that are told the class."""
    networks = {"generator": DcganGenerator(width=width), "discriminator": DcganDiscriminator(width=width)}
    return far(base).model_copy(update={"conditional": True, **networks})


for _data, _base in BASES.items():
    enrol(_data, _base, METHODS if _data in ("stacked-mnist", "folder") else FOR_IMAGES)

_mnist = BASES["mnist"]
recipe(
    "mnist/cgan-far",
    f"{_mnist.text}, digit by digit: fake-as-real and r1 on a projection discriminator",
    "miyato2018b",
    None if _mnist.small is None else partial(conditional, _mnist.small, 16),
)(partial(conditional, _mnist, 32))
