"""From the figures of a run's looks, or of one look alone, to a verdict in plain words: pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .rules import Figures, Past, Thresholds, arrived, rules

GOOD = ("learning", "healthy")
VERDICTS = (*GOOD, "drifting", "exploding", "collapsing", "collapsed", "stalled", "dead_discriminator", "non_finite")


class Verdict(NamedTuple):
    """What is to be thought of a run; `since` is the iteration at which the evidence began, `alarm` whether to act."""

    verdict: str
    reason: str = ""
    evidence: Mapping[str, float] = {}
    since: int = 0
    advice: str = ""

    @property
    def alarm(self) -> bool:
        """Whether something is wrong."""
        return self.verdict not in GOOD

    @property
    def told(self) -> str:
        """The verdict and its reason, in one line."""
        name = self.verdict.replace("_", " ")
        return f"{name}: {self.reason}" if self.reason else name


@dataclass
class Judge:
    """Looks at records one by one; `update` says what is to be thought of the run by now.

    A figure that a record lacks, or that is NaN, shows nothing. free: D's loss has no equilibrium other than 0
    (Wasserstein), whose distance is in the loss's own unit and tells nothing.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    free: bool = False
    past: Past = field(default_factory=Past)
    verdict: Verdict = field(default_factory=lambda: Verdict("learning"))

    def __post_init__(self) -> None:
        self.rules = rules(self.thresholds)
        self._since: list[int | None] = [None] * len(self.rules)
        self._shown = [0] * len(self.rules)

    def update(self, record: Figures) -> Verdict:
        """One more record; those without a look leave the verdict as it was."""
        record = {key: value for key, value in record.items() if isinstance(value, str) or not math.isnan(value)}
        if "batch_distance" not in record and "d_gradient_mean" not in record and not record.get("non_finite"):
            return self.verdict
        iteration = int(record.get("iteration", self.past.looks))
        self.past.add(record)
        found: Verdict | None = None
        for i, rule in enumerate(self.rules):
            ripe = self.past.looks > (self.thresholds.settled if rule.after is None else rule.after)
            if not (rule.known(record, self.free) and ripe and rule.shows(record, self.past)):
                self._shown[i], self._since[i] = 0, None
                continue
            self._shown[i] += 1
            since = self._since[i] = iteration if self._since[i] is None else self._since[i]
            if self._shown[i] >= rule.looks and found is None:
                assert since is not None
                told, evidence = rule.told(record)
                when = f"since iteration {since:,}" if since < iteration else f"at iteration {iteration:,}"
                found = Verdict(rule.verdict, f"{told} ({when}): {rule.advice}", evidence, since, rule.advice)
        self.past.remember(record)
        if found is None:
            there = arrived(record, self.thresholds) and self.past.looks > self.thresholds.settled
            found = Verdict("healthy" if there else "learning", since=iteration)
            if found.verdict == self.verdict.verdict:
                found = self.verdict
        self.verdict = found
        return found


def judge(records: Iterable[Figures], free: bool = False, thresholds: Thresholds | None = None) -> list[Verdict]:
    """The verdict after each of a run's records."""
    own = Judge(thresholds or Thresholds(), free)
    return [own.update(record) for record in records]


def judge_once(figures: Figures, free: bool = False, thresholds: Thresholds | None = None) -> Verdict:
    """The gravest sign that one look shows; those that compare with the past, or ask how long it lasts, are left out.

    free: D's loss has no equilibrium other than 0, as in `Judge`. Fakes that have `arrived` are healthy, and
    whatever shows no sign is learning.
    """
    t, past = thresholds or Thresholds(), Past(looks=1)
    for rule in rules(t):
        if rule.lone and rule.known(figures, free) and rule.shows(figures, past):
            told, evidence = rule.told(figures)
            return Verdict(rule.verdict, f"{told}: {rule.advice}", evidence, advice=rule.advice)
    return Verdict("healthy" if arrived(figures, t) else "learning")
