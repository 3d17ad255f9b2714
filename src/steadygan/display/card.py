"""A card: how an object shows itself in print and in a notebook, with a few lines and a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .glimpse import Glimpse
from .screens import HUES

GAP = "  "


@dataclass(frozen=True)
class Card:
    """A title, lines of prose, a small table whose first row is its header, and samples; tone: of the first line."""

    title: str
    lines: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    glimpse: Glimpse | None = None
    tone: str = ""

    def text(self) -> str:
        """For `print`, without a picture."""
        return "\n".join([self.title, *filter(None, self.lines), *aligned(self.rows)])

    def html(self) -> str:
        """For a notebook."""
        hue = f' style="color:{HUES[self.tone]}"' if self.tone else ""
        lines = [f"<div{hue if i == 0 else ''}>{escape(line)}</div>" for i, line in enumerate(filter(None, self.lines))]
        picture = "" if self.glimpse is None else f"<div>{self.glimpse.html()}</div>"
        words = f"<b>{escape(self.title)}</b>{''.join(lines)}{_table(self.rows)}"
        style = "display:flex;gap:1.5em;flex-wrap:wrap;align-items:flex-start;font-size:90%;line-height:1.5"
        return f'<div style="{style}"><div style="max-width:46em">{words}</div>{picture}</div>'


class Shown:
    """An object that displays itself as a card."""

    def _card(self, picture: bool) -> Card:
        """picture: include samples where available; a missing sample never raises."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._card(picture=False).text()

    def _repr_html_(self) -> str:
        return self._card(picture=True).html()


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows as lines of columns: the first `left` columns are left-aligned, the others, numbers, right-aligned."""
    whole = [[*row, *[""] * (max(map(len, rows)) - len(row))] for row in rows]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    return [
        GAP.join(
            f"{cell:<{width}}" if i < left else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in whole
    ]


def fitting(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The same without the last columns, where they do not fit into `width`."""
    for columns in range(max(map(len, rows), default=0), 0, -1):
        lines = aligned([row[:columns] for row in rows])
        if max(map(len, lines)) <= width or columns == 1:
            return lines
    return []


def _table(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    cell = 'style="text-align:{};padding:0 .8em 0 0"'
    made = []
    for n, row in enumerate(rows):
        kind = "td" if n else "th"
        cells = (
            f"<{kind} {cell.format('left' if i == 0 else 'right')}>{escape(each)}</{kind}>"
            for i, each in enumerate(row)
        )
        made.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table style='font-size:inherit'>{''.join(made)}</table>"
