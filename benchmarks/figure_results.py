"""What the papers say that their figures show, and what our runs say of it: docs/results/figures.md.

    python benchmarks/figure_results.py [--runs runs] [--scale full|small] --write

Nothing is trained. A claim of a table is one of a figure that shows both of its rows; rules are those of the tables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from method_tables import DOCS, lines, put

from steadygan.commands.compare import planned_jobs
from steadygan.commands.figure import said_of
from steadygan.commands.tables.results import finished
from steadygan.figures import FIGURES, PaperFigure

NOT_YET = "not trained yet"
PAGE = DOCS / "results" / "figures.md"


def without_claims(figure: PaperFigure, runs: Path, scale: str) -> str:
    """Whether its runs are there, where no table compares them."""
    jobs = [planned_jobs(recipe, (), scale, 1, None, None, runs)[0] for recipe in figure.recipes]
    return "trained; no table has its rows, see the picture" if all(map(finished, jobs)) else NOT_YET


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as `steadygan figure` was told with --out")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--write", action="store_true", help="put it into docs/results/figures.md")
    given = parser.parse_args()
    rows = [["figure", "the paper", "our runs"]]
    for figure in FIGURES.values():
        told = [*map(str, said_of(figure, given.runs, given.scale))] or [
            without_claims(figure, given.runs, given.scale)
        ]
        if told != [NOT_YET] or given.scale == "full":
            rows.append([f"`{figure.name}`", figure.claim, "; ".join(told)])
    text = lines(rows)
    print(text)
    if given.write:
        put(PAGE, "<!-- table: figures -->" if given.scale == "full" else "<!-- table: shorter -->", text)


if __name__ == "__main__":
    main()
