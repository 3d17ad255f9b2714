"""`steadygan figure`: what a paper's figure shows is trained where it is missing, then drawn."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config.values import ReadError, Text, whole
from ..errors import EXIT_INTERRUPTED, InputError, unknown
from ..figures import FIGURES, PaperFigure, figure_named
from ..figures.figure import hours
from ..figures.gallery import Said, drawn_figures, write_gallery
from ..recipes import RECIPES
from ..recipes.papers import TABLES
from ..runs.folder import RunFolder
from ..runs.history import run_folders
from .batch.queue import Queue
from .compare import planned_jobs
from .console import new_console, new_table, tell
from .job import again, known_scale, refuse_early
from .options import SEEDS, Data, Iterations, Jobs, On, PrintJobs, option, suggested_runs

if TYPE_CHECKING:
    from rich.console import Console

LEAST = 3  # seeds that are looked for, where a figure draws one
OF_A_RUN = ("field", "evolution")  # what is drawn of one run, beside the papers' figures
ITERATION = whole(0)


def figure(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="FIGURE",
            help="A figure of --list; or field or evolution, of a run.",
            autocompletion=lambda incomplete: [
                name for name in ("field", "evolution", *FIGURES) if name.startswith(incomplete)
            ],
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", help="With field and evolution: the run.", autocompletion=suggested_runs),
    ] = None,
    listed: Annotated[bool, option("List the figures, and how long each takes.", None, "--list")] = False,
    scale: Annotated[str, option("full, which may be called paper, or small: sized for two cores.", "full|small")] = (
        "full"
    ),
    seeds: Annotated[
        int | None, option("Seeds 0 .. K-1 of each run; by default the number of that figure.", "K", read=SEEDS)
    ] = (None),
    jobs: Jobs = None,
    on: On = None,
    print_jobs: PrintJobs = False,
    rows: Annotated[str | None, option("Train only these recipes; draw nothing.", "A,B")] = None,
    iterations: Iterations = None,
    data: Data = None,
    at: Annotated[str | None, option("With field: iterations with kept samples, by default four.", "I,J")] = (None),
    out: Annotated[
        Path | None,
        option("Folder of the runs, by default runs; for field and evolution the output, by default RUN.", "DIR"),
    ] = (None),
    gallery: Annotated[
        Path | None, option("Make a page of all figures drawn in this folder, such as runs/figures.", "FOLDER")
    ] = None,
    as_is: Annotated[bool, option("Do not train: draw from finished runs.", None, "--as-is")] = False,
    as_json: Annotated[bool, option("Print the paths as JSON.", None, "--json")] = False,
) -> int:
    """Trains what is missing, then draws; the picture and its data go to `figures` beside the runs.

    `figure field RUN` draws one run's slopes of D, grad log sigmoid(d), at chosen iterations; `figure evolution RUN`
    how its samples came to be, as a GIF, and as an MP4 where ffmpeg is installed.
    """
    console = new_console(as_json)
    if gallery is not None:
        return show_gallery(console, gallery, as_json)
    if name is None or listed:
        list_figures(console)
        return 0
    if name in OF_A_RUN:
        return of_a_run(console, name, run, at, out, as_json)
    if run is not None or at is not None:
        got = f"the run {run}" if run is not None else f"--at {at}"
        names = " and ".join(f"'figure {each}'" for each in OF_A_RUN)
        raise InputError(f"expected a run and --at with {names} alone, got {got}: leave it out")
    shown, root, queue = figure_named(name), out or Path("runs"), Queue(jobs, on)
    queue.check()
    scale = known_scale("full" if scale == "paper" else scale)
    count = seeds or shown.seeds
    chosen = shown.recipes if rows is None else tuple(known_row(shown, word.strip()) for word in rows.split(","))
    planned = {recipe: planned_jobs(recipe, (), scale, count, iterations, data, root) for recipe in chosen}
    for job in chain(*([] if as_is else planned.values())):
        refuse_early(job.settings, job.folder, resume=True, reading=True)
    if print_jobs:
        return queue.print(planned.values())
    try:
        if not as_is:
            from .tables.standing import train

            train(planned, queue, root)
    except KeyboardInterrupt as stop:
        print(f"{stop or 'interrupted'}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if rows is not None:
        return 0
    from ..figures.draw import draw

    runs = {recipe: [RunFolder(job.folder) for job in own] for recipe, own in planned.items()}
    stem = root / "figures" / (shown.name if scale == "full" else f"{shown.name}-{scale}")
    paths = draw(shown, runs, stem, scale)
    if as_json:
        told = {"figure": shown.name, "scale": scale, "claim": shown.claim, "seeds": count, "notes": [*shown.notes]}
        print(json.dumps(told | {"files": [str(path) for path in paths]}, indent=2))
        return 0
    tell(console, f"{shown.name}: {shown.text} [{shown.source}]")
    tell(console, f"the paper: {shown.claim}")
    for line in (*shown.notes, *map(str, paths)):
        tell(console, line, "dim")
    return 0


def said_of(figure: PaperFigure, root: Path, scale: str) -> list[Said]:
    """What finished runs in `root` say of the claims of tables whose rows a figure shows; nothing is trained."""
    from .tables.standing import Standing

    found = []
    for table in TABLES.values():
        shown = [row for row in table.rows if table.recipe(row) in figure.recipes]
        seeds = max(figure.seeds, LEAST)
        planned = {row.name: planned_jobs(table.recipe(row), (), scale, seeds, None, None, root) for row in shown}
        standing = Standing.of(table, scale, planned)
        for claim, _, ours, word in standing.claims():
            if ours is not None:
                least = min(len(standing.runs[name]) for name in (claim.better, claim.worse))
                found.append(Said(claim.text, ours, word, least))
    return found


def show_gallery(console: Console, folder: Path, as_json: bool) -> int:
    """One page with all drawn figures, and what the runs beside the folder say of their claims."""
    found = drawn_figures(folder)
    said = {
        one.name: said_of(one.figure, folder.resolve().parent, one.scale) for one in found if one.figure is not None
    }
    path = write_gallery(folder, said)
    if as_json:
        print(json.dumps({"page": str(path), "figures": [one.name for one in found]}, indent=2))
        return 0
    tell(console, f"page: {path}, with {len(found)} figure{'s' * (len(found) > 1)}")
    return 0


def of_a_run(console: Console, name: str, run: Path | None, at: str | None, out: Path | None, as_json: bool) -> int:
    """Draws a run's field or evolution, of several seeds that of the first."""
    if run is None:
        raise InputError(f"expected the folder of a run after 'figure {name}', got none: name one")
    asked = [] if at is None else [iteration(word) for word in at.split(",")]
    (folder, *_), _ = run_folders([run], begun=True)
    from ..figures import field

    paths, note = field.OF_A_RUN[name](RunFolder(folder), asked, (out or folder) / name)
    if as_json:
        told = {"figure": name, "run": str(folder), "files": [str(path) for path in paths], "note": note}
        print(json.dumps(told, indent=2))
        return 0
    tell(console, f"{name} of {folder}")
    for line in filter(None, [*map(str, paths), note]):
        tell(console, line, "dim")
    return 0


def iteration(word: str) -> int:
    """The iteration that is meant; raises InputError for another thing."""
    try:
        return ITERATION(Text(word.strip()))  # type: ignore[no-any-return]
    except ReadError:
        told = f"--at: expected iterations from 0, separated by commas, got {word.strip()!r}"
        raise InputError(f"{told}: write --at 0,2000") from None


def shown_hours(time: float | None) -> str:
    """0.1, 2.5, 30."""
    return "-" if time is None else f"{max(time, 0.1):.1f}" if time < 9.95 else f"{time:,.0f}"


def known_row(shown: PaperFigure, recipe: str) -> str:
    """A recipe of the figure; raises InputError for another."""
    if recipe not in shown.recipes:
        raise unknown(f"recipe of {shown.name}", recipe, shown.recipes)
    return recipe


def list_figures(console: Console) -> None:
    """All figures, with what they take."""
    page = new_table("figures of the papers", "figure", "what it shows", "runs", "iterations", "hours", words=2)
    for each in FIGURES.values():
        lengths = [[RECIPES[name](scale=scale).horizon for name in each.recipes] for scale in ("full", "small")]
        page.add_row(
            each.name,
            each.text,
            f"{len(each.recipes)} x {each.seeds}",
            " / ".join(f"{max(own):,}" for own in lengths),
            " / ".join(shown_hours(hours(each, scale)) for scale in ("full", "small")),
        )
    console.print(page)
    tell(console, "runs: recipes x seeds; two numbers: full length, and --scale small for two cores")
    tell(console, "hours: on one core, roughly, for all runs of a figure; -: not for a CPU")
    tell(console, "train and draw one with: steadygan figure FIGURE --scale small")
