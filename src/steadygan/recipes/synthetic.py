"""Recipes for points: five data sets, all fit for a CPU."""

from __future__ import annotations

from typing import Any

from ..config import (
    Constant,
    Gaussian,
    Grid25,
    Linear,
    Mlp,
    MlpDiscriminator,
    Optimizer,
    Points,
    Ring8,
    Settings,
    Swissroll,
)
from .variants import FEW, VARIANTS, Base, enrol


def adam(**changes: Any) -> Settings:
    """Leaky ReLU (plain ReLU lets fake-as-real kill D) and Adam, its rate falling to 0 over the second half."""
    common = {"lr_g": 1e-3, "optimizer": Optimizer(betas=(0.5, 0.9)), "schedule": Linear(start=0.5, end=0.0)}
    return Settings(**{**common, **changes})


def sgd(**changes: Any) -> Settings:
    """ReLU and plain gradient descent at a constant rate: the papers' toy setting [thanhtung2019]."""
    networks = {"generator": Mlp(activation="relu"), "discriminator": MlpDiscriminator(activation="relu")}
    common = {**networks, "optimizer": Optimizer(name="sgd"), "lr_g": 3e-3, "schedule": Constant()}
    return Settings(**{**common, **changes})


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
    "points": Base("points of your own (--data)", adam(data=Points(), horizon=20_000)),
}


for _data, _base in BASES.items():
    enrol(_data, _base, FEW if _data in ("swissroll", "points") else VARIANTS)
