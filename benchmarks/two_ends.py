"""The two ends of grid25/far: D flat, or a small slope kept; which of them it is, and what decides.

    python benchmarks/two_ends.py --out runs/ends [--only compiled,eager] [--as-is] [--write]

Trains what is missing, group by group (with --as-is nothing), and prints a table: the share of flat runs with a Wilson
interval, modes, the share of high quality and balance. A run is flat if its high-quality share is above 0.88 and its
balance below 0.42. Two ways of executing the same runs are compared by Fisher's exact test on that share and by the
Mann-Whitney test on balance. With --write the table goes to docs/results/grid25-seeds.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from method_tables import DOCS, lines, put
from scipy.stats import fisher_exact, mannwhitneyu

from steadygan.runs.folder import RunFolder
from steadygan.runs.records import read_records

PAGE, MARK = DOCS / "results" / "grid25-seeds.md", "<!-- table: ends -->"
LENGTH = 40_000
RARE = ("evaluate.every=40000", "log_every=4000", "monitor=none")  # nothing else is read


class Group(NamedTuple):
    """Runs of one kind: the settings that are not the recipe's, and how many seeds, from 0 on."""

    words: tuple[str, ...]
    seeds: int


GROUPS = {
    "compiled": Group(("compile=on",), 32),
    "eager": Group(("compile=off",), 32),
    "r1 weight 0.03": Group(("compile=on", "penalty.r1.weight=0.03"), 8),
    "r1 weight 0.3": Group(("compile=on", "penalty.r1.weight=0.3"), 8),
    "r1 weight 1": Group(("compile=on", "penalty.r1.weight=1"), 8),
    "N0 = 2": Group(("compile=on", "method.fake_as_real.count=2"), 8),
    "N0 = 4": Group(("compile=on", "method.fake_as_real.count=4"), 8),
    "N0 = 16": Group(("compile=on", "method.fake_as_real.count=16"), 8),
    "constant rates": Group(("compile=on", "schedule=constant"), 8),
}
KEYS = ("modes", "high_quality", "balance", "energy_distance")


def flat(record: dict[str, float]) -> bool:
    """Whether D went flat, as seen from the fakes."""
    return record["high_quality"] > 0.88 and record["balance"] < 0.42


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share k / n."""
    z = 1.96
    middle, half = k + z * z / 2, z * (k * (n - k) / n + z * z / 4) ** 0.5
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


def trained(name: str, out: Path, as_is: bool) -> list[dict[str, float]]:
    """The last records of a group's runs, trained where they are missing; as_is: of those that are finished."""
    group = GROUPS[name]
    folder = out / name.replace(" ", "-").replace("=", "")
    command = [sys.executable, "-m", "steadygan", "train", "grid25/far", *group.words, *RARE]
    if not as_is:
        subprocess.run([*command, "--seeds", str(group.seeds), "--out", str(folder), "--resume", "--plain"], check=True)
    records = [read_records(RunFolder(folder / f"seed-{seed}").metrics) for seed in range(group.seeds)]
    return [own[-1] for own in records if own and own[-1]["iteration"] == LENGTH]


def spread(values: list[float]) -> str:
    """Mean and deviation."""
    mean = sum(values) / len(values)
    return f"{mean:.3g} ± {(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5:.2g}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ends"))
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, separated by commas")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results/grid25-seeds.md")
    parser.add_argument("--as-is", action="store_true", help="train nothing")
    given = parser.parse_args()
    every = {name: trained(name, given.out, given.as_is) for name in given.only.split(",")}
    found = {name: records for name, records in every.items() if len(records) > 1}
    rows = [["", "seeds", "flat", "95 % interval", *(key.replace("_", " ") for key in KEYS)]]
    for name, records in found.items():
        count = sum(map(flat, records))
        low, high = wilson(count, len(records))
        figures = [spread([record[key] for record in records]) for key in KEYS]
        rows.append([name, f"{len(records)}", f"{count}", f"{100 * low:.0f} to {100 * high:.0f} %", *figures])
    text = lines(rows)
    if {"compiled", "eager"} <= found.keys():
        counts = [
            [sum(map(flat, found[name])), sum(not flat(r) for r in found[name])] for name in ("compiled", "eager")
        ]
        balances = [[record["balance"] for record in found[name]] for name in ("compiled", "eager")]
        text += (
            f"\n\nCompiled against eager: p = {fisher_exact(counts).pvalue:.2g} for the share of flat runs (Fisher's "
            f"exact test), p = {mannwhitneyu(*balances).pvalue:.2g} for balance (Mann-Whitney)."
        )
    print(text)
    if given.write:
        put(PAGE, MARK, text)


if __name__ == "__main__":
    main()
