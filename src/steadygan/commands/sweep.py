"""`steadygan sweep`: every combination of some settings, trained, sorted by a figure, as a table, CSV and report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import steadygan as sg

from ..config import override
from ..display.frame import clock
from ..display.screens import MuteScreen
from ..display.watch import Watch
from ..errors import EXIT_INPUT, EXIT_INTERRUPTED, InputError, unknown
from ..quantities import GRADIENTS, KNOWN, LABELS
from .batch.grid import Combination, Grid, Runs, combinations
from .batch.machine import cores
from .batch.queue import Queue
from .batch.task import Task
from .console import new_console, say, say_error, say_how_to_go_on, tell
from .job import again, known_scale, prepare, refuse_early
from .options import SEEDS, Data, Iterations, Jobs, On, Plain, Plugins, PrintJobs, Scale, option, suggested_words
from .recipes import matching

if TYPE_CHECKING:
    from rich.console import Console

SIDED = [key for key in LABELS if KNOWN[key].group != GRADIENTS and key != "nearer_than_held_out"]  # high, or low
ENOUGH = 2.0  # seconds of iterations that are worth measuring
START = 5.0  # seconds until a process trains
WATCHING = 1.25  # times a bare step: looks, evaluations, records
BARE = ("monitor=none", "evaluate.n=100", "compile=off")
LISTED = 20  # combinations that a dry run names
REPORTED = 40  # runs of one report: more would make a page that no browser likes


def sweep(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE ... KEY=A,B KEY=lin(A,B,N) KEY=log(A,B,N)",
            help="Recipes, and settings with the values that each takes.",
            show_default=False,
            autocompletion=suggested_words,
        ),
    ],
    seeds: Annotated[int, option("Seeds 0 .. K-1 of each combination.", "K", read=SEEDS)] = 1,
    by: Annotated[str | None, option("Sort by this figure, such as energy_distance.", "FIGURE")] = None,
    data: Data = None,
    iterations: Iterations = None,
    out: Annotated[Path | None, option("Folder of the sweep, by default runs/sweep-KEYS.", "DIR")] = None,
    scale: Scale = "full",
    jobs: Jobs = None,
    on: On = None,
    yes: Annotated[bool, option("Train more than 1,000 runs.", None, "--yes")] = False,
    dry_run: Annotated[
        bool, option("Print what would be trained, and roughly how long that takes.", None, "--dry-run")
    ] = False,
    print_jobs: PrintJobs = False,
    plain: Plain = False,
    plugin: Plugins = None,
) -> int:
    """Trains what is missing, then prints the table and where CSV and report are; returns the exit code."""
    queue = Queue(jobs if on or jobs or print_jobs else cores(), on, plugin or (), plain)
    queue.check()
    if by is not None and by not in SIDED:
        raise unknown("figure", by, SIDED)
    grid = Grid.of([word for word in words if "=" in word])
    recipes = list(dict.fromkeys(name for word in words if "=" not in word for name in matching(word)))
    if not recipes:
        raise InputError("expected recipes to sweep over, got none: for example ring8/far penalty.r1.weight=0.01,0.1")
    root = out or grid.root()
    runs = Runs(recipes, known_scale(scale), seeds, iterations, data)
    found = combinations(grid, runs, root, yes or dry_run)
    for job in chain.from_iterable(each.jobs for each in found):
        refuse_early(job.settings, job.folder, resume=True, reading=True)
    groups = [each.jobs for each in found]
    if dry_run:
        return tell_plan(new_console(), found, queue, root)
    if print_jobs:
        return queue.print(groups)
    try:
        failures = queue.train(groups, root)
    except KeyboardInterrupt as stop:
        say_how_to_go_on(str(stop or "interrupted"), again())
        return EXIT_INTERRUPTED
    from .tables.ranking import Ranking

    console, ranking = new_console(), Ranking.of(found, grid.swept, by)
    ranking.show(console)
    tell(console, f"table: {ranking.write(root / 'sweep.csv')}")
    folders = ranking.folders[:REPORTED]
    if folders:
        page = sg.report(folders, root / "sweep.html")
        best = f" of the best {len(folders)} runs" if len(ranking.folders) > len(folders) else ""
        tell(console, f"report{best}: {page}")
    for end in failures:
        say_error(f"{end.task.name}: {end.told}")
    return EXIT_INPUT if failures else 0


def tell_plan(console: Console, found: Sequence[Combination], queue: Queue, root: Path) -> int:
    """What would be trained, and how long it takes here; returns the exit code."""
    tasks = queue.tasks([each.jobs for each in found])
    runs = sum(len(each.jobs) for each in found)
    missing = sum(len(task.jobs) for task in tasks)
    for each in found[:LISTED]:
        tell(console, f"{each.jobs[0].name}: {each.jobs[0].folder.parent}")
    if len(found) > LISTED:
        tell(console, f"... and {len(found) - LISTED:,} more")
    tell(console, f"{runs:,} runs in {root}, {missing:,} to be trained, in {len(tasks):,} jobs")
    if tasks:
        say("rehearsing a few iterations of each recipe, which writes nothing ...")
        at_once = queue.at_once or 1
        told = {task.jobs[0].settings.recipe: task for task in reversed(tasks)}  # the first of each recipe
        own = {recipe: seconds(task) for recipe, task in told.items()}
        whole = sum(own[task.jobs[0].settings.recipe] for task in tasks) / min(at_once, len(tasks))
        of_each = ", ".join(f"{recipe} {clock(took)}" for recipe, took in own.items())
        tell(console, f"roughly {clock(whole)} with --jobs {at_once}, if no run is stopped; a job takes: {of_each}")
    return 0


def seconds(task: Task) -> float:
    """How long a task takes here, by a rehearsal of a few iterations in memory; raises InputError as training would."""
    jobs = [job._replace(settings=override(job.settings, BARE)) for job in task.jobs]
    watch = Watch(MuteScreen(), seeds=len(jobs), warns=False)
    made = prepare(jobs, False, watch, len(jobs) > 1, kept=False)
    made.fit(2, progress=watch)  # what is done once
    done, more, took = 2, 1, 0.0
    while took < ENOUGH and done < task.length:
        more *= 4
        began = time.perf_counter()
        made.fit(done + more, progress=watch)
        took, done = time.perf_counter() - began, done + more
    return START + WATCHING * task.length * took / more
