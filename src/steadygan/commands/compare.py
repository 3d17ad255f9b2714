"""`steadygan compare`: several recipes over the same seeds; what is missing is trained, then all stand side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import Settings, override
from ..errors import EXIT_INTERRUPTED, InputError
from ..recipes import RECIPES
from .console import stderr, stdout
from .train import again, default_folder, fit, known_scale, own_data, refuse_early

if TYPE_CHECKING:
    from rich.console import Console

    from ..engine.run import Run


class Job(NamedTuple):
    """One run of the comparison."""

    settings: Settings
    folder: Path
    length: int  # iterations


class Result(NamedTuple):
    """What a run left, up to the comparison's length."""

    job: Job
    records: list[dict[str, Any]]
    seconds: float
    run: Run


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
        results = [result(job, console) for job in jobs]
    except KeyboardInterrupt as stop:
        print(f"{stop or 'interrupted'}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    from .side_by_side import SideBySide

    together = SideBySide.of(results)
    path = (out or Path("runs")) / figure_name([job.settings.recipe for job in jobs])
    together.draw(path)
    if as_json:
        print(json.dumps({**together.plain(), "figure": str(path)}, indent=2))
        return 0
    together.show(console)
    console.print(f"figure: {path}")
    return 0


def planned(
    words: Sequence[str],
    data: Path | None,
    seeds: int,
    iterations: int | None,
    out: Path | None,
    scale: str = "full",
) -> Iterator[Job]:
    """The runs that are compared, seeds 0 .. K-1 of each recipe."""
    names = list(dict.fromkeys(word for word in words if "=" not in word))
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


def result(job: Job, console: Console) -> Result:
    """The run's results: read when it is finished, else trained to its end."""
    if finished(job):
        from ..engine.run import load

        console.print(f"{job.settings.recipe} seed {job.settings.seed}: as trained in {job.folder}")
        run = load(job.folder)
    else:
        run = fit(job.settings, job.folder, job.length, resume=True, console=console)
    from ..engine.folder import RunFolder, read_records

    timing = [r for r in read_records(RunFolder(job.folder).timing) if r["iteration"] <= job.length]
    records = [record for record in run.metrics if record["iteration"] <= job.length]
    return Result(job, records, float(timing[-1]["seconds"]) if timing else run.wall_time, run)


def finished(job: Job) -> bool:
    """Whether the folder's run got as far as the comparison goes and was measured there."""
    from ..engine.folder import RunFolder, read_records

    records = read_records(RunFolder(job.folder).metrics)
    return any(record["iteration"] >= job.length and "energy_distance" in record for record in records)


def figure_name(recipes: Sequence[str]) -> str:
    """compare-grid25-r1-grid25-far.png."""
    joined = "-".join(name.replace("/", "-") for name in dict.fromkeys(recipes))
    return f"compare-{joined}.png" if len(joined) <= 120 else "compare.png"
