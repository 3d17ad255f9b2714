"""How early the collapse monitor calls runs that fail, and how often it calls healthy ones: docs/results/monitor.md.

    python benchmarks/monitored_runs.py reported --out records
    python benchmarks/lead_time.py records/reported [--write]

A run is called at the first look whose verdict is neither learning nor healthy. It has lost quality at the first of two
evaluations in a row that find less than 80 % of the most modes, or of the best balance, found so far, once half of the
modes, or a balance of one half, was found: below that there was nothing to lose. A run called at or after its loss does
not count as called. Failing runs are those of a failing kind that end with less than 80 % of what healthy runs on the
same data have in the median, or lost quality on the way.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "results" / "monitor.md"
MODES = {"ring8": 8, "grid25": 25, "digits": 10}
LOST = 0.8
IN_A_ROW = 2
GOOD = ("learning", "healthy")
CONFIDENCE = 0.95


class Outcome(NamedTuple):
    """One run: when it was called and by which verdict, when it lost quality, whether it failed."""

    kind: str
    data: str
    seed: int
    failing: bool  # by design
    failed: bool  # by outcome
    called: int | None
    verdict: str
    lost: int | None

    @property
    def in_time(self) -> bool:
        """Called before quality was lost."""
        return self.called is not None and (self.lost is None or self.called < self.lost)


def evaluations(records: Iterable[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    """(iteration, value) of a figure."""
    return [(int(record["iteration"]), float(record[key])) for record in records if key in record]


def loss_of(records: Sequence[Mapping[str, Any]], data: str, share: float = 0.5) -> int | None:
    """The iteration at which a run lost quality; share: of what real data have, from which on there is any."""
    floors = {"modes": share * MODES.get(data, float("inf")), "balance": share}
    found = []
    for key, floor in floors.items():
        best, below = 0.0, list[int]()
        for iteration, value in evaluations(records, key):
            below = [*below, iteration] if best >= floor and value < LOST * best else []
            if len(below) == IN_A_ROW:
                found.append(below[0])
                break
            best = max(best, value)
    return min(found, default=None)


def usual(runs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """data -> figure -> what healthy runs end with, the median."""
    ends: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for key in ("modes", "balance") if not run["failing"] else ():
            for _, value in evaluations(run["records"], key)[-1:]:
                ends.setdefault(data_of(run), {}).setdefault(key, []).append(value)
    return {data: {key: median(values) for key, values in own.items()} for data, own in ends.items()}


def data_of(run: Mapping[str, Any]) -> str:
    """ring8, of ring8/far."""
    return str(run["recipe"]).split("/")[0]


def outcome(run: Mapping[str, Any], ends: Mapping[str, Mapping[str, float]], share: float = 0.5) -> Outcome:
    """What became of a run."""
    records, data = run["records"], data_of(run)
    call = next((record for record in records if record.get("verdict", GOOD[0]) not in GOOD), None)
    lost = loss_of(records, data, share)
    last = {key: evaluations(records, key)[-1][1] for key in ends.get(data, {}) if evaluations(records, key)}
    short = any(value < LOST * ends[data][key] for key, value in last.items())
    called = None if call is None else int(call["iteration"])
    if call is None and run["failure"] is not None:  # the run was stopped, and told why
        called = int(records[-1]["iteration"]) + run["every"]
    return Outcome(
        run["kind"],
        data,
        run["seed"],
        run["failing"],
        run["failure"] is not None or lost is not None or short,
        called,
        "" if call is None else call["verdict"],
        lost,
    )


def interval(successes: int, n: int) -> tuple[float, float]:
    """The exact binomial interval [clopper1934], by bisection."""
    from math import comb

    def upto(p: float, k: int) -> float:
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    def solve(k: int, tail: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if upto(middle, k) > tail else (low, middle)
        return low

    tail = (1 - CONFIDENCE) / 2
    return (0.0 if successes == 0 else solve(successes - 1, 1 - tail)), (
        1.0 if successes == n else solve(successes, tail)
    )


def share(successes: int, n: int) -> str:
    """96.8 % (92.1-99.1)."""
    low, high = interval(successes, n)
    return f"{100 * successes / n:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def table(outcomes: Sequence[Outcome]) -> str:
    """All kinds, failing ones first, and the totals."""
    rows = [
        [
            "kind",
            "data",
            "runs",
            "failed",
            "called in time",
            "first call (median)",
            "quality lost",
            "verdicts at the call",
        ],
        ["-"] * 8,
    ]
    kinds: dict[tuple[bool, str, str], list[Outcome]] = {}
    for each in outcomes:
        kinds.setdefault((not each.failing, each.kind, each.data), []).append(each)
    for (healthy, kind, data), own in sorted(kinds.items()):
        judged = own if healthy else [each for each in own if each.failed]
        calls = [each.called for each in own if each.called is not None]
        lost = [each.lost for each in own if each.lost is not None]
        names = sorted({each.verdict.replace("_", " ") for each in own if each.verdict})
        told = (
            f"{sum(each.called is not None for each in own)} false" if healthy else f"{sum(e.in_time for e in judged)}"
        )
        rows.append(
            [
                kind,
                data,
                str(len(own)),
                "-" if healthy else str(len(judged)),
                told,
                f"{median(calls):,.0f}" if calls else "-",
                f"{min(lost):,}-{max(lost):,} ({len(lost)} runs)" if lost and not healthy else "-",
                ", ".join(names) or "-",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def summary(runs: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> str:
    """The figures asked of a monitor, in one list."""
    failed = [each for each in outcomes if each.failing and each.failed]
    healthy = [each for each in outcomes if not each.failing]
    in_time = sum(each.in_time for each in failed)
    false = sum(each.called is not None for each in healthy)
    leads = [
        each.lost - each.called for each in failed if each.in_time and each.lost is not None and each.called is not None
    ]
    ends = usual(runs)
    early = [outcome(run, ends, 1 / 3) for run in runs]
    strict = [each for each in early if each.failing and each.failed]
    went = [run for run in runs if run["failing"]]
    lines = [
        "- Failing runs called before they had lost quality:"
        f" **{in_time} of {len(failed)}, {share(in_time, len(failed))}**"
        f" (in brackets the exact {100 * CONFIDENCE:.0f} % interval). {len(went) - len(failed)} of the {len(went)} runs"
        " of failing kinds ended as healthy ones do, and are left out.",
        f"- Healthy runs called: **{false} of {len(healthy)}, {share(false, len(healthy))}**.",
        f"- {len(leads)} of the failing runs called in time lost quality later, in the median **{median(leads):,.0f}"
        f" iterations** after the call (from {min(leads):,} to {max(leads):,}); the others had never won what they"
        " could lose."
        if leads
        else "- No failing run that was called in time lost quality later: they had never won what they could lose.",
        f"- With a third instead of half of the modes, or of the balance, as what can be lost:"
        f" {sum(each.in_time for each in strict)} of {len(strict)} called in time,"
        f" {share(sum(each.in_time for each in strict), len(strict))}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/results/monitor.md")
    chosen = parser.parse_args()
    runs = [run for path in sorted(chosen.records.glob("*.json")) for run in json.loads(path.read_text("utf-8"))]
    ends = usual(runs)
    outcomes = [outcome(run, ends) for run in runs]
    told = {"summary": summary(runs, outcomes), "table": table(outcomes)}
    print("\n\n".join(told.values()))
    if chosen.write:
        text = PAGE.read_text("utf-8")
        for name, content in told.items():
            text = re.sub(
                rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", lambda m, c=content: m[1] + c + m[2], text, flags=re.DOTALL
            )
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
