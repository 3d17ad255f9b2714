"""What the numbers of a record are called on the page, in which unit they are, and which stand together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..numbers import plain

LOSSES, GRADIENTS, QUALITY = "Losses", "Gradients", "Quality"
PAIRS, OUTPUTS, WEIGHTS = "Balance and pairs", "What D puts out", "Weights"
OTHERS, CLASSES = "Other terms", "Classes"
GROUPS = (QUALITY, LOSSES, GRADIENTS, PAIRS, OUTPUTS, WEIGHTS, OTHERS, CLASSES)
SHARE = "share"
BLANK = "\u00a0"  # no line ends there
IGNORED = frozenset({"iteration"})
CLASS = re.compile(r"class_\d+")


class Quantity(NamedTuple):
    """How one key of the records is drawn; `ideal` is a value to compare with."""

    key: str
    label: str
    unit: str = ""
    group: str = OTHERS
    log: bool = False
    ideal: float | None = None
    meaning: str = ""  # of the ideal


PERFECT = "as real data"
KNOWN = {
    q.key: q
    for q in (
        Quantity("modes", "Modes found", "modes", QUALITY),
        Quantity("high_quality", "High-quality share", SHARE, QUALITY),
        Quantity("emptiest_mode", "Emptiest mode", "share of an even mode", QUALITY, ideal=1.0, meaning="even"),
        Quantity("mode_kl", "KL of modes to the data's", "nats", QUALITY, log=True),
        Quantity("veegan_modes", "Modes, first 2,500 samples", "modes", QUALITY),
        Quantity("veegan_high_quality", "High-quality share of these", SHARE, QUALITY),
        Quantity("confidence", "Mean top probability", "probability", QUALITY),
        Quantity("energy_distance", "Energy distance", "data units", QUALITY, log=True),
        Quantity("class_score", "Class score", "classes", QUALITY),
        Quantity("class_score_std", "Class score, deviation of splits", "classes", QUALITY),
        Quantity("inception_score", "Inception Score", "classes", QUALITY),
        Quantity("inception_score_std", "Inception Score, deviation of splits", "classes", QUALITY),
        Quantity("frechet", "Frechet distance", "features squared", QUALITY, log=True),
        Quantity("fid", "FID", "features squared", QUALITY, log=True),
        Quantity("kernel_distance", "Kernel distance", "kernel units", QUALITY),
        Quantity("kernel_distance_std", "Kernel distance, deviation", "kernel units", QUALITY),
        Quantity("kid", "KID", "kernel units", QUALITY),
        Quantity("kid_std", "KID, deviation", "kernel units", QUALITY),
        Quantity("precision", "Precision", SHARE, QUALITY),
        Quantity("recall", "Recall", SHARE, QUALITY),
        Quantity("density", "Density", "ratio", QUALITY, ideal=1.0, meaning=PERFECT),
        Quantity("coverage", "Coverage", SHARE, QUALITY),
        Quantity("support", "Support, birthday test", "samples", QUALITY, log=True),
        Quantity("memorised", "Nearer to training than 99 % held out", SHARE, QUALITY),
        Quantity("nearer_than_held_out", "Nearer to training than held out", "chance", QUALITY, ideal=0.5),
        Quantity("d_loss", "Loss of D, without penalties", "loss", LOSSES),
        Quantity("g_loss", "Loss of G", "loss", LOSSES),
        Quantity("d_loss_std", "Loss of D, deviation from step to step", "loss", LOSSES),
        Quantity("g_loss_std", "Loss of G, deviation from step to step", "loss", LOSSES),
        Quantity("d_off", "D's distance from equilibrium", "equilibria", LOSSES, ideal=0.0, meaning="equilibrium"),
        Quantity("g_off", "G's distance from equilibrium", "equilibria", LOSSES, ideal=0.0, meaning="equilibrium"),
        Quantity("gradient_mean", "Gradient that G receives, mean", "loss / data unit", GRADIENTS, log=True),
        Quantity("gradient_max", "Gradient that G receives, largest", "loss / data unit", GRADIENTS, log=True),
        Quantity("gradient_max_over_mean", "The same, largest over mean", "ratio", GRADIENTS, log=True),
        Quantity("gradient_top1_share", "Held by the top 1 % of samples", SHARE, GRADIENTS, ideal=0.01, meaning="even"),
        Quantity("d_gradient_mean", "Gradient of D at fakes, mean", "logit / data unit", GRADIENTS, log=True),
        Quantity("d_gradient_max", "Gradient of D at fakes, largest", "logit / data unit", GRADIENTS, log=True),
        Quantity("steepness", "Steepness of D at fakes", "logit / reals' spread", GRADIENTS, log=True),
        Quantity("gradient_norm_g", "Gradient of G's weights", "Euclidean norm", GRADIENTS, log=True),
        Quantity("gradient_norm_d", "Gradient of D's weights", "Euclidean norm", GRADIENTS, log=True),
        Quantity("balance", "Balance", "ratio to real data", PAIRS, ideal=1.0, meaning=PERFECT),
        Quantity("batch_distance", "Distance of fakes from reals", "reals' spread", PAIRS, ideal=0.0, meaning=PERFECT),
        Quantity("batch_balance", "Balance of a batch", "ratio to real data", PAIRS, ideal=1.0, meaning=PERFECT),
        Quantity("batch_coverage", "Reals with a fake nearby", SHARE, PAIRS),
        Quantity("balance_tv", "Distance from an even balance", "total variation", PAIRS),
        Quantity("close_pairs", "Close pairs of a real and a fake", "pairs per fake", PAIRS),
        Quantity("most_on_one_real", "Most fakes on one real sample", "fakes", PAIRS),
        Quantity("nearest_share", "Fakes with the same nearest real", "largest share", PAIRS),
        Quantity(
            "over_coverage", "Logit against over-coverage", "rank correlation", PAIRS, ideal=0.0, meaning="no relation"
        ),
        Quantity("diversity", "Spread of fakes over that of reals", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
        Quantity("feature_diversity", "The same in D's features", "ratio", PAIRS, ideal=1.0, meaning=PERFECT),
        Quantity("duplicates", "Fakes with a near duplicate", SHARE, PAIRS),
        Quantity("accuracy_real", "Training reals on the right side", SHARE, OUTPUTS),
        Quantity("accuracy_held_out", "Held-out reals on the right side", SHARE, OUTPUTS),
        Quantity("accuracy_fake", "Fakes on the right side", SHARE, OUTPUTS),
        Quantity("overfitting_gap", "Training over held-out reals", "deviations", OUTPUTS, ideal=0.0, meaning="no gap"),
        Quantity("logit_gap", "Reals over fakes", "logit", OUTPUTS, ideal=0.0, meaning="told apart no more"),
        Quantity("separation", "Reals over fakes, in deviations", "deviations", OUTPUTS),
        Quantity("saturation", "Saturated logits", SHARE, OUTPUTS),
        Quantity("dead_units", "Dead units of D", SHARE, OUTPUTS),
        Quantity("ema_distance", "Average from live weights", "ratio", WEIGHTS),
        Quantity("weight_norm_g", "Weights of G", "Euclidean norm", WEIGHTS),
        Quantity("weight_norm_d", "Weights of D", "Euclidean norm", WEIGHTS),
        Quantity("non_finite", "Values that are not finite", "values", WEIGHTS),
    )
}


def quantities(keys: Iterable[str]) -> dict[str, list[Quantity]]:
    """Group -> its quantities, those of `keys` alone, in the page's order; unknown keys keep their names."""
    present = dict.fromkeys(key for key in keys if key not in IGNORED)
    ordered = [quantity for key, quantity in KNOWN.items() if key in present]
    ordered += [_unknown(key) for key in present if key not in KNOWN]
    groups = {group: [quantity for quantity in ordered if quantity.group == group] for group in GROUPS}
    return {group: own for group, own in groups.items() if own}


def _unknown(key: str) -> Quantity:
    if CLASS.fullmatch(key):
        return Quantity(key, f"Class {key.removeprefix('class_')}", SHARE, CLASSES)
    return Quantity(key, key, "as recorded")


def figure(key: str, value: float) -> str:
    """A number as it stands in tables: counts whole, shares in per cent, the rest to three digits."""
    unit = KNOWN[key].unit if key in KNOWN else ""
    if unit in ("modes", "samples", "fakes", "values"):
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
    if (KNOWN[key].unit if key in KNOWN else "") == SHARE:
        return f"{100 * mean:.1f} ±{BLANK}{100 * std:.1f}{BLANK}%"
    return f"{figure(key, mean)} ±{BLANK}{plain(std)}"
