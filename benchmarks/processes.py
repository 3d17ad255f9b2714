"""One run in several processes: how many times as fast as one with one thread, and what the all-reduce costs.

    python benchmarks/processes.py [--processes 2] [--turns 5] [--json FILE]
    python benchmarks/processes.py --model     # the cost of a step by counting, for 1, 8 and 64 GPUs

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
from torch.utils.flop_counter import FlopCounterMode

import steadygan as sg
from steadygan.engine.ranks import ALONE, Ranks
from steadygan.models import dcgan_discriminator, dcgan_generator
from steadygan.models.build import DISCRIMINATORS, GENERATORS
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


NETWORKS = {"dcgan": 32, "resnet32": 32, "conventional32": 32, "resnet64": 64}  # side of an image
RATE, WITHIN, ACROSS, EACH = 120e12, 150e9, 25e9, 8  # assumed: FLOP/s reached, bytes/s in and between machines, GPUs


def counted(name: str, side: int) -> tuple[float, float, int, int]:
    """Multiply-adds of one sample's forward in G and in D, and the parameters of both."""
    shape, latent = (3, side, side), 128
    G, D = GENERATORS[name](latent, shape), DISCRIMINATORS[name](shape)
    work = []
    for network, x in ((G, torch.zeros(1, latent)), (D, torch.zeros(1, *shape))):
        with FlopCounterMode(display=False) as count, torch.no_grad():
            network(x)
        work.append(count.get_total_flops() / 2)
    g, d = (sum(p.numel() for p in network.parameters()) for network in (G, D))
    return work[0], work[1], g, d


def operations(g: float, d: float, batch: int) -> float:
    """Floating-point operations of an iteration with r1 in every D step.

    D: G's forward, D's forward and backward on both sides (3 forwards each), and r1, the gradient of a gradient (2 for
    the slope, 4 for its gradient). G: a forward and backward of G (3) and of D without its weights' gradient (2).
    """
    return 2.0 * batch * (g + d * (2 * 3 + 6) + 3 * g + 2 * d)


def model() -> None:
    """The table of docs/scaling.md: what a step computes and sends, and how long both take on assumed machines."""
    print("| networks | million parameters, G + D | GFLOP per sample and iteration | MB sent per iteration |")
    print("| --- | ---: | ---: | ---: |")
    rows = {name: counted(name, side) for name, side in NETWORKS.items()}
    for name, (g, d, pg, pd) in rows.items():
        sizes = f"{pg / 1e6:.1f} + {pd / 1e6:.1f}"
        print(f"| `{name}` | {sizes} | {operations(g, d, 1) / 1e9:.2f} | {4 * (pg + pd) / 1e6:.0f} |")
    g, d, pg, pd = rows["resnet64"]
    print("\n| GPUs | batch, in all | ms of computing | ms of sending | times one GPU |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for gpus, batch in ((1, 64), (8, 64), (8, 512), (64, 512), (64, 4096)):
        compute = operations(g, d, batch / gpus) / RATE
        speed = WITHIN if gpus <= EACH else ACROSS
        send = 0.0 if gpus == 1 else 2.0 * (gpus - 1) / gpus * 4 * (pg + pd) / speed
        alone = operations(g, d, batch) / RATE
        print(f"| {gpus} | {batch:,} | {1e3 * compute:.1f} | {1e3 * send:.1f} | {alone / (compute + send):.1f} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", action="store_true")
    given = parser.parse_args()
    if given.model:
        model()
        return
    if "RANK" in os.environ:
        work(given.turns, given.json)
        return
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(given.processes)]
    subprocess.run([*launch, *sys.argv], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
