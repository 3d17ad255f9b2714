"""When a paper's claim holds for our runs: rules and words, written down before any of them was trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import copysign, inf, sqrt
from statistics import fmean, variance
from typing import Literal, TypeAlias

from ...metrics.summary import BETTER
from .table import Claim, PaperTable

Word: TypeAlias = Literal["reproduced", "in the same direction", "within the noise", "not reproduced", "not comparable"]

NOISE = 2.0  # standard errors of the difference of two means
ENOUGH = 0.5  # of the published effect

RULES = (
    "An effect is the difference of the two rows' means over seeds, as a share of the row it starts from.",
    f"reproduced: it has the paper's sign, is more than {NOISE:g} standard errors of the difference from 0, and at "
    "least half of the published effect (of any size where none was published in numbers).",
    "in the same direction: the same, but smaller than that.",
    f"within the noise: less than {NOISE:g} standard errors from 0; where the paper says that there is no effect: "
    "reproduced.",
    "not reproduced: of the other sign, or there where the paper says that there is none.",
    "not comparable: a row has fewer than two seeds, or was not measured.",
)


def published_effect(table: PaperTable, claim: Claim) -> float | None:
    """The effect of a claim in print, None where the paper gives no number for it."""
    told = [table.row(name).published.get(table.figure) for name in (claim.worse, claim.better)]
    if claim.same or None in told:
        return None
    worse, better = (each.mean for each in told if each is not None)
    return effect(table.figure, [worse], [better])


def effect(figure: str, worse: Sequence[float], better: Sequence[float]) -> float:
    """How much better the second is, as a share of the first's mean; negative where it is worse.

    Of a first mean of 0 it is infinite, or 0 where the second is no better and no worse.
    """
    gain = fmean(badness(figure, worse)) - fmean(badness(figure, better))
    if base := abs(fmean(worse)):
        return gain / base
    return copysign(inf, gain) if gain else 0.0


def badness(figure: str, values: Iterable[float]) -> list[float]:
    """The values so that less is better."""
    side = BETTER[figure]
    return [-value if side == "higher" else value if side == "lower" else abs(value - 1.0) for value in values]


def verdict(
    figure: str, better: Sequence[float], worse: Sequence[float], published: float | None, same: bool = False
) -> Word:
    """What the figure's values over seeds say of a claim, by `RULES`."""
    if min(len(better), len(worse)) < 2:
        return "not comparable"
    start, end = badness(figure, worse), badness(figure, better)
    difference = fmean(start) - fmean(end)
    error = sqrt(variance(start) / len(start) + variance(end) / len(end))
    if abs(difference) <= NOISE * error:
        return "reproduced" if same else "within the noise"
    if same or difference < 0:
        return "not reproduced"
    least = 0.0 if published is None else ENOUGH * published
    return "reproduced" if effect(figure, worse, better) >= least else "in the same direction"
