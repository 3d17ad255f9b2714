"""Our eager step against the plain loop of a careful user, on the same maths: microseconds per iteration.

    python benchmarks/step.py [--pairs 5] [--iterations 2000] [--threads 1] [--clock wall|cpu] [--json]

ring8, mlp 64 x 3 with leaky ReLU, batch 64, nonsaturating loss, r1 with weight 0.1, fake-as-real with N0 = 8 and f = 8,
fused Adam, no evaluation. Ours is everything `Trainer.fit` does between two ticks: draws, steps, statistics. In a pair
the two sides take turns every 100 iterations, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from math import cos, pi, sin
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg
from steadygan.engine.draws import BLOCK
from steadygan.engine.plan import Plan, host, training
from steadygan.engine.signals import StopSignals
from steadygan.engine.start import start

N, N0, FACTOR, WEIGHT, LR, BETAS, DECAY = 64, 8, 8, 0.1, 1e-3, (0.5, 0.9), 0.999


class Side(Protocol):
    """Something that trains on, iteration by iteration."""

    def advance(self, iterations: int) -> None: ...


def networks(seed: int, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    """G and D, the same for both sides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = sg.models.mlp(2, 2, 64, 3, "leaky_relu")
        D = sg.models.mlp(2, 1, 64, 3, "leaky_relu")
    return G.to(dtype), D.to(dtype)


class PlainLoop:
    """What a careful user writes by hand: no steadygan inside. `draws` stands in for its own random numbers."""

    def __init__(
        self, G: nn.Module, D: nn.Module, count: int, ema: bool, draws: Iterator[tuple[Tensor, Tensor, Tensor]] | None
    ) -> None:
        self.G, self.D, self.count = G, D, count
        self.opt_g = torch.optim.Adam(G.parameters(), LR, betas=BETAS, fused=True)
        self.opt_d = torch.optim.Adam(D.parameters(), LR, betas=BETAS, fused=True)
        self.average = deepcopy(G).requires_grad_(False) if ema else None
        self.generator = torch.Generator().manual_seed(0)
        angles = [k * pi / 4 for k in range(8)]
        self.centres = torch.tensor([[cos(a), sin(a)] for a in angles]) * (2.0 / 1.414)
        self.draws = draws if draws is not None else self.own_draws()
        self.losses: list[Tensor] = []

    def own_draws(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Reals, then the latents of D's fakes and candidates, then G's latents."""
        g, n, m = self.generator, N - self.count, N + FACTOR * self.count
        while True:
            mode = torch.randint(8, (n,), generator=g)
            x = torch.add(self.centres[mode], torch.randn(n, 2, generator=g), alpha=0.02 / 1.414)
            yield x, torch.randn(m, 2, generator=g), torch.randn(N, 2, generator=g)

    def advance(self, iterations: int) -> None:
        G, D, opt_g, opt_d, count = self.G, self.D, self.opt_g, self.opt_d, self.count
        d_parameters = list(D.parameters())
        weights: list[Tensor] = list(G.parameters())
        averages: list[Tensor] = [] if self.average is None else list(self.average.parameters())
        losses = []
        for _ in range(iterations):
            real, z, z_g = next(self.draws)
            with torch.no_grad():
                fake = G(z)
                if count:
                    candidates = fake[N:]
                    lowest = D(candidates).squeeze(1).topk(count, largest=False).indices
                    real, fake = torch.cat([real, candidates[lowest]]), fake[:N]

            for p in d_parameters:
                p.requires_grad_(True)
            real.requires_grad_(True)
            d_real, d_fake = D(real).squeeze(1), D(fake).squeeze(1)
            (gradient,) = torch.autograd.grad(d_real.sum(), real, create_graph=True)
            d_loss = F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
            opt_d.zero_grad(set_to_none=True)
            (d_loss + WEIGHT * gradient.square().sum(1).mean()).backward()  # type: ignore[no-untyped-call]
            opt_d.step()
            for p in d_parameters:
                p.requires_grad_(False)

            g_loss = F.softplus(-D(G(z_g)).squeeze(1)).mean()
            opt_g.zero_grad(set_to_none=True)
            g_loss.backward()  # type: ignore[no-untyped-call]
            opt_g.step()
            if averages:
                with torch.no_grad():
                    torch._foreach_lerp_(averages, weights, 1.0 - DECAY)
            losses += [d_loss.detach(), g_loss.detach()]
        self.losses = torch.stack(losses).tolist()


class Ours:
    """`Trainer`'s loop between two ticks."""

    def __init__(self, G: nn.Module, D: nn.Module, count: int, ema: bool, dtype: torch.dtype) -> None:
        trainer = sg.Trainer(
            G,
            D,
            sg.data.DATA["ring8"](),
            latent_dim=2,
            penalties=[sg.penalties.r1(WEIGHT)],
            method=sg.methods.FakeAsReal(count, FACTOR),
            batch_size=N,
            lr_g=LR,
            ema=DECAY if ema else None,
            device="cpu",
            dtype=dtype,
            evaluator=None,
        )
        plan = Plan.resolve(torch.device("cpu"), dtype, torch.get_num_threads(), 0)
        self.loop, _ = start(trainer.setup, None, plan, 1, False, lambda *_: None)
        self.signals = StopSignals()

    def advance(self, iterations: int) -> None:
        until = self.loop.iteration + iterations
        while self.loop.iteration < until:
            stop = min(until, (self.loop.iteration // BLOCK + 1) * BLOCK)
            self.loop._segment(stop, self.signals)


@contextmanager
def both(count: int, ema: bool, dtype: torch.dtype = torch.float32) -> Iterator[tuple[Ours, Callable[..., PlainLoop]]]:
    """Our side, and a function that builds the plain one from the same networks."""
    G, D = networks(0, dtype)
    twins = networks(0, dtype)
    with host(torch.get_num_threads(), 0, torch.device("cpu")), training(G), training(D):
        yield Ours(G, D, count, ema, dtype), lambda draws=None: PlainLoop(*twins, count, ema, draws)


def check(iterations: int = 20) -> float:
    """The largest difference between the two sides' weights after `iterations` in float64, given the same draws."""
    worst = 0.0
    for count in (N0, 0):
        with both(count, True, torch.float64) as (ours, plain):
            block = ours.loop.draws.block(0)
            draws = [(i.d[0].real.x, i.d[0].z, i.g.z) for i in block if i.d[0].real is not None]
            theirs = plain(iter(draws))
            ours.advance(iterations)
            theirs.advance(iterations)
            average = ours.loop.executor.average
            assert average is not None
            assert theirs.average is not None
            mine = ours.loop.executor.networks
            for a, b in ((mine["G"], theirs.G), (mine["D"], theirs.D), (average.network, theirs.average)):
                for p, q in zip(a.parameters(), b.parameters(), strict=True):
                    worst = max(worst, float((p - q).detach().abs().max()))
    if not worst <= 1e-10:
        raise SystemExit(f"the two sides do not compute the same: weights differ by {worst:.1e}")
    return worst


def times(sides: dict[str, Side], iterations: int, clock: Callable[[], float]) -> dict[str, float]:
    """Microseconds per iteration of each side, all taking turns every 100 iterations."""
    spent = dict.fromkeys(sides, 0.0)
    names = list(sides)
    turns = max(1, iterations // BLOCK)
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = clock()
            sides[name].advance(BLOCK)
            spent[name] += clock() - began
    return {name: 1e6 * seconds / (turns * BLOCK) for name, seconds in spent.items()}


def measure(pairs: int, iterations: int, clock: Callable[[], float]) -> list[dict[str, Any]]:
    """One row per case: median and range over the pairs."""
    rows = []
    for label, ema in (("no EMA", False), ("EMA", True)):
        with both(N0, ema) as (ours, plain), both(0, ema) as (ours_without, plain_without):
            sides: dict[str, Side] = {
                "ours": ours,
                "plain": plain(),
                "ours_without": ours_without,
                "plain_without": plain_without(),
            }
            times(sides, 2 * BLOCK, clock)  # warm up
            found = [times(sides, iterations, clock) for _ in range(pairs)]
        ratios = [t["ours"] / t["plain"] for t in found]
        rows.append(
            {
                "case": label,
                "ours_us": median(t["ours"] for t in found),
                "plain_us": median(t["plain"] for t in found),
                "ratio": median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
                "candidates_share_ours": median(1.0 - t["ours_without"] / t["ours"] for t in found),
                "candidates_share_plain": median(1.0 - t["plain_without"] / t["plain"] for t in found),
            }
        )
    return rows


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(names) or None,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Our eager step against a plain hand-written loop of the same maths.")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=2000, help="per side and pair, in hundreds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: this process's own time")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    difference = check()
    rows = measure(arguments.pairs, arguments.iterations, clock)
    if arguments.json:
        print(json.dumps({"machine": machine(), "largest_difference": difference, "rows": rows}))
        return
    about = machine()
    print(f"{about['cpu']}, {about['cores']} cores; torch {about['torch']}, {about['threads']} thread(s), float32")
    print(f"same maths: weights differ by {difference:.1e} after 20 iterations in float64")
    print(f"median of {arguments.pairs} pairs of {arguments.iterations} iterations ({arguments.clock} time)")
    print("case      ours us  plain us  ratio (range)         candidates: ours, plain")
    for row in rows:
        low, high = row["ratio_range"]
        print(
            f"{row['case']:8}{row['ours_us']:9.0f}{row['plain_us']:10.0f}{row['ratio']:7.3f} ({low:.3f}-{high:.3f})"
            f"{row['candidates_share_ours']:14.1%}{row['candidates_share_plain']:8.1%}"
        )


if __name__ == "__main__":
    main()
