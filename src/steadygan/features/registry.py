"""The feature networks a setting can name."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import unknown
from ..registry import Registry
from .digits import DigitFeatures
from .inception import InceptionFeatures
from .network import FeatureNetwork

FEATURES: Registry[Callable[[tuple[int, ...]], FeatureNetwork]] = Registry("feature network")  # by images' shape


def check_name(wanted: object) -> None:
    """Raises InputError for the name of a network that is not known; "auto" is the data set's own."""
    if isinstance(wanted, str) and wanted != "auto" and wanted not in FEATURES:
        raise unknown(FEATURES.kind, wanted, ("auto", *FEATURES))


@FEATURES.register("digits")
def _digits(shape: tuple[int, ...]) -> FeatureNetwork:
    return DigitFeatures(3 if shape[0] == 3 else 1)  # whatever else is wrong with a shape, its check tells


@FEATURES.register("inception")
def _inception(shape: tuple[int, ...]) -> FeatureNetwork:
    return InceptionFeatures()
