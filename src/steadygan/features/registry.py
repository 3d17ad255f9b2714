"""The feature networks a setting can name."""

from __future__ import annotations

from collections.abc import Callable

from ..registry import Registry
from .digits import DigitFeatures
from .inception import InceptionFeatures
from .network import FeatureNetwork

FEATURES: Registry[Callable[[tuple[int, ...]], FeatureNetwork]] = Registry("feature network")  # by images' shape


@FEATURES.register("digits")
def _digits(shape: tuple[int, ...]) -> FeatureNetwork:
    return DigitFeatures(3 if shape[0] == 3 else 1)  # whatever else is wrong with a shape, its check tells


@FEATURES.register("inception")
def _inception(shape: tuple[int, ...]) -> FeatureNetwork:
    return InceptionFeatures()
