"""The user's own points or vectors from a file: .npy, .npz or .csv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import InputError
from ..places import reading
from .arrays import first_of, opened_npz, read_npy
from .images.listing import several, shown
from .source import DATA, Source
from .table import read_table
from .user import numbers


@DATA.register("points")
def points(path: str | Path) -> Source:
    """Training samples from a file: `.npy` (n, *shape), `.npz` (its first array of two axes or more), or `.csv`.

    A CSV is read as `table.read_table` says. Values are used as they are, in float32, or in float64 where float32 could
    not tell them apart. Raises InputError for a file that is missing, empty, ragged, pickled or holds anything but
    finite numbers; the line or the row is named.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in (".npy", ".npz", ".csv"):
        raise InputError(f"expected data in a .npy, .npz or .csv file, got {str(path)!r}: convert it or rename it")
    if not file.is_file():
        raise InputError(f"expected a data file at {str(path)!r}, found none: check the path")
    name, table = file.name, None
    array: NDArray[Any]
    with reading(repr(str(path))):
        if suffix == ".csv":
            table = read_table(file)
            array = table.values
        elif suffix == ".npy":
            array = read_npy(file)
        else:
            with opened_npz(file) as archive:
                key, array = first_of(archive, name, 2, "an array of shape (n, dim)")
            name = f"{name}:{key}"
    columns, done, notes = ((), (), ()) if table is None else table[1:]
    source = numbers(array, name, columns)
    return replace(source, notes=(_found(source, done), *notes, *source.notes))


def _found(source: Source, done: tuple[str, ...]) -> str:
    """What was read, in a line: points.csv: 2,000 points of 2 numbers, columns x, y."""
    of = (
        several(source.shape[0], "number")
        if len(source.shape) == 1
        else " x ".join(map(str, source.shape)) + " numbers"
    )
    named = f", column{'s' * (len(source.columns) > 1)} {shown(', '.join(source.columns))}" if source.columns else ""
    return "; ".join([f"{shown(source.name)}: {several(source.size or 0, 'point')} of {of}{named}", *done])
