"""What a folder or a .zip of images holds: the names of its files, and how one of them is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ANNOTATIONS = "val_annotations.txt"  # Tiny ImageNet's classes of its held-out images
RUN_FILES = {"settings.json", "checkpoints"}  # what tells the folder of a run
JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")

Read: TypeAlias = Callable[["Entry", int | None], bytes]  # the first so many bytes of a file; None: all


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


@contextmanager
def opened(path: Path, max_gib: float) -> Iterator[Listing]:
    """The files of the folder or .zip at `path`, to be read inside the `with`; raises InputError as its parts do."""
    if path.is_dir():
        yield of_folder(path)
        return
    if path.suffix.lower() != ".zip":
        raise InputError(
            f"expected a folder or a .zip of images, or a .npy or .npz, got {path.name!r}: give one of these"
        )
    from .zips import opened_zip

    with opened_zip(path, max_gib) as listing:
        yield listing


def of_folder(folder: Path) -> Listing:
    """The files below `folder`, links followed; folders that begin with a dot and the folders of runs are left out."""
    files, skipped = [], 0
    pending: list[tuple[str, str, tuple[str, ...]]] = [(str(folder), "", (os.path.realpath(folder),))]
    while pending:
        place, inside, above = pending.pop()
        try:
            with os.scandir(place) as found:
                items = list(found)
        except OSError as error:
            raise _unreadable(place, error) from None
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

    def read(entry: Entry, most: int | None = None) -> bytes:
        place = folder / entry.path
        try:
            with place.open("rb") as stream:
                return stream.read() if most is None else stream.read(most)
        except OSError as error:
            raise _unreadable(str(place), error) from None

    return listed(folder.resolve().name or str(folder), files, read, skipped)


def shown(text: str) -> str:
    """A name from a file as it may stand in one line of a message: nothing unprintable, 120 characters at most."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 120 else f"{text[:58]}...{text[-59:]}"


def several(count: int, thing: str) -> str:
    """A number and what it counts: 1 image, 2,000 images."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _unreadable(place: str, error: OSError) -> InputError:
    return InputError(
        f"expected to read {shown(place)!r}, got {error.strerror or error}: check the file and its rights"
    )
