"""Penalties on the discriminator, each usable alone: `r1(10).loss(D, x)` is a scalar for your own loop."""

from .difference import ClosePairDifference, ClosePairFakeAsReal, PairDifference, close_pairs
from .gradient import (
    CONSTRAINTS,
    PENALTIES,
    AroundReal,
    GradientPenalty,
    Interpolated,
    OnFake,
    OnReal,
    Points,
    SpectralNorm,
    WeightClipping,
    dragan,
    one_gp,
    r1,
    r2,
    zero_gp,
)

__all__ = [
    "CONSTRAINTS",
    "PENALTIES",
    "AroundReal",
    "ClosePairDifference",
    "ClosePairFakeAsReal",
    "GradientPenalty",
    "Interpolated",
    "OnFake",
    "OnReal",
    "PairDifference",
    "Points",
    "SpectralNorm",
    "WeightClipping",
    "close_pairs",
    "dragan",
    "one_gp",
    "r1",
    "r2",
    "zero_gp",
]
