"""Results that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError


@contextmanager
def beside(path: Path, folder: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to; takes its place when the block ends well, and goes when it does not.

    An existing file is replaced, an empty folder too. Raises InputError when the system refuses, for a full disk say.
    """
    with _part(path) as part:
        if folder:
            part.mkdir()
        yield part
        if folder and path.is_dir():
            path.rmdir()  # refused where something came into it meanwhile
        part.replace(path)


@contextmanager
def added(path: Path) -> Iterator[Path]:
    """A new folder to write files to, which are moved into the folder `path` when the block ends well.

    Other files there stay. Raises InputError as `beside` does, and when `path` is a file.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"expected a folder at {path}, found a file: choose another --out")
    with _part(path) as part:
        part.mkdir()
        yield part
        path.mkdir(exist_ok=True)
        for file in sorted(part.iterdir()):
            file.replace(path / file.name)


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}: free some space or choose another --out"
        ) from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # what went wrong before is told, not this
            part.unlink(missing_ok=True)
