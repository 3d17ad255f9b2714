"""NumPy's files of arrays, read without ever running a pickle, and one line for whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ..errors import InputError


def read_npy(file: Path) -> NDArray[np.generic]:
    """The array of a .npy file; raises InputError for an empty or damaged one and for a pickle."""
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


@contextmanager
def opened_npz(file: Path) -> Iterator[NpzFile]:
    """The arrays of an .npz file by name, each read when it is asked for; errors inside the `with` as `read_npy`'s."""
    if file.stat().st_size == 0:
        raise InputError(f"expected arrays in {file.name}, got an empty file: save them again with numpy.savez")
    if not is_zipfile(file):  # numpy would read a lone array, or try a pickle
        raise InputError(f"expected a .npz archive in {file.name}, got another format: save it with numpy.savez")
    try:
        with np.load(file, allow_pickle=False) as archive:
            yield archive
    except InputError:
        raise
    except Exception as error:  # zip's, zlib's, numpy's
        raise _unreadable(file.name, error) from None


def _unreadable(name: str, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return InputError(f"expected plain numbers in {name}, got a pickle, which could run code: save plain numbers")
    return InputError(f"expected a readable NumPy file at {name}, got {' '.join(str(error).split())}: save it again")
