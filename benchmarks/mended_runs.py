"""How failing runs end when the monitor goes back and changes what it advises, beside those that it only warns of.

    python benchmarks/monitored_runs.py --out records
    python benchmarks/mended_runs.py records --out mended [--only NAME ...] [--seeds N] [--write]

Kinds that a setting can mend are trained again with `monitor.policy=rollback monitor.remedy=own`. A run has ended well
when what is true of it at the end (as in lead_time.py) is at least 90 % of what healthy runs
of the same data end with in the median; one that the monitor gave up has not.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lead_time import PAGE
from monitored_kinds import Kind, kinds
from monitored_looks import counting, data_of
from monitored_runs import Kept
from monitored_truth import ground_of

import steadygan as sg
from steadygan.callbacks import Callback
from steadygan.config import override
from steadygan.errors import CollapseError, NonFiniteError
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.runs.folder import RunFolder
from steadygan.runs.interventions import interventions
from steadygan.runs.run import Run

WELL = 0.9
EVERY = "checkpoint_every=350"  # no fault comes at a checkpoint, which would hold it
ACTING = ("monitor.policy=rollback", "monitor.remedy=own", EVERY, "compile=off")
MENDED = (  # kinds whose failure a rate, a penalty or fake-as-real can end
    *("rates-too-high", "d-rate-too-high", "g-rate-too-high", "momentum", "minimax", "wgan-free", "lambda-too-large"),
    *("few-samples", "hinge-few-samples", "optimiser-lost", "rate-spike-50", "d-reset", "d-noise"),
    *("g-shaken", "g-shaken-late", "g-shocked-average", "penalty-grows", "one-d-step-of-ten"),
)


def trained(kind: Kind, seed: int) -> dict[str, Any]:
    """One run that the monitor acts upon: its end, and what was done."""
    ground = ground_of(kind.sources()[0])
    words = ["threads=1", f"seed={seed}", f"horizon={kind.iterations}", *kind.rhythm, *kind.words, *ACTING]
    settings = override(RECIPES[kind.recipe](scale=kind.scale), words)
    with TemporaryDirectory() as place:
        made = trainer(settings, out=place)
        if kind.change is not None:
            before = len(made.callbacks)
            kind.change(made)
            made.callbacks[before:] = [once(each, kind.fault) for each in made.callbacks[before:]]
        failure = None
        try:
            run = made.fit(kind.iterations)
        except (CollapseError, NonFiniteError) as error:
            run, failure = sg.load(place), str(error)
        kept = Kept(seed, [ground])
        kept(run, run.iteration, {})
        done = interventions(RunFolder(Path(place)).interventions)
        value = counting(truth(kept))[-1]
    return {"seed": seed, "end": value, "failure": failure, "done": [[e.iteration, e.to, e.remedy] for e in done]}


def once(callback: Callback, fault: int | None) -> Callback:
    """A shock that does not come again when the run comes by once more."""
    if fault is None:
        return callback
    done: list[int] = []

    def called(run: Run, iteration: int, record: dict[str, float]) -> None:
        if iteration != fault or not done:
            callback(run, iteration, record)
        done.extend([iteration] * (iteration == fault))

    return called


def truth(kept: Kept) -> dict[str, list[float]]:
    """What is true of what is exported, as columns."""
    told = kept.told()
    found: dict[str, list[float]] = told.get("average", told["live"])
    return found


def ends(records: Path) -> dict[str, list[float]]:
    """data -> what healthy runs end with."""
    found: dict[str, list[float]] = {}
    for path in records.glob("*/runs.json"):
        about = json.loads(path.read_text("utf-8"))
        if about["group"] == "healthy" and about["modes"]:
            truths = [run["truth"].get("average", run["truth"]["live"]) for run in about["runs"]]
            found.setdefault(data_of(about), []).extend(counting(truth)[-1] for truth in truths)
    return found


def table(records: Path, out: Path) -> str:
    """Kind by kind: how many end well where the monitor warns, and where it acts."""
    usual = {data: median(values) for data, values in ends(records).items()}
    rows, warned, mended = (
        [["kind", "warned: end well", "rolled back: end well", "roll-backs", "given up"], ["-"] * 5],
        [],
        [],
    )
    for name in MENDED:
        path, before = out / f"{name}.json", records / name / "runs.json"
        if not (path.exists() and before.exists()):
            continue
        runs, about = json.loads(path.read_text("utf-8")), json.loads(before.read_text("utf-8"))
        floor = WELL * usual[data_of(about)]
        truths = [run["truth"].get("average", run["truth"]["live"]) for run in about["runs"]]
        old = [
            run["failure"] is None and counting(t)[-1] >= floor for run, t in zip(about["runs"], truths, strict=True)
        ]
        new = [run["failure"] is None and run["end"] >= floor for run in runs]
        warned, mended = [*warned, *old], [*mended, *new]
        counts = f"{median(len(run['done']) for run in runs):g}", str(sum(run["failure"] is not None for run in runs))
        rows.append([name, f"{sum(old)} of {len(old)}", f"{sum(new)} of {len(new)}", *counts])
    rows.append(["all", share(warned), share(mended), "", ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def share(yes: Sequence[bool]) -> str:
    """3 of 8, 38 %."""
    return f"{sum(yes)} of {len(yes)}, {100 * sum(yes) / max(len(yes), 1):.0f} %"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=Path("mended"))
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results/monitor.md")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for kind in kinds():
        path = chosen.out / f"{kind.name}.json"
        if kind.name not in (chosen.only or MENDED) or path.exists():
            continue
        runs = [trained(replace(kind, seeds=1), seed) for seed in range(chosen.seeds)]
        path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
        print(kind.name, *(f"{run['end']:.2f}{'!' * (run['failure'] is not None)}/{len(run['done'])}" for run in runs))
    told = table(chosen.records, chosen.out)
    print(told)
    if chosen.write:
        text = PAGE.read_text("utf-8")
        text = re.sub(r"(<!-- mended -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{told}\n{m[2]}", text, flags=re.DOTALL)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
