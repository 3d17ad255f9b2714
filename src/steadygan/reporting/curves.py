"""Curves for the page: the mean of several seeds with its band, in few points that keep every peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..viz.series import Floats, series

MOST = 1000  # points of a curve


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


def curve(runs: Sequence[Sequence[Mapping[str, Any]]], key: str) -> Curve | None:
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


def thinned(whole: Curve, most: int = MOST) -> Curve:
    """At most about `most` points of a curve, its first and last among them.

    The points are cut into equal stretches; of each, those where a row (the values, an edge of the band) is smallest
    and largest are kept, and one that is not finite: no peak is lost, and a gap stays a gap.
    """
    count = len(whole.x)
    if count <= most:
        return whole
    stretches = max(1, (most - 2) // (2 * len(whole.rows) + 1))
    kept = {0, count - 1}
    edges = np.linspace(0, count, stretches + 1).astype(np.int64)
    for begin, end in pairwise(edges.tolist()):
        for row in whole.rows:
            part = row[begin:end]
            finite = np.isfinite(part)
            if finite.any():
                kept.add(int(begin + np.where(finite, part, np.inf).argmin()))
                kept.add(int(begin + np.where(finite, part, -np.inf).argmax()))
        bad = np.flatnonzero(~np.isfinite(whole.y[begin:end]))
        if bad.size:
            kept.add(int(begin + bad[0]))
    index = np.array(sorted(kept))
    low, high = (None if edge is None else edge[index] for edge in (whole.low, whole.high))
    return Curve(whole.x[index], whole.y[index], low, high)


def rounded(values: Floats, digits: int = 5) -> list[float | None]:
    """For JSON: so many significant digits, None for what is not finite."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values.tolist()]
