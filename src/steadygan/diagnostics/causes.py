"""Why a run fails, as far as its figures show: the causes, and which setting helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ..quantities import DEAD_GRADIENT, listed
from .remedy import Changing, Setting, bounded, fairer, nothing, revived, slower, smoother, stronger

Figures: TypeAlias = Mapping[str, float]
LOOKS = 5  # whose losses show what is usual
AT_REST = 0.005  # deviation of a loss that counts as none: a run at its equilibrium stirs by many times itself
WILD = 7.0  # times as much as usual that a loss goes up and down
OUT = 10.0  # usual deviations from the usual loss beyond which one iteration asks for a look
STEEP = 10.0  # logits that D's slope at the fakes makes of the reals' mean distance
FLAT = 0.005  # of the same
TO_TEACH, BARE = 0.03, 0.2  # the distance of fakes, or the share of reals covered, that leave something to teach
TOO_WELL = -0.3  # distance of D's loss from its equilibrium
BY_HEART = 0.75  # deviations by which D rates its training samples above held-out ones
WIDE, ALIKE = 1.8, 0.4  # mean distance of fakes over that of reals
APART = 0.2  # quality that live fakes have and the average's have not
POOR, BLIND = 0.5, 0.25  # quality to which D should object; deviations between D's logits of reals and fakes
BEYOND = 2.0  # times D's scale between reals that its slope makes of their differences
SHEER = 100.0  # logits over the reals' mean distance that are too steep however far apart D puts the reals
IDLE, ALONE = 0.01, 0.99  # share of G's gradient that the adversarial term has where it hardly counts, or only it
UNMATCHED = 0.95  # times as far from their own reals as from others that paired fakes are
SMOOTH = 0.6  # of the reals' fine detail, or its inverse: fakes are smooth, or noisy
TELLING = 1.0  # deviations by which a head of D tells reals from fakes
GROWN = 10.0  # times as far apart as at first that an unbounded critic puts the sides


@dataclass
class Past:
    """What is remembered of earlier looks, for the signs that compare."""

    last: dict[str, float] = field(default_factory=dict)
    losses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # mean and deviation of the last looks
    gap: float = 0.0  # the largest of the first logit gaps
    looks: int = 0

    def usual(self, key: str) -> tuple[float, float] | None:
        """The medians of a loss's means and of its deviations; None after too few looks."""
        known = self.losses.get(key, ())
        if len(known) < LOOKS:
            return None
        means, stds = (sorted(values)[len(known) // 2] for values in zip(*known, strict=True))
        return means, max(stds, AT_REST)

    def still(self, figures: Figures, player: str) -> bool:
        """Whether a player's weights are exactly those of the previous look."""
        key, at = f"weight_norm_{player}", "iteration"
        moved = figures.get(at, 0.0) > self.last.get(at, 0.0)
        return moved and figures.get(key, 0.0) != 0.0 and figures.get(key) == self.last.get(key)

    def add(self, figures: Figures) -> None:
        """One more look."""
        self.looks += 1
        self.last = {key: figures[key] for key in ("iteration", "weight_norm_g", "weight_norm_d") if key in figures}
        for key in ("g_loss", "d_loss"):
            if key in figures and f"{key}_std" in figures:
                kept = self.losses.setdefault(key, [])
                kept.append((figures[key], figures[f"{key}_std"]))
                del kept[:-LOOKS]
        gap = abs(figures.get("logit_gap", 0.0))
        if self.looks <= LOOKS:
            self.gap = max(self.gap, gap)


Sign: TypeAlias = Callable[[Figures, Past, Setting], bool]


class Cause(NamedTuple):
    """A mechanism of failure: its `sign` in a look's figures, its description in `words`, and what helps.

    keys: figures that the sign needs. change: what a roll-back changes; advice: what to do by hand, in addition or
    instead. stuck: neither player can improve, whatever the samples are like. lone: a single look can show it. looks:
    how many in a row must show it. always: it is reported whatever the quality, which does not reflect it. of_d: it
    says that D is not all right.
    """

    name: str
    sign: Sign
    words: str
    keys: tuple[str, ...]
    change: Changing = nothing
    advice: str = ""
    stuck: bool = False
    lone: bool = True
    looks: int = 2
    always: bool = False
    of_d: bool = False

    def shows(self, figures: Figures, past: Past, setting: Setting) -> bool:
        """Whether a look shows this cause."""
        return all(key in figures for key in self.keys) and self.sign(figures, past, setting)

    def evidence(self, figures: Figures) -> dict[str, float]:
        """The figures that show it, those of each head among them."""
        return {key: float(value) for key, value in figures.items() if key.partition("/")[0] in self.keys}

    def told(self, figures: Figures) -> str:
        """What was seen, in words."""
        silent = silent_heads(figures)
        heads = f"head{'s' * (len(silent) > 1)} {listed(silent)}" if silent else ""
        return self.words.format(heads=heads, **{key: figures[key] for key in self.keys})


def above(key: str, limit: float) -> Sign:
    """A figure that is too large."""
    return lambda figures, _past, _setting: figures[key] > limit


def below(key: str, limit: float) -> Sign:
    """A figure that is too small."""
    return lambda figures, _past, _setting: figures[key] < limit


def nought(key: str) -> Sign:
    """A figure that is exactly 0."""
    return lambda figures, _past, _setting: figures[key] == 0.0


def levelled(*signs: Sign) -> Sign:
    """All of these signs, for a loss with an equilibrium, whose logits have a known unit."""
    return lambda figures, past, setting: not setting.free and all(sign(figures, past, setting) for sign in signs)


def beyond(figures: Figures, _past: Past, _setting: Setting) -> bool:
    """A slope of D that its own outputs for reals do not explain, or that no loss with a unit can have asked for.

    Records without the former are taken at their word.
    """
    return figures.get("slope_to_scale", BEYOND) >= BEYOND or figures["steepness"] > SHEER


def grown(figures: Figures, past: Past, setting: Setting) -> bool:
    """A critic without an equilibrium that puts the sides much further apart than it did at first."""
    return setting.free and past.looks > LOOKS and abs(figures["logit_gap"]) > GROWN * past.gap > 0.0


def wanting(figures: Figures, _past: Past, _setting: Setting) -> bool:
    """Fakes that still have something to learn: they are far from the reals, or leave most of them uncovered."""
    return figures["batch_distance"] > TO_TEACH or figures["covered"] < BARE


def blind(figures: Figures, _past: Past, _setting: Setting) -> bool:
    """A D that hardly tells fakes from reals, though they differ."""
    return figures["quality"] < POOR and abs(figures["separation"]) < BLIND and figures["diversity"] < WIDE


def behind(figures: Figures, _past: Past, _setting: Setting) -> bool:
    """An average of G's weights that is worse than G, or covers fewer reals."""
    return any(figures[key] - figures[f"average_{key}"] > APART for key in ("quality", "covered"))


def silent_heads(figures: Figures) -> list[str]:
    """The heads of D that hardly tell fakes from reals where another one does."""
    heads = {key: abs(value) for key, value in figures.items() if key.startswith("separation/")}
    silent = [key for key, value in heads.items() if value < BLIND]
    return [key.partition("/")[2] for key in silent] if heads and max(heads.values()) > TELLING else []


def still(player: str) -> Sign:
    """Weights that do not change."""
    return lambda figures, past, _setting: past.still(figures, player)


def wild(key: str) -> Sign:
    """A loss that suddenly varies far more than before."""

    def sign(figures: Figures, past: Past, _: Setting) -> bool:
        usual = past.usual(key)
        return usual is not None and figures[f"{key}_std"] > WILD * usual[1]

    return sign


MILDER = "lower the learning rates or raise the penalty"
REVIVE = "use leaky ReLU in D, and roll back to before it died, or start again"
UNCUT = "check for a clamp or an activation that is saturated everywhere"
MOVE = "check for requires_grad=False, a learning rate of 0, or an optimizer without its weights"
CAUSES = (
    Cause(
        "d_dead",
        below("d_gradient_mean", DEAD_GRADIENT),
        "D has no slope at the fakes (mean {d_gradient_mean:.2g}): G learns nothing from it",
        ("d_gradient_mean",),
        revived,
        REVIVE,
        stuck=True,
        looks=1,
        of_d=True,
    ),
    Cause(
        "d_dead",
        above("dead_units", 0.99),
        "{dead_units:.1%} of D's hidden units give the same output for everything",
        ("dead_units",),
        revived,
        REVIVE,
        stuck=True,
        looks=1,
        of_d=True,
    ),
    Cause(
        "g_dead",
        nought("gradient_norm_g"),
        "no gradient reaches G's weights",
        ("gradient_norm_g",),
        advice=UNCUT,
        stuck=True,
    ),
    Cause(
        "d_saturated",
        nought("gradient_norm_d"),
        "no gradient reaches D's weights: its loss is saturated",
        ("gradient_norm_d",),
        smoother,
        UNCUT,
        stuck=True,
        of_d=True,
    ),
    *(
        Cause(
            f"{player}_still",
            still(player),
            f"{player.upper()}'s weights do not change",
            (f"weight_norm_{player}",),
            advice=MOVE,
            stuck=True,
            lone=False,
            of_d=player == "d",
        )
        for player in "dg"
    ),
    Cause(
        "data_changed",
        above("data_changed", 0.0),
        "the newest real samples differ from the first ones: fakes are compared with the new ones from here on",
        ("data_changed",),
        advice="check whether the data are meant to change",
        lone=False,
        looks=1,
        always=True,
    ),
    Cause(
        "classes_ignored",
        below("class_agreement", 0.5),
        "only {class_agreement:.0%} of fakes look like the requested class, where real samples do",
        ("class_agreement",),
        advice="check that labels reach G and D and match the samples",
        always=True,
    ),
    Cause(
        "critic_unbounded",
        grown,
        "the critic's outputs grow without bound (reals over fakes {logit_gap:.3g})",
        ("logit_gap",),
        bounded,
        lone=False,
        of_d=True,
    ),
    *(
        Cause(
            f"{player}_unsteady",
            wild(f"{player}_loss"),
            f"{player.upper()}'s loss goes up and down by {{{player}_loss_std:.2g}}, far more than before",
            (f"{player}_loss_std",),
            slower,
            lone=False,
            looks=1,
            of_d=player == "d",
        )
        for player in "gd"
    ),
    Cause(
        "d_steep",
        levelled(above("steepness", STEEP), beyond),
        "D's slope at the fakes explodes: {steepness:.3g} logits over the reals' mean distance",
        ("steepness",),
        smoother,
        of_d=True,
    ),
    Cause(
        "g_driven_out",
        above("diversity", WIDE),
        "fakes are {diversity:.2g} times as far apart as reals: G is driven out of the data",
        ("diversity",),
        slower,
    ),
    Cause(
        "d_flat",
        levelled(below("steepness", FLAT), wanting),
        "D is flat (steepness {steepness:.2g}) while fakes are {batch_distance:.2g} from the reals and cover"
        " {covered:.0%} of what they should",
        ("steepness", "batch_distance", "covered"),
        stronger,
        "widen D",
        stuck=True,
        looks=5,
        of_d=True,
    ),
    Cause(
        "d_overfits",
        above("overfitting_gap", BY_HEART),
        "D rates its training samples {overfitting_gap:.2g} deviations above held-out ones: it has memorised them",
        ("overfitting_gap",),
        smoother,
        "use more training samples, or method.diff_augment",
        of_d=True,
    ),
    Cause(
        "d_too_strong",
        levelled(below("d_off", TOO_WELL)),
        "D's loss is far below its equilibrium ({d_off:.0%}): D tells fakes from reals too well",
        ("d_off",),
        smoother,
        of_d=True,
    ),
    Cause(
        "d_too_weak",
        blind,
        "D hardly tells fakes from reals ({separation:.2g} deviations) though their quality is {quality:.2g}",
        ("quality", "separation", "diversity"),
        stronger,
        "widen D, or give it more steps",
        of_d=True,
    ),
    Cause(
        "head_idle",
        lambda figures, _past, _setting: bool(silent_heads(figures)),
        "{heads} of D hardly tells fakes from reals, though another does",
        ("separation",),
        advice="check what this head sees, its learning rate and its penalty",
        looks=5,
        always=True,
        of_d=True,
    ),
    Cause(
        "adv_idle",
        lambda figures, _past, _setting: figures["adv_share"] < IDLE,
        "the adversarial term has {adv_share:.2%} of G's gradient: D hardly moves G",
        ("adv_share",),
        advice="raise the term's weight, until its share is a tenth or more",
        always=True,
    ),
    Cause(
        "adv_alone",
        lambda figures, _past, _setting: figures["adv_share"] > ALONE,
        "the adversarial term has {adv_share:.1%} of G's gradient: the other terms no longer count",
        ("adv_share", "adv_agreement"),
        smoother,
        "lower the term's weight",
        always=True,
    ),
    Cause(
        "input_ignored",
        above("paired_match", UNMATCHED),
        "fakes are {paired_match:.2f} times as far from their own reals as from others: what they are made from hardly"
        " matters",
        ("paired_match",),
        advice="raise the weight of the term that compares pairs, or give D what they are made from",
        always=True,
    ),
    Cause(
        "fakes_smooth",
        below("detail", SMOOTH),
        "fakes have {detail:.0%} of the reals' fine detail: they are smooth",
        ("detail",),
        advice="raise the adversarial term's weight, or give D smaller patches",
        always=True,
    ),
    Cause(
        "fakes_noisy",
        above("detail", 1.0 / SMOOTH),
        "fakes have {detail:.1f} times the reals' fine detail: they are noisy",
        ("detail",),
        smoother,
        "lower the adversarial term's weight",
        always=True,
    ),
    Cause(
        "average_behind",
        behind,
        "the average of G's weights is behind G (quality {average_quality:.2g} and {quality:.2g}, of the reals covered"
        " {average_covered:.0%} and {covered:.0%})",
        ("quality", "average_quality", "covered", "average_covered"),
        advice="use a shorter half-life (ema.half_life), wait for the average, or use G's own weights",
    ),
    Cause(
        "fakes_alike",
        below("diversity", ALIKE),
        "fakes differ {diversity:.2g} times as much as reals",
        ("diversity",),
        fairer,
    ),
)
