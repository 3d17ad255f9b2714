"""The latest page of runs that may still train: made anew once their files have changed, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import NamedTuple

from ..errors import InputError
from ..runs.settings import NAME as SETTINGS
from .folders import METRICS, awaited
from .gather import gather
from .groups import grouped

PAUSE = 5.0  # seconds from one page to the next at least
SHARE = 0.1  # of the time, at most, that making pages takes: the run needs the machine
FILES = (METRICS, SETTINGS, "log.txt", "timing.jsonl")
FOLDERS = ("samples", "checkpoints")


class Page(NamedTuple):
    """A page, and what tells it from the one before; `note` says why there is no newer one."""

    state: str
    html: bytes
    note: str = ""


class Latest:
    """The page of some runs, as new as it may be; any thread may ask for it.

    Raises InputError where `words` name a folder that does not exist or holds something else than runs.
    """

    def __init__(self, words: Sequence[str | Path], clock: Callable[[], float] = monotonic) -> None:
        from .page import waiting

        self.words, self._clock = words, clock
        self._lock = Lock()
        self._had_records = False
        self._page = Page("", waiting(awaited(words), "").encode())
        self._renew()
        self._due = clock() + PAUSE  # imports took most of the first one's time

    def page(self) -> Page:
        """The page, made anew first if it is time to; where that fails the last good one."""
        with self._lock:
            began = self._clock()
            if began >= self._due and self._renew():
                ended = self._clock()
                self._due = ended + max(PAUSE, (ended - began) / SHARE)
            return self._page

    def close(self, patience: float = 10.0) -> None:
        """Makes no further page: none is half made, in a thread of its own, while the interpreter ends."""
        self._lock.acquire(timeout=patience)

    def _renew(self) -> bool:
        """Whether a page was tried: not where no file has changed."""
        try:
            folders = awaited(self.words)
            state = _state(folders)
            if state == self._page.state:
                self._page = self._page._replace(note="")
                return False
            self._page = Page(state, self._made(folders, state).encode())
        except Exception as error:  # a half-written file raises whatever its bytes lead to
            told = " ".join(f"{type(error).__name__}: {error}".split())
            self._page = self._page._replace(note=f"No newer page could be made yet ({told}).")
        return True

    def _made(self, folders: Sequence[Path], state: str) -> str:
        from .page import render, waiting

        runs, without = [], []
        for folder in folders:
            try:
                runs.append(gather(folder))
            except (InputError, FileNotFoundError):
                without.append(folder)
        if not runs and self._had_records:
            raise InputError(f"expected records in '{folders[0]}', found none any more")
        if not runs:
            return waiting(folders, state)
        self._had_records = True
        return render(grouped(runs), [f"{folder} is left out: it holds no records yet" for folder in without], state)


def _state(folders: Sequence[Path]) -> str:
    """A word that is another one when a file came, went, grew or was written anew."""
    stamps = [(str(path), *_stamp(path)) for folder in folders for path in _files(folder)]
    return blake2b(repr(stamps).encode(), digest_size=8).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in FILES)
    for name in FOLDERS:
        inner = folder / name
        if inner.is_dir():
            yield from sorted(path for path in inner.iterdir() if path.suffix != ".tmp")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:  # not yet, or no longer
        return -1, -1
    return found.st_size, found.st_mtime_ns
