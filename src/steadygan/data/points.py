"""The user's own points or vectors from a file: .npy, .npz or .csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..places import reading
from .arrays import first_of, opened_npz, read_npy
from .images.listing import shown
from .source import DATA, Source
from .user import as_samples


@DATA.register("points")
def points(path: str | Path) -> Source:
    """Training samples from a file: `.npy` (n, *shape), `.npz` (its first array of two axes or more), or `.csv`.

    A CSV has one sample per line, numbers between commas, semicolons, tabs or blanks; a header line, blank lines and
    lines that begin with # are skipped. Values are used as they are, in float32.
    Raises InputError for a file that is missing, empty, ragged, pickled or holds anything but finite numbers; the
    line or the row is named.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in (".npy", ".npz", ".csv"):
        raise InputError(f"expected data in a .npy, .npz or .csv file, got {str(path)!r}: convert it or rename it")
    if not file.is_file():
        raise InputError(f"expected a data file at {str(path)!r}, found none: check the path")
    name = file.name
    with reading(repr(str(path))):
        if suffix == ".csv":
            array = _read_csv(file)
        elif suffix == ".npy":
            array = read_npy(file)
        else:
            with opened_npz(file) as archive:
                key, array = first_of(archive, name, 2, "an array of shape (n, dim)")
            name = f"{name}:{key}"
    samples = as_samples(array, name)
    return Source(name, tuple(samples.shape[1:]), samples)


def _read_csv(file: Path) -> NDArray[np.generic]:
    rows: list[list[float]] = []
    header_seen = False
    first_line = 0
    for line, cells in _lines(file):
        if not rows and not header_seen and not any(_is_number(cell) for cell in cells):
            header_seen = True
            continue
        row = [_number(cell, file.name, line, column) for column, cell in enumerate(cells, 1)]
        if not rows:
            first_line = line
        elif len(row) != len(rows[0]):
            wanted = f"{len(rows[0])} columns in {file.name}, as in line {first_line}"
            raise InputError(f"expected {wanted}, got {len(row)} in line {line}: make all lines equally long")
        rows.append(row)
    if not rows:
        raise InputError(f"expected lines of numbers in {file.name}, got none: write one sample per line")
    return np.asarray(rows, dtype=np.float64)


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank and not a comment."""
    delimiter: str | None = None
    try:
        with file.open(encoding="utf-8-sig", newline=None) as stream:  # -sig: a spreadsheet's mark is no text
            for line, text in enumerate(stream, 1):
                text = text.strip()
                if not text or text.startswith("#"):
                    continue
                if delimiter is None:
                    delimiter = next((mark for mark in ";\t," if mark in text), " ")
                if delimiter == " ":
                    yield line, text.split()
                else:
                    yield line, [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter))]
    except UnicodeDecodeError:
        raise InputError(f"expected text in {file.name}, got other bytes: save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"expected a CSV in {file.name}, got {error} in line {line}: save it again") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a thousand; a table does not mean that


def _number(cell: str, name: str, line: int, column: int) -> float:
    value = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(value):
        where = f"{name}, line {line}, column {column}"
        told = cell if _is_number(cell) else repr(shown(cell)[:40])
        raise InputError(f"expected a finite number in {where}, got {told}: mend or remove the line")
    return value
