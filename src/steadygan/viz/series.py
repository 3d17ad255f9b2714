"""From the records of a run to curves: missing keys, nulls and non-finite values are expected, never an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..quantities import number

Records: TypeAlias = Sequence[Mapping[str, Any]]
Floats: TypeAlias = NDArray[np.float64]


class Series(NamedTuple):
    """One quantity over a run, sorted by iteration; a value that was not finite stays as NaN and breaks the line."""

    iteration: Floats  # (n,)
    value: Floats  # (n,)

    @property
    def drawable(self) -> bool:
        """Whether any value is finite."""
        return bool(np.isfinite(self.value).any())

    @property
    def first_non_finite(self) -> float | None:
        """The first iteration whose value was NaN or infinite."""
        bad = np.flatnonzero(~np.isfinite(self.value))
        return float(self.iteration[bad[0]]) if bad.size else None


def series(records: Records, key: str) -> Series:
    """The values under `key` with their iterations; records that lack one of the two are left out."""
    points = [
        (iteration, value if math.isfinite(value) else math.nan)
        for iteration, value in ((number(r.get("iteration")), number(r.get(key))) for r in records)
        if iteration is not None and value is not None and math.isfinite(iteration)
    ]
    points.sort(key=lambda point: point[0])
    table = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    return Series(table[:, 0], table[:, 1])


class Curve(NamedTuple):
    """Values over iterations, of equal lengths; `low` and `high` are a standard deviation off the mean of several."""

    x: Floats  # (n,), rising
    y: Floats  # (n,), NaN where a value was not finite
    low: Floats | None = None
    high: Floats | None = None

    @property
    def rows(self) -> list[Floats]:
        """What is drawn: the values, and the edges of the band."""
        return [self.y] + [edge for edge in (self.low, self.high) if edge is not None]


def curve(runs: Sequence[Records], key: str) -> Curve | None:
    """The values of one run under `key`, or the mean over runs and the sample standard deviation around it.

    Of several runs, an iteration counts when all of them that got so far have a value there: a mean over whichever
    happened to be measured would jump. None where no value is finite.
    """
    found = [one for one in (series(records, key) for records in runs) if len(one.iteration)]
    if not any(one.drawable for one in found):
        return None
    if len(found) == 1:
        return Curve(found[0].iteration, found[0].value)
    values: dict[float, list[float]] = {}
    for one in found:
        for at, value in dict(zip(one.iteration.tolist(), one.value.tolist(), strict=True)).items():
            values.setdefault(at, []).append(value)
    ends = [float(one.iteration[-1]) for one in found]
    x = [at for at in sorted(values) if len(values[at]) == sum(end >= at for end in ends)]
    mean = np.array([np.mean(values[at]) for at in x])
    std = np.array([np.std(values[at], ddof=1) if len(values[at]) > 1 else 0.0 for at in x])
    return Curve(np.array(x), mean, mean - std, mean + std)


def running(statistic: Callable[[Floats], Any], values: Floats, width: int) -> Floats:
    """`statistic` over a centred window of `width` values, shorter at both ends; NaNs are passed over and stay NaN."""
    half = width // 2
    out = np.full(len(values), np.nan)
    for i in np.flatnonzero(np.isfinite(values)):
        window = values[max(0, i - half) : i + half + 1]
        out[i] = statistic(window[np.isfinite(window)])
    return out
