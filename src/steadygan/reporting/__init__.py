"""One page about one run or several: a file that opens anywhere, without a network and without steadygan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..files import beside
from ..runs.history import history, run_folders
from .groups import grouped

__all__ = ["report"]

PAGE, MARK = "report.html", "Made by steadygan"


def report(runs: str | Path | Sequence[str | Path], out: str | Path | None = None, real: bool = False) -> Path:
    """Writes one self-contained HTML page about runs, side by side; returns its path.

    runs: the folder of a run, one that holds the runs of several seeds (`seed-0`, `seed-1`, ...), or a list of these;
    runs that differ in their seed alone are drawn as their mean with a band of one standard deviation. out: the page,
    by default `report.html` in the folder of a single run, and in the current folder for several. real: points of
    runs that kept no real ones are drawn over those in the file that their settings name, which is read for that. What
    cannot be read is left out and counted. Raises InputError for a folder without a run or without records, for an
    `out` that is a folder, and for a `report.html` that is no report.
    """
    words = [runs] if isinstance(runs, str | Path) else list(runs)
    if not words:
        raise InputError("expected at least one run to report on, got none: give the folder that train printed")
    path = _place(words, out)
    folders, notes = run_folders(words)
    from .page import render

    with beside(path) as part:
        page = render(grouped([history(folder) for folder in folders]), notes, real=real)
        part.write_text(page, encoding="utf-8")
    return path


def _place(words: Sequence[str | Path], out: str | Path | None) -> Path:
    """Where the page goes; raises InputError for a folder, and for a file that nobody named and that is no page."""
    if out is None:
        path = Path(words[0]).expanduser() / PAGE if len(words) == 1 else Path(PAGE)
        if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"expected no file but an older report at {path}, found another: give --out")
        return path
    path = Path(out).expanduser()
    if path.is_dir():
        raise InputError(f"expected a file for --out, got the folder '{path}': write {path / PAGE}")
    return path
