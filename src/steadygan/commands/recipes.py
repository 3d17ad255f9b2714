"""`steadygan recipes`: what can be trained by name."""

from __future__ import annotations

from ..errors import unknown
from ..recipes import RECIPES, Recipe
from .console import stdout


def recipes(paper: str | None) -> int:
    """Lists the recipes, or those that follow one paper."""
    papers = {entry.paper for entry in RECIPES.values()}
    if paper is not None and paper not in papers:
        raise unknown("paper", paper, papers)
    entries = [entry for entry in RECIPES.values() if paper in (None, entry.paper)]
    console = stdout()
    if not console.is_terminal:
        for entry in entries:
            print(f"{entry.name:<21}{lengths(entry):>15}  {entry.text} [{entry.paper}]")
        return 0
    from rich.table import Table

    table = Table("recipe", "what it is", "paper", title_justify="left")
    table.add_column("iterations", justify="right")
    for entry in entries:
        table.add_row(entry.name, entry.text, entry.paper, lengths(entry))
    console.print(table)
    console.print("two numbers: in full, and with --scale small, for two cores")
    console.print("train one with: steadygan train RECIPE; its settings: steadygan train RECIPE --dry-run")
    return 0


def lengths(entry: Recipe) -> str:
    """Iterations in full, and those of the small scale where there is one."""
    full = f"{entry().horizon:,}"
    return full if entry.small is None else f"{full} / {entry(scale='small').horizon:,}"
