"""The state of a run from how good its fakes were at each look, tested against noise and its own best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

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


COUNTED = 128  # reals of which a look tells whether they are covered, at least
CHANCE = 0.01  # least variance of one of them
KEPT, FEW = 8, 4  # bends that tell how much a figure usually goes up and down; and fewer than it takes


def is_good(verdict: str) -> bool:
    """Whether a record's verdict raises no alarm, in words of this version or an earlier one."""
    return BEFORE.get(verdict, verdict) in GOOD


@dataclass(frozen=True)
class Thresholds:
    """The limits between states; qualities are shares with standard errors, 1 is as good as real data.

    sure: standard errors that a difference must exceed to count. part: the share of the run's best quality whose loss
    matters; for covered reals, `wide` times as much. crash: the share of the best that is left after a loss for which
    one look is enough. good: quality from which fakes are good, less `part` to stay so, where `bare` of the reals are
    covered, or half of that to stay so; a run is stalled for lack of gain only if it falls short of this by half of
    `sure` errors. little: the quality that a run must have had to lose it, and the share of its best, or of real data
    for a stalled run, below which it is collapsed. gain: the smallest gain that counts. patience: the share of the
    iterations so far without a gain, live or averaged, after which a run is stalled, after at least `least` iterations,
    or `young` of those that it is planned for, and `looks` looks. held: looks in a row that must show a small loss, or
    the recovery from it. late: the share of a run with a known end after which it must be on its way to being good.
    """

    sure: float = 4.0
    part: float = 0.1
    wide: float = 2.5
    crash: float = 0.5
    good: float = 0.75
    bare: float = 0.2
    gain: float = 0.02
    little: float = 0.33
    patience: float = 0.4
    least: int = 1000
    young: float = 0.1
    looks: int = 5
    held: int = 2
    late: float = 0.75


@dataclass
class Track:
    """One figure over the looks so far, a share where larger is better, compared with its own best.

    Its noise is estimated from the figure itself: the deviation of independent errors that would bend it as it usually
    bends from look to look, median |x_i - 2 x_{i-1} + x_{i-2}| / 1.65 over the last `KEPT`, which ignores a steady
    rise. Fixed latents and reals make it smaller than the standard error, of which at least a third is kept, and all of
    it while few looks are known. A figure that fluctuates has more.
    """

    part: float
    t: Thresholds
    now: float = 0.0
    noise: float = 0.0
    best: float = 0.0  # the largest mean of two looks in a row
    mark: float = 0.0  # that of the last gain
    looks: int = 0
    fell: int = 0  # looks in a row that show a loss
    rose: int = 0  # looks in a row that show none
    began: int = 0  # the iteration of the first of them that shows a loss
    level: float = 0.0  # the mean of the last two looks
    last: list[float] = field(default_factory=list)
    levels: list[tuple[int, float]] = field(default_factory=list)  # of the last `patience` of the iterations

    def add(self, iteration: int, value: float, error: float) -> bool:
        """Adds a look; returns whether something was gained."""
        gained = False
        if self.looks:
            self.level = (value + self.now) / 2.0
            self.best = max(self.best, self.level)
            if self.level > self.mark + max(self.t.gain, 2.0 * error / math.sqrt(2.0)):
                self.mark, gained = self.level, True
            self.levels.append((iteration, self.level))
            while len(self.levels) > 1 and self.levels[1][0] <= (1.0 - self.t.patience) * iteration:
                del self.levels[0]
        x = self.last  # without this look, which is what is asked about
        bends = [abs(x[i] - 2.0 * x[i - 1] + x[i - 2]) for i in range(2, len(x))]
        self.noise = error if len(bends) < FEW else max(error / 3.0, median(bends) / 1.65)
        self.looks, self.now = self.looks + 1, value
        lost, chance = (self.best - value) * (self.best >= self.t.little), self.t.sure * self.noise
        self.began = self.began if self.fell else iteration
        self.fell = self.fell + 1 if lost > max(self.part * self.best, chance) else 0
        if self.fell < self.t.held:  # what is lost is no noise
            self.last = [*x, value][-KEPT - 2 :]
        self.rose = self.rose + 1 if lost < max(0.5 * self.part * self.best, chance) else 0
        return gained

    def at(self, end: int) -> float:
        """Its least value at iteration `end`, if it keeps the pace of the last `patience` of the iterations."""
        (first, before), (now, level) = self.levels[0], self.levels[-1]
        pace = (level - before) / (now - first) if now > first else 0.0
        return max(level, level + pace * (end - now))

    @property
    def crashed(self) -> bool:
        """Whether this look alone shows a large loss."""
        return self.fell > 0 and self.now < self.t.crash * self.best

    @property
    def lost(self) -> bool:
        """Whether something that the run had is lost."""
        return self.fell >= self.t.held or self.crashed


@dataclass
class Side:
    """One generator, the live one or the average of its weights: its quality and covered reals."""

    t: Thresholds
    quality: Track = field(init=False)
    covered: Track = field(init=False)
    gained: int = 0  # at which iteration something was gained last
    since: int = 0  # looks since then

    def __post_init__(self) -> None:
        self.quality, self.covered = Track(self.t.part, self.t), Track(self.t.wide * self.t.part, self.t)

    def add(self, iteration: int, quality: float, error: float, covered: float) -> None:
        """Adds a look."""
        chance = math.sqrt(max(covered * (1.0 - covered), CHANCE) / COUNTED)
        gains = self.quality.add(iteration, quality, error), self.covered.add(iteration, covered, chance)
        self.gained, self.since = (iteration, 0) if any(gains) else (self.gained, self.since + 1)

    @property
    def tracks(self) -> tuple[Track, Track]:
        """Both figures."""
        return self.quality, self.covered

    @property
    def lost(self) -> bool:
        """Whether one of them shows a loss."""
        return any(track.lost for track in self.tracks)

    @property
    def back(self) -> bool:
        """Whether both have recovered."""
        return all(track.rose >= self.t.held for track in self.tracks)

    @property
    def worst(self) -> Track:
        """Of the figures that show a loss, or of both, the one with the least of its best left."""
        lost = [track for track in self.tracks if track.lost]
        return min(lost or self.tracks, key=lambda track: track.now / track.best if track.best else 1.0)

    def idle(self, iteration: int, least: float) -> bool:
        """Whether nothing was gained for a long time, `least` iterations or more."""
        t = self.t
        return self.since >= t.looks and iteration - self.gained > max(least, t.patience * iteration)


@dataclass
class Course:
    """The state of a run, look by look; what is exported decides (the average if there is one), and both are watched.

    end: the iteration at which its rates have decayed; None where they stay constant. length: planned iterations, 0 for
    unknown.
    """

    t: Thresholds = field(default_factory=Thresholds)
    end: int | None = None
    length: int = 0
    state: str = "learning"
    live: Side = field(init=False)
    average: Side | None = None
    stood: float | None = None  # the quality at which a run began to stand still
    late: bool = False  # it will not be good at its end
    lost: bool = False  # something that the run had, and has not got back
    entered: int = 0  # the iteration at which the evidence of the state began

    def __post_init__(self) -> None:
        self.live = Side(self.t)

    @property
    def told(self) -> Side:
        """The generator that decides."""
        return self.live if self.average is None else self.average

    def update(self, iteration: int, figures: Mapping[str, float], stuck: bool, lost: bool) -> str:
        """The state after a look: `stuck` when a player cannot move, `lost` when something is not finite."""
        if lost:
            return self._enter("non_finite", iteration)
        if "quality" not in figures:
            self.live.since += 1  # a D that is trained alone: nothing is gained
            return self._enter("stalled", iteration) if stuck else self.state
        was_late, self.late = self.late, False
        self.live.add(iteration, figures["quality"], figures["quality_error"], figures.get("covered", 1.0))
        if "average_quality" in figures:
            self.average = self.average or Side(self.t)
            key = "average_quality"
            self.average.add(iteration, figures[key], figures[f"{key}_error"], figures.get("average_covered", 1.0))
        own, live, t = self.told, self.live.quality, self.t
        ahead = live.fell >= t.held and (live.crashed or (live.fell >= 2 * t.held <= own.since))
        ahead = ahead and own.quality.best >= t.little  # an average that has nothing to lose yet loses nothing
        fallen = own.lost or ahead  # the average is yet to follow
        if self.lost and not fallen:
            fallen = not own.back or live.crashed
        self.lost = fallen
        if fallen:
            worst = own.worst if own.lost or not ahead else live
            left = t.crash if self.state == "collapsed" else t.little
            return self._enter("collapsed" if worst.now < left * worst.best else "losing", worst.began)
        if stuck:
            return self._enter("stalled", iteration)
        was, level = self.state == "good", own.quality.level
        if level >= t.good - t.part * was and own.covered.level >= t.bare / (1 + was) and own.quality.looks > 1:
            self.stood = None
            return self._enter("good", iteration)
        short = level < t.good - t.sure * own.quality.noise / 2.0
        least = max(t.least, t.young * self.length)
        if short and own.idle(iteration, least) and self.live.idle(iteration, least) and self.stood is None:
            self.stood = level
        if self.stood is not None and short and level < self.stood + t.part:  # a gain that is little changes nothing
            return self._enter("collapsed" if level < t.little else "stalled", own.gained)
        began = self.entered if self.state == "learning" else iteration
        self.stood, self.late = None, self._late(iteration, was_late)
        return self._enter("stalled" if self.late else "learning", began)

    def _late(self, iteration: int, was: bool) -> bool:
        """Whether the end is near, and neither side will be good there at its pace, or the average is not by then.

        What was so once must be on its way there whatever the noise.
        """
        t, sides = self.t, (self.told, self.live)
        if self.end is None or iteration < max(t.late * self.end, t.least) or self.live.quality.looks <= t.looks:
            return False
        spare = 0.0 if was else t.sure / 2.0
        poor = all(side.quality.at(self.end) < t.good - spare * side.quality.noise for side in sides)
        bare = all(
            max(side.covered.at(self.end), side.covered.best) < t.bare - spare * side.covered.noise for side in sides
        )
        return poor or bare or (iteration >= self.end and self._behind())

    def _behind(self) -> bool:
        """Whether the average is not good by more than the noise, and the live generator is by more than it."""
        bounds, sure = (self.t.good, self.t.bare), self.t.sure / 2.0
        both = [*zip(self.told.tracks, self.live.tracks, bounds, strict=True)]
        spare = [sure * max(own.noise, live.noise) for own, live, _ in both]
        lacks = any(own.level < bound - by for (own, _, bound), by in zip(both, spare, strict=True))
        return lacks and all(live.level > bound + by for (_, live, bound), by in zip(both, spare, strict=True))

    def _enter(self, state: str, since: int) -> str:
        if state != self.state:
            self.state, self.entered = state, since
        return state
