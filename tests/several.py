"""Tiny runs of several seeds, together and alone, and all of their state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import steadygan as sg
from known import F64
from steadygan.runs.run import Run
from tiny import networks, trainer

Make = Callable[..., sg.Trainer]
EXACT = {"dtype": F64}
FIFTH = {"log_every": 4, "evaluate_every": 10, "checkpoint_every": 14}  # of the usual rhythm


def one(seed: int, out: Path | None = None, **settings: Any) -> sg.Trainer:
    """A trainer whose networks and draws are those of `seed`."""
    G, D = networks(seed)
    return trainer(out, **({"G": G, "D": D, "seed": seed} | settings))


def folder(out: Path | None, seed: int) -> Path | None:
    return None if out is None else out / f"seed-{seed}"


def normalised(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """An optimiser that mixes the entries of a parameter."""

    class Normed(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            for p in self.param_groups[0]["params"]:
                p.grad /= p.grad.norm() + 1.0
            super().step()

    return Normed(parameters, lr)


def several(out: Path | None, seeds: int | Sequence[int] = 3, make: Make = one, **settings: Any) -> sg.Seeds:
    """`make` for every seed, each in a folder of its own below `out`."""
    return sg.Seeds(lambda seed: make(seed=seed, out=folder(out, seed), **settings), seeds)


def stacked(made: sg.Seeds) -> bool:
    """Whether all seeds were trained in one stack."""
    return made.reason is None and [len(session.members) for session in made._stacks] == [len(made.trainers)]


def states(made: sg.Seeds) -> list[Any]:
    """Everything that each run's next iteration depends on, as `fit` left it, by seed."""
    sessions = made._stacks or [trainer.session for trainer in made.trainers]
    found: dict[int, Any] = {}
    for session in sessions:
        assert session.ready
        for member in session.members:
            state = member.state()
            found[member.setup.seed] = state._replace(random={**state.random, **(session._random or {})})
    return [found[trained.setup.seed] for trained in made.trainers]


def records(run: Run | Path) -> list[dict[str, Any]]:
    """What a run's folder says of each tick."""
    path = run if isinstance(run, Path) else run.path
    assert path is not None
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def written(out: Path) -> dict[str, tuple[int, int]]:
    """All files below `out` with size and time, to see whether anything was written."""
    time.sleep(0.01)
    return {
        str(path.relative_to(out)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file()
    }
