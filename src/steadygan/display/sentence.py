"""A run's outcome in one sentence: its state, the modes it found, and since when nothing was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ..quantities import listed, plain, tone, words

Rows = Sequence[Mapping[str, Any]]  # a run's records, one per tick


def sentence(records: Rows, modes: int | None = None) -> str:
    """good: 25 of 25 modes, nothing lost since 11,000; "" without a record.

    modes: how many are known to be in the data.
    """
    if not records:
        return ""
    state = standing(records)
    told = [_measured(records, modes), _lost(records)]
    fact = ", ".join(filter(None, told))
    return f"{words(*state)}: {fact}" if state[0] and fact else words(*state) if state[0] else fact


def sentence_of_seeds(runs: Mapping[int, Rows], modes: int | None = None) -> str:
    """2 good, 1 losing (seed 3): 24.7 of 25 modes on average."""
    by_state: dict[str, list[int]] = {}
    for seed, records in runs.items():
        by_state.setdefault(words(standing(records)[0]) if standing(records)[0] else "", []).append(seed)
    most = max(map(len, by_state.values()), default=0)
    told = []
    for state, seeds in sorted(by_state.items(), key=lambda each: -len(each[1])):
        named = (
            f" (seed{'s' * (len(seeds) > 1)} {listed([*map(str, seeds)])})" if len(seeds) < most or most == 1 else ""
        )
        told.append(f"{len(seeds)} {state}{named}" if state else "")
    found = [value for records in runs.values() if (value := last(records, "modes")) is not None]
    mean = f"{sum(found) / len(found):.3g} of {modes} modes on average" if found and modes is not None else ""
    return ": ".join(filter(None, (", ".join(filter(None, told)), mean)))


def standing(records: Rows) -> tuple[str, str]:
    """The last verdict and its causes; "" for a run without a monitor."""
    row = next((row for row in reversed(records) if "verdict" in row), {})
    return str(row.get("verdict", "")), str(row.get("causes", ""))


def last(records: Rows, key: str) -> float | None:
    """The last finite value of a figure, or None."""
    return next((float(row[key]) for row in reversed(records) if isfinite(row.get(key, float("nan")))), None)


def _measured(records: Rows, modes: int | None) -> str:
    """What fakes are like at the end."""
    found = last(records, "modes")
    if found is not None and modes is not None:
        return f"{found:.3g} of {modes} modes"
    for key in ("average_served", "served"):
        if (share := last(records, key)) is not None:
            return f"fakes serve {share:.0%} of the data"
    if (balance := last(records, "balance")) is not None:
        return f"balance {balance:.2f} (1 is as even as real data)"
    distance = last(records, "optimum_distance")
    return "" if distance is None else f"{plain(distance)} from the best D"


def _lost(records: Rows) -> str:
    """Since when something is lost, or nothing."""
    trained = [row for row in records if row["iteration"] > 0]
    if not trained:
        return "not trained yet"
    found = [(row["modes"], row["iteration"]) for row in trained if "modes" in row]
    if tone(standing(records)[0]) == "bad":
        since = _first(records, lambda row: tone(row.get("verdict", "non_finite")) == "bad")
        before = [each for each in found if each[1] < since]
        most, at = max(before, default=(0, 0))
        return f"after {most:.3g} at {at:,}" if found and most > found[-1][0] else f"alarm since {since:,}"
    if found and (best := max(found, key=lambda each: each[0]))[0] > found[-1][0]:
        return f"at most {best[0]:.3g} at {best[1]:,}"
    least = found[-1][0] if found else 0.0

    def kept(row: Mapping[str, Any]) -> bool:
        return tone(row.get("verdict", "learning")) != "bad" and row.get("modes", least) >= least

    since, some = _first(trained, kept), standing(records)[0] == "good" or least > 0
    return f"nothing lost since {since:,}" if some and since < trained[-1]["iteration"] else ""


def _first(records: Rows, holds: Any) -> int:
    """The iteration from which on `holds` is true of all records."""
    since = int(records[-1]["iteration"])
    for row in reversed(records):
        if not holds(row):
            break
        since = int(row["iteration"])
    return since
