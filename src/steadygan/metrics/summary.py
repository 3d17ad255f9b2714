"""A run's records in few numbers: for each figure what it was at the end, at its best, and gradients at their peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

from ..numbers import DEAD_GRADIENT
from .better import BETTER, best

FIGURES = tuple(BETTER)
GRADIENTS = ("gradient_mean", "gradient_max", "gradient_max_over_mean", "gradient_top1_share")


class At(NamedTuple):
    """A value and the iteration it was measured at."""

    value: float
    iteration: int


class Row(NamedTuple):
    """One figure of a run; `peak`, the largest value, for gradients only."""

    key: str
    final: At
    best: At
    peak: At | None = None


def final_and_best(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row for each figure that the records of a run hold, in a fixed order.

    final: the last measured value. best: the one that `BETTER` prefers (for gradients the smallest of a critic that is
    not dead) among those after iteration 0, whose networks are untrained. The best alone would hide a collapse.
    """
    rows = []
    for key in (*FIGURES, *GRADIENTS):
        known = [At(float(r[key]), int(r["iteration"])) for r in records if isfinite(r.get(key, float("nan")))]
        if not known:
            continue
        trained = [at for at in known if at.iteration > 0] or known
        if key in BETTER:
            rows.append(Row(key, known[-1], trained[best(key, [at.value for at in trained])]))
        else:
            alive = [at for at in trained if at.value > DEAD_GRADIENT] or trained
            rows.append(Row(key, known[-1], min(alive, key=attrgetter("value")), max(trained, key=attrgetter("value"))))
    return rows
