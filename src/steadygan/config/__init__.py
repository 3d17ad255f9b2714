"""Typed settings: JSON and command line on one side, checked values on the other; nothing here imports torch."""

from .groups import (
    Constant,
    Cosine,
    Digits,
    Ema,
    Evaluate,
    Gaussian,
    Grid25,
    Linear,
    Mlp,
    Optimizer,
    Points,
    Ring8,
    Swissroll,
    TwoGaussians,
)
from .override import override
from .parts import Constraints, FakeAsReal, GradientPenalty, LeastSquares, Methods, Packing, Penalties, PlainLoss
from .saved import difference, saved
from .settings import Settings

__all__ = [
    "Constant",
    "Constraints",
    "Cosine",
    "Digits",
    "Ema",
    "Evaluate",
    "FakeAsReal",
    "Gaussian",
    "GradientPenalty",
    "Grid25",
    "LeastSquares",
    "Linear",
    "Methods",
    "Mlp",
    "Optimizer",
    "Packing",
    "Penalties",
    "PlainLoss",
    "Points",
    "Ring8",
    "Settings",
    "Swissroll",
    "TwoGaussians",
    "difference",
    "override",
    "saved",
]
