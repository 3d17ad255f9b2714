"""`steadygan recipes`: what can be trained by name, as a matrix of data and methods, or one by one."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, unknown
from ..plugins import load_installed
from ..quantities import LABELS
from ..recipes import RECIPES, Recipe
from ..recipes.papers import ROWS_OF, TABLES, Row
from .console import new_console, new_table, tell
from .options import Plugins, option, suggested_words

if TYPE_CHECKING:
    from rich.console import Console


def recipes(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN",
            help="List one by one, such as 'ring8/*'.",
            show_default=False,
            autocompletion=suggested_words,
        ),
    ] = None,
    paper: Annotated[str | None, option("Only recipes of this paper.", "PAPER")] = None,
    plugin: Plugins = None,
) -> int:
    """Shows which data goes with which method; with a pattern or a paper, each recipe and what the paper printed."""
    load_installed()
    papers = {entry.paper for entry in RECIPES.values()}
    if paper is not None and paper not in papers:
        raise unknown("paper", paper, papers)
    console = new_console()
    if not patterns and paper is None:
        show_matrix([name for name in RECIPES if not name.startswith("paper/")], console)
        return 0
    names = dict.fromkeys(name for pattern in patterns or "*" for name in matching(pattern))
    entries = [entry for entry in map(RECIPES.__getitem__, names) if paper in (None, entry.paper)]
    if not entries:
        raise InputError(
            f"expected recipes of {paper} that match {' '.join(patterns or ())}, got none: see steadygan recipes"
        )
    rows = {table.recipe(row): row for table in TABLES.values() for row in table.rows}
    if not console.is_terminal:
        wide = max(len(entry.name) for entry in entries)
        for entry in entries:
            print(f"{entry.name:<{wide}} {_lengths(entry):>15}  {entry.text} [{entry.paper}]{_printed(rows, entry)}")
        return 0
    from rich.table import Table

    data = {entry.text.partition(": ")[0] for entry in entries}
    shared = data.pop() if len(data) == 1 and len(entries) > 1 else ""  # said once, not in each row
    table = Table("recipe", "what it is", "paper", title=shared or None, title_justify="left", title_style="bold")
    table.add_column("iterations", justify="right")
    for entry in entries:
        text = entry.text.removeprefix(f"{shared}: ")
        table.add_row(entry.name, f"{text}{_printed(rows, entry)}", entry.paper, _lengths(entry))
    console.print(table)
    tell(console, "two numbers: full length, and --scale small for two cores")
    tell(console, "train one with: steadygan train RECIPE; its settings: steadygan train RECIPE --dry-run")
    return 0


def matching(word: str) -> list[str]:
    """The recipes of a pattern such as grid25/*, or the one of this name; raises InputError when there is none."""
    if not any(sign in word for sign in "*?["):
        return [RECIPES[word].name]
    found = fnmatch.filter(RECIPES, word)
    if not found:
        raise InputError(f"expected recipes that match {word!r}, got none: see steadygan recipes")
    return found


def show_matrix(names: Sequence[str], console: Console) -> None:
    """A row for each method, a column for data that goes with the same ones; below it what has names of its own."""
    columns, others = matrix(names)
    methods = list(dict.fromkeys(method for own in columns.values() for method in own))
    table = new_table("recipes: DATA/METHOD", "method", *("\n".join(data) for data in columns))
    for column in table.columns[1:]:
        column.justify = "center"
    for method in methods:
        table.add_row(method, *("x" if method in own else "" for own in columns.values()))
    console.print(table)
    if others:
        tell(console, f"and {', '.join(others)}")
    tell(console, "train one with: steadygan train ring8/far; its settings: steadygan train ring8/far --dry-run")
    tell(console, "what each is, and how long it takes: steadygan recipes 'ring8/*', or '*' for all")
    tell(console, "the papers' own settings: steadygan recipes --paper tao2020, and as tables: steadygan paper")


def matrix(names: Sequence[str]) -> tuple[dict[tuple[str, ...], list[str]], list[str]]:
    """Data with the same methods -> these, and the recipes that do not belong into a matrix.

    A method that one data set alone has is no row; data most of whose recipes are such is no column.
    """
    own: dict[str, list[str]] = {}
    for name in names:
        data, _, method = name.partition("/")
        own.setdefault(data, []).append(method)
    count = [method for methods in own.values() for method in methods].count
    shared = {data: [method for method in methods if count(method) > 1] for data, methods in own.items()}
    shared = {data: methods for data, methods in shared.items() if 2 * len(methods) > len(own[data])}
    columns: dict[tuple[str, ...], list[str]] = {}
    for data, methods in shared.items():
        if data not in {known for column in columns for known in column}:
            columns[tuple(other for other, theirs in shared.items() if set(theirs) == set(methods))] = methods
    told = {f"{data}/{method}" for data, methods in shared.items() for method in methods}
    return columns, [name for name in names if name not in told]


def _printed(rows: Mapping[str, Row], entry: Recipe) -> str:
    """What a paper printed for the recipe, or the row of a paper that it is named after."""
    published = rows[entry.name].published if entry.name in rows else {}
    own = f"; other settings than the paper's: {ROWS_OF[entry.name]}" if entry.name in ROWS_OF else ""
    return own + "".join(f"; printed: {LABELS[key]} {value}" for key, value in published.items())


def _lengths(entry: Recipe) -> str:
    """Iterations in full, and those of the small scale where there is one."""
    full = f"{entry().horizon:,}"
    return full if entry.small is None else f"{full} / {entry(scale='small').horizon:,}"
