"""A table of numbers as text: CSV as NumPy, pandas, R and spreadsheets write it."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .images.listing import several, shown

MISSING = ("", "-", "?", "na", "n/a", "#n/a", "nan", "null", "none")
NUMBERED = ("", "unnamed: 0", "index", "id", "row", "rownames")  # names of a column that numbers the rows
DIGIT = re.compile(r"[+-]?[.,]?[0-9]")
WHOLE = re.compile(r"[+-]?[0-9]+")

Row = tuple[int, list[str], bool]  # number of the line, its cells, whether some are in quotes


class Table(NamedTuple):
    """Numbers (n, d) in float64, the names of their columns where there are any, and notes for the user."""

    values: NDArray[np.float64]
    columns: tuple[str, ...] = ()
    done: tuple[str, ...] = ()  # in the line that says what was read
    notes: tuple[str, ...] = ()


def read_table(file: Path) -> Table:
    """The numbers of a CSV: a sample per line, cells between commas, semicolons, tabs or blanks.

    Blank lines and lines that begin with # are skipped. The first line is a header when it has words, when it alone is
    in quotes, or when it counts (0, 1, 2 or 2019, 2020) where the numbers below are fractions or far from it. A first
    column without a name, or one named index or id that counts the lines, is left out. Between semicolons or tabs a
    comma may stand for the decimal point. Raises InputError for anything else, and names the line.
    """
    reader = _Reader(file.name)
    for row in _lines(file, reader):
        reader.take(row)
    return reader.table()


class _Reader:
    """The lines of one file as numbers, and all that shows what was meant by them."""

    def __init__(self, name: str) -> None:
        self.name = shown(name)
        self.comment: list[str] = []  # cells of the last comment before the numbers
        self.first: Row | None = None  # held back until it is clear whether it is a header
        self.header: list[str] = []
        self.rows: list[list[float]] = []
        self.began = 0  # the line of the first of them
        self.named = False  # each line begins with its name
        self.commas = False  # whether a comma may stand in a number
        self.marks: dict[str, int] = {}  # the line in which "." and "," stood first
        self.plain: set[int] = set()  # columns with a whole number written as one
        self.missing: tuple[int, int, str] | None = None
        self.lacking = 0  # lines with a missing number
        self.rounded = 0  # whole numbers that float64 cannot hold

    def take(self, row: Row) -> None:
        line, cells, quoted = row
        if self.first is None and not self.header:
            if self._heads(cells):
                self.header = cells
            else:
                self.first = row
            return
        if not self.rows:
            if self.first is not None and self.first[2] and not quoted:
                self.header, self.first = self.first[1], None
            self.named = len(cells) > 1 and (
                len(cells) == len(self.header) + 1 or (bool(self.header) and self.header[0].lower() in NUMBERED[:2])
            )
            if self.named and len(cells) == len(self.header):
                self.header = self.header[1:]
        self._add(line, cells)

    def _add(self, line: int, cells: list[str]) -> None:
        width = len(self.rows[0]) if self.rows else len(self.first[1]) if self.first else len(cells) - self.named
        if len(cells) - self.named != width:
            as_in = self.began or (self.first[0] if self.first else line)
            wanted = f"{width + self.named} columns in {self.name}, as in line {as_in}"
            raise InputError(f"expected {wanted}, got {len(cells)} in line {line}: make all lines the same length")
        self.began = self.began or line
        row = [self._number(cell, line, column) for column, cell in enumerate(cells[self.named :])]
        self.lacking += any(map(math.isnan, row))
        self.rows.append(row)

    def _heads(self, cells: list[str]) -> bool:
        """Whether a first line is a header for its words: all words, or words beside whole numbers, each once."""
        words = [cell for cell in cells if self._read(cell)[0] is None]
        if len(words) == len(cells):
            return True
        numbers = [cell for cell in cells if cell not in words]
        names = not any(cell.lower() in MISSING or DIGIT.match(cell) for cell in words[cells[0] == "" :])
        return bool(words) and names and all(map(WHOLE.fullmatch, numbers)) and len({*cells}) == len(cells)

    def _number(self, cell: str, line: int, column: int) -> float:
        value, mark = self._read(cell)
        if value is None or not math.isfinite(value):
            if cell.lower() not in MISSING:
                raise self._refused(line, column, repr(shown(cell)[:40]) if value is None else cell)
            self.missing = self.missing or (line, column, cell)
            return math.nan
        if mark:
            self.marks.setdefault(mark, line)
        elif WHOLE.fullmatch(cell):
            self.plain.add(column)
            self.rounded += len(cell) > 15 and int(cell) != int(value)
        return value

    def _read(self, cell: str) -> tuple[float | None, str]:
        """The number that a cell holds, or None, and its decimal mark."""
        value, mark = _value(cell), "." if "." in cell else ""
        if value is None and self.commas and not mark and cell.count(",") == 1:
            return _value(cell.replace(",", ".")), ","
        return value, mark

    def _refused(self, line: int, column: int, told: str, more: str = "") -> InputError:
        head = f" ({shown(self.header[column])})" if column < len(self.header) else ""
        where = f"{self.name}, line {line}, column {column + 1 + self.named}{head}"
        return InputError(
            f"expected a finite number in {where}, got {told}{more}: fix or remove the line or the column"
        )

    def table(self) -> Table:
        notes: list[str] = []
        if self.first is not None:
            self._settle(self.first, notes)
        if not self.rows:
            raise InputError(f"expected lines of numbers in {self.name}, got none: write one sample per line")
        if self.missing is not None:
            line, column, cell = self.missing
            told = f", and {several(self.lacking - 1, 'more line')} lack{'s' * (self.lacking == 2)} numbers"
            raise self._refused(
                line, column, cell if _value(cell) is not None else repr(cell), told * (self.lacking > 1)
            )
        if len(self.marks) == 2:
            line = max(self.marks.values())
            raise InputError(
                f"expected decimal points or decimal commas in {self.name}, got both, the others from line {line} on: "
                "use one of them throughout"
            )
        values = np.asarray(self.rows, dtype=np.float64)
        columns, done = tuple(self.header or self.comment), ["decimal commas"] * ("," in self.marks)
        if len(columns) != values.shape[1]:
            columns = ()
        if self.named:
            done.append("the first column, the row names, is left out")
        elif values.shape[1] > 1 and len(values) > 2 and _counts(values[:, 0], upward=1.0):
            if columns and columns[0].lower() in NUMBERED:
                values, columns = values[:, 1:], columns[1:]
                done.append("the first column, the row numbers, is left out")
            else:
                notes.append(f"the first column of {self.name} numbers the rows: remove it unless it is data")
        if self.rounded:
            notes.append(f"{several(self.rounded, 'whole number')} of {self.name} above 2^53 lost precision in float64")
        return Table(values, columns, tuple(done), tuple(notes))

    def _settle(self, first: Row, notes: list[str]) -> None:
        """Takes a first line of numbers for a header or for a sample."""
        line, cells, _ = first
        below = np.asarray(self.rows, dtype=np.float64)
        if self.rows and all(map(WHOLE.fullmatch, cells)):
            numbers = np.asarray(cells, dtype=np.float64)
            counting = cells == ["0"] or _counts(numbers)
            apart = len(cells) > 1 and ((numbers < below.min(0)) | (numbers > below.max(0))).all()
            if counting and (not self.plain or (apart and not all(map(_counts, below)))):
                self.header = cells
                return
            if len(cells) > 1 and _counts(numbers, upward=1.0):
                notes.append(
                    f"line {line} of {self.name} ({shown(', '.join(cells))}) is read as a sample, not as a header"
                )
        began, self.began, kept = self.began, 0, self.rows
        self.rows = []
        self._add(line, cells)
        self.began, self.rows = began, self.rows + kept


def _counts(numbers: NDArray[np.float64], upward: float | None = None) -> bool:
    """Whether each number is as much above the last, and the first 0 or 1 where it goes up by one."""
    steps = np.diff(numbers)
    if upward is not None:
        return numbers[0] in (0.0, 1.0) and bool((steps == upward).all())
    return bool(len(steps) and steps[0] > 0 and (steps == steps[0]).all())


def _lines(file: Path, reader: _Reader) -> Iterator[Row]:
    """Each line that is not blank and not a comment; the last comment before them may name the columns."""
    delimiter, comment, line = "", "", 0
    try:
        with file.open(encoding="utf-8-sig", newline=None) as stream:  # -sig: a spreadsheet's mark is no text
            for line, text in enumerate(stream, 1):
                text = text.rstrip().lstrip(" ")
                if not text or text.startswith("#"):
                    comment = text.lstrip("# ") or comment
                    continue
                if not delimiter:
                    bare = re.sub(r'"[^"]*"', "", text)
                    delimiter = next((mark for mark in ";\t," if mark in bare), " ")
                    reader.commas = delimiter != ","
                    names = _cells(comment, delimiter) if comment else []
                    reader.comment = [name for name in names if _value(name) is None]
                yield line, _cells(text, delimiter), '"' in text
    except UnicodeDecodeError:
        raise InputError(f"expected text in {file.name}, got other bytes: save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"expected a CSV in {file.name}, got {error} in line {line}: save it again") from None


def _cells(text: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([" ".join(text.split()) if delimiter == " " else text], delimiter=delimiter))
    return [cell.strip() for cell in cells]


def _value(cell: str) -> float | None:
    """The number that a cell holds; None for text."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if "_" not in cell and cell.isascii() else None  # 1_000 and digits of other scripts are text here
