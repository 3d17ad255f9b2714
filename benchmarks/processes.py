"""One run in several processes: how many times as fast as one with one thread, and what the all-reduce costs.

    python benchmarks/processes.py [--processes 2] [--turns 5] [--json FILE]

Both sides train the same DCGAN on the same batches, in turns in one job: first all of a batch in the first process,
while the others wait, then its parts in all of them. The all-reduce is timed by itself, on as many numbers as G and D
have, twice per iteration.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist

import steadygan as sg
from steadygan.engine.ranks import ALONE, Ranks
from steadygan.models import dcgan_discriminator, dcgan_generator
from steadygan.training import trainer as trainers

ITERATIONS, WIDTH, BATCH = 4, 64, 64


def made(alone: bool) -> sg.Trainer:
    """A trainer of this process alone, or of all."""
    here = trainers.ranks_here
    if alone:
        trainers.ranks_here = lambda _: ALONE
    torch.manual_seed(0)
    data = torch.rand(512, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    shape = 3, 32, 32
    G, D = dcgan_generator(100, shape, width=WIDTH), dcgan_discriminator(shape, width=WIDTH)
    found = sg.Trainer(
        G, D, data, latent_dim=100, batch_size=BATCH, threads=1, monitor=None, evaluator=None, log_every=10_000
    )
    trainers.ranks_here = here
    return found


def advanced(trainer: sg.Trainer, done: int) -> float:
    """Seconds per iteration of the next few."""
    began = time.perf_counter()
    trainer.fit(done + ITERATIONS, progress=False)
    return (time.perf_counter() - began) / ITERATIONS


def reduced(ranks: Ranks, networks: list[torch.nn.Module]) -> float:
    """Seconds of the two all-reduces of an iteration."""
    sets = [[torch.zeros_like(p) for p in network.parameters()] for network in networks]
    took = []
    for _ in range(10):
        dist.barrier()
        began = time.perf_counter()
        for own in sets:
            ranks.average(own)
        took.append(time.perf_counter() - began)
    return median(took)


def work(turns: int, out: Path | None) -> None:
    """What each process does."""
    shared, whole = made(alone=False), made(alone=True)
    ranks, rows, done = shared.setup.ranks, [], 0
    for turn in range(turns + 1):
        dist.barrier()
        alone = advanced(whole, done) if ranks.first else 0.0
        dist.barrier()
        together = advanced(shared, done)
        done += ITERATIONS
        if turn:  # the first warms up
            rows.append((alone, together))
    reduce = reduced(ranks, shared.setup.networks)
    if not ranks.first:
        return
    ratios = [alone / together for alone, together in rows]
    found = {
        "processes": ranks.world,
        "alone_ms": 1e3 * median(alone for alone, _ in rows),
        "together_ms": 1e3 * median(together for _, together in rows),
        "ratio": median(ratios),
        "range": [min(ratios), max(ratios)],
        "all_reduce_ms": 1e3 * reduce,
        "all_reduce_share": reduce / median(together for _, together in rows),
        "parameters": [sum(p.numel() for p in network.parameters()) for network in shared.setup.networks],
    }
    print(json.dumps(found, indent=2))
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if "RANK" in os.environ:
        work(given.turns, given.json)
        return
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(given.processes)]
    subprocess.run([*launch, *sys.argv], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
