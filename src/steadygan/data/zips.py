"""A .zip of images, read in place and trusted in nothing: nothing is unpacked to disk."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from .entries import Entry, Listing, listed, shown

GIB = 1024**3
MIB = 1024**2
LARGEST = 256 * MIB  # bytes of one unpacked file
RATIO = 1000  # of unpacked to packed bytes; more than a photograph ever gives
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@contextmanager
def opened_zip(path: Path, max_gib: float) -> Iterator[Listing]:
    """The files of the .zip at `path`, to be read inside the `with`.

    Raises InputError for a file that is no whole zip, and for an entry whose name leads elsewhere (absolute, a drive,
    a backslash, ..), that stands there twice, is encrypted, or unpacks to more than 256 MiB, to more than 1000 times
    its size (above 1 MiB) or, with all the others, to more than `max_gib` GiB.
    """
    name = shown(path.name)
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"expected to read {name}, got {error.strerror or error}: check the file") from None
    except Exception as error:  # zipfile's and whatever a damaged directory makes of struct and int
        raise InputError(f"expected a whole .zip in {name}, got {_line(error)}: copy or download it again") from None
    with archive:
        found: dict[Entry, zipfile.ZipInfo] = {}
        twice: set[str] = set()
        skipped = 0
        for info in archive.infolist():
            entry = _checked(info, name)
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):  # its content is a path
                skipped += 1
                continue
            if entry.path in twice:
                raise InputError(
                    f"expected each file once in {name}, got {shown(entry.path)} twice: make the zip again"
                )
            twice.add(entry.path)
            found[entry] = info
        total = sum(entry.size for entry in found)
        if total > max_gib * GIB:
            largest = max(found, key=lambda entry: entry.size)
            raise InputError(
                f"expected at most {max_gib:g} GiB of unpacked files in {name}, got {_bytes(total)} "
                f"(largest: {shown(largest.path)}, {_bytes(largest.size)}): raise data.max_gib if you trust the zip"
            )

        def read(entry: Entry, most: int | None = None) -> bytes:
            try:
                with archive.open(found[entry]) as stream:
                    return stream.read() if most is None else stream.read(most)  # whole: checked by its CRC
            except Exception as error:  # zipfile's, zlib's, lzma's, EOFError
                raise InputError(
                    f"expected {shown(entry.path)} whole in {name}, got {_line(error)}: copy or download the zip again"
                ) from None

        yield listed(path.stem, list(found), read, skipped)


def _checked(info: zipfile.ZipInfo, archive: str) -> Entry:
    raw = info.orig_filename  # as it was written: `filename` is cut at a zero byte and has the platform's separators
    which = f"{shown(raw)!r} of {archive}"
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    elsewhere = raw.startswith("/") or "\\" in raw or "\0" in raw or ".." in parts or re.match("[A-Za-z]:", raw)
    if elsewhere or not parts:
        raise InputError(
            f"expected names inside the zip, folders divided by /, got {which}: "
            "make the zip again without absolute paths, drives, backslashes and .."
        )
    if info.flag_bits & 0x1:
        raise InputError(f"expected files without a password, got {which} encrypted: make the zip again without one")
    if info.compress_type not in METHODS:
        raise InputError(
            f"expected files stored or deflated, got {which} by method {info.compress_type}: make the zip again"
        )
    if info.file_size > LARGEST:
        raise InputError(
            f"expected files of at most {_bytes(LARGEST)} unpacked, got {which} of {_bytes(info.file_size)}: "
            "leave it out, or unpack the zip and give the folder"
        )
    if info.file_size > MIB and info.file_size > RATIO * info.compress_size:
        raise InputError(
            f"expected files packed to at least 1/{RATIO} of their size, got {which} of {_bytes(info.file_size)} "
            f"in {info.compress_size:,} bytes: leave it out, or unpack the zip and give the folder"
        )
    return Entry("/".join(parts), info.file_size, info.CRC)


def _bytes(count: int) -> str:
    unit, of = next(((unit, of) for unit, of in (("GiB", GIB), ("MiB", MIB)) if count >= of), ("bytes", 1))
    return f"{count / of:,.1f} {unit}" if of > 1 and count % of else f"{count // of:,} {unit}"


def _line(error: Exception) -> str:
    return shown(" ".join(str(error).split()) or type(error).__name__)
