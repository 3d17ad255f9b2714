"""`steadygan compare`: several recipes over the same seeds; what is missing is trained, then all stand side by side."""

from __future__ import annotations

import fnmatch
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import override
from ..errors import EXIT_INTERRUPTED, InputError
from ..recipes import RECIPES
from .console import new_console
from .job import Job, again, default_folder, known_scale, own_data, refuse_early


def compare(
    words: Sequence[str],
    data: Path | None,
    seeds: int,
    iterations: int | None,
    out: Path | None,
    as_json: bool,
    scale: str = "full",
) -> int:
    """Trains what is missing, then prints the table, the reason and where the figure is; returns the exit code."""
    jobs = list(planned(words, data, seeds, iterations, out, scale))
    for job in jobs:
        refuse_early(job.settings, job.folder, resume=True, reading=True)
    console = new_console(as_json)
    try:
        from . import results

        found = [each for own in by_recipe(jobs) for each in results.results_of(own, console)]
    except KeyboardInterrupt as stop:
        print(f"{stop or 'interrupted'}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    together = results.SideBySide.of(results.usable(found))
    path = (out or Path("runs")) / figure_name([job.settings.recipe for job in jobs])
    together.draw(path)
    if as_json:
        print(json.dumps({**together.plain(), "figure": str(path)}, indent=2))
        return results.exit_code([result.run for result in found])
    together.show(console)
    console.print(f"figure: {path}")
    return results.exit_code([result.run for result in found])


def planned(
    words: Sequence[str],
    data: Path | None,
    seeds: int,
    iterations: int | None,
    out: Path | None,
    scale: str = "full",
) -> Iterator[Job]:
    """The runs that are compared, seeds 0 .. K-1 of each recipe."""
    names = list(dict.fromkeys(name for word in words if "=" not in word for name in matching(word)))
    changes = [word for word in words if "=" in word]
    if not names:
        raise InputError("expected recipes to compare, got none: write for instance grid25/r1 grid25/far")
    if any(change.partition("=")[0].strip() == "seed" for change in changes):
        raise InputError("seed: expected no seed, as several are compared, got seed=...: use --seeds K for 0 .. K-1")
    recipes = [RECIPES[name] for name in names]
    for recipe in recipes:
        for seed in range(seeds):
            settings = recipe(seed, known_scale(scale))
            settings = override(settings, changes)
            if data is not None:
                settings = override(settings, [f"data.path={own_data(settings, data)}"])
            folder = default_folder(settings, out or Path("runs"))
            yield Job(settings, folder, settings.horizon if iterations is None else iterations)


def matching(word: str) -> list[str]:
    """The recipes of a pattern such as grid25/*, or the one of this name; raises InputError when there is none."""
    if not any(sign in word for sign in "*?["):
        return [word]
    found = fnmatch.filter(RECIPES, word)
    if not found:
        raise InputError(f"expected recipes that match {word!r}, got none: see steadygan recipes")
    return found


def by_recipe(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs of each recipe, in their order."""
    names = dict.fromkeys(job.settings.recipe for job in jobs)
    return [[job for job in jobs if job.settings.recipe == name] for name in names]


def figure_name(recipes: Sequence[str]) -> str:
    """compare-grid25-r1-grid25-far.png."""
    joined = "-".join(name.replace("/", "-") for name in dict.fromkeys(recipes))
    return f"compare-{joined}.png" if len(joined) <= 120 else "compare.png"
