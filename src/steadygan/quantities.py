"""How a run's numbers and verdicts are shown to people: label, unit, scale, ideal, group, defined once.

Terminals, figures and the page take their words from here; there is no torch here, nor anything else that loads slowly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from typing import Any, NamedTuple

DEAD_GRADIENT = 1e-8  # mean ||grad_y d(y)|| below which a discriminator teaches nothing
LOSSES, GRADIENTS, QUALITY = "Losses", "Gradients", "Quality"
PAIRS, OUTPUTS, WEIGHTS = "Coverage and balance", "D's outputs", "Weights"
OTHERS, CLASSES = "Other terms", "Classes"
GROUPS = (QUALITY, LOSSES, GRADIENTS, PAIRS, OUTPUTS, WEIGHTS, OTHERS, CLASSES)
FOLDERS = {  # of a group's curves where these stand in folders, TensorBoard say
    QUALITY: "quality",
    PAIRS: "quality",
    LOSSES: "loss",
    GRADIENTS: "gradient",
    OUTPUTS: "critic",
    WEIGHTS: "weight",
    OTHERS: "term",
    CLASSES: "class",
}
COUNTS = ("modes", "samples", "fakes", "values")
SHARE, MODES, EVEN, RATIO = "share", "modes", "share of an even mode", "ratio to real data"
RECEIVED, SLOPE, NORM = "loss per data unit", "logits per data unit", "Euclidean norm"
SPREAD, STD = "times the reals' spread", "standard deviations"
OFF = "share of the equilibrium"  # of a loss's distance from it
BLANK = "\u00a0"  # no line ends there
CLASS = re.compile(r"class_\d+")
ITERATION = re.compile(r"(?<=iteration )\d+(?=: )")
BEGINNING = re.compile(r"(seed \S+: )?iteration [\d,]+: ")  # of what a run says


class Quantity(NamedTuple):
    """How one key of the records is told and drawn; `short` is its label in a line or a narrow table."""

    key: str
    label: str
    unit: str = ""
    group: str = OTHERS
    log: bool = False
    ideal: float | None = None  # a value to compare with
    meaning: str = ""  # of the ideal
    short: str = ""

    @property
    def kind(self) -> str:
        """The axis that suits it: log, count, share (from 0 to about 1) or value."""
        if self.log:
            return "log"
        return "count" if self.unit == MODES else "share" if self.unit in (SHARE, EVEN, RATIO) else "value"


def _known(key: str, words: str, unit: str, group: str, short: str = "", **more: Any) -> Quantity:
    return Quantity(key, words[0].upper() + words[1:], unit, group, short=short or words, **more)


PERFECT = "as for real data"
QUANTITIES = (
    _known("modes", "modes found", MODES, QUALITY, "modes"),
    _known("high_quality", "high-quality share", SHARE, QUALITY),
    _known("emptiest_mode", "emptiest mode", EVEN, QUALITY, "emptiest mode / even share", ideal=1.0, meaning="even"),
    _known("mode_kl", "KL of modes to the data's", "nats", QUALITY, log=True),
    _known("veegan_modes", "modes, first 2,500 samples", MODES, QUALITY, "modes, first 2,500 samples, any"),
    _known("veegan_high_quality", "high-quality share, first 2,500", SHARE, QUALITY),
    _known("confidence", "mean top probability", "probability", QUALITY),
    _known("balance", "balance", RATIO, PAIRS, "balance (1 = as even as real)", ideal=1.0, meaning=PERFECT),
    _known("optimum_distance", "D's distance from the best D", "probability", QUALITY),
    _known("energy_distance", "energy distance", "data units", QUALITY, log=True),
    _known("class_score", "class score", "classes", QUALITY),
    _known("class_score_std", "class score, deviation of splits", "classes", QUALITY),
    _known("inception_score", "Inception Score", "classes", QUALITY),
    _known("inception_score_std", "Inception Score, deviation of splits", "classes", QUALITY),
    _known("frechet", "Frechet distance", "squared distance of features", QUALITY, log=True),
    _known("fid", "FID", "squared distance of features", QUALITY, log=True),
    _known("kernel_distance", "kernel distance", "squared kernel distance", QUALITY),
    _known("kernel_distance_std", "kernel distance, deviation", "squared kernel distance", QUALITY),
    _known("kid", "KID", "squared kernel distance", QUALITY),
    _known("kid_std", "KID, deviation", "squared kernel distance", QUALITY),
    _known("precision", "precision", SHARE, QUALITY),
    _known("recall", "recall", SHARE, QUALITY),
    _known("density", "density", "ratio", QUALITY, ideal=1.0, meaning=PERFECT),
    _known("coverage", "coverage", SHARE, QUALITY),
    _known("support", "support, birthday test", "samples", QUALITY, log=True),
    _known("memorised", "nearer to training than 99 % held out", SHARE, QUALITY),
    _known("nearer_than_held_out", "nearer to training than held out", "chance", QUALITY, ideal=0.5),
    _known("d_loss", "loss of D, without penalties", "loss", LOSSES, "D loss, without penalties"),
    _known("g_loss", "loss of G", "loss", LOSSES, "G loss"),
    _known("d_loss_std", "loss of D, deviation from step to step", "loss", LOSSES),
    _known("g_loss_std", "loss of G, deviation from step to step", "loss", LOSSES),
    _known("d_off", "D's distance from equilibrium", OFF, LOSSES, ideal=0.0, meaning="equilibrium"),
    _known("g_off", "G's distance from equilibrium", OFF, LOSSES, ideal=0.0, meaning="equilibrium"),
    _known("gradient_mean", "gradient that G receives, mean", RECEIVED, GRADIENTS, "gradient at G, mean", log=True),
    _known("gradient_max", "gradient that G receives, largest", RECEIVED, GRADIENTS, "gradient at G, max", log=True),
    _known(
        "gradient_max_over_mean",
        "gradient, largest over mean",
        "ratio",
        GRADIENTS,
        "gradient at G, max / mean",
        log=True,
    ),
    _known(
        "gradient_top1_share",
        "gradient, share of the top 1 %",
        SHARE,
        GRADIENTS,
        "gradient at G, top 1 % hold",
        ideal=0.01,
        meaning="even",
    ),
    _known("d_gradient_mean", "gradient of D at fakes, mean", SLOPE, GRADIENTS, log=True),
    _known("d_gradient_max", "gradient of D at fakes, largest", SLOPE, GRADIENTS, log=True),
    _known("steepness", "steepness of D at fakes", "logits per reals' spread", GRADIENTS, log=True),
    _known("slope_to_scale", "steepness over D's scale between reals", "ratio", GRADIENTS, log=True),
    _known("adv_share", "adversarial share of G's gradient", SHARE, GRADIENTS),
    _known(
        "adv_agreement", "adversarial gradient along the others", "cosine", GRADIENTS, ideal=0.0, meaning="no relation"
    ),
    _known("gradient_norm_g", "gradient of G's weights", NORM, GRADIENTS, log=True),
    _known("gradient_norm_d", "gradient of D's weights", NORM, GRADIENTS, log=True),
    _known("quality", "quality of the live fakes", SHARE, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("average_quality", "quality of the average's fakes", SHARE, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("quality_error", "quality, standard error", SHARE, PAIRS),
    _known("average_quality_error", "average's quality, standard error", SHARE, PAIRS),
    _known("served", "data that the live fakes serve", SHARE, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("average_served", "data that the average's fakes serve", SHARE, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("covered", "reals with a live fake nearby", RATIO, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("average_covered", "reals with a fake of the average nearby", RATIO, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("class_agreement", "fakes of the class asked for", SHARE, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("batch_distance", "distance of fakes from reals", SPREAD, PAIRS, ideal=0.0, meaning=PERFECT),
    _known("batch_balance", "balance of a batch", RATIO, PAIRS, ideal=1.0, meaning=PERFECT),
    _known("batch_coverage", "reals with a fake nearby", SHARE, PAIRS),
    _known("balance_tv", "distance from an even balance", "total variation", PAIRS),
    _known("close_pairs", "close pairs of a real and a fake", "pairs per fake", PAIRS),
    _known("most_on_one_real", "most fakes on one real sample", "fakes", PAIRS),
    _known("nearest_share", "fakes with the same nearest real", "largest share", PAIRS),
    _known("over_coverage", "logit against over-coverage", "rank correlation", PAIRS, ideal=0.0, meaning="no relation"),
    _known("diversity", "spread of fakes over that of reals", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
    _known("feature_diversity", "spread of fakes in D's features", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
    _known("detail", "fine detail of fakes", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
    _known("average_detail", "fine detail of the average's fakes", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
    _known("paired_distance", "fakes from their own reals", SPREAD, PAIRS, ideal=0.0, meaning="equal"),
    _known("paired_match", "fakes from their own reals over others", "ratio", PAIRS, ideal=0.0, meaning="equal"),
    _known("paired_distance_d", "fakes from their reals, in D's features", SPREAD, PAIRS, ideal=0.0, meaning="equal"),
    _known("duplicates", "fakes with a near duplicate", SHARE, PAIRS),
    _known("accuracy_real", "training reals on the right side", SHARE, OUTPUTS),
    _known("accuracy_held_out", "held-out reals on the right side", SHARE, OUTPUTS),
    _known("accuracy_fake", "fakes on the right side", SHARE, OUTPUTS),
    _known("overfitting_gap", "logit gap, training to held-out reals", STD, OUTPUTS, ideal=0.0, meaning="no gap"),
    _known("logit_gap", "logit gap, reals to fakes", "logits", OUTPUTS, ideal=0.0, meaning="not told apart"),
    _known("separation", "logit gap, in deviations", STD, OUTPUTS),
    _known("saturation", "saturated logits", SHARE, OUTPUTS),
    _known("dead_units", "dead units of D", SHARE, OUTPUTS),
    _known("ema_distance", "distance of the average from G", "ratio", WEIGHTS),
    _known("weight_norm_g", "weights of G", NORM, WEIGHTS),
    _known("weight_norm_d", "weights of D", NORM, WEIGHTS),
    _known("non_finite", "values that are not finite", "values", WEIGHTS),
)
KNOWN = {each.key: each for each in QUANTITIES}


TABLED = ("balance", "gradient_mean", "gradient_max", "gradient_max_over_mean", "gradient_top1_share")
LABELS = {  # of the figures that tables on a terminal have, in their order
    key: each.short
    for key, each in KNOWN.items()
    if key in TABLED or (each.group == QUALITY and not key.endswith("_std"))
}
TONES = {  # states from the best to the worst, and how they are coloured; one that is not known is plain
    "learning": "calm",
    "good": "good",
    "healthy": "good",  # from here to `dead_discriminator`, what earlier versions said
    "drifting": "warn",
    "exploding": "bad",
    "collapsing": "bad",
    "dead_discriminator": "bad",
    "stalled": "bad",
    "losing": "bad",
    "collapsed": "bad",
    "non_finite": "bad",
}


def quantities(keys: Iterable[str]) -> dict[str, list[Quantity]]:
    """Group -> its quantities, those of `keys` alone, in the page's order; unknown keys keep their names."""
    present = dict.fromkeys(key for key in keys if key != "iteration")
    ordered = [quantity for key, quantity in KNOWN.items() if key in present]
    for key in present:
        if CLASS.fullmatch(key):
            ordered.append(Quantity(key, f"Class {key.removeprefix('class_')}", SHARE, CLASSES))
        elif key not in KNOWN:
            ordered.append(Quantity(key, key, "as recorded"))
    groups = {group: [quantity for quantity in ordered if quantity.group == group] for group in GROUPS}
    return {group: own for group, own in groups.items() if own}


def tagged(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record under loss/, gradient/, quality/ ..., and its verdict as `verdict/level`.

    The level is 0 where all is well, 1 for a warning, 2 for an alarm. A name that has a folder of its own keeps it.
    """
    told: dict[str, float] = {}
    for key, value in record.items():
        if key != "iteration" and isinstance(value, int | float) and not isinstance(value, bool):
            group = KNOWN[key].group if key in KNOWN else CLASSES if CLASS.fullmatch(key) else OTHERS
            told[key if "/" in key else f"{FOLDERS[group]}/{key}"] = value
    if "verdict" in record:
        told["verdict/level"] = {"warn": 1, "bad": 2}.get(tone(record["verdict"], record.get("causes", "")), 0)
    return told


MANY = 100.0  # times a figure, beyond which per cent are no help


def figure(key: str, value: float) -> str:
    """A number as it stands in tables: counts whole, shares in per cent, the rest to three digits."""
    unit = KNOWN[key].unit if key in KNOWN else ""
    if unit in COUNTS:
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    if unit == SHARE:
        return f"{100 * value:.1f}{BLANK}%"
    return plain(value)


def spread(key: str, values: list[float]) -> str:
    """A figure over seeds: 0.842 ± 0.011, the sample standard deviation where there are several."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return figure(key, mean)
    std = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    unit = KNOWN[key].unit if key in KNOWN else ""
    if unit == SHARE:
        return f"{100 * mean:.1f} ±{BLANK}{100 * std:.1f}{BLANK}%"
    if unit in COUNTS:
        return f"{mean:,.1f} ±{BLANK}{std:,.1f}"
    return f"{figure(key, mean)} ±{BLANK}{plain(std)}"


def percent(effect: float | None) -> str:
    """An effect in words: +32 %, 200 times as much, or that the first row has 0; "" for none."""
    if effect is None:
        return ""
    if not isfinite(effect):
        return "from 0"
    return f"{100 * effect:+.0f} %" if abs(effect) < MANY else f"{effect:+,.0f} times the first"


def counted(key: str, value: float | Sequence[float], modes: int | None = None) -> str:
    """A figure as it stands in tables, or its mean and deviation over seeds; modes with their number."""
    told = spread(key, [*value] if isinstance(value, Sequence) else [value]).replace(BLANK, " ")
    return told if key != "modes" or modes is None else f"{told} of {modes}"


def number(value: Any) -> float | None:
    """`value` as a float where it is a number, NaN where it is too large for one, else None."""
    if value is None or isinstance(value, bool | str):
        return None
    try:
        return float(value)
    except OverflowError:
        return nan
    except (TypeError, ValueError):
        return None


def plain(value: float) -> str:
    """Three significant digits, without an exponent where that reads well."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
        return f"{value:,.{digits}f}"
    return f"{value:.1e}"


def tone(verdict: str, causes: str = "") -> str:
    """The tone of a verdict: good, calm, warn, bad; warn where causes are seen and nothing is lost."""
    found = TONES.get(verdict, "calm")
    return "warn" if causes and found in ("good", "calm") else found


def heard(event: str) -> str:
    """The tone of what a run says: bad for an alarm, good where one is over, else warn."""
    told = BEGINNING.sub("", event)
    alarms = (state.replace("_", " ") for state, found in TONES.items() if found == "bad")
    return (
        "bad" if any(told.startswith(f"{each}: ") for each in alarms) else "good" if told.endswith(" again") else "warn"
    )


def spoken(event: str) -> str:
    """What a run says, with its iteration as people read it: 12,000; logs have it without a comma."""
    return ITERATION.sub(lambda found: f"{int(found[0]):,}", event, count=1)


def words(verdict: str, causes: str = "") -> str:
    """A verdict as words, with the first of its causes: not finite, losing (D steep), learning (warning: G still)."""
    told = {"non_finite": "not finite"}.get(verdict, verdict.replace("_", " "))
    if not causes:
        return told
    player, _, rest = causes.split()[0].replace("_", " ").partition(" ")
    cause = f"{player.upper() if player in ('d', 'g') else player} {rest}".rstrip()
    return f"{told} (warning: {cause})" if tone(verdict, causes) == "warn" else f"{told} ({cause})"


def listed(names: Sequence[str]) -> str:
    """Names as words: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def span(numbers: Sequence[int]) -> str:
    """0-7, or 0, 2, 5."""
    if len(numbers) > 2 and [*numbers] == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
