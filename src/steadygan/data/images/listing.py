"""The contents of a folder or .zip of images: the names of its files, and how to read one."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ...errors import InputError, one_line
from ...places import reading

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ANNOTATIONS = "val_annotations.txt"  # Tiny ImageNet's classes of its held-out images
RUN_FILES = {"settings.json", "checkpoints"}  # by which the folder of a run is recognised
JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")

Read: TypeAlias = Callable[["Entry"], bytes]
GIB = 1024**3
MIB = 1024**2
LARGEST = 256 * MIB  # bytes of one unpacked file
RATIO = 1000  # of unpacked to packed bytes; more than a photograph ever gives
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path inside, parts joined by /, its bytes, and what changes with its content.

    stamp: in a zip the CRC-32 of the content, in a folder the time of the last change in ns.
    """

    path: str
    size: int
    stamp: int

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and name; images are ordered by them, character by character, on every platform."""
        return tuple(self.path.split("/"))


@dataclass(frozen=True)
class Listing:
    """The images of a folder or zip in order of their paths, files of annotations, and the number of other files."""

    name: str
    images: tuple[Entry, ...]
    annotations: tuple[Entry, ...]
    others: int
    read: Read


def listed(name: str, files: list[Entry], read: Read, skipped: int = 0) -> Listing:
    """The files of a folder or zip `name`, sorted out; `skipped` more were not even looked at."""
    seen = [entry for entry in files if not any(part in JUNK or part.startswith(".") for part in entry.parts)]
    images = [entry for entry in seen if entry.path.lower().endswith(SUFFIXES)]
    annotations = tuple(entry for entry in seen if entry.parts[-1] == ANNOTATIONS)
    others = skipped + len(files) - len(images) - len(annotations)
    return Listing(name, tuple(sorted(images, key=lambda entry: entry.parts)), annotations, others, read)


def opened(path: Path, max_gib: float) -> AbstractContextManager[Listing]:
    """The files of the folder or .zip at `path`, to be read inside a `with`; raises InputError as its parts do."""
    if path.is_dir():
        return nullcontext(of_folder(path))
    if path.suffix.lower() != ".zip":
        raise InputError(f"expected a folder or a .zip of images, or a .npy or .npz, got {path.name!r}: name one")
    return opened_zip(path, max_gib)


def of_folder(folder: Path) -> Listing:
    """The files below `folder`, links followed; folders that begin with a dot and the folders of runs are left out."""
    files, skipped = [], 0
    pending: list[tuple[str, str, tuple[str, ...]]] = [(str(folder), "", (os.path.realpath(folder),))]
    while pending:
        place, inside, above = pending.pop()
        with reading(repr(shown(place))), os.scandir(place) as found:
            items = list(found)
        if inside and {item.name for item in items} >= RUN_FILES:  # pictures of generators are no data
            skipped += 1
            continue
        for item in items:
            path = f"{inside}{item.name}"
            if item.is_dir():
                real = os.path.realpath(item.path)
                if item.name.startswith(".") or item.name in JUNK or real in above:  # a link back would never end
                    skipped += 1
                else:
                    pending.append((item.path, f"{path}/", (*above, real)))
            elif item.is_file():
                status = item.stat()
                files.append(Entry(path, status.st_size, status.st_mtime_ns))
            else:  # a broken link, a socket
                skipped += 1

    def read(entry: Entry) -> bytes:
        place = folder / entry.path
        with reading(repr(shown(str(place)))):
            return place.read_bytes()

    return listed(folder.resolve().name or str(folder), files, read, skipped)


def shown(text: str) -> str:
    """A name from a file as it may stand in one line of a message: nothing unprintable, 120 characters at most."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 120 else f"{text[:58]}...{text[-59:]}"


def by(size: tuple[int, int]) -> str:
    """A size in pixels for a message: width x height."""
    return f"{size[0]:,} x {size[1]:,}"


def several(count: int, thing: str, ending: str = "s") -> str:
    """A number and what it counts: 1 image, 2,000 images."""
    return f"{count:,} {thing}{'' if count == 1 else ending}"


@contextmanager
def opened_zip(path: Path, max_gib: float) -> Iterator[Listing]:
    """The files of the .zip at `path`, to be read inside the `with`.

    Raises InputError for a file that is no whole zip, and for an entry whose name leads elsewhere (absolute, a drive,
    ..), that stands there twice, is encrypted, or unpacks to more than 256 MiB, to more than 1000 times
    its size (above 1 MiB) or, with all the others, to more than `max_gib` GiB.
    """
    name = shown(path.name)
    try:
        with reading(name):
            archive = zipfile.ZipFile(path)
    except InputError:
        raise
    except Exception as error:  # zipfile's and whatever a damaged directory makes of struct and int
        raise InputError(f"expected a whole .zip in {name}, got {_line(error)}: copy or download it again") from None
    with archive:
        members: dict[Entry, zipfile.ZipInfo] = {}
        names: set[str] = set()
        skipped = 0
        for info in archive.infolist():
            entry = _checked(info, name)
            if info.is_dir() or info.orig_filename.endswith("\\"):
                continue
            if stat.S_ISLNK(info.external_attr >> 16):  # its content is a path
                skipped += 1
                continue
            if entry.path in names:
                raise InputError(
                    f"expected each file once in {name}, got {shown(entry.path)} twice: make the zip again"
                )
            names.add(entry.path)
            members[entry] = info
        total = sum(entry.size for entry in members)
        if total > max_gib * GIB:
            largest = max(members, key=lambda entry: entry.size)
            raise InputError(
                f"expected at most {max_gib:g} GiB of unpacked files in {name}, got {_bytes(total)} "
                f"(largest: {shown(largest.path)}, {_bytes(largest.size)}): raise data.max_gib if you trust the zip"
            )

        def read(entry: Entry) -> bytes:
            try:
                return archive.read(members[entry])  # checked by its CRC
            except Exception as error:  # zipfile's, zlib's, lzma's, EOFError
                raise InputError(
                    f"expected {shown(entry.path)} whole in {name}, got {_line(error)}: copy or download the zip again"
                ) from None

        yield listed(path.stem, list(members), read, skipped)


def _checked(info: zipfile.ZipInfo, archive: str) -> Entry:
    raw = info.orig_filename  # as it was written: `filename` is cut at a zero byte and has the platform's separators
    which = f"{shown(raw)!r} of {archive}"
    plain = raw.replace("\\", "/")  # as some programs of Windows write it
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    elsewhere = plain.startswith("/") or "\0" in raw or ".." in parts or re.match("[A-Za-z]:", raw)
    if elsewhere or not parts:
        got = f"{which}: make the zip again without absolute paths, drives and .."
        raise InputError(f"expected names inside the zip, folders divided by /, got {got}")
    if info.flag_bits & 0x1:
        raise InputError(f"expected files without a password, got {which} encrypted: make the zip again without one")
    if info.compress_type not in METHODS:
        raise InputError(
            f"expected files stored or deflated, got {which} by method {info.compress_type}: make the zip again"
        )
    big, advice = f"{which} of {_bytes(info.file_size)}", "leave it out, or unpack the zip and use the folder"
    if info.file_size > LARGEST:
        raise InputError(f"expected files of at most {_bytes(LARGEST)} unpacked, got {big}: {advice}")
    if info.file_size > MIB and info.file_size > RATIO * info.compress_size:
        got = f"{big} in {info.compress_size:,} bytes: {advice}"
        raise InputError(f"expected files packed to at least 1/{RATIO} of their size, got {got}")
    return Entry("/".join(parts), info.file_size, info.CRC)


def _bytes(count: int) -> str:
    unit, of = next(((unit, of) for unit, of in (("GiB", GIB), ("MiB", MIB)) if count >= of), ("bytes", 1))
    return f"{count / of:,.1f} {unit}" if of > 1 and count % of else f"{count // of:,} {unit}"


def _line(error: Exception) -> str:
    return shown(one_line(error))
