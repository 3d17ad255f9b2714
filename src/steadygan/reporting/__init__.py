"""One page about one run or several: a file that opens anywhere, without a network and without steadygan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import beside
from ..runs.folder import RunFolder
from ..runs.history import RunHistory, history, loop_history, measured, run_folders
from ..runs.records import records, records_of
from .groups import grouped

if TYPE_CHECKING:
    from ..diagnostics.monitor import CollapseMonitor

__all__ = ["report"]

PAGE, MARK = "report.html", "Made by steadygan"
RECORDS = (".jsonl", ".json")  # files of a monitor's records


def report(
    runs: str | Path | CollapseMonitor | Sequence[str | Path | CollapseMonitor],
    out: str | Path | None = None,
    real: bool = False,
) -> Path:
    """Writes one self-contained HTML page about runs, side by side; returns its path.

    runs: the folder of a run; a folder with the runs of several seeds (`seed-0`, `seed-1`, ...); a loop of your own (a
    `CollapseMonitor` with its records, the folder given as its `out`, or a file of its records, .jsonl or a list as
    .json); or a list of these. Runs that differ only in their seed are drawn as their mean with a band of one standard
    deviation. out: the page, by default `report.html` in the folder of a single run, otherwise in the current folder.
    real: for runs that saved no real points, read the data file named in their settings and draw its points. Whatever
    cannot be read is left out and counted. Raises InputError for a folder without a run or without records, for an
    `out` that is a folder, and for a `report.html` that is not a report.
    """
    told = [*runs] if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    if not told:
        raise InputError("expected at least one run to report on, got none: use the folder that train printed")
    words = [_named(each) if isinstance(each, str | Path) else _folder(each) for each in told]
    path = _place(words, out)
    found: list[RunHistory] = []
    folders: list[str | Path] = []
    for each, word in zip(told, words, strict=True):
        if not isinstance(each, str | Path) and word is None:
            found.append(loop_history(Path("loop"), records_of(each.records, "the monitor"), each.loss.equilibrium))
        elif word is not None and (file := _records(word)) is not None:
            found.append(loop_history(file, records(file)))
        elif word is not None:
            folders.append(word)
    known, notes = run_folders(folders)
    from .page import render

    with beside(path) as part:
        page = render(grouped([*map(history, known), *found]), notes, real=real)
        part.write_text(page, encoding="utf-8")
    return path


def _folder(monitor: CollapseMonitor) -> Path | None:
    """Where a monitor keeps its records, once it has any; None where it keeps them in memory alone."""
    if not hasattr(monitor, "records"):
        raise InputError(f"expected runs as folders, files or a CollapseMonitor, got {monitor!r}: give one of these")
    folder = monitor.out.folder
    return folder.path if folder is not None and measured(folder.path) else None


def _named(word: str | Path) -> str | Path:
    """The word, or the folder of a run whose metrics.jsonl is named: it holds more."""
    path = Path(word).expanduser()
    return path.parent if path.is_file() and path == RunFolder(path.parent).metrics else word


def _records(word: str | Path) -> Path | None:
    """The file of a monitor's records that is meant; None for anything else."""
    path = Path(word).expanduser()
    return path if path.suffix in RECORDS and path.is_file() else None


def _place(words: Sequence[str | Path | None], out: str | Path | None) -> Path:
    """Where the page goes; raises InputError for a folder, and for a file that nobody named and that is no page."""
    if out is None:
        lone = words[0] if len(words) == 1 else None
        path = Path(PAGE) if lone is None or _records(lone) is not None else Path(lone).expanduser() / PAGE
        if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"expected an older report or no file at {path}, got another file: give --out")
        return path
    path = Path(out).expanduser()
    if path.is_dir():
        raise InputError(f"expected a file for --out, got the folder '{path}': write {path / PAGE}")
    return path
