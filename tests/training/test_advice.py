"""Advice that works: runs that fail for a cause, and go well once they are rolled back with what is advised for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import steadygan as sg
from steadygan.config import override
from steadygan.data.build import built
from steadygan.metrics.modes import served
from steadygan.metrics.neighbours import NearestNeighbour
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.runs.interventions import interventions
from steadygan.runs.run import Run

SEEDS, MENDED = 8, 6
SHORT = ("ema.half_life=50", "compile=off", "checkpoint_every=350", "evaluate.every=100000", "threads=1")
OWN = ("monitor.policy=rollback", "monitor.remedy.own=true")


class Failing(NamedTuple):
    """Settings of a run of eight Gaussians that fails, and what a roll-back changes for it."""

    recipe: str
    words: tuple[str, ...]
    remedy: str
    iterations: int = 3000


FAILING = {"d_flat": Failing("ring8/r1", ("penalty.r1.weight=1e5", "lr_g=3e-3"), "penalty weights x 1e-05")}


def well(run: Run) -> bool:
    """Whether fakes, of which the monitor saw none, serve nine tenths of the modes, two of five close to one."""
    source = built("ring8")
    assert source.centres is not None
    assert source.std is not None
    x = torch.cat([part.x for part in run.stream(2500, seed=99)])
    mode = NearestNeighbour(source.centres).assign(x)
    near = torch.linalg.vector_norm(x - source.centres[mode], dim=1) <= 6.0 * source.std
    share, _ = served(mode[near].bincount(minlength=8).double(), torch.full((8,), 1e6, dtype=torch.float64))
    return run.failure is None and share >= 0.9 and float(near.double().mean()) >= 0.4


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cause", FAILING)
def test_what_is_advised_ends_the_failure(cause: str, tmp_path: Path) -> None:
    failing = FAILING[cause]

    def build(seed: int) -> sg.Trainer:
        words = [f"seed={seed}", f"horizon={failing.iterations}", *SHORT, *failing.words, *OWN]
        return trainer(override(RECIPES[failing.recipe](), words), out=tmp_path / f"seed-{seed}")

    runs = sg.Seeds(build, SEEDS).fit(failing.iterations)
    done = [interventions(tmp_path / f"seed-{seed}" / "interventions.json") for seed in range(SEEDS)]
    told = [[(each.iteration, each.to, each.verdict, each.remedy) for each in own] for own in done]
    assert sum(bool(own) for own in done) >= MENDED, told  # it did fail
    assert sum(any(failing.remedy in each.remedy for each in own) for own in done) >= MENDED, told
    assert sum(well(run) for run in runs) >= MENDED, told
