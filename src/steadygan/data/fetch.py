"""Downloads and unpacks a data set once: whole or not at all, whichever process comes first."""

from __future__ import annotations

import contextlib
import socket
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from ..errors import InputError, one_line
from .samples import Progress

PATIENCE = 60.0  # seconds until a server that says nothing counts as out of reach


def fetch(
    root: Path,
    part: str,
    make: Callable[[Path], object],
    advice: str,
    doing: str,
    progress: Progress | None = None,
) -> None:
    """Makes the folder `root/part`, by `make(folder)`, which leaves it in `folder/part`, unless it is there already.

    A folder beside the target takes what comes, so that a broken download leaves nothing behind; one process works,
    the others wait. What `make` prints goes to the error stream. doing: such as "downloading MNIST".
    Raises InputError when it fails: `advice` is what to do instead.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{part.replace('/', '-')}.lock"):
            if (root / part).is_dir() and any((root / part).iterdir()):
                return
            if progress is not None:
                progress(doing, 0, 1)
            with tempfile.TemporaryDirectory(dir=root, prefix=".part-") as folder, _quietly():
                make(Path(folder))
                (root / part).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, part).replace(root / part)
            if progress is not None:
                progress(doing, 1, 1)
    except (OSError, RuntimeError, EOFError, HTTPException, tarfile.TarError, zlib.error) as error:
        raise InputError(f"expected {doing} into {str(root)!r} to work, got {one_line(error)}: {advice}") from None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Standard output stays clean, and a silent server is given up after a while."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
