"""Runs of many kinds, failing and healthy, kept with all that the collapse monitor's rules can be derived from offline.

    python benchmarks/monitored_runs.py --list
    python benchmarks/monitored_runs.py --out records [--only NAME ...] [--seeds N] [--data mnist=FOLDER ...]

Each kind leaves a folder: `runs.json` with the settings, and of each seed the records and the truth at every look;
`seed-<k>.npz` with the fakes of the probe's fixed latents at every look (`iteration`, `live`, `average` where there is
one, `label` where there are classes); `real.npz` with fresh reals in the same unit (`x`, `label`; `after` and `change`
where the data change on the way). A kind that is there is not trained again. Images are kept in float16, points in
float32.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from monitored_added import added
from monitored_kinds import Kind, kinds, table
from monitored_points import ring
from monitored_truth import FAKES, Ground, ground_of
from torch import Tensor, nn

import steadygan as sg
from steadygan.latents import generate
from steadygan.runs.run import Run
from steadygan.types import Batch

KEPT = 512  # fakes of a look
LARGE = 256  # numbers of a sample from which fewer fakes tell the truth
FEWER = 1000
POINT = 8  # numbers of a sample up to which they are kept as float32


class Kept:
    """The looks at one run: its fakes, and the truth."""

    def __init__(self, seed: int, grounds: Sequence[Ground], change: int | None = None) -> None:
        self.seed, self.grounds, self.change = seed, grounds, change
        self.iteration: list[int] = []
        self.fakes: dict[str, list[np.ndarray[Any, Any]]] = {"live": [], "average": []}
        self.truth: dict[str, list[dict[str, float]]] = {"live": [], "average": []}
        self.label: Tensor | None = None

    def __call__(self, run: Run, iteration: int, record: Mapping[str, Any]) -> None:
        """Looks at the run: the first fakes are those of the probe's latents."""
        n = FEWER if self.grounds[0].sample[0].numel() >= LARGE else FAKES
        ways = {"live": "live"} | ({} if run.G is run.G_live else {"average": "ema"})
        found = {name: self._drawn(run, n, way) for name, way in ways.items()}
        self.label = next(iter(found.values())).label
        self.add(iteration, {name: batch.x[:KEPT] for name, batch in found.items()}, found)

    def _drawn(self, run: Run, n: int, weights: Any) -> Batch:
        parts = [*run.stream(n, seed=self.seed + 1, weights=weights)]
        x = torch.cat([part.x for part in parts])
        if run.units is not None:
            x = ((x - run.units[0]) / run.units[1]).to(torch.float32)
        labels = [part.label for part in parts if part.label is not None]
        return Batch(x, torch.cat(labels) if labels else None)

    def add(self, iteration: int, kept: Mapping[str, Tensor], judged: Mapping[str, Batch]) -> None:
        """One look, once."""
        if iteration in self.iteration[-1:]:
            return
        self.iteration.append(iteration)
        ground = self.grounds[0 if self.change is None or iteration <= self.change else -1]
        for name, x in kept.items():
            self.fakes[name].append(small(x))
        for name, batch in judged.items():
            self.truth[name].append(ground.truth(batch.x, batch.label))

    def write(self, path: Path) -> None:
        """The fakes."""
        arrays = {name: np.stack(looks) for name, looks in self.fakes.items() if looks}
        if self.label is not None:
            arrays["label"] = self.label[:KEPT].numpy()
        np.savez(path, iteration=np.array(self.iteration), **arrays)

    def told(self) -> dict[str, Any]:
        """The truth as columns: weights -> figure -> one number per look."""
        columns = {
            name: {key: [look[key] for look in looks] for key in looks[0]}
            for name, looks in self.truth.items()
            if looks
        }
        return {"iteration": self.iteration, **columns}


def small(x: Tensor) -> np.ndarray[Any, Any]:
    """Samples as points in as few bits as they need."""
    flat = x.detach().flatten(1).cpu()
    return flat.to(torch.float32 if flat.shape[1] <= POINT else torch.float16).numpy()


def trained(kind: Kind, kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """What is told of each seed of a kind beside the truth, side by side where that can be done."""
    if kind.loop is not None:
        return [looped(kind, each) for each in kept]
    own = {each.seed: each for each in kept}

    def build(seed: int) -> sg.Trainer:
        made = kind.build(seed)
        made.callbacks.insert(0, own[seed])  # it sees the networks before anything is done to them
        return made

    runs = sg.Seeds(build, [*own]).fit(kind.iterations)
    return [
        {
            "seed": each.seed,
            "failure": None if run.failure is None else str(run.failure),
            "equilibrium": run.equilibrium,
            "notes": run.notes,
            "records": run.metrics,
        }
        for each, run in zip(kept, runs, strict=True)
    ]


def looped(kind: Kind, kept: Kept) -> dict[str, Any]:
    """One seed of a plain loop: the fakes that are kept are the newest of those that the monitor was told of."""
    assert kind.loop is not None
    z = torch.randn(FAKES, 2, generator=torch.Generator().manual_seed(kept.seed + 1))

    def look(iteration: int, newest: Tensor, G: nn.Module) -> None:
        kept.add(iteration, {"live": newest}, {"live": Batch(generate(G, z, FAKES))})

    records = kind.loop.train(ring(), kept.seed, kind.iterations, 200, look, KEPT)
    whole = bool(records) and records[-1]["iteration"] == kind.iterations
    failure = None if whole else "a loss was not finite"
    return {"seed": kept.seed, "failure": failure, "equilibrium": None, "notes": [], "records": records}


def write(kind: Kind, out: Path) -> str | None:
    """Trains a kind and keeps it, unless it is there or another process is at it; what came of it in a line."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / f".{kind.name}.lock", timeout=0):
            return None if (out / kind.name / "runs.json").exists() else train(kind, out)
    except Timeout:
        return None


def train(kind: Kind, out: Path) -> str:
    """Trains a kind, and renames its folder once it is whole."""
    folder, part = out / kind.name, out / f".{kind.name}.part"
    began = time.perf_counter()
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    sources = (ring(),) if kind.loop is not None else kind.sources()
    grounds = [ground_of(source) for source in sources]
    kept = [Kept(seed, grounds, kind.change_at) for seed in range(kind.seeds)]
    runs = trained(kind, kept)
    for run, each in zip(runs, kept, strict=True):
        run["truth"] = each.told()
        each.write(part / f"seed-{each.seed}.npz")
    reals = {"x": small(grounds[0].sample)}
    if grounds[0].label is not None:
        reals["label"] = grounds[0].label.numpy()
    if kind.change_at is not None:
        reals |= {"after": small(grounds[-1].sample), "change": np.array(kind.change_at)}
    np.savez(part / "real.npz", **reals)
    seconds = time.perf_counter() - began
    about = {
        "kind": kind.name,
        "group": kind.group,
        "failing": kind.failing,
        "recipe": kind.recipe,
        "words": [*kind.rhythm, *kind.words],
        "note": kind.note,
        "iterations": kind.iterations,
        "seeds": [*range(kind.seeds)],
        "fault": kind.fault,
        "change": kind.change_at,
        "modes": grounds[-1].known,
        "real": [ground.of_reals(source) for ground, source in zip(grounds, sources, strict=True)],
        "seconds": seconds,
        "runs": runs,
    }
    (part / "runs.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return line(kind, seconds, runs)


def line(kind: Kind, seconds: float, runs: Sequence[Mapping[str, Any]]) -> str:
    """Final and best evenness of each seed, live and of the average, and the final coverage."""
    told = [f"{kind.name} ({'failing' if kind.failing else 'healthy'}) {seconds:.0f} s"]
    for name in ("live", "average"):
        own = [run["truth"][name] for run in runs if name in run["truth"]]
        if own:
            ends = {
                "evenness": [truth["evenness"][-1] for truth in own],
                "best": [max(truth["evenness"]) for truth in own],
                "coverage": [truth["coverage"][-1] for truth in own],
            }
            told.append(f"{name} " + " ".join(f"{key} {' '.join(f'{v:.2f}' for v in vs)}" for key, vs in ends.items()))
    failed = sum(run["failure"] is not None for run in runs)
    return "; ".join([*told, *([f"{failed} stopped"] if failed else [])])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the kinds, in one table")
    parser.add_argument("--added", action="store_true", help="the kinds that were added after the rules, instead")
    parser.add_argument("--out", type=Path, default=Path("records"))
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=None, metavar="N", help="at most so many of each kind")
    parser.add_argument("--data", nargs="+", default=[], metavar="NAME=PATH", help="where a data set lies")
    chosen = parser.parse_args()
    if chosen.list:
        print(table())
        return
    torch.set_num_threads(1)
    paths = dict(each.split("=", 1) for each in chosen.data)
    every = [*added()] if chosen.added else kinds()
    found = [kind for kind in every if chosen.only is None or kind.name in chosen.only]
    if missing := {*(chosen.only or ())} - {kind.name for kind in found}:
        parser.error(f"expected names of kinds (--list), got {', '.join(sorted(missing))}")
    for kind in found:
        if chosen.seeds is not None:
            kind = replace(kind, seeds=min(kind.seeds, chosen.seeds))
        if kind.data in paths:
            kind = replace(kind, words=(*kind.words, f"data.path={paths[kind.data]}"))
        progress = chosen.out / "PROGRESS.txt"
        try:
            told = write(kind, chosen.out)
        except Exception as error:  # the others are trained nonetheless
            told = f"{kind.name} could not be trained: {type(error).__name__}: {error}"
        if told is not None:
            print(told, flush=True)
            with progress.open("a", encoding="utf-8") as file:
                file.write(told + "\n")


if __name__ == "__main__":
    main()
