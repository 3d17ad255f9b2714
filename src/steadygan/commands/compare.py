"""`steadygan compare`: several recipes over the same seeds; what is missing is trained, then all stand side by side."""

from __future__ import annotations

import fnmatch
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import override
from ..errors import EXIT_INTERRUPTED, InputError
from ..recipes import RECIPES
from .console import stderr, stdout
from .seeds import Job, exit_code, fit_seeds
from .train import again, default_folder, fit, known_scale, own_data, refuse_early

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs.run import Run


class Result(NamedTuple):
    """What a run left, up to the comparison's length."""

    job: Job
    records: list[dict[str, Any]]
    seconds: float
    run: Run
    members: int = 1  # of the stack that the seconds are of

    @staticmethod
    def of(job: Job, run: Run) -> Result:
        """The run's records and times, as far as the comparison goes."""
        from ..files import read_json
        from ..runs.folder import RunFolder
        from ..runs.records import read_records

        folder = RunFolder(job.folder)
        timing = [r for r in read_records(folder.timing) if r["iteration"] <= job.length]
        records = [record for record in run.metrics if record["iteration"] <= job.length]
        seconds = float(timing[-1]["seconds"]) if timing else run.wall_time
        members = read_json(folder.plan).get("members", 1) if folder.plan.exists() else 1
        return Result(job, records, seconds, run, int(members))


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
    console = stderr() if as_json else stdout()  # stdout is JSON's alone
    try:
        results = [each for own in by_recipe(jobs) for each in results_of(own, console)]
    except KeyboardInterrupt as stop:
        print(f"{stop or 'interrupted'}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    from .side_by_side import SideBySide

    together = SideBySide.of(usable(results))
    path = (out or Path("runs")) / figure_name([job.settings.recipe for job in jobs])
    together.draw(path)
    if as_json:
        print(json.dumps({**together.plain(), "figure": str(path)}, indent=2))
        return exit_code([result.run for result in results])
    together.show(console)
    console.print(f"figure: {path}")
    return exit_code([result.run for result in results])


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


def results_of(jobs: Sequence[Job], console: Console) -> list[Result]:
    """The results of one recipe's seeds: read where they are finished, else trained to their end, together."""
    missing = [job for job in jobs if not finished(job)]
    trained: dict[int, Run] = {}
    if missing and len(jobs) > 1:
        found = fit_seeds(missing, resume=True, console=console)
        trained = {job.settings.seed: run for job, run in zip(missing, found, strict=True)}
    return [result(job, trained.get(job.settings.seed), console) for job in jobs]


def usable(results: Sequence[Result]) -> list[Result]:
    """Those that came to an end; raises the failure of a recipe of which none did."""
    kept = [result for result in results if result.run.failure is None]
    whole = {result.job.settings.recipe for result in kept}
    for result in results:
        if result.run.failure is not None and result.job.settings.recipe not in whole:
            raise result.run.failure
    return kept


def result(job: Job, run: Run | None, console: Console) -> Result:
    """The run's results: as just trained, read when it is finished, else trained to its end."""
    if run is None and finished(job):
        from ..runs.run import load

        console.print(f"{job.settings.recipe} seed {job.settings.seed}: as trained in {job.folder}")
        run = load(job.folder)
    elif run is None:
        run = fit(job.settings, job.folder, job.length, resume=True, console=console)
    return Result.of(job, run)


def finished(job: Job) -> bool:
    """Whether the folder's run got as far as the comparison goes and was measured there."""
    from ..runs.folder import RunFolder
    from ..runs.records import read_records

    records = read_records(RunFolder(job.folder).metrics)
    return any(record["iteration"] >= job.length and "energy_distance" in record for record in records)


def figure_name(recipes: Sequence[str]) -> str:
    """compare-grid25-r1-grid25-far.png."""
    joined = "-".join(name.replace("/", "-") for name in dict.fromkeys(recipes))
    return f"compare-{joined}.png" if len(joined) <= 120 else "compare.png"
