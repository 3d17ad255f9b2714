"""A run's records as they are found: what cannot be read is skipped and counted, never a reason to stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

REASONS = ("verdict_reason", "reason")


class Verdict(NamedTuple):
    """What a record says of the run, and why where it says so."""

    iteration: int
    verdict: str
    reason: str = ""


class Records(NamedTuple):
    """The numbers of each record, sorted by iteration; a value that is not finite is NaN."""

    rows: list[dict[str, float]]
    verdicts: list[Verdict]  # of every record that has one
    unreadable: int  # lines

    @property
    def last(self) -> int:
        """The last iteration that is told of."""
        return int(self.rows[-1]["iteration"]) if self.rows else 0

    @property
    def changes(self) -> list[Verdict]:
        """The verdicts that differ from the one before."""
        return [v for i, v in enumerate(self.verdicts) if i == 0 or v.verdict != self.verdicts[i - 1].verdict]


def read(path: Path) -> Records:
    """The records of a metrics.jsonl; lines that are truncated, garbled or tell no iteration are counted."""
    rows: list[dict[str, float]] = []
    verdicts: list[Verdict] = []
    unreadable = 0
    for content in lines(path):
        iteration = None if content is None else number(content.get("iteration"))
        if content is None or iteration is None or not isfinite(iteration) or iteration < 0:
            unreadable += 1
            continue
        values = ((str(key), number(value)) for key, value in content.items() if key != "final")
        row = {key: value for key, value in values if value is not None}
        rows.append({key: value if isfinite(value) else nan for key, value in row.items()})
        verdict = content.get("verdict")
        if isinstance(verdict, str) and verdict:
            reasons = [content[key] for key in REASONS if isinstance(content.get(key), str)]
            verdicts.append(Verdict(int(iteration), verdict, reasons[0] if reasons else ""))
    rows.sort(key=lambda row: row["iteration"])
    verdicts.sort(key=lambda verdict: verdict.iteration)
    return Records(rows, verdicts, unreadable)


def lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """The objects of a .jsonl file, one for each line that is not blank; None for what is none."""
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                content = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                content = None
            yield content if isinstance(content, dict) else None


def number(value: Any) -> float | None:
    """`value` as a float where it is a number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return nan
