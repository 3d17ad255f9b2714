"""`steadygan theory`: the papers' statements, each run on the engine, with what was predicted, measured and found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..theory import Checked, check, free_folder, statements, write
from ..theory import markdown as in_markdown
from ..theory.statement import told
from .console import new_console, new_table, tell
from .options import option

if TYPE_CHECKING:
    from rich.console import Console

WORDS = 32  # columns that what was read takes at least, beside long rows of numbers
VERDICTS = {"holds": "green", "holds_as_corrected": "yellow", "fails": "red"}


def theory(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Statements or papers, by default all.",
        ),
    ] = None,
    out: Annotated[
        Path | None, option("Write a page with figures, and their images, to this folder.", "FOLDER")
    ] = None,
    as_json: Annotated[bool, option("Print everything as JSON.", None, "--json")] = False,
    markdown: Annotated[bool, option("Print everything as Markdown.", None, "--markdown")] = False,
) -> int:
    """Prints a line for each statement, and of few of them what was read; 0 whatever the verdicts."""
    chosen = statements(names or ())
    if as_json and markdown:
        raise InputError("expected --json or --markdown, got both: leave out one")
    if out is not None:
        free_folder(out)
    console = new_console(as_json or markdown)
    checked = check([each.name for each in chosen])
    paths = [] if out is None else write(checked, out)
    if as_json:
        print(json.dumps({"statements": [each.plain() for each in checked], "files": [*map(str, paths)]}, indent=2))
    elif markdown:
        print(in_markdown(checked))
    else:
        show_statements(checked, console, readings=bool(names))
    if paths and not as_json:
        figures = len(paths) - 1
        beside = f", with {figures} figure{'s' * (figures > 1)} beside it" if figures else ""
        tell(console, f"page: {paths[0]}{beside}")
    return 0


def show_statements(checked: Sequence[Checked], console: Console, readings: bool) -> None:
    """The table of verdicts, and what was read for each statement or where it failed."""
    from rich.text import Text

    table = new_table(
        "the papers' statements, run on the engine", "statement", "what it says", "verdict", "readings", words=3
    )
    for each in checked:
        verdict = Text(each.verdict, style=f"bold {VERDICTS[each.verdict]}")
        table.add_row(each.statement.name, each.statement.title, verdict, f"{len(each.readings)}")
    console.print(table)
    for each in checked:
        if readings or each.verdict == "fails":
            show_statement(each, console)
        elif each.statement.corrected:
            tell(console, f"{each.statement.name}: {each.statement.corrected}")
    if not readings:
        tell(console, "what was predicted and measured: steadygan theory NAME; figures: --out FOLDER")


def show_statement(each: Checked, console: Console) -> None:
    """One statement with all that was read."""
    console.print()
    for words, text in (
        ("as printed", each.statement.says),
        ("what holds", each.statement.corrected),
        ("computed", each.statement.computed),
    ):
        if text:
            tell(console, f"{words}: {text}")
    table = new_table(f"{each.statement.name} [{each.statement.source}]", "", "predicted", "measured", "", words=4)
    table.columns[0].min_width = WORDS
    for reading in each.readings:
        sign = {"=": "", "<": "below ", ">": "above "}[reading.relation]
        verdict = "agrees" if reading.agrees else "does not, as printed" if reading.printed else "does not"
        table.add_row(reading.what, sign + told(reading.predicted, 5), told(reading.measured, 5), verdict)
    console.print(table)
