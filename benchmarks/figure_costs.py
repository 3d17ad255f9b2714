"""Milliseconds of one iteration for each kind of run that the papers' figures show at the small scale, on one core.

    python benchmarks/figure_costs.py --cifar FOLDER [--mnist FOLDER]

`COSTS` in `figures/figure.py` holds what it prints, rounded: what `steadygan figure --list` estimates times from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from steadygan.config import override
from steadygan.figures import FIGURES
from steadygan.figures.figure import cost_key
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer

QUIET = (
    "evaluate.every=100000",
    "evaluate.n=100",
    "evaluate.features=none",
    "monitor=none",
    "threads=1",
    "compile=off",
    "checkpoint_every=100000",
    "log_every=100000",
)
LEAST = 10.0  # seconds


def measured(recipe: str, words: tuple[str, ...]) -> float:
    """Milliseconds of an iteration, after two that warm up."""
    made = trainer(override(RECIPES[recipe](scale="small"), [*QUIET, *words]))
    done, began, took = 2, 0.0, 0.0
    made.fit(done)
    while took < LEAST and done < 2000:
        ahead = 2 * done
        began = time.perf_counter()
        made.fit(ahead)
        took, each = time.perf_counter() - began, ahead - done
        done = ahead
    return 1000.0 * took / each


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--mnist", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    places = {"cifar10": given.cifar, "mnist": given.mnist}
    known = set()
    for recipe in dict.fromkeys(name for figure in FIGURES.values() for name in figure.recipes):
        settings = RECIPES[recipe](scale="small")
        key = cost_key(settings)
        place = places.get(settings.data.name)
        if key in known or (settings.data.image and place is None):
            continue
        known.add(key)
        words = (f"data.path={place}",) if settings.data.image else ()
        print(f"    {key!r}: {measured(recipe, words):.3g},  # {recipe}", flush=True)


if __name__ == "__main__":
    main()
