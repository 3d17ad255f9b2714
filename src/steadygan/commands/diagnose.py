"""`steadygan diagnose`, what is the matter with a run, and `steadygan report`, one page about one run or several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import steadygan as sg

from .. import quantities as q
from ..config.values import whole
from ..display.frame import gravity
from ..errors import InputError
from ..runs.folder import RunFolder
from ..runs.history import run_folders
from ..runs.records import records
from .console import cells, coloured, new_console, tell
from .options import Plugins, option, suggested_runs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE = 100  # columns that have room for units
MOST = 8  # changes of the verdict that are listed
GROUPS = (q.LOSSES, q.GRADIENTS, q.PAIRS, q.OUTPUTS, q.WEIGHTS)


def diagnose(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run's folder, or one of several seeds.",
            show_default=False,
            autocompletion=suggested_runs,
        ),
    ],
    as_json: Annotated[bool, option("Print the diagnosis as JSON.", None, "--json")] = False,
    plugin: Plugins = None,
) -> int:
    """Prints the page of one run, or a line for each seed; the exit code does not depend on the verdict."""
    folders, notes = run_folders([run])
    for folder in folders:
        records(RunFolder(folder).metrics)  # refuses early where none can be read
    console = new_console(as_json)
    told, missing = _told(folders)
    notes += missing
    if as_json:
        print(json.dumps(told[0].plain() if len(folders) == 1 else together(told, notes), indent=2))
    elif len(folders) == 1:
        show(told[0], console)
    else:
        show_seeds(told, console)
    for note in notes:
        tell(console, f"note: {note}", "bold yellow")
    return 0


def _told(folders: Sequence[Path]) -> tuple[list[sg.Diagnosis], list[str]]:
    """Of each folder; those of several without a look are left out."""
    from ..diagnostics.diagnosis import of_run

    told: list[sg.Diagnosis] = []
    errors: list[InputError] = []
    for folder in folders:
        try:
            told.append(of_run(folder))
        except InputError as error:
            errors.append(error)
    if not told:
        raise errors[0]
    return told, [f"left out: {error}" for error in errors]


def together(told: Sequence[sg.Diagnosis], notes: Sequence[str]) -> dict[str, object]:
    """Several seeds as one object: the gravest verdict, and each run's own."""
    plain = gravest(told).plain()
    head = {key: plain[key] for key in ("state", "causes", "reason", "evidence", "advice", "what")}
    return head | {"notes": list(notes), "runs": [each.plain() for each in told]}


def gravest(told: Sequence[sg.Diagnosis]) -> sg.Diagnosis:
    """The one that needs looking at most."""
    return max(told, key=lambda each: gravity(each.state, " ".join(each.causes)))


def show(told: sg.Diagnosis, console: Console) -> None:
    """One run on one page."""
    from rich.text import Text

    head = Text(f"{told.what}: ") + coloured(told.state, " ".join(told.causes))
    if told.since is not None and told.iteration is not None:
        head.append(f" since iteration {told.since:,}; last look at {told.iteration:,}")
    tell(console, head)
    if told.reason:
        tell(console, told.reason)
    if len(told.history) > 1:
        tell(console, _history(told))
    for each in told.interventions:
        seen = q.words(str(each.get("verdict", "")))
        remedy = f"; {each['remedy']}" if each.get("remedy") else ""
        line = f"rolled back from iteration {each['iteration']:,} to {each['to']:,}: {seen}{remedy}"
        tell(console, line, "yellow")
    console.print(_indicators(told, console.width >= WIDE))
    rows = [cells(row, told.reference, told.modes) for row in told.metrics if row.key in q.LABELS]
    if rows:
        numbers = ("final", "real data", "best", "at")
        table = _table("metric", *numbers, numbers=numbers)
        for row in rows:
            table.add_row(*row)
        console.print()
        console.print(table)
    for note in told.notes:
        tell(console, f"note: {note}", "bold yellow")


def show_seeds(told: Sequence[sg.Diagnosis], console: Console) -> None:
    """One line for each seed, and where to read on."""
    table = _table("", "verdict", "since", "reason", numbers=("since",))
    for each in told:
        since = "" if each.since is None else f"{each.since:,}"
        table.add_row(Path(each.what).name, coloured(each.state, " ".join(each.causes)), since, each.reason)
    console.print(table)
    for each in told:
        for note in each.notes:
            tell(console, f"note: {Path(each.what).name}: {note}", "bold yellow")
    tell(console, f"all indicators with: steadygan diagnose {gravest(told).what}")


def _history(told: sg.Diagnosis) -> Text:
    from rich.text import Text

    before = len(told.history) - MOST
    line = Text(f"verdicts: {before:,} before, " if before > 0 else "verdicts: ")
    turns = [Text(f"{turn.iteration:,} ") + coloured(turn.verdict, turn.causes) for turn in told.history[-MOST:]]
    return line + Text(", ").join(turns)


def _table(*columns: str, numbers: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def _indicators(told: sg.Diagnosis, wide: bool) -> Table:
    numbers = ["now", *(["first look"] if told.first else []), "real data" if told.real else "ideal"]
    table = _table("indicator", *numbers, numbers=numbers)
    if wide:
        table.add_column("unit", style="dim")
    ideals = {key: each.ideal for key, each in q.KNOWN.items() if each.ideal is not None} | {**told.real}
    shown = told.figures.keys() - {row.key for row in told.metrics}
    for group in GROUPS:
        own = [each for each in q.KNOWN.values() if each.group == group and each.key in shown]
        for each in own:
            values = (told.figures, *([told.first] if told.first else []), ideals)
            row = [q.figure(each.key, value[each.key]) if each.key in value else "" for value in values]
            style = "bold" if each.key in told.evidence else ""
            table.add_row(each.label, *row, *([each.unit] if wide else []), style=style)
        if own:
            table.add_section()
    return table


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN ...",
            help="Folders of runs, of several seeds or a monitor, or its records as a file.",
            show_default=False,
            autocompletion=suggested_runs,
        ),
    ],
    out: Annotated[
        Path | None, option("By default report.html: in RUN, or for several in the current folder.", "FILE")
    ] = None,
    follow: Annotated[
        bool, option("Serve the page to this machine while runs train, and keep it up to date.", None, "--follow")
    ] = False,
    port: Annotated[
        int | None, option("Where --follow serves, by default 8765; 0: any that is free.", "N", read=whole(0, 65535))
    ] = None,
    real: Annotated[
        bool,
        option("Read real points from the file that a run's settings name, where it kept none.", None, "--real"),
    ] = False,
    plugin: Plugins = None,
) -> int:
    """Writes the page and says where it is; or serves it until it is told to stop."""
    if not follow and port is not None:
        raise InputError(f"expected --follow beside --port, got --port {port} alone: add --follow, or leave it out")
    if not follow:
        path = sg.report(runs, out, real)
        new_console(errors=not path.is_file()).print(f"report: {path}")
        return 0
    if out is not None:
        raise InputError(
            f"expected no --out beside --follow, which writes no file, got {out}: write it without --follow, also "
            "while the run is followed"
        )
    from ..reporting import server

    server.follow(runs, server.PORT if port is None else port, new_console().print, real)
    return 0
