"""The theory of the papers, checked by running it: statements, their predictions, measurements, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .catalogue import STATEMENTS, statements
from .statement import Checked, Reading, Statement, found

__all__ = ["STATEMENTS", "Checked", "Reading", "Statement", "check", "markdown", "statements", "write"]


def check(names: str | Sequence[str] = ()) -> list[Checked]:
    """Checks statements by name, paper or pattern; all of them if none is given.

    Raises InputError for an unknown name.
    """
    return [statement.check() for statement in statements([names] if isinstance(names, str) else names)]


def markdown(checked: Sequence[Checked]) -> str:
    """The text of `docs/theory.md` for these statements."""
    return "\n".join(found("page.markdown")(checked))


def write(checked: Sequence[Checked], out: str | Path) -> list[Path]:
    """Writes one self-contained HTML page and its figures as pictures into a folder; returns their paths.

    out: a new or empty folder, or one with an older page. Raises InputError if it contains anything else.
    """
    paths: list[Path] = found("page.written")(checked, free_folder(out))
    return paths


def free_folder(out: str | Path) -> Path:
    """The folder if it is new, empty or holds an older page; raises InputError otherwise."""
    path = Path(out).expanduser()
    if path.exists() and not path.is_dir():
        raise InputError(f"expected a folder for --out, got the file '{path}': choose another --out")
    others = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
    if others and "theory.html" not in others:
        raise InputError(
            f"expected a new or empty folder, or one of an older page, for --out, found {others[0]!r} in '{path}': "
            "choose another --out"
        )
    return path
