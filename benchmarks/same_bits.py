"""Whether two checkouts train the same runs: records, settings, roll-backs and every number of every checkpoint.

    python benchmarks/same_bits.py OLD [NEW] [--data MNIST] [--only ring8,seeds] [--keep FOLDER]

OLD, NEW: checkouts, NEW by default the one of this file. Each case is trained by both, one after the other, with one
thread and by the environment that runs this script; what differs is listed, and then the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

HEALING = "monitor.policy=rollback monitor.remedy.penalty.r1=1 monitor.remedy.lr_d=0.2 checkpoint_every=200"
CASES = {
    "grid25": "grid25/far --iterations 2200 compile=off",
    "ring8": "ring8/far --iterations 2200 compile=off",
    "digits": "digits/far --iterations 230",
    "mnist": "mnist/far --scale small --iterations 210 evaluate.n=500",
    "seeds": "ring8/far --seeds 3 --iterations 1300 compile=off",
    "rolled-back": f"ring8/nsgan lr_d=2e-2 {HEALING} compile=off --iterations 1500",
    "stopped": "ring8/nsgan lr_d=2e-2 monitor.policy=stop --iterations 1500 compile=off",
    "sdp": "grid25/sdp --iterations 420 compile=off",
    "dual": "ring8/dual --iterations 420 compile=off",
    "cramer": "ring8/cramer --iterations 220 compile=off",
    "resumed": "ring8/far --iterations 700 compile=off",
}
FILES = ("metrics.jsonl", "settings.json", "interventions.json")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=Path(__file__).parents[1])
    parser.add_argument("--data", type=Path, help="MNIST's folder; without it that case is left out")
    parser.add_argument("--only", default="", help="names of cases, with commas between them")
    parser.add_argument("--keep", type=Path, help="where the runs are kept, and found again")
    asked = parser.parse_args()
    names = [name for name in CASES if name in (asked.only.split(",") if asked.only else CASES)]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        keep = asked.keep or Path(folder)
        for name in names:
            if name == "mnist" and asked.data is None:
                print("mnist: left out, add --data")
                continue
            words = CASES[name].split() + (["--data", str(asked.data.resolve())] if name == "mnist" else [])
            runs = [train(side, keep / side.resolve().name / name, words) for side in (asked.old, asked.new)]
            found = list(differences(*runs))
            print(f"{name}: {'the same' if not found else '; '.join(found[:5])}", flush=True)
            bad += bool(found)
    return bool(bad)


def train(checkout: Path, out: Path, words: list[str]) -> Path:
    """The run's folder, trained unless it is there; the case `resumed` is stopped on its way."""
    if out.exists():
        return out
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "steadygan", "train", *words, "--out", str(out)]
    ways = [[*command, "--iterations", "333"], [*command, "--resume"]] if out.name == "resumed" else [command]
    for way in ways:
        subprocess.run(way, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return out


def differences(old: Path, new: Path) -> Iterator[str]:
    """What is not the same in two folders."""
    kept = sorted(p.relative_to(old) for p in old.rglob("*") if p.name in FILES or p.suffix == ".pt")
    if not kept:
        yield f"nothing was trained in {old}"
    for path in kept:
        if not (new / path).exists():
            yield f"{path} is missing"
        elif path.suffix == ".pt":
            yield from (f"{path}: {told}" for told in unlike(load(old / path), load(new / path)))
        elif (old / path).read_bytes() != (new / path).read_bytes():
            yield f"{path} differs"


def load(path: Path) -> Any:
    """What a checkpoint or a dump holds."""
    return torch.load(path, map_location="cpu", weights_only=True)


def unlike(old: Any, new: Any) -> Iterator[str]:
    """The leaves that differ."""
    (ours, shape), (theirs, other) = tree_flatten(old), tree_flatten(new)
    if shape != other:
        yield "has other entries"
        return
    for a, b in zip(ours, theirs, strict=True):
        if not (torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b):
            yield f"a tensor {tuple(a.shape)} differs" if isinstance(a, torch.Tensor) else f"{a!r} and {b!r}"


if __name__ == "__main__":
    raise SystemExit(main())
