"""Which side of a figure is the better one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from ..errors import InputError

BETTER: dict[str, Literal["higher", "lower", "one"]] = {
    "modes": "higher",
    "high_quality": "higher",
    "emptiest_mode": "higher",
    "mode_kl": "lower",
    "veegan_modes": "higher",
    "veegan_high_quality": "higher",
    "confidence": "higher",
    "balance": "one",  # as even as real data: less is collapse, more is spread where real data is not
    "balance_tv": "lower",
    "energy_distance": "lower",
    "class_score": "higher",
    "inception_score": "higher",
    "frechet": "lower",
    "fid": "lower",
    "kernel_distance": "lower",
    "kid": "lower",
    "precision": "higher",
    "recall": "higher",
    "density": "one",  # above it fakes crowd where real samples are dense
    "coverage": "higher",
    "support": "higher",
    "memorised": "lower",
}


def best(name: str, values: Iterable[float]) -> int:
    """Index of the best of `values` of the metric `name`, the first of equals; NaN never wins unless all are NaN.

    Raises InputError for a metric without a better side, or no values.
    """
    if name not in BETTER:
        raise InputError(f"expected a metric with a better side, got {name!r}: choose from {', '.join(BETTER)}")
    known = list(values)
    if not known:
        raise InputError(f"expected at least one value of {name} to choose from, got none: evaluate once")
    return min(range(len(known)), key=lambda index: _badness(name, known[index]))  # min keeps the first of equals


def _badness(name: str, value: float) -> tuple[bool, float]:
    if math.isnan(value):
        return True, 0.0
    side = BETTER[name]
    return False, -value if side == "higher" else value if side == "lower" else abs(value - 1.0)
