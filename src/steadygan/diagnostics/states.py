"""What state a run is in, from how good its fakes were at each look: a test against noise and against its own best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

STATES = ("learning", "good", "stalled", "losing", "collapsed", "non_finite")
GOOD = STATES[:2]
ALARMS = STATES[2:]
BEFORE = {  # what records of earlier versions say, and which state that is
    "healthy": "good",
    "drifting": "learning",
    "exploding": "losing",
    "collapsing": "losing",
    "dead_discriminator": "stalled",
}


CHANCE = 0.05  # of the reals that are covered, which a few hundred fakes may cover more by luck


def is_good(verdict: str) -> bool:
    """Whether a record's verdict raises no alarm, in words of this version or an earlier one."""
    return BEFORE.get(verdict, verdict) in GOOD


@dataclass(frozen=True)
class Thresholds:
    """What tells a state from another; quality is a share, 1 is as real data, and comes with a standard error.

    sure: standard errors of a difference that chance is not held to make. part: the share of the run's best quality
    whose loss matters. crash: the share of it that is left after a loss which one look suffices for. good: quality
    from which fakes are good, and `part` less until they no longer are, where they cover as many reals as fresh ones
    do, but for a factor of `little` (half of that keeps it). little: the share of the best, or of real
    data in a run that stands still, below which it is collapsed. patience: the share of the iterations so far without a
    gain after which a run stands still, `least` iterations and `looks` looks at least.
    """

    sure: float = 4.0
    part: float = 0.1
    crash: float = 0.5
    good: float = 0.75
    little: float = 0.33
    patience: float = 0.4
    least: int = 1000
    looks: int = 5
    held: int = 2  # looks in a row that a small loss, or the recovery from it, must show


@dataclass
class Side:
    """The quality of one generator, the live one or the average of its weights, over the looks so far."""

    t: Thresholds
    best: float = 0.0  # the largest mean of two looks in a row
    best_error: float = 0.0
    now: float = 0.0
    error: float = 0.0
    covered: float = 1.0
    mark: float = 0.0  # the quality that was gained last
    reach: float = 0.0  # the same of the reals that are covered
    gained: int = 0  # at which iteration
    looks: int = 0
    since: int = 0  # looks since the last gain
    fell: int = 0  # looks in a row that show a loss
    rose: int = 0  # looks in a row that show none
    began: int = 0  # the iteration of the first of them that shows a loss

    def add(self, iteration: int, quality: float, error: float, covered: float) -> None:
        """One more look."""
        t = self.t
        if self.looks:
            mean, its = (quality + self.now) / 2.0, math.hypot(error, self.error) / 2.0
            reach = (covered + self.covered) / 2.0
            if mean > self.best:
                self.best, self.best_error = mean, its
            self.since += 1
            if mean > self.mark + max(t.part * t.part, 2.0 * its) or reach > self.reach + CHANCE:
                self.mark, self.reach = max(self.mark, mean), max(self.reach, reach)
                self.gained, self.since = iteration, 0
        self.looks += 1
        self.now, self.error, self.covered = quality, error, covered
        chance = t.sure * math.hypot(error, self.best_error)
        lost = self.best - quality
        self.began = iteration if not self.fell else self.began
        self.fell = self.fell + 1 if lost > max(t.part * self.best, chance) else 0
        self.rose = self.rose + 1 if lost < max(0.5 * t.part * self.best, chance) else 0

    @property
    def crashed(self) -> bool:
        """Whether this look alone shows that much is lost."""
        return self.fell > 0 and self.now < self.t.crash * self.best

    @property
    def lost(self) -> bool:
        """Whether quality is lost that the run had."""
        return self.fell >= self.t.held or self.crashed

    def idle(self, iteration: int) -> bool:
        """Whether nothing was gained for long."""
        t = self.t
        return self.since >= t.looks and iteration - self.gained > max(t.least, t.patience * iteration)


@dataclass
class Course:
    """The state of a run, look by look; what is exported decides, the average where there is one, and both are seen."""

    t: Thresholds = field(default_factory=Thresholds)
    state: str = "learning"
    live: Side = field(init=False)
    average: Side | None = None
    entered: int = 0  # the iteration at which the evidence of the state began

    def __post_init__(self) -> None:
        self.live = Side(self.t)

    @property
    def told(self) -> Side:
        """The side that decides."""
        return self.live if self.average is None else self.average

    def update(self, iteration: int, figures: Mapping[str, float], stuck: bool, lost: bool) -> str:
        """The state after one more look: `stuck` when a player cannot move, `lost` when something is not finite."""
        if lost:
            return self._enter("non_finite", iteration)
        if "quality" not in figures:
            return self._enter("stalled", iteration) if stuck else self.state
        self.live.add(iteration, figures["quality"], figures["quality_error"], figures.get("covered", 1.0))
        if "average_quality" in figures:
            self.average = self.average or Side(self.t)
            key = "average_quality"
            self.average.add(iteration, figures[key], figures[f"{key}_error"], figures.get("average_covered", 1.0))
        own, t = self.told, self.t
        ahead = self.live.fell >= t.held  # of the average, which is yet to follow
        fallen = own.lost or (ahead and (self.live.crashed or (self.live.fell >= 2 * t.held <= own.since)))
        if self.state in ("losing", "collapsed") and not fallen:
            fallen = own.rose < t.held or self.live.crashed
        if fallen:
            little = own.now < t.little * own.best or (self.state == "collapsed" and own.now < t.crash * own.best)
            began = own.began if own.fell else self.live.began if self.live.fell else iteration
            return self._enter("collapsed" if little else "losing", began)
        if stuck:
            return self._enter("stalled", iteration)
        was = self.state == "good"
        if own.now >= t.good - t.part * was and own.covered >= t.little / (1 + was) and own.looks > 1:
            return self._enter("good", iteration)
        if own.idle(iteration):
            return self._enter("collapsed" if own.now < t.little else "stalled", own.gained)
        return self._enter("learning", iteration)

    def _enter(self, state: str, since: int) -> str:
        if state != self.state:
            self.state, self.entered = state, since
        return state
