"""`steadygan train`, its settings made of words, and `steadygan recipes`, what can be trained by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..config import Settings
from ..errors import EXIT_INTERRUPTED, InputError, Interrupted, unknown
from ..plugins import load_installed
from ..quantities import LABELS
from ..recipes import RECIPES, Recipe
from ..recipes.papers import ROWS_OF, TABLES, Row
from ..runs.folder import RunFolder
from ..runs.settings import difference
from .console import new_console
from .job import Job, again, chosen, default_folder, first_folder, prepare, refuse_early
from .options import SEED, SEEDS, Data, Iterations, Plugins, Scale, option


def train(
    words: Annotated[list[str] | None, typer.Argument(metavar="RECIPE KEY=VALUE", show_default=False)] = None,
    data: Data = None,
    out: Annotated[Path | None, option("The run's folder, by default runs/RECIPE/seed-S.")] = None,
    iterations: Iterations = None,
    seed: Annotated[int | None, option("Decides every random number of the run.", "S", read=SEED)] = None,
    resume: Annotated[bool, option("Go on from the newest checkpoint, or start.", None, "--resume")] = False,
    dry_run: Annotated[bool, option("Print the settings, train nothing.", None, "--dry-run")] = False,
    scale: Scale = "full",
    init_from: Annotated[
        Path | None, option("Begin with the weights of this run, on other data perhaps.", "RUN")
    ] = None,
    seeds: Annotated[
        int | None,
        option("Seeds S .. S+K-1 side by side, each a whole run in DIR/seed-S.", "K", read=SEEDS),
    ] = None,
    plugin: Plugins = None,
) -> int:
    """Checks the settings, trains, and says how it ended; returns the exit code."""
    resumed = out if resume else None
    if resumed is not None and seeds is not None:
        resumed = first_folder(resumed)
    settings = chosen(words or [], data, resumed, seed, scale, init_from)
    if dry_run:
        print(settings.to_json())
        if told := unlike_the_paper(settings):
            print(told, file=sys.stderr)
        return 0
    folder = out or default_folder(settings)
    length = settings.horizon if iterations is None else iterations
    console = new_console()
    jobs = [Job(settings, folder, length)]
    if seeds is not None:
        each = [replace(settings, seed=settings.seed + k) for k in range(seeds)]
        jobs = [Job(own, default_folder(own) if out is None else out / f"seed-{own.seed}", length) for own in each]
        if out is not None and RunFolder(out).begun:
            raise InputError(f"expected a folder for several seeds, got a run in {out}: choose another --out")
    for job in jobs:
        refuse_early(job.settings, job.folder, resume)
    try:
        made, watch = prepare(jobs, resume, console, together=len(jobs) > 1)
        with watch:
            ran = made.fit(length)
    except KeyboardInterrupt as stop:
        how = str(stop) if isinstance(stop, Interrupted) else "interrupted"
        print(f"{how}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    from .tables import results

    if watch.heading:  # no tick was told
        where = jobs[0].folder if len(jobs) == 1 else jobs[0].folder.parent
        console.print(f"{watch.title}: already trained to iteration {length:,} in {where}: nothing is left to do")
    if isinstance(ran, list):
        return results.close_seeds(console, ran, jobs)
    results.close(console, ran, jobs[0])
    if settings.recipe.startswith("grid25/"):
        console.print("see why: steadygan compare grid25/nsgan grid25/r1 grid25/far")
    return 0


def unlike_the_paper(settings: Settings) -> str:
    """Which row of a paper bears the recipe's method, and the settings that are not as it has them; "" without one."""
    name = ROWS_OF.get(settings.recipe)
    if name is None:
        return ""
    keys = {key.partition(".")[0] for key, _, _ in difference(RECIPES[name](settings.seed, settings.scale), settings)}
    keys -= {"recipe", "scale", "evaluate", "checkpoint_every", "log_every"}
    return f"the paper's own row: {name}; here otherwise: {', '.join(sorted(keys))}"


def recipes(
    paper: Annotated[str | None, option("Only recipes that follow this paper.")] = None,
    plugin: Plugins = None,
) -> int:
    """Lists the recipes but those of papers' tables and figures, or all that follow one paper, with what it printed."""
    load_installed()
    papers = {entry.paper for entry in RECIPES.values()}
    if paper is not None and paper not in papers:
        raise unknown("paper", paper, papers)
    rows = {table.recipe(row): row for table in TABLES.values() for row in table.rows}
    entries = [
        entry
        for name, entry in RECIPES.items()
        if entry.paper == paper or (paper is None and not name.startswith("paper/"))
    ]
    console = new_console()
    if not console.is_terminal:
        wide = max(len(entry.name) for entry in entries)
        for entry in entries:
            print(f"{entry.name:<{wide}} {_lengths(entry):>15}  {entry.text} [{entry.paper}]{_printed(rows, entry)}")
        return 0
    from rich.table import Table

    table = Table("recipe", "what it is", "paper", title_justify="left")
    table.add_column("iterations", justify="right")
    for entry in entries:
        table.add_row(entry.name, f"{entry.text}{_printed(rows, entry)}", entry.paper, _lengths(entry))
    console.print(table)
    console.print("two numbers: in full, and with --scale small, for two cores")
    console.print("train one with: steadygan train RECIPE; its settings: steadygan train RECIPE --dry-run")
    if paper is None:
        console.print("the papers' own settings: steadygan recipes --paper tao2020, and as tables: steadygan paper")
    return 0


def _printed(rows: Mapping[str, Row], entry: Recipe) -> str:
    """What a paper printed for the recipe, or the row of a paper that it is named after."""
    published = rows[entry.name].published if entry.name in rows else {}
    own = f"; not as the paper has it: {ROWS_OF[entry.name]}" if entry.name in ROWS_OF else ""
    return own + "".join(f"; printed: {LABELS[key]} {value}" for key, value in published.items())


def _lengths(entry: Recipe) -> str:
    """Iterations in full, and those of the small scale where there is one."""
    full = f"{entry().horizon:,}"
    return full if entry.small is None else f"{full} / {entry(scale='small').horizon:,}"
