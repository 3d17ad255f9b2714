"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

from ..diagnostics.rules import Thresholds
from ..diagnostics.verdicts import GOOD
from ..metrics.summary import Row


class Turn(NamedTuple):
    """A verdict that differs from the one before."""

    iteration: int
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, why, on which evidence, and what helps; `figures` are all indicators of the last look by name.

    real: what real samples get of those figures, where that was measured. Of a run also: the `iteration` of the last
    look, `since` when the verdict stands, `first`, the figures of the first look, `history`, the changes of the
    verdict, `interventions`, the roll-backs, `metrics`, the evaluations' figures at the end and at their best, and
    `reference`, what real data gets of these. notes: what a user should be told.
    """

    verdict: str
    reason: str
    evidence: Mapping[str, float]
    advice: str
    figures: Mapping[str, float]
    what: str = ""
    iteration: int | None = None
    since: int | None = None
    real: Mapping[str, float] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    interventions: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[Row, ...] = ()
    reference: Mapping[str, float] = field(default_factory=dict)
    modes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether something is wrong."""
        return self.verdict not in GOOD

    def plain(self) -> dict[str, Any]:
        """For JSON; a number that is not finite becomes None."""
        told: dict[str, Any] = {
            "verdict": self.verdict,
            "reason": self.reason,
            "evidence": _numbers(self.evidence),
            "advice": self.advice,
            "figures": _numbers(self.figures),
            "real": _numbers(self.real),
            "notes": list(self.notes),
        }
        if self.iteration is None:
            return told
        metrics = {
            row.key: {
                "final": row.final.value,
                "best": row.best.value,
                "best_at": row.best.iteration,
                "real": self.reference.get(row.key),
            }
            for row in self.metrics
        }
        return told | {
            "what": self.what,
            "iteration": self.iteration,
            "since": self.since,
            "first": _numbers(self.first),
            "history": [turn._asdict() for turn in self.history],
            "interventions": [dict(each) for each in self.interventions],
            "metrics": metrics,
        }


def calm(verdict: str, figures: Mapping[str, float]) -> str:
    """The reason of a verdict that is good, in what was measured; "" where nothing is known of the fakes."""
    distance, diversity = figures.get("batch_distance"), figures.get("diversity")
    if distance is None or diversity is None:
        return ""
    near = "fakes lie among the reals"
    if verdict != "healthy":
        t = Thresholds()
        away, uneven = distance >= t.near, figures.get("batch_balance", 1.0) < t.even
        yet = "fakes are not there yet" if away else f"{near}, {'not evenly' if uneven else 'not for long'} yet"
        near = f"no sign of trouble, {yet}"
    told = f"{near}: distance {max(0.0, distance):.2g} (0 is as real data), spread {diversity:.2g} times that of reals"
    balance = figures.get("batch_balance")
    return told if balance is None else f"{told}, balance {balance:.2g} (1 is as real data)"


def _numbers(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if isfinite(value) else None for key, value in figures.items()}
