"""The verdict from one look alone, without a past to compare it with."""

from __future__ import annotations

from .rules import Figures, Past, Thresholds, arrived, rules
from .verdicts import Verdict


def judge_once(figures: Figures, free: bool = False, thresholds: Thresholds | None = None) -> Verdict:
    """The gravest sign that one look shows; those that compare with the past, or ask how long it lasts, are left out.

    free: D's loss has no equilibrium other than 0, as in `Judge`. Fakes that have `arrived` are healthy, and
    whatever shows no sign is learning.
    """
    t, past = thresholds or Thresholds(), Past(looks=1)
    for rule in rules(t):
        if rule.lone and rule.known(figures, free) and rule.shows(figures, past):
            evidence = {key: float(figures[key]) for key in rule.keys}
            reason = f"{rule.words.format(**evidence)}: {rule.advice}"
            return Verdict(rule.verdict, reason, evidence, advice=rule.advice)
    return Verdict("healthy" if arrived(figures, t) else "learning")
