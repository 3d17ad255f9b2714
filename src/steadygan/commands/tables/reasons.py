"""Why one recipe ended better than another: losses, gradients and balance in plain words, where they apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from ...config import Settings
from ...display.frame import means
from ...quantities import DEAD_GRADIENT, counted, listed, plain

CLEAR = 3.0  # ratio of gradients from which on they are called different
NEAR = 0.05  # share of the equilibrium within which a loss is called near it


class Case(NamedTuple):
    """What is known about one recipe, as means over its seeds; None where it was not measured."""

    name: str
    settings: Settings
    equilibrium: tuple[float | None, float | None]
    final: Mapping[str, float]  # last value of each figure
    late: Mapping[str, float]  # mean over the second half of the run
    early: Mapping[str, float]  # mean over the second tenth: past the start, before anything has settled
    peak: float  # largest gradient of one sample, at any time after the start
    seeds: int

    @staticmethod
    def of(
        name: str,
        settings: Settings,
        equilibrium: tuple[float | None, float | None],
        runs: Sequence[Sequence[Mapping[str, Any]]],
    ) -> Case:
        """The case of a recipe from the records of its runs."""
        length = max(record["iteration"] for records in runs for record in records)
        peaks = [max((r.get("gradient_max", 0.0) for r in records if r["iteration"]), default=0.0) for records in runs]
        return Case(
            name,
            settings,
            equilibrium,
            means([{key: value for record in records for key, value in record.items()} for records in runs]),
            means([_between(records, 0.5 * length, length) for records in runs]),
            means([_between(records, 0.1 * length, 0.2 * length) for records in runs]),
            fmean(peaks),
            len(runs),
        )


def reasons(cases: Sequence[Case]) -> str:
    """One paragraph: the outcome, what G received, what the losses say, the effect of fake-as-real, how certain."""
    sentences = [_outcome(cases), *_gradients(cases), *_losses(cases), *_remedy(cases)]
    if min(case.seeds for case in cases) < 3:
        sentences.append("Fewer than three seeds: small differences may be chance (--seeds 3).")
    return " ".join(sentence for sentence in sentences if sentence)


def _outcome(cases: Sequence[Case]) -> str:
    parts = []
    for case in cases:
        modes = case.settings.data.modes
        if "modes" in case.final and modes is not None:
            parts.append(
                f"{case.name} ends with {counted('modes', case.final['modes'])} of {modes} modes, the emptiest at "
                f"{plain(case.final['emptiest_mode'])} of an even share"
            )
        elif "balance" in case.final:
            parts.append(f"{case.name} ends at a balance of {plain(case.final['balance'])} (real data: 1)")
        elif "optimum_distance" in case.final:
            parts.append(f"{case.name} ends {plain(case.final['optimum_distance'])} from the best D")
    return "; ".join(parts) + "." if parts else ""


def _gradients(cases: Sequence[Case]) -> list[str]:
    known = [case for case in cases if "gradient_mean" in case.late]
    dead = [case for case in known if case.final.get("d_gradient_mean", 1.0) < DEAD_GRADIENT]
    sentences = (
        [f"In {listed([case.name for case in dead])} the discriminator is dead: G receives no gradient."]
        if dead
        else []
    )
    known = sorted((case for case in known if case not in dead), key=lambda case: case.late["gradient_mean"])
    if not known:
        return sentences
    told = ", ".join(f"{plain(case.late['gradient_mean'])} in {case.name}" for case in reversed(known))
    sentences.append(f"The gradient that G receives per sample averages {told} over the second half of the run.")
    low, high = known[0], known[-1]
    if high.late["gradient_mean"] < CLEAR * low.late["gradient_mean"]:
        return [*sentences, "These are similar, so the size of gradients does not explain how the runs differ."]
    grown = high.late["gradient_mean"] / max(DEAD_GRADIENT, high.early.get("gradient_mean", high.late["gradient_mean"]))
    growth = f" ({grown:.0f} times what it was early on)" if grown >= 2 else ""
    key = "modes" if "modes" in high.final and "modes" in low.final else "balance"
    worse = high.final.get(key, 0.0) < low.final.get(key, 0.0)  # fewer modes, or, where there are none, less balanced
    sentences.append(
        f"In {high.name} it stays large{growth}, up to {plain(high.peak)} for a single sample"
        + (
            ": D is steep around the samples it has seen, so fakes jump about instead of converging."
            if worse
            else ", but it does not end worse."
        )
    )
    return sentences


def _losses(cases: Sequence[Case]) -> list[str]:
    winning, level = [], []
    for case in cases:
        d, g = case.equilibrium
        if d is None or g is None or d <= 0 or "d_loss" not in case.late or "g_loss" not in case.late:
            continue
        if case.late["d_loss"] < (1 - NEAR) * d and case.late["g_loss"] > g + NEAR * abs(g):
            winning.append(
                f"{case.name} (D {case.late['d_loss']:.3f} below {d:.3f}, G {case.late['g_loss']:.3f} above {g:.3f})"
            )
        elif abs(case.late["d_loss"] - d) <= NEAR * d and abs(case.late["g_loss"] - g) <= NEAR * abs(g):
            level.append(case.name)
    sentences = []
    if winning:
        sentences.append(
            f"D keeps telling fakes from reals in {listed(winning)}: losses that drift apart like this are the "
            "papers' sign of collapse."
        )
    if level:
        sentences.append(f"In {listed(level)} the losses stay near equilibrium: D can hardly tell fakes from reals.")
    return sentences


def _remedy(cases: Sequence[Case]) -> list[str]:
    """The effect of fake-as-real compared with the same run without it."""
    without = {_without_method(case.settings): case for case in cases if "fake_as_real" not in case.settings.method}
    sentences = []
    for case in cases:
        base = without.get(_without_method(case.settings))
        if "fake_as_real" not in case.settings.method or base is None:
            continue
        changes = [
            f"{words} {counted(key, base.final[key])} -> {counted(key, case.final[key])}"
            for key, words in (
                ("high_quality", "high-quality share"),
                ("emptiest_mode", "emptiest mode"),
                ("balance", "balance"),
                ("energy_distance", "energy distance"),
            )
            if key in base.final and key in case.final
        ]
        if changes:
            sentences.append(
                f"Fake-as-real, which makes D rate over-covered regions higher, changes from {base.name} to "
                f"{case.name}: {', '.join(changes)}."
            )
    return sentences


def _without_method(settings: Settings) -> str:
    """The settings that must agree for the method to be the only difference."""
    tree = settings.plain()
    for key in ("recipe", "seed", "method"):
        tree.pop(key)
    return str(tree)


def _between(records: Sequence[Mapping[str, Any]], low: float, high: float) -> dict[str, Any]:
    return means([record for record in records if low < record["iteration"] <= high])
