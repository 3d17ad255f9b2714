"""What the collapse monitor costs: the same run with it and without, turn about, in one process, nothing evaluated.

    python benchmarks/monitor_cost.py [--rounds 20] [--data MNIST]

Each round trains both runs on by one interval, a look at its end; the ratio of their times is taken round by round. On
a noisy machine single rounds differ by more than a look takes, so looks are timed by themselves, too. The end of each
line says whether both runs ended with the same weights.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import median

import torch

import steadygan as sg
from steadygan.config import override
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer

CASES = {  # name -> recipe, scale, settings, iterations between looks
    "mlp": ("grid25/r1", "full", ("log_every=200",), 200),
    "mlp, fake-as-real": ("grid25/far", "full", ("log_every=200",), 200),
    "dcgan, 16 wide": ("mnist/r1", "small", ("log_every=100",), 100),
    "dcgan, 64 wide": ("mnist/nsgan", "full", ("log_every=100", "generator=dcgan", "generator.width=64"), 100),
}
NEVER = 10**9


def built(name: str, watched: bool, data: str | None) -> sg.Trainer:
    """A trainer of a case, with the monitor or without."""
    recipe, scale, words, every = CASES[name]
    more = ["threads=1", "compile=off", f"evaluate.every={every}", f"checkpoint_every={NEVER}"]
    more += [f"data.path={data}"] if data is not None and recipe.startswith("mnist") else []
    made = trainer(override(RECIPES[recipe](scale=scale), [*words, *more, *(() if watched else ("monitor=none",))]))
    made.member.setup = replace(made.member.setup, evaluator=None)
    made.session.horizon = NEVER
    return made


def seconds(made: sg.Trainer, until: int) -> float:
    """How long it trains up to there: what the run itself counts, and the look at the end."""
    began = time.perf_counter()
    made.fit(until)
    return time.perf_counter() - began


def look(made: sg.Trainer) -> float:
    """How long one more look takes, which leaves the run as it is."""
    (member,) = made.session.members
    began = time.perf_counter()
    member.probes.look(member.iteration)
    return time.perf_counter() - began


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--data", help="MNIST's folder, where it is not to be downloaded")
    parser.add_argument("--only", nargs="*", choices=CASES, default=[*CASES])
    chosen = parser.parse_args()
    for name in chosen.only:
        every = CASES[name][3]
        on, off = built(name, True, chosen.data), built(name, False, chosen.data)
        step, extra, looks = [], [], []
        for made in (on, off):
            made.fit(every)  # whatever is done once is done now
        for number in range(2, chosen.rounds + 2):
            pair = (on, off) if number % 2 else (off, on)
            times = {id(made): seconds(made, number * every) for made in pair}
            step.append(times[id(off)] / every)
            extra.append(times[id(on)] / times[id(off)] - 1.0)
            looks.append(look(on))
        same = all(torch.equal(a, b) for a, b in zip(on.setup.G.parameters(), off.setup.G.parameters(), strict=True))
        print(
            f"{name}: a step takes {1e3 * median(step):.2f} ms, the monitor at every {every} adds "
            f"{100 * median(extra):.1f} % ({100 * min(extra):.1f} to {100 * max(extra):.1f}); a look takes "
            f"{1e3 * median(looks):.1f} ms, {100 * median(looks) / every / median(step):.1f} %; same weights: {same}",
            flush=True,
        )


if __name__ == "__main__":
    main()
