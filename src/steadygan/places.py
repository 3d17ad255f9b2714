"""Where data sets and their caches are: as the environment says, else in the user's cache folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from .errors import InputError

DATA_VARIABLE = "STEADYGAN_DATA"
CACHE_VARIABLE = "STEADYGAN_CACHE"
PATIENCE = 60.0  # seconds until a server that says nothing counts as out of reach


def cache_folder() -> Path:
    """The folder for what can be made again: STEADYGAN_CACHE, else the platform's cache folder; it need not exist."""
    return _named(CACHE_VARIABLE) or user_cache_path("steadygan")


def data_root() -> Path:
    """The folder that holds data sets: STEADYGAN_DATA, else `data` in the cache folder; it need not exist."""
    return _named(DATA_VARIABLE) or cache_folder() / "data"


def given_place(path: str | Path, wanted: str) -> Path:
    """The path that a user gave for `wanted`, ~ resolved; raises InputError when nothing is there."""
    place = Path(path).expanduser()
    try:
        there = place.exists()
    except (OSError, ValueError):  # no permission on the way there, a name too long, a zero byte
        there = False
    if not there:
        raise InputError(f"expected {wanted} at {str(path)!r}, found nothing there: check the path")
    if not place.is_dir() and not place.is_file():  # reading one may wait for ever
        raise InputError(
            f"expected {wanted} at {str(path)!r}, found a pipe, socket or device: save its content as a file"
        )
    if not os.access(place, os.R_OK | os.X_OK if place.is_dir() else os.R_OK):
        raise InputError(
            f"expected to read {wanted} at {str(path)!r}, got no permission: change the permissions or copy the data"
        )
    return place


@contextmanager
def reading(name: str, advice: str = "check the file") -> Iterator[None]:
    """What the system says against reading the file `name`, as an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"expected to read {name}, got {error.strerror or error}: {advice}") from None


@contextmanager
def patient() -> Iterator[None]:
    """Inside, a server that says nothing is given up after a while."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    if not value:
        return None
    place = Path(value).expanduser()
    if place.exists() and not place.is_dir():
        raise InputError(f"expected {variable} to name a folder, got the file {value!r}: name a folder or unset it")
    return place
