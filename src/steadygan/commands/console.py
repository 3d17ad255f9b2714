"""How commands speak: what happens on stdout, errors on stderr in one line, numbers in one form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..display.frame import COLOURS, wrapped
from ..errors import printable, shortened
from ..quantities import LABELS, counted, spoken, tone, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..metrics.summary import Summary

PLAIN_WIDTH = 110  # of a table that does not go to a terminal


def new_console(errors: bool = False) -> Console:
    """Where results and progress go: stdout, or stderr when stdout is JSON's alone."""
    from rich.console import Console

    width = None if (sys.stderr if errors else sys.stdout).isatty() else PLAIN_WIDTH
    return Console(markup=False, highlight=False, soft_wrap=True, stderr=errors, width=width)


def say_error(message: object) -> None:
    """One line on stderr, whatever the message holds; on a terminal broken between words."""
    say("error: " + spoken(" ".join(shortened(str(message)).split())))


def say(line: str) -> None:
    """A message beside the result: on stderr, and broken between words on a terminal."""
    width = new_console(errors=True).width if sys.stderr.isatty() else len(line)
    print("\n".join(wrapped(printable(line), width, "  ")), file=sys.stderr, flush=True)


def say_how_to_go_on(told: str, command: str) -> None:
    """What happened, and the command that continues, on a terminal in lines of its own."""
    if not sys.stderr.isatty():
        say(f"{told}; continue with: {command}")
        return
    say(f"{told}; continue with:")
    print("\n".join(shell_lines(command, new_console(errors=True).width)), file=sys.stderr, flush=True)


def shell_lines(command: str, width: int) -> list[str]:
    """A command, indented, in one line or, where that is too narrow, in lines that a shell takes for one."""
    lines = wrapped(command, width - 4, "  ")
    return [f"  {line}{' ' + chr(92) if line is not lines[-1] else ''}" for line in lines]


def tell(console: Console, text: str | Text, style: str = "") -> None:
    """Prose of a result, broken between words on a terminal: a path is never cut."""
    if not isinstance(text, str):
        breaks = console.is_terminal and all(len(word) <= console.width for word in text.plain.split())
        console.print(text, style=style, soft_wrap=not breaks)
        return
    width = console.width if console.is_terminal else len(text)
    for each in wrapped(text, width, "  ") if text else ():
        console.print(each, style=style, soft_wrap=True)


def cells(row: Summary, reference: Mapping[str, float], modes: int | None) -> list[str]:
    """A row of a table of figures: label, final, real data's where it is known, best, and when that was."""
    real = counted(row.key, reference[row.key], modes) if row.key in reference else ""
    final, best = (counted(row.key, at.value, modes) for at in (row.final, row.best))
    return [LABELS[row.key], final, real, best, f"{row.best.iteration:,}"]


def new_table(title: str, *columns: str, words: int = 1) -> Table:
    """A table below its title; all columns but the first `words` hold numbers."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < words else "right")
    return table


def classes(figures: Mapping[str, float]) -> str:
    """The share of each class among the fakes, in one line; "" where there are no classes."""
    shares = [(key.removeprefix("class_"), value) for key, value in figures.items() if key.startswith("class_")]
    told = [f"{name} {100 * share:.1f} %" for name, share in shares if name.isdigit()]  # class_score is another thing
    return f"classes: {', '.join(told)}" if told else ""


def coloured(verdict: str, causes: str = "") -> Text:
    """A verdict in words, in its colour: yellow where causes are seen and nothing is lost."""
    from rich.text import Text

    return Text(words(verdict, causes), style=f"bold {COLOURS[tone(verdict, causes)]}")
