"""A picture of a run for each state and some causes: docs/results/monitor-states.png.

    python benchmarks/state_pictures.py records

Drawn from what benchmarks/monitored_runs.py kept: quality and coverage at each look, with the state behind them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from monitored_looks import Run, read

from steadygan.diagnostics.states import Thresholds

OUT = Path(__file__).parents[1] / "docs" / "results" / "monitor-states.png"
SHADES = {
    "learning": "#dfe7f3",
    "good": "#d8eedd",
    "stalled": "#f3dfc9",
    "losing": "#f6cfc9",
    "collapsed": "#e79a92",
    "non_finite": "#b0b0b0",
}
SHOWN = (  # kinds, in the order of the panels
    *("ring8-far", "grid25-r1", "hinge-few-samples", "g-shaken-late", "rates-too-high", "dead-d-half-way"),
    *("g-of-three", "data-drop", "d-rate-too-high"),
)


def panel(axis: plt.Axes, run: Run) -> None:
    """One run: lines of quality and coverage of what is exported, states as shades."""
    verdicts = run.judged(Thresholds())
    at = [int(look["iteration"]) for look in run.looks]
    for i, verdict in enumerate(verdicts):
        end = at[i + 1] if i + 1 < len(at) else at[i] + (at[i] - at[i - 1])
        axis.axvspan(at[i], end, color=SHADES[verdict.state], linewidth=0)
    first = "average_" if any("average_quality" in look for look in run.looks) else ""
    for key, style, label in (("quality", "-", "quality"), ("covered", ":", "reals covered")):
        told = [(i, look[f"{first}{key}"]) for i, look in zip(at, run.looks, strict=True) if f"{first}{key}" in look]
        axis.plot(*zip(*told, strict=True), style, color="#26418f", label=label, linewidth=1.6)
    if first:
        told = [(i, look["quality"]) for i, look in zip(at, run.looks, strict=True) if "quality" in look]
        axis.plot(*zip(*told, strict=True), "-", color="#8a8a8a", label="quality, live", linewidth=0.8)
    axis.plot(*zip(*run.truth, strict=True), "-", color="#111111", label="truth", linewidth=0.8)
    causes = [name for verdict in verdicts if verdict.alarm for name in verdict.causes]
    why = max(dict.fromkeys(causes), key=causes.count, default="")
    axis.set_title(f"{run.kind}{': ' * bool(why)}{why.replace('_', ' ')}", fontsize=9, loc="left")
    axis.set_ylim(0, 1.05)
    axis.set_xlim(0, at[-1])
    axis.tick_params(labelsize=7)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    runs = {run.kind: run for run in reversed(read(parser.parse_args().records))}
    shown = [runs[kind] for kind in SHOWN if kind in runs]
    rows = -(-len(shown) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(10.5, 2.3 * rows + 0.6), layout="constrained", squeeze=False)
    for axis, run in zip(axes.flat, shown, strict=False):
        panel(axis, run)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    lines, labels = axes.flat[0].get_legend_handles_labels()
    patches = [plt.Rectangle((0, 0), 1, 1, color=color) for color in SHADES.values()]
    figure.legend(
        [*lines, *patches],
        [*labels, *(s.replace("_", " ") for s in SHADES)],
        loc="outside lower center",
        ncols=5,
        fontsize=8,
    )
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
