"""How early the collapse monitor calls a run that fails, on kinds that its thresholds were not chosen on.

    python benchmarks/monitored_runs.py --out records
    python benchmarks/lead_time.py records [--write]

A run is *called* at the first look whose state is an alarm. It has *lost quality* at the first of two looks in a row at
which the evenness of what is exported over the modes (the coverage in features where there are none), told from fakes
that the monitor does not see, is less than 80 % of the best so far, once that was a half. A run of a failing kind has
*failed* when it lost quality, came upon a term that is not finite, or ends with less than 80 % of what healthy runs of
the same data have in the median. *In time*: called before quality was lost; of a sudden fault also at the first look
after it. Every kind is judged with thresholds that are chosen on all others: most failing runs in time, of those that
call at most 2 % of healthy runs. Intervals are those of a bootstrap over kinds, as the seeds of one are alike.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import steadygan as sg
from steadygan.config import override
from steadygan.data.build import built
from steadygan.diagnostics import space, yardstick
from steadygan.diagnostics.diagnosis import setting_told
from steadygan.diagnostics.look import PAIRS
from steadygan.diagnostics.monitor import is_free
from steadygan.diagnostics.remedy import Setting
from steadygan.diagnostics.space import Space
from steadygan.diagnostics.states import Thresholds
from steadygan.diagnostics.verdicts import Judge, Verdict
from steadygan.diagnostics.yardstick import Yardstick
from steadygan.recipes import RECIPES

PAGE = Path(__file__).parents[1] / "docs" / "results" / "monitor.md"
LOST, FLOOR, IN_A_ROW = 0.8, 0.5, 2
ENOUGH = 0.1  # share of fakes of high quality whose evenness counts in full
REGROUPED = {"ring8-hinge-sn": "settings"}  # meant as a healthy kind; it ends without a mode
FALSE = 0.02  # of healthy runs that may be called
GRID: Mapping[str, Sequence[float]] = {
    "sure": (4.0, 5.0),
    "part": (0.1, 0.15),
    "bare": (0.1, 0.2, 0.3),
    "gain": (0.01, 0.02, 0.05),
    "patience": (0.3, 0.4, 0.5),
}
DRAWS = 2000  # of the bootstrap


@dataclass
class Run:
    """One run: its figures at each look, and what is true of it."""

    kind: str
    group: str
    data: str
    seed: int
    setting: Setting
    looks: list[dict[str, float]]
    truth: list[tuple[int, float]]
    fault: int | None
    broke: int | None  # the iteration after which a term was not finite
    failed: bool = False
    lost: int | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def failing(self) -> bool:
        """Whether its kind is meant to fail."""
        return self.group != "healthy"

    def judged(self, thresholds: Thresholds) -> list[Verdict]:
        """The verdict at each look."""
        judge = Judge(thresholds, self.setting)
        return [judge.update(look) for look in self.looks]

    def called(self, alarms: Sequence[bool]) -> int | None:
        """The first look that raises an alarm; what is not finite stops the run, and is told."""
        found = (int(look["iteration"]) for look, alarm in zip(self.looks, alarms, strict=True) if alarm)
        return next(found, None if self.broke is None else self.broke + 1)

    def in_time(self, called: int | None) -> bool:
        """Whether it was called before quality was lost, or at the first look after a sudden fault."""
        if called is None:
            return False
        if self.fault is not None:
            first = next((int(k["iteration"]) for k in self.looks if k["iteration"] > self.fault), None)
            if called == first:
                return True
            if called <= self.fault:  # of a run that was well: no merit
                return False
        return self.lost is None or called < self.lost


def loss_of(truth: Sequence[tuple[int, float]]) -> int | None:
    """The iteration at which quality was lost."""
    best, below = 0.0, list[int]()
    for iteration, value in truth:
        below = [*below, iteration] if best >= FLOOR and value < LOST * best else []
        if len(below) == IN_A_ROW:
            return below[0]
        best = max(best, value)
    return None


@cache
def version() -> str:
    """Of what makes figures of fakes."""
    parts = (Path(module.__file__ or "").read_bytes() for module in (yardstick, space))
    return sha256(b"".join(parts)).hexdigest()[:16]


def space_of(about: Mapping[str, Any], shape: tuple[int, ...], real: np.lib.npyio.NpzFile) -> Space:
    """That of the kind's data, as the probe of a run has it."""
    data = str(about["recipe"]).split("/")[0]
    if data in ("ring8", "grid25") and "loop" not in str(about["recipe"]):
        return Space.of(built(data))
    return Space.of_shape(shape)


def figures(folder: Path, about: Mapping[str, Any]) -> list[list[dict[str, float]]]:
    """Of each seed and look: quality of live and averaged fakes; kept beside the runs."""
    path = folder / f"figures-{version()}.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]
    with np.load(folder / "real.npz") as real:
        x = torch.from_numpy(real["x"]).float()
        after = torch.from_numpy(real["after"]).float() if "after" in real else None
        change = int(real["change"]) if after is not None else None
        shape = shape_of(about, x.shape[1])
        known = space_of(about, shape, real)
    x = x.view(-1, *shape)
    ruler = Yardstick(x[:PAIRS], x[PAIRS : 2 * PAIRS], known)
    later = None if after is None else Yardstick(after[:PAIRS], after[PAIRS : 2 * PAIRS], known_after(known))
    found = []
    for seed in about["seeds"]:
        with np.load(folder / f"seed-{seed}.npz") as kept:
            rows = []
            for i, iteration in enumerate(kept["iteration"]):
                own = ruler if change is None or iteration <= change else later
                assert own is not None
                row = {"iteration": int(iteration)}
                for name, first in (("live", ""), ("average", "average_")):
                    if name in kept:
                        fake = torch.from_numpy(kept[name][i][:PAIRS]).float().view(-1, *shape)
                        made = own.figures(fake)[0] if not first else own.quality(fake)
                        row |= {f"{first}{key}": value for key, value in made.items()}
                if change is not None and own is later and not any("data_changed" in each for each in rows):
                    row["data_changed"] = 1.0
                rows.append(row)
        found.append(rows)
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def known_after(known: Space) -> Space:
    """The parts of other data are not known."""
    return Space(known.embed)


def shape_of(about: Mapping[str, Any], numbers: int) -> tuple[int, ...]:
    """Of a sample of this many numbers."""
    return {64: (1, 8, 8), 784: (1, 28, 28), 3072: (3, 32, 32)}.get(numbers, (numbers,))


def setting_of(about: Mapping[str, Any], run: Mapping[str, Any]) -> Setting:
    """How a run was trained."""
    level = (run["equilibrium"] or [1.0])[0]
    free = is_free(level)
    if about["recipe"] not in RECIPES:
        return Setting(free)
    try:
        settings = override(RECIPES[about["recipe"]](), list(about["words"]))
    except sg.errors.InputError:
        return Setting(free)
    return setting_told(type("Told", (), {"equilibrium": [level], "settings": settings})())


def read(records: Path) -> list[Run]:
    """All runs of a folder of kinds."""
    found: list[Run] = []
    for path in sorted(records.glob("*/runs.json")):
        about = json.loads(path.read_text("utf-8"))
        key = "evenness" if about["modes"] else "coverage"
        for run, rows in zip(about["runs"], figures(path.parent, about), strict=True):
            records_of = {int(record["iteration"]): record for record in run["records"] if not record.get("final")}
            renewed = about["change"] is None and any("data_changed" in record for record in run["records"])
            looks = [joined(numbers(records_of.get(int(row["iteration"]), {})), row, renewed) for row in rows]
            truth = run["truth"].get("average", run["truth"]["live"])
            value = truth[key] if about["modes"] is None else counting(truth)
            most = about["real"][-1].get(key, 1.0)
            told = [(i, v / most) for i, v in zip(run["truth"]["iteration"], value, strict=True)]
            last = looks[-1]["iteration"] if looks else 0
            broke = None if run["failure"] is None else int(last)
            setting = setting_of(about, run)
            own = Run(
                about["kind"],
                REGROUPED.get(about["kind"], about["group"]),
                data_of(about),
                run["seed"],
                setting,
                looks,
                told,
                about["fault"],
                broke,
            )
            own.lost = loss_of(told)
            found.append(own)
    ends: dict[str, list[float]] = {}
    for own in found:
        if not own.failing:
            ends.setdefault(own.data, []).append(own.truth[-1][1])
    for own in found:
        usual = median(ends.get(own.data, [1.0]))
        short = own.failing and own.truth[-1][1] < LOST * usual
        own.failed = own.broke is not None or own.lost is not None or short
    return found


def joined(record: Mapping[str, float], row: Mapping[str, float], renewed: bool) -> dict[str, float]:
    """The figures of a look, from its record and its kept fakes; renewed: the run had another yardstick in the end."""
    known = {key: value for key, value in record.items() if renewed or key != "data_changed"}
    return {**row, **known} if renewed else {**known, **row}


def counting(truth: Mapping[str, Sequence[float]]) -> list[float]:
    """Evenness, less where hardly a fake is of high quality: of a handful, evenness is a matter of luck."""
    return [even * min(1.0, share / ENOUGH) for even, share in zip(truth["evenness"], truth["quality"], strict=True)]


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Those of a record; what an earlier monitor thought of it is left out."""
    return {key: value for key, value in record.items() if isinstance(value, int | float)}


def data_of(about: Mapping[str, Any]) -> str:
    """ring8, of ring8/far."""
    return str(about["recipe"]).split("/")[0]


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
    parser.add_argument("--default", action="store_true", help="judge with the default thresholds, nothing left out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = read(chosen.records)
    if chosen.default:
        judged = [Judged.of(run, Thresholds()) for run in runs]
    else:
        chosen_for = left_out(runs, combinations())
        judged = [Judged.of(run, chosen_for[run.kind].thresholds) for run in runs]
        picked = Counter(tuple(getattr(each.thresholds, key) for key in GRID) for each in chosen_for.values())
        print(f"thresholds ({', '.join(GRID)}):", *(f"{values} {n} times" for values, n in picked.most_common()))
    parts = {"summary": summary(judged), "table": table(judged)}
    print("\n\n".join(parts.values()))
    if chosen.write:
        text = PAGE.read_text("utf-8")
        for name, content in parts.items():
            text = re.sub(
                rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", lambda m, c=content: m[1] + c + m[2], text, flags=re.DOTALL
            )
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
