"""The feature networks a setting can name."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InputError, unknown
from ..registry import Registry
from .digits import DigitFeatures
from .inception import InceptionFeatures
from .network import FeatureNetwork

FEATURES: Registry[Callable[[tuple[int, ...]], FeatureNetwork]] = Registry("feature network")  # by images' shape


def check_name(wanted: object) -> None:
    """Raises InputError for what is no network, and for the name of none; "auto" is the data set's own."""
    if not (wanted is None or isinstance(wanted, str) or hasattr(wanted, "check")):
        raise InputError(
            f"expected features as the name of a network, a FeatureNetwork as UserFeatures(name, digest, function) or "
            f"None, got {type(wanted).__name__}: wrap it"
        )
    if isinstance(wanted, str) and wanted != "auto" and wanted not in FEATURES:
        raise unknown(FEATURES.kind, wanted, ("auto", *FEATURES))


@FEATURES.register("digits")
def _digits(shape: tuple[int, ...]) -> FeatureNetwork:
    return DigitFeatures(3 if shape[0] == 3 else 1)  # whatever else is wrong with a shape, its check tells


@FEATURES.register("inception")
def _inception(shape: tuple[int, ...]) -> FeatureNetwork:
    return InceptionFeatures()
