"""Whether higher or lower is better for each figure; a run's records summarised: final, best, peak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, isnan
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from ..errors import InputError
from ..quantities import DEAD_GRADIENT, LABELS, counted

FIGURES = (
    *("modes", "high_quality", "emptiest_mode", "mode_kl", "veegan_modes", "veegan_high_quality", "confidence"),
    *("balance", "balance_tv", "energy_distance", "class_score", "inception_score", "frechet", "fid"),
    *("kernel_distance", "kid", "precision", "recall", "density", "coverage", "support", "memorised"),
    "optimum_distance",
)
LOWER = (
    "mode_kl",
    "balance_tv",
    "energy_distance",
    "frechet",
    "fid",
    "kernel_distance",
    "kid",
    "memorised",
    "optimum_distance",
)
ONE = ("balance", "density")  # as even as real data: more is spread, or crowds, where real data is not, or does not
BETTER: dict[str, Literal["higher", "lower", "one"]] = {
    key: "lower" if key in LOWER else "one" if key in ONE else "higher" for key in FIGURES
}
FIRST = (  # by how much they matter where there is little room
    *("modes", "high_quality", "fid", "inception_score", "frechet", "kernel_distance", "class_score"),
    *("optimum_distance", "balance", "energy_distance", "precision", "recall", "coverage"),
)
GRADIENTS = ("gradient_mean", "gradient_max", "gradient_max_over_mean", "gradient_top1_share")


class At(NamedTuple):
    """A value and the iteration it was measured at."""

    value: float
    iteration: int


class Summary(NamedTuple):
    """One figure of a run; `peak`, the largest value, for gradients only."""

    key: str
    final: At
    best: At
    peak: At | None = None


def final_and_best(records: Sequence[Mapping[str, Any]]) -> list[Summary]:
    """One for each figure that the records of a run hold, in a fixed order.

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
            rows.append(Summary(key, known[-1], trained[best(key, [at.value for at in trained])]))
        else:
            alive = [at for at in trained if at.value > DEAD_GRADIENT] or trained
            rows.append(
                Summary(key, known[-1], min(alive, key=attrgetter("value")), max(trained, key=attrgetter("value")))
            )
    return rows


def chosen(keys: Iterable[str]) -> list[str]:
    """The figures of a table of four rows: those that matter most, and the largest gradient that G receives."""
    known = {*keys}
    return [*[key for key in FIRST if key in known][:3], *(["gradient_max"] if "gradient_max" in known else [])]


def short(
    records: Sequence[Mapping[str, Any]], reference: Mapping[str, float], modes: int | None = None
) -> list[tuple[str, ...]]:
    """A table of them in words, head first: at the end, at the best (of gradients the peak), when, and of real data."""
    rows = {row.key: row for row in final_and_best(records)}
    told: list[tuple[str, ...]] = [("", "final", "best", "at", "real data")]
    for key in chosen(rows):
        row = rows[key]
        at = row.best if row.peak is None else row.peak
        shown = f"{counted(key, at.value, modes)}{' peak' if row.peak else ''}"
        real = counted(key, reference[key], modes) if key in reference else ""
        told.append((LABELS[key], counted(key, row.final.value, modes), shown, f"{at.iteration:,}", real))
    if not any(row[-1] for row in told[1:]):  # nothing is known of real data
        told = [row[:-1] for row in told]
    return told if len(told) > 1 else []


def best(name: str, values: Iterable[float]) -> int:
    """Index of the best of `values` of the metric `name`, the first of equals; NaN never wins unless all are NaN.

    Raises InputError for a metric without a better side, or no values.
    """
    if name not in BETTER:
        raise InputError(f"expected a metric with a better side, got {name!r}: choose from {', '.join(BETTER)}")
    known = list(values)
    if not known:
        raise InputError(f"expected at least one value of {name} to choose from, got none: evaluate once")
    return min(range(len(known)), key=lambda index: badness(name, known[index]))  # min keeps the first of equals


def badness(name: str, value: float) -> tuple[bool, float]:
    """What sorts values of a figure, the best first and NaN last."""
    if isnan(value):
        return True, 0.0
    side = BETTER[name]
    return False, -value if side == "higher" else value if side == "lower" else abs(value - 1.0)
