"""Our training against the plain eager loop of a careful user, on the same maths, all in one run and interleaved.

    python benchmarks/step.py [--only CASE,...] [--pairs 5] [--threads 1] [--json FILE]    mlp and dcgan: ten minutes
    python benchmarks/step.py --whole --page docs/results/speed.md    memory, compile times, growth, too: half an hour
    python benchmarks/step.py --only resnet32,conventional32 --pairs 2    the papers' networks as wide as they are

mlp: ring8, 64 x 3 with leaky ReLU, batch 64, nonsaturating loss, r1 with weight 0.1, fake-as-real with N0 = 8 and
f = 8, fused Adam, EMA. Ours is what the command does after its start: draws, steps, statistics, and evaluation, logs,
TensorBoard and checkpoints at their defaults; the plain loop does none of these. dcgan: 32 x 32 x 3, width 32, batch
64, N0 = 32, f = 8, r1; there evaluation is left out on both sides. resnet32 and conventional32: the same, 64 wide, one
iteration a turn. The sides take turns: a busy machine slows all. A way is timed over --pairs turns, or fewer, at least
two, once they have taken 40 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import torch
from ceiling import flops, products, rate
from page import page, table
from plain import CONVENTIONAL, DCGAN, MLP, RESNET, Case, Plain
from sides import Way, check, ours

EAGER = Way("eager")
WIDE = [EAGER, Way("bf16 throughout", precision="bf16")]
WAYS = {
    "resnet32": WIDE,
    "conventional32": WIDE,
    "mlp": [
        EAGER,
        Way("compiled, K = 1", 1, True),
        Way("compiled, K = 4", 4, True),
        Way("compiled, K = 8", 8, True),
        Way("compiled, K = 32", 32, True),
        Way("stacked, not compiled, K = 8", 8),
    ],
    "dcgan": [
        EAGER,
        Way("candidates in bf16", candidates="bf16"),
        Way("bf16 throughout", precision="bf16"),
        Way("compiled, K = 1", 1, True),
    ],
}
GPU = [
    Way("eager", device="cuda"),
    Way("graph, K = 1", device="cuda", graph=True),
    Way("compiled graph, K = 1", 1, True, device="cuda"),
    Way("compiled graph, K = 8", 8, True, device="cuda"),
    Way("compiled graph, K = 64", 64, True, device="cuda"),
]
CHECKED = [EAGER, Way("", 3), Way("", 1, True), Way("", 3, True)]  # that they compute what the plain loop does
CASES = {case.name: case for case in (MLP, DCGAN, RESNET, CONVENTIONAL)}
TURN = {"mlp": 2000, "dcgan": 6}  # iterations in a pair: at mlp whole rounds of evaluation, logs and checkpoints
ENOUGH = 40.0  # seconds for the turns of one way, once there are two of them


class Side(Protocol):
    """Something that trains on."""

    def advance(self, iterations: int) -> None: ...


def turn(side: Side, iterations: int, seeds: int) -> float:
    """Seconds per iteration and seed; both sides end by reading their losses, so that a GPU is done by then."""
    return timed(lambda: side.advance(iterations)) / (iterations * seeds)


def timed(what: Callable[[], None]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    what()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measured(name: str, ways: list[Way], pairs: int, device: str = "cpu") -> list[dict[str, Any]]:
    """One row per way: its time, and its ratio to the plain loop's on that device, as medians over the pairs."""
    case, on_gpu = CASES[name], device != "cpu"
    each = TURN.get(name, 1)
    if on_gpu:
        each = max(each, 300 if name in TURN else 20)
    members = {w.seeds if on_gpu else min(w.seeds, 8) for w in ways}
    work, alone = flops(case), {k: products(case, k, device) for k in members}
    ceiling = {"float32": rate(device=device), "bf16": rate(dtype=torch.bfloat16, device=device)}
    with ExitStack() as stack:
        plain = Plain(case, device=device)
        mine = [(way, stack.enter_context(ours(case, way, written=name == "mlp"))) for way in ways]
        turn(plain, max(1, each // 10), 1)
        for way, side in mine:
            turn(side, each if name == "mlp" or on_gpu else min(each, 2), way.seeds)  # warm, and at a whole round again
        times: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}  # the plain loop's, ours
        for _ in range(pairs):
            for way, side in mine:  # each with a plain turn of its own beside it
                spent = sum(own * way.seeds * each for _, own in times[way.name])
                if len(times[way.name]) < 2 or spent < ENOUGH:
                    times[way.name].append((turn(plain, each, 1), turn(side, each, way.seeds)))
    own = alone.get(1) if name == "mlp" else None
    beside = [theirs for told in times.values() for theirs, _ in told]
    rows = [row("plain loop", beside, [1.0], work, own, ceiling["float32"])]
    for way in ways:
        own = alone[way.seeds if on_gpu else min(way.seeds, 8)] if name == "mlp" else None
        ratios = [theirs / ours for theirs, ours in times[way.name]]
        rows.append(row(way.name, [ours for _, ours in times[way.name]], ratios, work, own, ceiling[way.precision]))
    return rows


def row(
    name: str, times: list[float], ratios: list[float], work: int, alone: float | None, ceiling: float
) -> dict[str, Any]:
    """Times and ratios in the units of the table."""
    seconds = median(times)
    return {
        "way": name,
        "per_second": 1.0 / seconds,
        "microseconds": 1e6 * seconds,
        "ratio": median(ratios),
        "range": [min(ratios), max(ratios)],
        "mflop": work / 1e6,
        "gflops": work / seconds / 1e9,
        "share": (alone if alone is not None else work / ceiling) / seconds,
    }


def apart(name: str, way: Way, cache: str) -> dict[str, Any]:
    """A process of its own for memory and compile time, with the compiler's cache in `cache`."""
    command = [sys.executable, __file__, "--apart", name, way.name, "--threads", str(torch.get_num_threads())]
    found = subprocess.run(
        command, env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}, capture_output=True, text=True, check=True
    )
    return dict(json.loads(found.stdout.splitlines()[-1]))


def alone(name: str, way_name: str) -> None:
    """What `apart` asks for."""
    case = CASES[name]
    if way_name == "plain loop":
        began = time.perf_counter()
        Plain(case).advance(5)
    else:
        way = next(way for way in WAYS[name] if way.name == way_name)
        began = time.perf_counter()
        with ours(case, way, written=False) as side:
            ready = time.perf_counter() - began
            side.advance(5)
    # not getrusage: its maximum is inherited from the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    print(json.dumps({"ready": ready if way_name != "plain loop" else 0.0, "peak_mib": peak}))


def costs(name: str) -> list[dict[str, Any]]:
    """Peak memory of each way, and what compiling takes from scratch and from the cache."""
    rows = []
    for way in [Way("plain loop"), *WAYS[name]]:
        with tempfile.TemporaryDirectory() as cache:
            cold = apart(name, way, cache)
            warm = apart(name, way, cache) if way.compiled else None
        rows.append({"way": way.name, "peak_mib": cold["peak_mib"], "cold": cold["ready"]})
        rows[-1] |= {} if warm is None else {"warm": warm["ready"]}
        rows[-1] |= {"compiled": way.compiled}
    return rows


def drawing() -> float:
    """Seconds that the figures of one run of `mlp` take."""
    with ours(MLP, EAGER) as side:
        side.advance(10_000)
        side.draw()  # the first time, matplotlib reads its fonts
        return timed(side.draw)


def growth() -> dict[str, list[dict[str, Any]]]:
    """Microseconds per iteration and seed of the compiled step alone, as members, batch and width grow."""
    found: dict[str, list[dict[str, Any]]] = {"K": [], "batch": [], "width": []}
    grid = [("K", k, MLP, k) for k in (1, 2, 4, 8, 16)]
    grid += [("batch", n, Case("mlp", batch=n, count=n // 8), 8) for n in (32, 64, 128, 256)]
    grid += [("width", w, Case("mlp", width=w), 8) for w in (32, 64, 128, 256)]
    for axis, value, case, seeds in grid:
        with ours(case, Way("", seeds, True), written=False) as side:
            turn(side, 100, seeds)
            found[axis].append({"value": value, "microseconds": 1e6 * min(turn(side, 200, seeds) for _ in range(3))})
    return found


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(names) or os.cpu_count(),
        "simd": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__).split("+")[0],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def chosen(words: str) -> list[str]:
    """Cases by name."""
    names = words.split(",")
    if wrong := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(CASES)}, got {', '.join(wrong)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Our training against a plain hand-written loop of the same maths.")
    parser.add_argument("--only", type=chosen, default=["mlp", "dcgan"], metavar="CASE,...", help=", ".join(CASES))
    parser.add_argument("--pairs", type=int, default=5, help="turns of each way, at most")
    parser.add_argument("--threads", type=int, default=1, help="on both sides")
    parser.add_argument("--whole", action="store_true", help="memory, compile times and growth of mlp and dcgan, too")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", type=Path, help="write the page of the documentation")
    parser.add_argument("--apart", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.apart:
        alone(*arguments.apart)
        return
    names = arguments.only
    found: dict[str, Any] = {"machine": machine(), "pairs": arguments.pairs}
    found["largest_difference"] = check(MLP, CHECKED if "mlp" in names else CHECKED[:1])
    for name in names:
        ways = WAYS[name]
        found[name] = measured(name, ways, arguments.pairs)
        print(table(found[name]), flush=True)
        if arguments.whole and name in TURN:
            found[f"{name}_costs"] = costs(name)
        if name == "mlp" and arguments.whole:
            found["figures"] = drawing()
        if torch.cuda.is_available():
            found[f"{name}_gpu"] = measured(name, GPU if name == "mlp" else GPU[:3], arguments.pairs, "cuda")
    if arguments.whole and "mlp" in names:
        found["growth"] = growth()
    text = page(found)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.page:
        arguments.page.write_text(text)


if __name__ == "__main__":
    main()
