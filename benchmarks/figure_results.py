"""What the papers say that their figures show, and what our runs say of it: docs/results/figures.md.

    python benchmarks/figure_results.py [--runs runs] [--scale full|small] --write

Nothing is trained. A claim of a table is one of a figure that shows both of its rows; rules are those of the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from method_tables import DOCS, END, lines, put

from steadygan.commands.compare import planned_jobs
from steadygan.commands.figure import said_of
from steadygan.commands.job import finished
from steadygan.figures import FIGURES, PaperFigure
from steadygan.runs.folder import RunFolder
from steadygan.runs.records import read_records

NOT_YET = "not trained yet"
SEEDS = 5  # that are looked for, at most
PAGE = DOCS / "results" / "figures.md"


def without_claims(figure: PaperFigure, runs: Path, scale: str) -> str:
    """How well its runs cover their data at the end, where no table compares them."""
    told = []
    for recipe in figure.recipes:
        jobs = [job for job in planned_jobs(recipe, (), scale, SEEDS, None, None, runs) if finished(job)]
        if not jobs:
            return NOT_YET
        told.append(covering([read_records(RunFolder(job.folder).metrics)[-1] for job in jobs]))
    return "; ".join(told)


def covering(ends: Sequence[Mapping[str, float]]) -> str:
    """What the last records of a recipe's seeds say, and the word for it; the rule stands on the page."""
    key = "emptiest_mode" if "modes" in ends[0] else "batch_coverage"
    values = [own[key] for own in ends]
    least, shares = min(values), f"{min(values):.2f} to {max(values):.2f}"
    if key == "emptiest_mode":
        near = [own["high_quality"] for own in ends]
        told = f"the emptiest mode has {shares} of an even share of nearest fakes, within three deviations are "
        told += f"{min(near):.1%} to {max(near):.1%}"
        word = "not reproduced" if least < 0.5 else "reproduced" if min(near) >= 0.5 else "partly"
    else:
        told = f"{shares} of reals have a fake as near as a fifth real"
        word = "not reproduced" if least < 0.5 else "reproduced" if least >= 0.9 else "partly"
    return f"{told}: **{word}** ({len(ends)} seeds)"


def standing(mark: str) -> Iterator[tuple[str, str]]:
    """What the page says of each figure by now."""
    table = PAGE.read_text().partition(mark)[2].partition(END)[0]
    for line in table.splitlines():
        if line.startswith("| `"):
            name, *_, ours = (cell.strip() for cell in line.strip("| ").split(" | "))
            yield name, ours


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as `steadygan figure` was told with --out")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--write", action="store_true", help="put it into docs/results/figures.md")
    given = parser.parse_args()
    mark = "<!-- table: figures -->" if given.scale == "full" else "<!-- table: shorter -->"
    before = dict(standing(mark))
    rows = [["figure", "the paper", "our runs"]]
    for figure in FIGURES.values():
        told = [*map(str, said_of(figure, given.runs, given.scale))] or [
            without_claims(figure, given.runs, given.scale)
        ]
        if told == [NOT_YET]:  # here; what stands on the page came from runs elsewhere
            told = [before.get(f"`{figure.name}`", NOT_YET)]
        if told != [NOT_YET] or given.scale == "full":
            rows.append([f"`{figure.name}`", figure.claim, "; ".join(told)])
    text = lines(rows)
    print(text)
    if given.write:
        put(PAGE, mark, text)


if __name__ == "__main__":
    main()
