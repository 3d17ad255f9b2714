"""Recipes for small data: six data sets, each trained in five ways, all fit for a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..config import (
    Constant,
    Digits,
    FakeAsReal,
    Gaussian,
    GradientPenalty,
    Grid25,
    Linear,
    Methods,
    Mlp,
    Optimizer,
    Penalties,
    PlainLoss,
    Points,
    Ring8,
    Settings,
    Swissroll,
)
from .base import recipe


@dataclass(frozen=True)
class Base:
    """A data set's settings without any remedy, and how strong the remedies are there."""

    text: str
    settings: Settings
    weight: float = 0.1  # of every gradient penalty: squared logit per squared data unit
    count: int = 8  # fakes counted as real, in a batch of 64


def adam(**changes: Any) -> Settings:
    """Leaky ReLU (plain ReLU lets fake-as-real kill D) and Adam, its rate falling to 0 over the second half."""
    common = {"lr_g": 1e-3, "optimizer": Optimizer(betas=(0.5, 0.9)), "schedule": Linear(start=0.5, end=0.0)}
    return Settings(**{**common, **changes})


def sgd(**changes: Any) -> Settings:
    """ReLU and plain gradient descent at a constant rate: the papers' toy setting [thanhtung2019]."""
    network = Mlp(activation="relu")
    common = {"generator": network, "discriminator": network, "optimizer": Optimizer(name="sgd"), "lr_g": 3e-3}
    return Settings(**{**common, "schedule": Constant(), **changes})


BASES = {
    "gaussian": Base(
        "100 samples of a 2-D Gaussian",
        sgd(data=Gaussian(n=100), horizon=100_000, evaluate={"every": 2000}),
        weight=10.0,
        count=16,
    ),
    "ring8": Base("8 Gaussians on a circle", adam(data=Ring8(), horizon=30_000)),
    "grid25": Base("25 Gaussians on a grid", adam(data=Grid25(), horizon=40_000, lr_g=1.5e-3)),
    "swissroll": Base("a noisy spiral", adam(data=Swissroll(), horizon=40_000)),
    "digits": Base(
        "8 x 8 handwritten digits",
        adam(
            data=Digits(),
            horizon=15_000,
            latent_dim=16,
            generator=Mlp(width=256, depth=2, output="tanh"),
            discriminator=Mlp(width=256, depth=2),
            lr_g=2e-4,
            lr_d=4e-4,
        ),
        weight=1.0,
    ),
    "points": Base("points of your own (--data)", adam(data=Points(), horizon=20_000)),
}


def nsgan(base: Base) -> Settings:
    """Nothing added."""
    return base.settings


def r1(base: Base) -> Settings:
    """A gradient penalty on real samples."""
    return base.settings.model_copy(update={"penalty": Penalties(r1=GradientPenalty(weight=base.weight))})


def zero_gp(base: Base) -> Settings:
    """A gradient penalty between real and generated samples."""
    return base.settings.model_copy(update={"penalty": Penalties(zero_gp=GradientPenalty(weight=base.weight))})


def far(base: Base) -> Settings:
    """r1, and the fakes that D rates lowest count as real."""
    return r1(base).model_copy(update={"method": Methods(fake_as_real=FakeAsReal(count=base.count, factor=8))})


def rpgan(base: Base) -> Settings:
    """A relativistic loss with a penalty on each side."""
    penalty = GradientPenalty(weight=base.weight)
    changes = {"loss": PlainLoss(name="relativistic_pairing"), "penalty": Penalties(r1=penalty, r2=penalty)}
    return base.settings.model_copy(update=changes)


VARIANTS: dict[str, tuple[Callable[[Base], Settings], str, str]] = {
    "nsgan": (nsgan, "no remedy", "goodfellow2014"),
    "r1": (r1, "gradient penalty on reals", "mescheder2018"),
    "zero_gp": (zero_gp, "gradient penalty between reals and fakes", "thanhtung2019"),
    "far": (far, "fake-as-real and r1", "tao2020"),
    "rpgan": (rpgan, "relativistic pairing with r1 and r2", "huang2024"),
}

for _data, _base in BASES.items():
    for _method, (_change, _text, _paper) in VARIANTS.items():
        recipe(f"{_data}/{_method}", f"{_base.text}: {_text}", _paper)(partial(_change, _base))
