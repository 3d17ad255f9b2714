"""The signs of trouble in a run's looks: which figures show them, beyond which thresholds, and what helps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

from ..quantities import DEAD_GRADIENT

Figures = Mapping[str, float]
Sign: TypeAlias = Callable[[float, "Past"], bool]  # of a figure, given the looks before

MEMORY = 5  # looks that a loss is compared with
AT_REST = 0.005  # deviation of a loss that counts as none: a run at its equilibrium stirs by many times itself

SOFTER_D = "raise the gradient penalty (r1), lower D's learning rate, or switch on fake-as-real"
SOFTER = "lower both learning rates, raise the gradient penalty (r1), or switch on fake-as-real"
MILDER = "lower the learning rates or raise the penalty"
REVIVE = "use leaky ReLU in D, lower its learning rate or N0 of fake-as-real, and begin anew"
WIDER_D = "lower both learning rates, or give D more steps or width"
UNCUT = "look for a clamp or an activation that is saturated everywhere, lower the learning rates, and begin anew"
STRONGER_D = "lower the penalty's weight or N0 of fake-as-real, train D more often, or widen it"


@dataclass(frozen=True)
class Thresholds:
    """What tells a failing run from a healthy one; chosen on the runs of benchmarks/monitored_runs.py `tuning`."""

    steep: float = 10.0  # steepness: logits that D's slope would make of the reals' mean distance
    flat: float = 0.005  # the same, while fakes are further from reals than `untaught`
    untaught: float = 0.03  # batch_distance that leaves something to teach
    near: float = 0.02  # and below which fakes are where the reals are,
    even: float = 0.5  # where their batch_balance is not below this
    bare: float = 0.1  # batch_coverage that leaves something to teach, however near the fakes are in the large
    few: float = 0.4  # diversity below which fakes are too alike
    wide: float = 1.8  # and above which they are thrown apart
    far: float = 0.6  # batch_distance of fakes that are nowhere near the reals
    apart: float = 0.3  # and of those that should have come nearer by now
    lost: float = 0.12  # batch_distance that a run reaches that was below `reached`
    reached: float = 0.05
    winning: float = -0.3  # d_off below which D tells the sides apart too well
    by_heart: float = 0.75  # overfitting_gap of a D that knows its training samples
    jump: float = 7.0  # times as much as usual that a loss goes up and down
    settled: int = 4  # looks, the one before the first iteration included, whose disorder is no sign


class Rule(NamedTuple):
    """A sign of trouble: when all its figures show it at `looks` looks in a row, it is a verdict."""

    verdict: str
    signs: Mapping[str, Sign]
    words: str  # with {key} for each figure
    advice: str
    looks: int = 2
    after: int | None = None  # looks that are passed over; those in which a run settles unless given
    lone: bool = True  # can be told from one look alone
    levelled: bool = False  # says nothing of a loss of D without an equilibrium, whose logits are in a unit of its own

    def known(self, figures: Figures, free: bool) -> bool:
        """Whether it can be asked; free: D's loss has no equilibrium other than 0."""
        return figures.keys() >= self.signs.keys() and not (free and self.levelled)

    def shows(self, figures: Figures, past: Past) -> bool:
        """Whether one look shows it, given those before."""
        return all(sign(figures[key], past) for key, sign in self.signs.items())

    def told(self, figures: Figures) -> tuple[str, dict[str, float]]:
        """What it saw in words, and the figures it saw it by."""
        evidence = {key: float(figures[key]) for key in self.signs}
        return self.words.format(**evidence), evidence


@dataclass
class Past:
    """What is kept of the looks so far."""

    looks: int = 0
    best: float | None = None  # the smallest mean of two batch_distances in a row
    last: float | None = None
    losses: dict[str, deque[float]] = field(default_factory=dict)  # deviations of the last looks

    def usual(self, key: str, now: float) -> float:
        """How many times the median of the looks before; 0 while there are too few."""
        before = sorted(self.losses.get(key, ()))
        return now / max(before[len(before) // 2], AT_REST) if len(before) == MEMORY else 0.0

    def remember(self, figures: Figures) -> None:
        """What the next look is compared with."""
        for key in ("g_loss_std", "d_loss_std"):
            if key in figures:
                self.losses.setdefault(key, deque(maxlen=MEMORY)).append(figures[key])

    def add(self, figures: Figures) -> None:
        """One more look."""
        self.looks += 1
        now = figures.get("batch_distance")
        if now is not None and self.last is not None:
            mean = (now + self.last) / 2.0
            self.best = mean if self.best is None else min(self.best, mean)
        self.last = now


def above(limit: float) -> Sign:
    """A figure that is too large."""
    return lambda value, _: value > limit


def below(limit: float) -> Sign:
    """A figure that is too small."""
    return lambda value, _: value < limit


def nothing(value: float, _: Past) -> bool:
    """A figure that is exactly 0."""
    return value == 0.0


def away(limit: float, reached: float) -> Sign:
    """A distance that is large again in a run that had been nearer than `reached`."""
    return lambda value, past: past.best is not None and past.best < reached and value > limit


def restless(key: str, player: str, t: Thresholds) -> Rule:
    """A loss that suddenly goes up and down."""
    words = f"{player}'s loss goes up and down {{{key}:.2g}}, many times as much as before"
    return Rule("exploding", {key: lambda std, past: past.usual(key, std) > t.jump}, words, SOFTER, looks=1, lone=False)


def rules(t: Thresholds) -> tuple[Rule, ...]:
    """The signs, the gravest first."""
    at_once = partial(Rule, looks=1, after=0)
    return (
        at_once(
            "non_finite",
            {"non_finite": above(0.0)},
            "{non_finite:.0f} values of logits, samples or gradients are not finite",
            MILDER,
        ),
        at_once(
            "dead_discriminator",
            {"d_gradient_mean": below(DEAD_GRADIENT)},
            "D has no slope at the fakes (mean {d_gradient_mean:.2g}): it teaches G nothing",
            REVIVE,
        ),
        at_once(
            "dead_discriminator",
            {"dead_units": above(0.99)},
            "{dead_units:.1%} of D's hidden units say the same of everything",
            REVIVE,
        ),
        Rule(
            "dead_discriminator",
            {"steepness": below(t.flat), "batch_distance": above(t.untaught)},
            "D is flat (steepness {steepness:.2g}) while fakes are still {batch_distance:.2g} from the reals",
            STRONGER_D,
            levelled=True,
        ),
        Rule(
            "dead_discriminator",
            {"steepness": below(t.flat), "batch_coverage": below(t.bare)},
            "D stays flat (steepness {steepness:.2g}) while only {batch_coverage:.1%} of the reals have a fake nearby",
            STRONGER_D,
            looks=5,
            lone=False,
            levelled=True,
        ),
        Rule(
            "exploding",
            {"diversity": above(t.wide)},
            "fakes lie {diversity:.2g} times as far apart as reals: G is driven out of the data",
            STRONGER_D,
        ),
        Rule(
            "collapsed",
            {"diversity": below(t.few), "batch_distance": above(t.apart)},
            "fakes differ {diversity:.2g} times as much as reals, and lie {batch_distance:.2g} from them",
            SOFTER,
        ),
        Rule("collapsing", {"diversity": below(t.few)}, "fakes differ {diversity:.2g} times as much as reals", SOFTER),
        Rule(
            "collapsing",
            {"batch_distance": away(t.far, t.reached)},
            "fakes are {batch_distance:.2g} from the reals, where they were near before",
            SOFTER,
            looks=1,
        ),
        Rule(
            "exploding",
            {"steepness": above(t.steep)},
            "D's slope at the fakes, {steepness:.3g} logits over the reals' mean distance, explodes",
            SOFTER_D,
            after=1,
        ),
        Rule("stalled", {"gradient_norm_g": nothing}, "no gradient reaches G's weights", UNCUT, after=0),
        Rule(
            "stalled",
            {"gradient_norm_d": nothing},
            "no gradient reaches D's weights: it is dead, or its loss has nothing left to ask for",
            f"{SOFTER_D}, and {UNCUT}",
            after=0,
        ),
        Rule(
            "drifting",
            {"batch_distance": away(t.lost, t.reached)},
            "fakes are {batch_distance:.2g} from the reals again, where they were nearer before",
            SOFTER,
        ),
        Rule(
            "drifting",
            {"batch_distance": above(t.far)},
            "fakes are {batch_distance:.2g} from the reals, further than noise would be",
            WIDER_D,
            after=1,
        ),
        restless("g_loss_std", "G", t),
        restless("d_loss_std", "D", t),
        Rule(
            "drifting",
            {"batch_distance": above(t.apart)},
            "fakes are {batch_distance:.2g} from the reals and do not come nearer",
            WIDER_D,
            looks=3,
            lone=False,
        ),
        Rule(
            "drifting",
            {"d_off": below(t.winning)},
            "D's loss is {d_off:.0%} off its equilibrium: it tells fakes from reals too well",
            SOFTER_D,
            looks=3,
            levelled=True,
        ),
        Rule(
            "drifting",
            {"overfitting_gap": above(t.by_heart)},
            "D rates its training samples {overfitting_gap:.2g} deviations above held-out ones: it knows them by heart",
            SOFTER_D,
        ),
    )


def arrived(figures: Figures, t: Thresholds) -> bool:
    """Whether fakes lie where the reals do, and about as evenly."""
    return figures.get("batch_distance", 1.0) < t.near and not figures.get("batch_balance", 1.0) < t.even
