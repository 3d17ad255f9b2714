"""`steadygan compare` and `paper`: what is missing is trained, then recipes, or a paper's rows, stand side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import override
from ..errors import EXIT_INTERRUPTED, InputError, one_line
from ..recipes import RECIPES
from ..recipes.papers import TABLES, table_named
from .batch.queue import Queue, check
from .console import new_console, new_table, say_how_to_go_on, tell
from .job import Job, again, default_folder, finished_jobs, known_scale, own_data, own_folders, refuse_early
from .options import (
    SEEDS,
    Data,
    Iterations,
    Jobs,
    On,
    Plain,
    Plugins,
    PrintJobs,
    Scale,
    option,
    suggested_recipes_and_runs,
)
from .recipes import matching

if TYPE_CHECKING:
    from rich.console import Console


def compare(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE|RUN KEY=VALUE",
            help="Recipes or folders of runs, and settings to change.",
            show_default=False,
            autocompletion=suggested_recipes_and_runs,
        ),
    ],
    data: Data = None,
    seeds: Annotated[int, option("Seeds 0 .. K-1 of each recipe.", "K", read=SEEDS)] = 1,
    iterations: Iterations = None,
    out: Annotated[Path | None, option("Folder of the runs, by default runs.", "DIR")] = None,
    as_json: Annotated[bool, option("Print the result as JSON.", None, "--json")] = False,
    scale: Scale = "full",
    jobs: Jobs = None,
    on: On = None,
    print_jobs: PrintJobs = False,
    plain: Plain = False,
    plugin: Plugins = None,
) -> int:
    """Trains what is missing, then prints the reason, the table and where the figure is; returns the exit code.

    Runs that are named by their folders are taken as they are.
    """
    changes = [word for word in words if "=" in word]
    if any(change.partition("=")[0].strip() == "seed" for change in changes):
        raise InputError(
            "seed: expected no seed, because several are compared, got seed=...: use --seeds K for 0 .. K-1"
        )
    root, queue = out or Path("runs"), Queue(jobs, on, plugin or (), plain)
    queue.check()
    kept = {word: own for word in words if word not in RECIPES and (own := finished_jobs(Path(word), iterations))}
    names = list(dict.fromkeys(name for word in words if "=" not in word for name in named(word, kept)))
    if not names:
        raise InputError("expected recipes to compare, got none: for example grid25/r1 grid25/far")
    asked = {
        name: planned_jobs(name, changes, scale, seeds, iterations, data, root) for name in names if name not in kept
    }
    moved = []
    if out is None:
        for name, own in asked.items():
            folders, told = own_folders([job.settings for job in own], resume=True, compared=True)
            asked[name] = [job._replace(folder=folder) for job, folder in zip(own, folders, strict=True)]
            moved += [told] * bool(told)
    for job in chain(*asked.values()):
        refuse_early(job.settings, job.folder, resume=True, reading=True)
    if print_jobs:
        return queue.print(asked.values())
    console = new_console(as_json)
    for told in moved:
        tell(console, told)
    try:
        if not queue.alone:
            check(queue.train(asked.values(), root))
        from .tables import results

        found = [
            result
            for name in names
            for result in (results.kept(kept[name]) if name in kept else results.results_of(asked[name], plain))
        ]
    except KeyboardInterrupt as stop:
        say_how_to_go_on(str(stop or "interrupted"), again())
        return EXIT_INTERRUPTED
    together = results.SideBySide.of(results.usable(found))
    joined = "-".join(name.strip("./").replace("/", "-") for name in names)
    path = root / (f"compare-{joined}.png" if len(joined) <= 120 else "compare.png")
    told, drawn = f"figure: {path}", True
    try:
        together.draw(path)
    except Exception as error:  # the numbers are there
        told, drawn = f"no figure was drawn: {one_line(error)}", False
    if as_json:
        print(json.dumps({**together.plain(), "figure": str(path) if drawn else None}, indent=2))
    else:
        together.show(console)
        tell(console, told)
    return results.exit_code([result.run for result in found])


def named(word: str, kept: Mapping[str, object]) -> list[str]:
    """What a word names: runs in a folder, or recipes; raises InputError for a folder without a run."""
    if word in kept:
        return [word]
    if word not in RECIPES and Path(word).is_dir():
        raise InputError(
            f"expected a run, or runs of several seeds, in {word}, found none: give the folder that train printed"
        )
    return matching(word)


def paper(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="A table; without one, all are listed.",
            autocompletion=lambda incomplete: [name for name in TABLES if name.startswith(incomplete)],
        ),
    ] = None,
    rows: Annotated[str | None, option("Train and print only these rows.", "A,B")] = None,
    scale: Scale = "full",
    seeds: Annotated[int, option("Seeds 0 .. K-1 of each row.", "K", read=SEEDS)] = 3,
    jobs: Jobs = None,
    on: On = None,
    print_jobs: PrintJobs = False,
    iterations: Iterations = None,
    data: Data = None,
    out: Annotated[Path | None, option("Folder of the runs, by default runs.", "DIR")] = None,
    as_is: Annotated[bool, option("Do not train: make the table from finished runs.", None, "--as-is")] = False,
    as_json: Annotated[bool, option("Print the table as JSON.", None, "--json")] = False,
    markdown: Annotated[bool, option("Print the table as Markdown.", None, "--markdown")] = False,
) -> int:
    """Trains what is missing, then prints published figures beside ours, and what became of each claim."""
    console = new_console(as_json or markdown)
    if name is None:
        if rows is not None or as_is or as_json or markdown or print_jobs:
            raise InputError("expected a table with these options, got none: steadygan paper lists them")
        list_tables(console)
        return 0
    table, root, queue = table_named(name), out or Path("runs"), Queue(jobs, on)
    queue.check()
    words = [row.name for row in table.rows] if rows is None else [word.strip() for word in rows.split(",")]
    chosen = [table.row(word) for word in dict.fromkeys(filter(None, words))]
    if not chosen:
        raise InputError(f"--rows: expected rows of {table.name}, got none: for example --rows {table.rows[0].name}")
    planned = {row.name: planned_jobs(table.recipe(row), (), scale, seeds, iterations, data, root) for row in chosen}
    for job in chain(*([] if as_is else planned.values())):
        refuse_early(job.settings, job.folder, resume=True, reading=True)
    if print_jobs:
        return queue.print(planned.values())
    try:
        from .tables import standing

        if not as_is:
            standing.train(planned, queue, root)
        shown = standing.Standing.of(table, scale, planned)
    except KeyboardInterrupt as stop:
        say_how_to_go_on(str(stop or "interrupted"), again())
        return EXIT_INTERRUPTED
    if as_json:
        print(json.dumps(shown.plain(), indent=2))
    elif markdown:
        print("\n".join(shown.markdown()))
    else:
        shown.show(console)
    return 0


def list_tables(console: Console) -> None:
    """All tables, with what they take."""
    shown = new_table("tables and figures of the papers", "table", "what it shows", "rows", "iterations", words=2)
    for table in TABLES.values():
        full, small = ({getattr(row, kind)().horizon for row in table.rows} for kind in ("settings", "short"))
        shown.add_row(table.name, table.text, f"{len(table.rows)}", f"{max(full):,} / {max(small):,}")
    console.print(shown)
    tell(console, "two numbers: full length, and --scale small for two cores")
    tell(console, "train and print one with: steadygan paper TABLE --scale small --seeds 3")


def planned_jobs(
    recipe: str,
    changes: Sequence[str],
    scale: str,
    seeds: int,
    iterations: int | None,
    data: Path | None,
    root: Path,
) -> list[Job]:
    """A recipe's runs, one for each seed."""
    jobs = []
    for seed in range(seeds):
        settings, own = override(RECIPES[recipe](seed, known_scale(scale)), changes), [*changes]
        if data is not None:
            own.append(f"data.path={own_data(settings, data)}")
            settings = override(settings, own[-1:])
        length = settings.horizon if iterations is None else iterations
        jobs.append(Job(settings, default_folder(settings, root), length, changes=tuple(own)))
    return jobs
