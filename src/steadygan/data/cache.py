"""Cached folders of data, created once, completely or not at all: prepared ones, checked when opened, and downloads."""

from __future__ import annotations

import errno
import json
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from ..errors import InputError, unreachable
from ..places import patient
from .samples import Progress

FORMAT = 1
CARD = "card.json"
BLOCK = 16 * 1024**2  # bytes under one checksum
CHECKED = 1024**3  # bytes up to which every block of a file is checked; of larger ones the first and the last

Card: TypeAlias = dict[str, Any]
Build: TypeAlias = Callable[[Path], Card]


def cached(folder: Path, build: Build, progress: Progress | None = None) -> Card:
    """The card of `folder`, which `build` has filled: now, or on an earlier day, or in another process.

    `build(part)` writes files into an empty folder and returns what the card is to say (plain JSON); `part` becomes
    `folder` in one rename. Raises InputError when the folder cannot be written, and for one that is damaged.
    """
    if not folder.exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)
            try:
                held = lock.acquire(timeout=0)
            except Timeout:
                if progress is not None:
                    progress("waiting for another process that is preparing the same data", 0, 0)
                held = lock.acquire()
            with held:
                if not folder.exists():  # another process was first
                    _make(folder, build)
        except OSError as error:
            raise _unwritable(folder, error) from None
    return _opened(folder)


def _make(folder: Path, build: Build) -> None:
    part = folder.with_name(f"{folder.name}.part")
    try:
        _clear(part)
        part.mkdir()
        card = {**build(part), "format": FORMAT}
        card["files"] = {file.name: [file.stat().st_size, _sums(file)] for file in sorted(part.iterdir())}
        card["check"] = _check(card)
        (part / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
        part.rename(folder)
    except BaseException:  # Ctrl-C among them: nothing is left behind
        shutil.rmtree(part, ignore_errors=True)
        raise


def _clear(mine: Path) -> None:
    """Removes what killed builds left: `mine`, whose lock is held, and all others that nobody is making."""
    for part in mine.parent.glob("*.part"):
        if part == mine:
            shutil.rmtree(part)
            continue
        with suppress(Timeout), _lock(part.with_suffix("")).acquire(timeout=0):
            shutil.rmtree(part, ignore_errors=True)


def _opened(folder: Path) -> Card:
    try:
        card: Card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card.pop("check") != _check(card) or card["format"] != FORMAT:
            raise _damaged(folder, f"another {CARD}")
        for name, (size, sums) in card["files"].items():
            there = (folder / name).stat().st_size
            if there != size:
                raise _damaged(folder, f"{there:,} of {size:,} bytes in {name}")
            if _sums(folder / name) != sums:
                raise _damaged(folder, f"other bytes in {name}")
    except OSError as error:
        raise _damaged(folder, f"{Path(error.filename or CARD).name}: {error.strerror or error}") from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _damaged(folder, f"no readable {CARD}") from None
    return card


def _sums(file: Path) -> list[int]:
    """CRC-32 of each block of a file, of the first and the last block of a large one."""
    size = file.stat().st_size
    starts = range(0, size, BLOCK)
    with file.open("rb") as stream:
        sums = []
        for start in starts if size <= CHECKED else (starts[0], starts[-1]):
            stream.seek(start)
            sums.append(zlib.crc32(stream.read(BLOCK)))
    return sums


def _check(card: Card) -> int:
    return zlib.crc32(json.dumps(card, sort_keys=True).encode())


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _damaged(folder: Path, what: str) -> InputError:
    got = f"{what}: delete that folder to prepare them again"
    return InputError(f"expected the cached images unchanged in {str(folder)!r}, got {got}")


def _unwritable(folder: Path, error: OSError) -> InputError:
    wanted, got, mend = "to write", error.strerror or error, "change its permissions"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        wanted, got, mend = "room for", "a full disk", "make room"
    return InputError(
        f"expected {wanted} the prepared images in {str(folder.parent)!r}, got {got}: "
        f"{mend}, or set STEADYGAN_CACHE to another folder"
    )


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
            temporary = tempfile.TemporaryDirectory(dir=root, prefix=".part-")
            with temporary as folder, redirect_stdout(sys.stderr), patient():  # standard output stays clean
                make(Path(folder))
                (root / part).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, part).replace(root / part)
            if progress is not None:
                progress(doing, 1, 1)
    except (OSError, RuntimeError, EOFError, HTTPException, tarfile.TarError, zlib.error) as error:
        raise InputError(
            f"expected {doing} into {str(root)!r} to succeed, got {unreachable(error)}: {advice}"
        ) from None
