"""Penalties by differences beside the exact ones: bias by sigma and precision, and what a step costs.

    python benchmarks/difference_penalty.py [--write]

D is a DCGAN's for 32 x 32 pixels, width 32, as first initialised, on uniform noise. Bias: the mean over many draws over
the exact penalty, less 1. Cost: a D step with the penalty over one without, the three turn about, medians.
--write: into docs/discriminators.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import steadygan as sg

PAGE = Path(__file__).parent.parent / "docs" / "discriminators.md"
BATCH, DRAWS, STEPS = 32, 200, 40
SIGMAS = (0.1, 0.01, 0.001, 0.0001)


def discriminator(kind: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 1)).to(kind)


def bias(kind: torch.dtype, sigma: float, x: Tensor) -> tuple[float, float]:
    """(mean over draws) / exact - 1, and its standard error."""
    D = discriminator(kind)
    exact = float(sg.penalties.r1(1.0).loss(discriminator(torch.float64), x.double()).detach())
    near = sg.penalties.r1(1.0, by="difference", sigma=sigma)
    with torch.no_grad():
        found = [float(near.loss(D, x.to(kind))) / exact for _ in range(DRAWS)]
    return statistics.fmean(found) - 1, statistics.stdev(found) / DRAWS**0.5


def costs(x: Tensor, y: Tensor) -> dict[str, float]:
    """Seconds of a D step, the kinds turn about."""
    D = discriminator(torch.float32)
    optimizer = torch.optim.Adam(D.parameters(), lr=1e-4)
    kinds: dict[str, list[sg.penalties.GradientPenalty]] = {
        "without a penalty": [],
        "r1": [sg.penalties.r1(1.0)],
        "r1 by difference": [sg.penalties.r1(1.0, by="difference")],
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}

    def step(penalties: list[sg.penalties.GradientPenalty]) -> None:
        optimizer.zero_grad()
        sg.d_loss(sg.losses.Hinge(), D, x, y, penalties).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for _ in range(STEPS):
        for name, penalties in kinds.items():
            taken[name].append(timed(lambda own=penalties: step(own)))
    return {name: statistics.median(seconds[STEPS // 4 :]) for name, seconds in taken.items()}


def timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y = (torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in (0, 1))
    lines = ["| sigma | float64 | float32 | bfloat16 |", "| --- | --- | --- | --- |"]
    for sigma in SIGMAS:
        cells = []
        for kind in (torch.float64, torch.float32, torch.bfloat16):
            off, error = bias(kind, sigma, x)
            cells.append(f"{100 * off:+.1f} ± {100 * error:.1f} %" if abs(off) < 10 else f"{off + 1:,.0f} times")
        lines.append(f"| {sigma:g} | {' | '.join(cells)} |")
    seconds = costs(x, y)
    base = seconds["without a penalty"]
    told = ", ".join(f"{name} {value / base:.2f}" for name, value in seconds.items() if value is not base)
    lines += ["", f"A D step with the penalty takes, over one without (DCGAN, width 32, one thread, eager): {told}."]
    text = "\n".join(lines)
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        start, end = page.index("<!-- differences -->"), page.index("<!-- end -->")
        PAGE.write_text(f"{page[:start]}<!-- differences -->\n{text}\n{page[end:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
