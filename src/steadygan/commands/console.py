"""How commands speak: what happens on stdout, errors on stderr in one line, numbers in one form."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..errors import shortened
from ..quantities import BLANK, LABELS, TONES, heard, spread, tone, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..metrics.summary import Summary

COLOURS = {"good": "green", "calm": "cyan", "warn": "yellow", "bad": "red"}  # of verdicts, the best first
PLAIN_WIDTH = 110  # of a table that does not go to a terminal


def new_console(errors: bool = False) -> Console:
    """Where results and progress go: stdout, or stderr when stdout is JSON's alone."""
    from rich.console import Console

    width = None if (sys.stderr if errors else sys.stdout).isatty() else PLAIN_WIDTH
    return Console(markup=False, highlight=False, soft_wrap=True, stderr=errors, width=width)


def say_error(message: object) -> None:
    """One line on stderr, whatever the message holds."""
    print("error: " + " ".join(shortened(str(message)).split()), file=sys.stderr, flush=True)


def figure(key: str, value: float | Sequence[float], modes: int | None = None) -> str:
    """A figure as it stands in tables, or its mean and deviation over seeds; modes with their number."""
    told = spread(key, [*value] if isinstance(value, Sequence) else [value]).replace(BLANK, " ")
    return told if key != "modes" or modes is None else f"{told} of {modes}"


def cells(row: Summary, reference: Mapping[str, float], modes: int | None) -> list[str]:
    """A row of a table of figures: label, final, real data's where it is known, best, and when that was."""
    real = figure(row.key, reference[row.key], modes) if row.key in reference else ""
    final, best = (figure(row.key, at.value, modes) for at in (row.final, row.best))
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


def gravity(verdict: str, causes: str = "") -> tuple[int, int]:
    """How grave a verdict is beside others: by its tone, then by its word."""
    return [*COLOURS].index(tone(verdict, causes)), [*TONES, verdict].index(verdict)


def gravest(verdicts: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The worst of some runs' verdicts with their causes: the first of equally bad ones."""
    return max(verdicts, key=lambda each: gravity(*each))


def shade(event: str) -> str:
    """The style of what a run says: red for an alarm, green where one is over, else yellow."""
    return f"bold {COLOURS[heard(event)]}"


def clock(seconds: float) -> str:
    """Seconds as 0:07, 2:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
