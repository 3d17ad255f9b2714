"""Files that appear complete or not at all: written to a temporary name, then renamed; JSON and NumPy headers."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from .errors import InputError

ELSEWHERE = "free some space or choose another --out"
RESUME = "free some space and continue with --resume"
PART = re.compile(r"\.(.+)\.(\d+)\.part")  # .NAME.PID.part, what is being written beside NAME
DEEPEST = 100  # levels of a JSON file


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

    An existing file is replaced, an empty folder too. A link stays, and what it leads to is replaced; a device or a
    FIFO is written to.
    parents: whether folders above it are made. Raises InputError when the system refuses, for a full disk say.
    """
    with writing(path, advice):
        stream = _streams(path) and not folder
        place = path if stream else _place(path, folder)
    with ExitStack() as stack:
        near = Path(stack.enter_context(TemporaryDirectory()), path.name) if stream else place
        part = stack.enter_context(_part(path, near, advice, parents))
        if folder:
            part.mkdir()
        yield part
        if stream:
            _pour(part, path)
            return
        if folder and place.is_dir():
            place.rmdir()  # refused where something came into it meanwhile
        part.replace(place)


@contextmanager
def added(path: Path) -> Iterator[Path]:
    """A new folder to write files to, which are moved into the folder `path` when the block ends well.

    Other files there stay. Raises InputError as `beside` does, and when `path` is a file.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"expected a folder at {path}, found a file: choose another --out")
    with _part(path, Path(os.path.realpath(path)), ELSEWHERE) as part:
        part.mkdir()
        yield part
        path.mkdir(exist_ok=True)
        moved = [(file, _place(path / file.name)) for file in sorted(part.iterdir())]
        for file, place in moved:
            file.replace(place)


@contextmanager
def _part(path: Path, place: Path, advice: str, parents: bool = True) -> Iterator[Path]:
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    with writing(path, advice):
        try:
            if parents:
                place.parent.mkdir(parents=True, exist_ok=True)
            sweep(place.parent, place.name.__eq__)
            yield part
        finally:
            with suppress(OSError):  # what went wrong before is told, not this
                remove(part)


def _place(path: Path, folder: bool = False) -> Path:
    """What is to be replaced by what is written: `path`, or where a link of this name leads to.

    Raises InputError where something else than a file, or than a folder, is there, OSError where it may not be written.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:  # a link that leads nowhere makes what it names
        return Path(os.path.realpath(path))
    if folder and not stat.S_ISDIR(mode):
        raise InputError(f"expected a new or empty folder at {path}, found a file: choose another --out")
    if not folder and not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a device"
        raise InputError(f"expected a file to write at {path}, found {found}: choose another --out")
    if not folder and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    place = Path(os.path.realpath(path))
    if path.is_symlink() and path.parts[:2] in (("/", "dev"), ("/", "proc")):  # a shell's redirection, half-way in it
        raise InputError(f"expected a file to write, got {path}, a link to {place}: name that file itself")
    return place


def _streams(path: Path) -> bool:
    """Whether it is a terminal, pipe or other thing that takes bytes and keeps no name for them."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _pour(part: Path, path: Path) -> None:
    """Writes what is in `part` to a stream; OSError for a FIFO that nobody reads."""
    out = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(out, "wb") as file, part.open("rb") as written:
        os.set_blocking(out, True)
        shutil.copyfileobj(written, file)


def sweep(folder: Path, own: Callable[[str], object]) -> None:
    """Removes what processes that are gone left half-written beside names for which `own(name)` is true."""
    for part in folder.glob(".*.part"):
        found = PART.fullmatch(part.name)
        if found and own(found[1]) and _gone(int(found[2])):
            with suppress(OSError):
                remove(part)


def _gone(pid: int) -> bool:
    """Whether nobody writes under this number: no process has it, or this one, which has yet to begin."""
    if os.name == "nt" or pid == os.getpid():  # there, signal 0 is Ctrl-C
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def regular(path: Path) -> Path:
    """The path of a file; raises InputError for what reading may wait for without an end, a pipe or device say."""
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "a pipe, socket or device"
        raise InputError(f"expected a file at {path}, found {found}: save its content as a file")
    return path


def json_of(path: Path) -> Any:
    """What a JSON file holds; raises InputError where it cannot be read."""
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
        if max(accumulate(text, lambda depth, c: depth + (c in "[{") - (c in "]}"), initial=0)) > DEEPEST:
            raise RecursionError
        return json.loads(text)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a readable JSON file ({type(error).__name__}): is it a run's?") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises InputError when the file is not one."""
    content = json_of(path)
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
        if not path.is_file():
            return False
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return axes(file) > 2
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    with archive.open(name) as entry:
                        if axes(entry) > 2:
                            return True
    except Exception:  # its reader tells it better
        pass
    return False
