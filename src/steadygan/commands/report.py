"""`steadygan report`: one page about one run or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .console import stdout


def report(runs: Sequence[Path], out: Path | None) -> int:
    """Writes the page, and says where it is."""
    from ..reporting import report as write

    stdout().print(f"report: {write(runs, out)}")
    return 0
