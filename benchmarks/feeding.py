"""What feeding images costs beside training on them, and how soon a set of image files is ready.

    python benchmarks/feeding.py PATH [--iterations 60, from 20 on] [--width 64] [--threads 2] [--json]

PATH: a folder or zip of image files of one size. Reading: `sg.data.folder` with an empty cache, then from the cache.
Feeding: the time to have an iteration's batch at hand, over the time of the step that uses it, side by side in one
loop; cifar10/r1's step (batch 64, nonsaturating loss, r1, fused Adam, EMA), from one tensor on the device and through
2 workers.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from statistics import median
from typing import Any

import torch

import steadygan as sg
from steadygan.config import override
from steadygan.engine.needs import BLOCK
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.training.plan import Plan, host


def reading(path: str) -> dict[str, float]:
    """Seconds until a set is ready: decoded for the first time, then from the cache."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["STEADYGAN_CACHE"] = cache
        took = []
        for _ in range(2):
            began = time.perf_counter()
            size = sg.data.folder(path).size
            took.append(time.perf_counter() - began)
        assert size is not None
    return {"images": size, "first_seconds": took[0], "cached_seconds": took[1]}


def feeding(path: str, workers: int | None, iterations: int, width: int, threads: int) -> dict[str, float]:
    """Median share of an iteration's time that goes into its batch, its range over blocks of 20, and both in ms."""
    words = [f"data.path={path}", f"generator.width={width}", f"discriminator.width={width}", f"threads={threads}"]
    settings = override(RECIPES["cifar10/r1"](), [*words, f"data.workers={'none' if workers is None else workers}"])
    made = trainer(settings)
    setup = made.setup
    plan = Plan.resolve(setup.device, setup.dtype, threads, 2**30)
    fed, stepped = [], []
    member = made.member
    assert setup.trainable
    with host(plan.threads, 0, setup.device), member.held():
        member.build(plan, {}, None)
        for number in range(iterations + 10):
            block = member.draws.block(number // BLOCK)  # the block's random numbers are a part of feeding
            began = time.perf_counter()
            draw = block[number % BLOCK]
            _wait(setup.device)
            middle = time.perf_counter()
            member.executor.iteration(draw, number, 1.0)
            _wait(setup.device)
            end = time.perf_counter()
            if number >= 10:  # the first ones warm up
                fed.append(middle - began)
                stepped.append(end - middle)
        began = time.perf_counter()
        member.draws.block(iterations // BLOCK + 2)
        numbers = (time.perf_counter() - began) / BLOCK
        member.draws.close()
    shares = [(sum(fed[i : i + 20]) + 20 * numbers) / sum(stepped[i : i + 20]) for i in range(0, len(fed) - 19, 20)]
    return {
        "share": median(shares),
        "lowest": min(shares),
        "highest": max(shares),
        "feed_ms": 1e3 * median(fed) + 1e3 * numbers,
        "step_ms": 1e3 * median(stepped),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {"reading": reading(given.path)}
    os.environ.pop("STEADYGAN_CACHE", None)
    for name, workers in (("one tensor", None), ("2 workers", 2)):
        found[name] = feeding(given.path, workers, given.iterations, given.width, given.threads)
    if given.json:
        print(json.dumps(found))
        return
    r = found["reading"]
    print(f"{r['images']:,} images: {r['first_seconds']:.1f} s first, {r['cached_seconds']:.2f} s from the cache")
    for name in ("one tensor", "2 workers"):
        f = found[name]
        told = f"{100 * f['share']:.2f} % ({100 * f['lowest']:.2f} to {100 * f['highest']:.2f})"
        print(f"{name}: feeding {f['feed_ms']:.2f} ms, step {f['step_ms']:.0f} ms: {told}")


if __name__ == "__main__":
    main()
