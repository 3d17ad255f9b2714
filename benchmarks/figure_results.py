"""What the papers say that their figures show, and what our runs say of it: docs/results/figures.md.

    python benchmarks/figure_results.py [--runs runs] [--scale full] --write

Nothing is trained. A claim of a table is one of a figure that shows both of its rows; rules are those of the tables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from method_tables import DOCS, lines, put

from steadygan.commands.figure import said_of
from steadygan.figures import FIGURES

PAGE = DOCS / "results" / "figures.md"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as `steadygan figure` was told with --out")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--write", action="store_true", help="put it into docs/results/figures.md")
    given = parser.parse_args()
    rows = [["figure", "the paper", "our runs"]]
    for figure in FIGURES.values():
        told = [*map(str, said_of(figure, given.runs, given.scale))] or ["not trained yet"]
        rows.append([f"`{figure.name}`", figure.claim, "; ".join(told)])
    text = lines(rows)
    print(text)
    if given.write:
        put(PAGE, "<!-- table: figures -->", text)


if __name__ == "__main__":
    main()
