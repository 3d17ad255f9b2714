"""`steadygan report`: one page about one run or several, as a file or followed while they train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .console import stdout


def report(runs: Sequence[Path], out: Path | None, follow: bool = False, port: int | None = None) -> int:
    """Writes the page and says where it is; or serves it until it is told to stop."""
    if follow:
        return _follow(runs, out, port)
    if port is not None:
        raise InputError(f"expected --follow beside --port, got --port {port} alone: add --follow, or leave it out")
    from ..reporting import report as write

    stdout().print(f"report: {write(runs, out)}")
    return 0


def _follow(runs: Sequence[Path], out: Path | None, port: int | None) -> int:
    if out is not None:
        raise InputError(
            f"expected no --out beside --follow, which writes no file, got {out}: write it without --follow, also "
            "while the run is followed"
        )
    from ..reporting.live import PORT, follow

    follow(runs, PORT if port is None else port, stdout().print)
    return 0
