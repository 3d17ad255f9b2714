"""Files that appear whole or not at all: written beside their place, then renamed; JSON and NumPy headers read."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import InputError

ELSEWHERE = "free some space or choose another --out"
RESUME = "free some space and go on with --resume"


@contextmanager
def writing(path: Path, advice: str = RESUME) -> Iterator[None]:
    """Turns the system's refusal to write `path` into an InputError, also one that a library covered with its own."""
    try:
        yield
    except Exception as error:
        refusal: BaseException | None = error
        while refusal is not None and not isinstance(refusal, OSError):
            refusal = refusal.__context__
        if refusal is None or isinstance(error, InputError):
            raise
        raise InputError(f"cannot write {path}: {refusal.strerror or refusal}: {advice}") from error


@contextmanager
def beside(path: Path, folder: bool = False, advice: str = ELSEWHERE, parents: bool = True) -> Iterator[Path]:
    """A name beside `path` to write to; takes its place when the block ends well, and goes when it does not.

    An existing file is replaced, an empty folder too.
    parents: whether folders above it are made. Raises InputError when the system refuses, for a full disk say.
    """
    with _part(path, advice, parents) as part:
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
    with _part(path, ELSEWHERE) as part:
        part.mkdir()
        yield part
        path.mkdir(exist_ok=True)
        for file in sorted(part.iterdir()):
            file.replace(path / file.name)


@contextmanager
def _part(path: Path, advice: str, parents: bool = True) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path, advice):
        try:
            if parents:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield part
        finally:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            with suppress(OSError):  # what went wrong before is told, not this
                part.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises InputError when the file is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a readable JSON file ({type(error).__name__}): is it a run's?") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} should hold a JSON object, but holds {type(content).__name__}")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON object in one piece."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one piece; raises InputError when it cannot."""
    with beside(path, advice=RESUME, parents=False) as part:
        part.write_text(text, encoding="utf-8")


def holds_images(path: Path) -> bool:
    """Whether a .npy or .npz has an array of three axes or more, by its header: NumPy takes a tenth of a second."""
    import zipfile  # slow, and asked for only when a user's own file is named

    def axes(stream: IO[bytes]) -> int:
        version = stream.read(8)[6]  # after the mark
        size = int.from_bytes(stream.read(2 if version == 1 else 4), "little")
        return len(ast.literal_eval(stream.read(min(size, 10_000)).decode("latin1"))["shape"])

    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return axes(file) > 2
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    with archive.open(name) as entry:
                        if axes(entry) > 2:
                            return True
    except (OSError, ValueError, LookupError, TypeError, SyntaxError, zipfile.BadZipFile):  # its reader tells it better
        pass
    return False
