"""How early the collapse monitor calls a run that fails, on kinds that its thresholds were not chosen on.

    python benchmarks/monitored_runs.py --out records
    python benchmarks/lead_time.py records [--added added] [--write]

A run is *called* at the first look whose state is an alarm. It has *lost quality* at the first of two looks in a row at
which the evenness of what is exported over the modes (the coverage in features where there are none), told from fakes
that the monitor does not see, is less than 80 % of the best so far, once that was a half. A run of a failing kind has
*failed* when it lost quality, came upon a term that is not finite, or ends with less than 80 % of what healthy runs of
the same data have in the median. *In time*: called before quality was lost; of a sudden fault also at the first look
after it. Every kind is judged with thresholds that are chosen on all others: most failing runs in time, of those that
call at most 2 % of healthy runs; kinds that were added after the rules are judged with the default ones. Intervals are
those of a bootstrap over kinds, as the seeds of one are alike.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import torch
from monitored_looks import Run, read

from steadygan.diagnostics.states import Thresholds
from steadygan.diagnostics.verdicts import Verdict

PAGE = Path(__file__).parents[1] / "docs" / "results" / "monitor.md"
FALSE = 0.02  # of healthy runs that may be called
GRID: Mapping[str, Sequence[float]] = {
    "sure": (4.0, 5.0),
    "part": (0.1, 0.15),
    "bare": (0.1, 0.2, 0.3),
    "gain": (0.01, 0.02, 0.05),
    "patience": (0.3, 0.4, 0.5),
}
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Score:
    """What a rule makes of runs."""

    in_time: int
    called: int
    failed: int
    false: int
    healthy: int

    @property
    def share(self) -> float:
        return self.in_time / max(self.failed, 1)

    @property
    def alarms(self) -> float:
        return self.false / max(self.healthy, 1)


def score(runs: Sequence[Run], alarms: Callable[[Run], Sequence[bool]]) -> Score:
    """Of runs that failed, and of healthy ones that did not."""
    bad = [run for run in runs if run.failing and run.failed]
    good = [run for run in runs if not run.failing and not run.failed]
    calls = [run.called(alarms(run)) for run in bad]
    return Score(
        sum(run.in_time(call) for run, call in zip(bad, calls, strict=True)),
        sum(call is not None for call in calls),
        len(bad),
        sum(run.called(alarms(run)) is not None for run in good),
        len(good),
    )


def combinations() -> list[Thresholds]:
    """All thresholds of the grid."""
    return [replace(Thresholds(), **dict(zip(GRID, values, strict=True))) for values in product(*GRID.values())]


@dataclass(frozen=True)
class Called:
    """What one set of thresholds makes of each run: the first alarm, and whether that was in time."""

    thresholds: Thresholds
    at: Sequence[int | None]
    timely: Sequence[bool]

    @staticmethod
    def of(runs: Sequence[Run], thresholds: Thresholds) -> Called:
        calls = [run.called([v.alarm for v in run.judged(thresholds)]) for run in runs]
        return Called(thresholds, calls, [run.in_time(call) for run, call in zip(runs, calls, strict=True)])

    def worth(self, runs: Sequence[Run], without: str) -> tuple[bool, float, float]:
        """How good it is on all kinds but one: few false alarms first, then kinds' mean share in time."""
        by_kind: dict[str, list[bool]] = {}
        false = healthy = 0
        for run, call, timely in zip(runs, self.at, self.timely, strict=True):
            if run.kind == without:
                continue
            if run.failing and run.failed:
                by_kind.setdefault(run.kind, []).append(timely)
            elif not run.failing and not run.failed:
                healthy, false = healthy + 1, false + (call is not None)
        share = float(np.mean([np.mean(own) for own in by_kind.values()])) if by_kind else 0.0
        return false <= FALSE * healthy, share - (0.0 if false <= FALSE * healthy else false / max(healthy, 1)), -false


def left_out(runs: Sequence[Run], grid: Sequence[Thresholds]) -> dict[str, Called]:
    """kind -> what the thresholds make of it that are best on all others."""
    tried = [Called.of(runs, thresholds) for thresholds in grid]
    return {kind: max(tried, key=lambda each: each.worth(runs, kind)) for kind in dict.fromkeys(r.kind for r in runs)}


RULES: Mapping[str, tuple[str, bool]] = {  # a figure that a user may watch, and whether a small one is an alarm
    "fakes much alike (diversity)": ("diversity", True),
    "fakes far off (batch_distance)": ("batch_distance", False),
    "reals without a fake (batch_coverage)": ("batch_coverage", True),
    "D's slope (steepness)": ("steepness", False),
    "D's loss off its equilibrium": ("d_off", True),
    "largest gradient at G": ("gradient_max", False),
}
SKIPPED = 4  # looks at the beginning that a simple rule passes over


def simple(run: Run, key: str, low: bool, bound: float) -> list[bool]:
    """A rule of one figure: an alarm where it is beyond the bound at two looks in a row."""
    found, before = [], False
    for i, look in enumerate(run.looks):
        value = look.get(key)
        beyond = value is not None and i >= SKIPPED and (value < bound if low else value > bound)
        found.append(beyond and before)
        before = beyond
    return found


def best_bound(runs: Sequence[Run], key: str, low: bool, false: int) -> tuple[float, Score]:
    """The bound of a rule that calls most failing runs in time, of those with no more false alarms than `false`."""
    values = np.array([look[key] for run in runs for look in run.looks[SKIPPED:] if key in look])
    values = values[np.isfinite(values)]
    tried = np.unique(np.quantile(values, np.linspace(0.0, 1.0, 101))) if len(values) else np.array([0.0])
    found = [(float(bound), score(runs, lambda run, b=float(bound): simple(run, key, low, b))) for bound in tried]
    fair = [each for each in found if each[1].false <= false] or found[:1]
    return max(fair, key=lambda each: each[1].in_time)


def interval(runs: Sequence[Run], yes: Sequence[bool]) -> tuple[float, float]:
    """95 % of the shares of yes in draws of kinds with replacement, as the runs of a kind are alike."""
    kinds: dict[str, list[bool]] = {}
    for run, own in zip(runs, yes, strict=True):
        kinds.setdefault(run.kind, []).append(own)
    groups = [(sum(own), len(own)) for own in kinds.values()]
    if not groups:
        return 0.0, 1.0
    draw = np.random.default_rng(0).integers(0, len(groups), (DRAWS, len(groups)))
    counts = np.array(groups)[draw].sum(1)
    low, high = np.quantile(counts[:, 0] / counts[:, 1], [0.025, 0.975])
    return float(low), float(high)


def told(runs: Sequence[Run], yes: Sequence[bool]) -> str:
    """33 of 48, 68.8 % (51.2-84.1)."""
    if not yes:
        return "0 of 0"
    low, high = interval(runs, yes)
    return f"{sum(yes)} of {len(yes)}, {100 * sum(yes) / len(yes):.1f} % ({100 * low:.1f}-{100 * high:.1f})"


@dataclass(frozen=True)
class Judged:
    """A run as it was judged by thresholds that were chosen without its kind."""

    run: Run
    verdicts: Sequence[Verdict]
    called: int | None
    in_time: bool

    @staticmethod
    def of(run: Run, thresholds: Thresholds) -> Judged:
        verdicts = run.judged(thresholds)
        called = run.called([verdict.alarm for verdict in verdicts])
        return Judged(run, verdicts, called, run.in_time(called))

    @property
    def changes(self) -> int:
        """Of the state."""
        return sum(a.state != b.state for a, b in zip(self.verdicts, self.verdicts[1:], strict=False))

    @property
    def warned(self) -> bool:
        """Of anything but that the data changed, which is no sign of a failure."""
        return any(verdict.warning and {*verdict.causes} - {"data_changed"} for verdict in self.verdicts)


def table(judged: Sequence[Judged]) -> str:
    """All kinds, failing ones first."""
    rows = [["kind", "group", "runs", "failed", "called", "in time", "first call", "ends", "warned"], ["-"] * 9]
    kinds: dict[tuple[bool, str, str], list[Judged]] = {}
    for each in judged:
        kinds.setdefault((not each.run.failing, each.run.group, each.run.kind), []).append(each)
    for (healthy, group, kind), own in sorted(kinds.items()):
        bad = [each for each in own if each.run.failed]
        counted = bad if not healthy else [each for each in own if not each.run.failed]
        calls = [each.called for each in counted if each.called is not None]
        ends = sorted({each.verdicts[-1].state.replace("_", " ") for each in counted if each.verdicts})
        timely = str(sum(each.in_time for each in bad)) if not healthy else "-"
        first = f"{median(calls):,.0f}" if calls else "-"
        counts = [len(own), len(bad), len(calls), timely, first, ", ".join(ends), sum(e.warned for e in counted)]
        rows.append([kind, group, *map(str, counts)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def summary(judged: Sequence[Judged]) -> str:
    """The figures asked of a monitor, in one list, and what simple rules do at the same false alarms."""
    bad = [each for each in judged if each.run.failing and each.run.failed]
    good = [each for each in judged if not each.run.failing and not each.run.failed]
    runs, calm = [each.run for each in bad], [each.run for each in good]
    spared = [each for each in judged if each.run.failing != each.run.failed]
    false = sum(each.called is not None for each in good)
    lines = [
        f"- Failing runs called in time: **{told(runs, [each.in_time for each in bad])}**"
        " (in brackets the 95 % interval of a bootstrap over kinds).",
        f"- Failing runs called at all: **{told(runs, [each.called is not None for each in bad])}**;"
        f" with a good state at the end: {sum(each.verdicts[-1].state == 'good' for each in bad)}.",
        f"- Healthy runs ever called: **{told(calm, [each.called is not None for each in good])}**;"
        f" ever warned: {told(calm, [each.warned for each in good])}.",
        f"- Healthy runs with more than four changes of state: {sum(e.changes > 4 for e in good)} of {len(good)}.",
        f"- {len(spared)} runs are left out: those of failing kinds that ended as healthy ones do, and of healthy kinds"
        " that did not.",
    ]
    everything = [*runs, *calm]
    found = {name: best_bound(everything, *rule, false) for name, rule in RULES.items()}
    best = max(found.items(), key=lambda each: each[1][1].in_time)
    lines.append(
        f"- Rules of one figure, bounds chosen on these very runs for at most {false} false alarms, call in time: "
        + "; ".join(f"{name} {own.in_time}" for name, (_, own) in found.items())
        + f". The best of them: {best[0]}."
    )
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/results/monitor.md")
    parser.add_argument("--added", type=Path, help="judge these alone, kinds that were added after the rules")
    parser.add_argument("--default", action="store_true", help="judge with the default thresholds, nothing left out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = read(*filter(None, (chosen.records, chosen.added)))
    if chosen.added is not None:
        names = {path.parent.name for path in chosen.added.glob("*/runs.json")}
        runs = [run for run in runs if run.kind in names]
    if chosen.default or chosen.added is not None:
        judged = [Judged.of(run, Thresholds()) for run in runs]
    else:
        chosen_for = left_out(runs, combinations())
        judged = [Judged.of(run, chosen_for[run.kind].thresholds) for run in runs]
        picked = Counter(tuple(getattr(each.thresholds, key) for key in GRID) for each in chosen_for.values())
        print(f"thresholds ({', '.join(GRID)}):", *(f"{values} {n} times" for values, n in picked.most_common()))
    parts = {"summary": summary(judged), "table": table(judged)}
    if chosen.added is not None:
        parts = {f"added {name}": content for name, content in parts.items()}
    print("\n\n".join(parts.values()))
    if chosen.write:
        text = PAGE.read_text("utf-8")
        for name, content in parts.items():
            text = re.sub(
                rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                lambda m, c=content: f"{m[1]}{c}\n{m[2]}",
                text,
                flags=re.DOTALL,
            )
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
