"""`steadygan train`: settings made of words, then one run, or one for each seed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..config import Settings
from ..display.screens import new_screen
from ..display.watch import Watch, watching
from ..errors import EXIT_INTERRUPTED, InputError, Interrupted
from ..processes import attempt, process_number
from ..recipes import RECIPES
from ..recipes.papers import ROWS_OF
from ..runs.folder import RunFolder
from ..runs.settings import difference
from .console import new_console, say_how_to_go_on, tell
from .job import Job, again, chosen, first_folder, own_folders, prepare, refuse_early
from .options import SEED, SEEDS, Data, Iterations, Plain, Plugins, Scale, option, suggested_words


def train(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE KEY=VALUE",
            help="A recipe, and settings to change.",
            show_default=False,
            autocompletion=suggested_words,
        ),
    ] = None,
    data: Data = None,
    out: Annotated[Path | None, option("The run's folder, by default runs/RECIPE/seed-S.", "DIR")] = None,
    iterations: Iterations = None,
    seed: Annotated[int | None, option("Sets every random number of the run.", "S", read=SEED)] = None,
    resume: Annotated[bool, option("Continue from the newest checkpoint, or start.", None, "--resume")] = False,
    dry_run: Annotated[bool, option("Print the settings without training.", None, "--dry-run")] = False,
    scale: Scale = "full",
    init_from: Annotated[Path | None, option("Start from the weights of this run, also on other data.", "RUN")] = None,
    seeds: Annotated[
        int | None,
        option("Seeds S .. S+K-1 side by side, each a complete run in DIR/seed-S.", "K", read=SEEDS),
    ] = None,
    verbose: Annotated[bool, option("Close with all figures, and how they were measured.", None, "--verbose")] = False,
    plain: Plain = False,
    plugin: Plugins = None,
) -> int:
    """Checks the settings, trains, and says how it ended; returns the exit code."""
    resume = resume or attempt() > 0
    resumed = out if resume else None
    if resumed is not None and seeds is not None:
        resumed = first_folder(resumed)
    settings = chosen(words or [], data, resumed, seed, scale, init_from)
    if dry_run:
        print(settings.to_json())
        if told := unlike_the_paper(settings):
            print(told, file=sys.stderr)
        return 0
    length = settings.horizon if iterations is None else iterations
    console = new_console()
    each = [replace(settings, seed=settings.seed + k) for k in range(seeds or 1)]
    if out is None:
        folders, moved = own_folders(each, resume)
    elif seeds is None:
        folders, moved = [out], ""
    else:
        folders, moved = [out / f"seed-{own.seed}" for own in each], ""
        if RunFolder(out).begun:
            raise InputError(f"expected a folder for several seeds, got a run in {out}: choose another --out")
    jobs = [Job(own, folder, length) for own, folder in zip(each, folders, strict=True)]
    for job in jobs if process_number() == 0 else ():  # the first process of several owns the folder
        refuse_early(job.settings, job.folder, resume)
    said = [moved] if moved else []
    if resume and not any(RunFolder(folder).begun for folder in folders):
        said.append(f"no run in {folders[0] if seeds is None else folders[0].parent} yet: starting a new one")
    watch = watching(None if process_number() else Watch(new_screen(plain), seeds=len(jobs), warns=False))
    try:
        with watch:
            made = prepare(jobs, resume, watch, len(jobs) > 1, said)
            ran = made.fit(length, progress=watch)
    except KeyboardInterrupt as stop:
        how = str(stop) if isinstance(stop, Interrupted) else "interrupted"
        if process_number():
            return EXIT_INTERRUPTED
        say_how_to_go_on(how, again())
        return EXIT_INTERRUPTED
    if process_number():
        return 0
    from .tables.closing import closing

    if not watch.told:
        where = jobs[0].folder if len(jobs) == 1 else jobs[0].folder.parent
        tell(console, f"{watch.title}: already trained to iteration {length:,} in {where}: nothing left to do")
    code = closing(console, ran, jobs, verbose)
    if len(jobs) == 1 and settings.recipe.startswith("grid25/"):
        tell(console, "see why: steadygan compare grid25/nsgan grid25/r1 grid25/far")
    return code


def unlike_the_paper(settings: Settings) -> str:
    """Which row of a paper bears the recipe's method, and the settings that are not as it has them; "" without one."""
    name = ROWS_OF.get(settings.recipe)
    if name is None:
        return ""
    keys = {key.partition(".")[0] for key, _, _ in difference(RECIPES[name](settings.seed, settings.scale), settings)}
    keys -= {"recipe", "scale", "evaluate", "checkpoint_every", "log_every"}
    return f"the paper's own row: {name}; settings that differ here: {', '.join(sorted(keys))}"
