"""The user's own points or vectors from a file: .npy, .npz or .csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .registry import DATA
from .source import Source
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
    try:
        if suffix == ".csv":
            array = _read_csv(file)
        elif suffix == ".npy":
            array = _load(file)
        else:
            key, array = _first_of_npz(file)
            name = f"{file.name}:{key}"
    except OSError as error:
        raise InputError(f"expected to read {str(path)!r}, got {error.strerror or error}: check the file") from None
    samples = as_samples(array, name)
    return Source(name, tuple(samples.shape[1:]), samples)


def _load(file: Path) -> NDArray[np.generic]:
    if file.stat().st_size == 0:
        raise InputError(f"expected an array in {file.name}, got an empty file: save it again with numpy.save")
    with file.open("rb") as stream:  # before numpy sees it: it takes any file without its mark for a pickle
        mark = stream.read(6)
    if mark != b"\x93NUMPY":
        raise InputError(
            f"expected a .npy array in {file.name}, got a pickle or another format: save it with numpy.save"
        )
    try:
        array: NDArray[np.generic] = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy's reader fails in many ways on a damaged header
        raise _unreadable(file.name, error) from None
    return array


def _first_of_npz(file: Path) -> tuple[str, NDArray[np.generic]]:
    if file.stat().st_size == 0:
        raise InputError(f"expected arrays in {file.name}, got an empty file: save them again with numpy.savez")
    if not is_zipfile(file):  # numpy would read a lone array, or try a pickle
        raise InputError(f"expected a .npz archive in {file.name}, got another format: save it with numpy.savez")
    found = []
    try:
        with np.load(file, allow_pickle=False) as archive:
            for key in archive.files:
                array = archive[key]
                if array.ndim >= 2:
                    return key, array
                found.append(f"{key} {array.shape}")
    except Exception as error:  # zip's, zlib's, numpy's
        raise _unreadable(file.name, error) from None
    raise InputError(
        f"expected an array of shape (n, dim) in {file.name}, got {', '.join(found) or 'no array'}: save one with savez"
    )


def _unreadable(name: str, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return InputError(f"expected plain numbers in {name}, got a pickle, which could run code: save plain numbers")
    return InputError(f"expected a readable NumPy file at {name}, got {' '.join(str(error).split())}: save it again")


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
            raise InputError(
                f"expected {len(rows[0])} columns in {file.name}, as in line {first_line}, "
                f"got {len(row)} in line {line}: make all lines equally long"
            )
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
    if not _is_number(cell):
        shown = cell if len(cell) <= 40 else cell[:37] + "..."
        raise InputError(
            f"expected a number in {name}, line {line}, column {column}, got {shown!r}: mend or remove the line"
        )
    value = float(cell)
    if not math.isfinite(value):
        raise InputError(
            f"expected finite numbers in {name}, line {line}, column {column}, got {cell}: mend or remove the line"
        )
    return value
