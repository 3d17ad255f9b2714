"""Short runs, healthy and failing ones, whose records the collapse monitor is judged by: trained once, kept as JSON.

    python benchmarks/monitored_runs.py tuning --out records
    python benchmarks/monitored_runs.py reported --out records [--only NAME ...]

Thresholds are chosen on the runs of `tuning`; what docs/results/monitor.md reports is of `reported`: other seeds, and
other kinds of failure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import steadygan as sg
from steadygan.config import override
from steadygan.engine.optim import Schedule
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.runs.run import Run

SEEDS = 8  # side by side
RHYTHM = {
    "points": ("log_every=200", "evaluate.every=200", "evaluate.n=2500"),
    "digits": ("log_every=100", "evaluate.every=100", "evaluate.n=1000"),
}

Change = Callable[[sg.Trainer], None]


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: a recipe with some settings changed, and what a change of the trainer makes of it."""

    name: str
    recipe: str
    iterations: int
    words: tuple[str, ...] = ()
    change: Change | None = None
    first_seed: int = 0
    failing: bool = True

    def build(self, seed: int) -> sg.Trainer:
        """The trainer of one seed; nothing is written."""
        rhythm = RHYTHM["digits" if self.recipe.startswith("digits") else "points"]
        settings = override(
            RECIPES[self.recipe](scale="full"),
            ["threads=1", f"seed={seed}", f"horizon={self.iterations}", *rhythm, *self.words],
        )
        made = trainer(settings)
        if self.change is not None:
            self.change(made)
        return made

    def trained(self) -> list[Run]:
        """All of its seeds."""
        seeds = range(self.first_seed, self.first_seed + SEEDS)
        return sg.Seeds(self.build, seeds).fit(self.iterations)


@dataclass(frozen=True)
class Spiked(Schedule):
    """Another schedule, with rates that are `factor` times as high for a while."""

    base: Schedule
    start: int
    length: int
    times: float

    def factor(self, iteration: int, horizon: int) -> float:
        spike = self.times if self.start <= iteration < self.start + self.length else 1.0
        return spike * self.base.factor(iteration, horizon)


class Seldom(torch.optim.Adam):
    """Adam that takes one step of ten."""

    calls = 0

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        return super().step(closure) if self.calls % 10 == 0 else None


def seldom(made: sg.Trainer) -> None:
    """D takes one step of ten, G all of them."""
    rate = made.setup.rates[1] * 1.0001  # D's, told by its rate

    def optimizer(parameters: Iterable[Any], lr: float) -> torch.optim.Optimizer:
        kind = Seldom if lr == rate else torch.optim.Adam
        return kind(list(parameters), lr, betas=(0.5, 0.9))

    made.setup = replace(made.setup, optimizer=optimizer, rates=(made.setup.rates[0], rate))


def spiked(made: sg.Trainer, start: int, length: int, times: float) -> None:
    """The rates rise for a while."""
    made.setup = replace(made.setup, schedule=Spiked(made.setup.schedule, start, length, times))


def at(iteration: int, act: Callable[[Run], None], made: sg.Trainer) -> None:
    """Something happens to the networks, once."""

    def callback(run: Run, now: int, record: dict[str, float]) -> None:
        if now == iteration:
            with torch.no_grad():
                act(run)

    made.callbacks.append(callback)


def killed(run: Run) -> None:
    """No hidden unit of D fires any more."""
    for name, parameter in run.D.named_parameters():  # type: ignore[union-attr]
        if name.endswith("bias"):
            parameter.fill_(-1e3)


def shaken(run: Run) -> None:
    """G's weights grow by half."""
    for parameter in run.G_live.parameters():
        parameter.mul_(1.5)


def reset(run: Run) -> None:
    """D begins anew, with small weights."""
    for parameter in run.D.parameters():  # type: ignore[union-attr]
        parameter.mul_(0.1)


PLAIN_D = "discriminator.activation=relu"
FAST = ("lr_g=3e-3",)


def tuning() -> list[Kind]:
    """What the thresholds are chosen on: seeds from 0."""
    good = partial(Kind, failing=False)
    healthy = [
        good("ring8-rpgan", "ring8/rpgan", 6000),
        good("ring8-zero_gp", "ring8/zero_gp", 6000),
        good("ring8-far-slow", "ring8/far", 6000, ("lr_g=5e-4",)),
        good("ring8-r1", "ring8/r1", 6000, FAST),
        good("ring8-wgan-gp", "ring8/wgan-gp", 6000),
        good("grid25-r1", "grid25/r1", 10_000, FAST),
        good("grid25-rpgan", "grid25/rpgan", 10_000, FAST),
        good("swissroll-far", "swissroll/far", 6000),
        good("digits-rpgan", "digits/rpgan", 1500),
        good("digits-r1", "digits/r1", 1500),
    ]
    failing = [
        Kind("g-rate-too-high", "ring8/r1", 6000, ("lr_g=2e-2", "lr_d=1e-3")),
        Kind("d-rate-too-high", "ring8/nsgan", 6000, ("lr_d=2e-2",)),
        Kind("wgan-without-constraint", "ring8/wgan", 6000, ("constraint.weight_clipping=none", "lr_g=1e-3")),
        Kind("momentum", "ring8/nsgan", 6000, ("optimizer.betas=[0.9,0.9]", "lr_g=5e-3")),
        Kind("g-too-small", "grid25/r1", 6000, ("generator.width=3", "generator.depth=1", *FAST)),
        Kind("g-shaken", "ring8/far", 6000, (), partial(at, 4000, shaken)),
        Kind("d-reset", "ring8/nsgan", 6000, (), partial(at, 3000, reset)),
        Kind("batch-of-four", "grid25/nsgan", 8000, ("batch_size=4", *FAST)),
        Kind("minimax", "ring8/nsgan", 6000, ("loss=minimax", "d_steps=5")),
        Kind("zero-gp-too-large", "ring8/zero_gp", 6000, ("penalty.zero_gp.weight=3000",)),
        Kind("d-slow", "grid25/r1", 6000, ("lr_d=2e-5", "lr_g=3e-3")),
        Kind("hinge-few-samples", "grid25/hinge", 8000, ("data.n=100", *FAST)),
        Kind("digits-g-rate", "digits/nsgan", 1500, ("lr_g=2e-2", "lr_d=1e-3")),
        Kind("digits-d-steps", "digits/nsgan", 1500, ("d_steps=5", "lr_d=5e-3")),
    ]
    return healthy + failing


def reported() -> list[Kind]:
    """What is reported: other seeds, and other kinds of failure."""
    good = partial(Kind, failing=False)
    healthy = [
        *(good("ring8-far", "ring8/far", 6000, first_seed=seed) for seed in (200, 208)),
        *(good("ring8-r1", "ring8/r1", 6000, first_seed=seed) for seed in (200, 208)),
        *(good("ring8-dragan", "ring8/dragan", 6000, first_seed=seed) for seed in (200, 208)),
        *(good("grid25-far", "grid25/far", 10_000, FAST, first_seed=seed) for seed in (200, 208)),
        *(good("grid25-zero_gp", "grid25/zero_gp", 10_000, FAST, first_seed=seed) for seed in (200, 208)),
        *(good("grid25-r1", "grid25/r1", 10_000, FAST, first_seed=seed) for seed in (200, 208)),
        *(good("gaussian-r1", "gaussian/r1", 6000, ("optimizer=adam", "lr_g=1e-3"), first_seed=s) for s in (200, 208)),
        *(good("swissroll-r1", "swissroll/r1", 6000, first_seed=seed) for seed in (200, 208)),
        *(good("digits-far", "digits/far", 1500, first_seed=seed) for seed in (200, 208)),
        *(good("digits-r1", "digits/r1", 1500, first_seed=seed) for seed in (200, 208)),
    ]
    bad = partial(Kind, first_seed=200)
    failing = [
        bad("rates-too-high", "ring8/nsgan", 6000, ("lr_g=2e-2",)),
        bad("rates-too-high-digits", "digits/nsgan", 1500, ("lr_g=1e-2",)),
        bad("few-samples", "ring8/nsgan", 6000, ("data.n=64",)),
        bad("few-samples-grid", "grid25/nsgan", 10_000, ("data.n=125", *FAST)),
        bad("count-48-of-64", "ring8/far", 6000, ("method.fake_as_real.count=48",)),
        bad("count-48-of-64-grid", "grid25/far", 10_000, ("method.fake_as_real.count=48", *FAST)),
        bad("lambda-too-large", "ring8/r1", 6000, ("penalty.r1.weight=1e5",)),
        bad("lambda-too-large-digits", "digits/r1", 1500, ("penalty.r1.weight=1e5",)),
        bad("one-d-step-of-ten", "ring8/nsgan", 6000, (), seldom),
        bad("one-d-step-of-ten-grid", "grid25/r1", 8000, FAST, seldom),
        bad("dead-d", "ring8/r1", 4000, (PLAIN_D,), partial(at, 0, killed)),
        bad("dead-d-half-way", "grid25/r1", 8000, (PLAIN_D, *FAST), partial(at, 4000, killed)),
        bad("d-too-small", "ring8/nsgan", 6000, ("discriminator.width=4", "discriminator.depth=1")),
        bad("d-too-small-digits", "digits/nsgan", 1500, ("discriminator.width=1",)),
        bad("rate-spike", "ring8/r1", 6000, FAST, partial(spiked, start=3100, length=300, times=20.0)),
        bad("rate-spike-late", "ring8/r1", 6000, FAST, partial(spiked, start=5100, length=300, times=60.0)),
        bad("rate-spike-late-digits", "digits/far", 1500, (), partial(spiked, start=1250, length=150, times=60.0)),
        bad("rate-spike-digits", "digits/far", 1500, (), partial(spiked, start=850, length=150, times=20.0)),
    ]
    return healthy + failing


def write(kind: Kind, folder: Path) -> None:
    """Trains a kind and keeps the records of all of its seeds, unless they are there."""
    path = folder / f"{kind.name}-{kind.first_seed}.json"
    if path.exists():
        return
    runs = kind.trained()
    found = [
        {
            "kind": kind.name,
            "recipe": kind.recipe,
            "seed": run.settings["seed"],
            "failing": kind.failing,
            "every": run.settings["log_every"],
            "failure": None if run.failure is None else str(run.failure),
            "equilibrium": run.equilibrium,
            "records": run.metrics,
        }
        for run in runs
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{path.name}: {runs[0].wall_time:.0f} s", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("tuning", "reported"))
    parser.add_argument("--out", type=Path, default=Path("records"))
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    chosen = parser.parse_args()
    for kind in {"tuning": tuning, "reported": reported}[chosen.set]():
        if chosen.only is None or kind.name in chosen.only:
            write(kind, chosen.out / chosen.set)


if __name__ == "__main__":
    main()
