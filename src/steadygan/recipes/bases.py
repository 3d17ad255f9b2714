"""The data sets that recipes are made for: points that a CPU trains, images in full and for two cores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..config import Settings
from ..config.data import (
    Cifar10,
    Cifar100,
    DataSet,
    DigitsSet,
    Folder,
    Gaussian,
    Grid25,
    Imagenet64,
    Mnist,
    PointsFile,
    Ring8,
    StackedMnist,
    Swissroll,
    TinyImagenet,
)
from ..config.networks import DcganDiscriminator, DcganGenerator, DualGenerator, Mlp, MlpDiscriminator
from ..config.optimisation import Constant, Ema, Evaluate, Linear, Optimizer
from .recipe import recipe
from .variants import FEW, FOR_IMAGES, VARIANTS, Base, enrol, far

SMOOTH = DualGenerator(width=24)  # it ends in a convolution at full resolution: digits of closed strokes


def adam(**changes: Any) -> Settings:
    """Leaky ReLU (plain ReLU lets fake-as-real kill D) and Adam, its rate falling to 0 over the second half."""
    common = {"lr_g": 1e-3, "optimizer": Optimizer(betas=(0.5, 0.9)), "schedule": Linear(start=0.5, end=0.0)}
    return Settings(**{**common, **changes})


def sgd(**changes: Any) -> Settings:
    """ReLU and plain gradient descent at a constant rate: the papers' toy setting [thanhtung2019]."""
    networks = {"generator": Mlp(activation="relu"), "discriminator": MlpDiscriminator(activation="relu")}
    common = {**networks, "optimizer": Optimizer(name="sgd"), "lr_g": 3e-3, "schedule": Constant()}
    return Settings(**{**common, **changes})


def dcgan(width: int, n: int, **changes: Any) -> Settings:
    """DCGAN of this width without normalisation, trained as `adam` says; n fakes are measured."""
    common = {
        "generator": DcganGenerator(width=width),
        "discriminator": DcganDiscriminator(width=width),
        "latent_dim": 128,
        "lr_g": 2e-4,
        "evaluate": Evaluate(every=1000, n=n),
        "checkpoint_every": 1000,
        "log_every": 100,
    }
    return adam(**{**common, **changes})


def cores(data: DataSet, weight: float, **changes: Any) -> Base:
    """What two cores train in a few minutes: narrow networks, a short run at a higher rate, a shorter average."""
    short = {"lr_g": 1e-3, "ema": Ema(decay=0.99), "horizon": 4000}
    return Base("", dcgan(16, n=1000, data=data, **{**short, **changes}), weight, count=16)


def photographs(text: str, data: DataSet) -> Base:
    """A set of photographs: both scales of it."""
    full = dcgan(64, n=5000, data=data, horizon=100_000, evaluate=Evaluate(every=5000, n=5000))
    return Base(text, full, weight=10.0, count=32, small=cores(data, 10.0))


POINT_BASES = {
    "gaussian": Base(
        "100 samples of a 2-D Gaussian",
        sgd(data=Gaussian(n=100), horizon=100_000, evaluate=Evaluate(every=2000)),
        weight=10.0,
        count=16,
    ),
    "ring8": Base("8 Gaussians on a circle", adam(data=Ring8(), horizon=30_000)),
    "grid25": Base("25 Gaussians on a grid", adam(data=Grid25(), horizon=40_000, lr_g=1.5e-3)),
    "swissroll": Base("a noisy spiral", adam(data=Swissroll(), horizon=40_000)),
    "points": Base("points of your own (--data)", adam(data=PointsFile(), horizon=20_000)),
}
IMAGE_BASES = {
    "digits": Base(
        "8 x 8 handwritten digits",
        dcgan(32, n=5000, data=DigitsSet(), horizon=6000, latent_dim=16, lr_g=1e-3),
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
    "cifar10": photographs("CIFAR-10's photographs, 32 x 32", Cifar10(flip=True)),
    "cifar100": photographs("CIFAR-100's photographs, 32 x 32", Cifar100(flip=True)),
    "tiny-imagenet": photographs("Tiny ImageNet's photographs, 64 x 64", TinyImagenet(flip=True)),
    "imagenet64": photographs("ImageNet's photographs, 64 x 64", Imagenet64(flip=True)),
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
    G, D = DcganGenerator(width=width), DcganDiscriminator(width=width)
    return replace(far(base), conditional=True, generator=G, discriminator=D)


SOME = {  # data sets that are not trained in every way
    "stacked-mnist": ("nsgan", "r1", "far", "rpgan", "pacgan", "dual"),
    "folder": (*FEW, "sdp", "dual"),
}
for _data, _base in IMAGE_BASES.items():
    enrol(_data, _base, SOME.get(_data, FOR_IMAGES))

_mnist = IMAGE_BASES["mnist"]
recipe(
    "mnist/cgan-far",
    f"{_mnist.text}, digit by digit: fake-as-real and r1 on a projection discriminator",
    "miyato2018b",
    None if _mnist.small is None else partial(conditional, _mnist.small, 16),
)(partial(conditional, _mnist, 32))

for _data, _base in POINT_BASES.items():
    enrol(_data, _base, FEW if _data in ("swissroll", "points") else VARIANTS)
