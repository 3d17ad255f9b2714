"""What the papers say that their figures show, and what our runs say of it: docs/results/figures.md.

    python benchmarks/figure_results.py [--runs runs] [--scale full] --write

Nothing is trained. A claim of a table is one of a figure that shows both of its rows; rules are those of the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from method_tables import DOCS, lines, put

from steadygan.commands.compare import planned_jobs
from steadygan.commands.console import new_console
from steadygan.commands.tables.standing import Standing
from steadygan.figures import FIGURES, PaperFigure
from steadygan.recipes.papers import TABLES

LEAST = 3  # seeds that are looked for, where the figure draws one
PAGE = DOCS / "results" / "figures.md"


def claims(figure: PaperFigure, runs: Path, scale: str) -> Iterator[str]:
    """What became of each claim whose rows the figure shows, where both have runs."""
    seeds = max(figure.seeds, LEAST)
    for table in TABLES.values():
        shown = [row for row in table.rows if table.recipe(row) in figure.recipes]
        planned = {row.name: planned_jobs(table.recipe(row), (), scale, seeds, None, None, runs) for row in shown}
        standing = Standing.of(table, scale, planned, 0, new_console(errors=True))
        for claim, _, effect, word in standing.claims():
            if effect is not None:
                least = min(len(standing.runs[name]) for name in (claim.better, claim.worse))
                yield f"{claim.text}: {100 * effect:+.0f} %, **{word}** ({least} seeds)"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as `steadygan figure` was told with --out")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--write", action="store_true", help="put it into docs/results/figures.md")
    given = parser.parse_args()
    rows = [["figure", "the paper", "our runs"]]
    for figure in FIGURES.values():
        told = [*claims(figure, given.runs, given.scale)] or ["not trained yet"]
        rows.append([f"`{figure.name}`", figure.claim, "; ".join(told)])
    text = lines(rows)
    print(text)
    if given.write:
        put(PAGE, "<!-- table: figures -->", text)


if __name__ == "__main__":
    main()
