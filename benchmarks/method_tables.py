"""Every method on one data set over seeds: trains what is missing, then prints its table of docs/results/methods.md.

    python benchmarks/method_tables.py gaussian [--out runs] [--write]
    python benchmarks/method_tables.py mnist --data PATH

With --write the table goes to the page, and docs/results/methods/strips-SET.png shows the last points of each method's
first seed. For mixtures a second table holds what `steadygan evaluate RUN --against own` says of the networks as they
ended, beside real data.

A run counts as come to an end when it was measured at the last iteration that the set's runs go to; others are counted,
and left out of means.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from finished_runs import Runs, runs_of
from method_figures import sheet

import steadygan as sg
from steadygan.commands.tables.results import SideBySide
from steadygan.errors import EXIT_INPUT, EXIT_INTERRUPTED
from steadygan.quantities import LABELS, counted

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "results" / "methods.md", DOCS / "results" / "methods"
END = "<!-- end -->"
GRADIENT = "largest gradient at G, second half"


class Set(NamedTuple):
    """How a data set's runs are made, and which of their figures are shown."""

    data: str
    words: tuple[str, ...]
    seeds: int
    shown: tuple[tuple[str, str], ...]  # figure, final or best
    judged: tuple[str, ...] = ()  # of what `evaluate` says of the networks at the end
    iterations: int | None = None  # where that is less than the recipes have


def both(*keys: str) -> tuple[tuple[str, str], ...]:
    """Final and best."""
    return tuple((key, kind) for key in keys for kind in ("final", "best"))


def final(*keys: str) -> tuple[tuple[str, str], ...]:
    """As they ended."""
    return tuple((key, "final") for key in keys)


SPREAD = ("precision", "recall", "density", "coverage")
POINTS = (*both("modes", "high_quality"), *final("emptiest_mode", "balance", "energy_distance"))
JUDGED = ("mode_kl", "veegan_modes", "veegan_high_quality", "balance", *SPREAD, "memorised")
IMAGES = (
    *both("modes"),
    *final("emptiest_mode", "mode_kl", "confidence", "class_score"),
    *both("frechet"),
    *final("balance", *SPREAD),
)
SETS = {
    "grid25": Set("grid25", ("grid25/*",), 8, POINTS, JUDGED),
    "ring8": Set("ring8", ("ring8/*",), 8, POINTS, JUDGED),
    "ring8-far": Set("ring8", ("ring8/*", "data.scale=10"), 8, POINTS, JUDGED),
    "gaussian": Set("gaussian", ("gaussian/*",), 8, both("balance", "energy_distance"), iterations=50_000),
    "mnist": Set("mnist", ("mnist/*", "--scale", "small"), 3, IMAGES, iterations=1000),
}


def numbers(runs: Runs, shown: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Every column of the tables but the method's name."""
    cells = {"seeds that came to an end": runs.ended}
    if not runs.results:
        return cells
    figures = SideBySide.of(runs.results).figures(runs.settings.recipe)
    cells |= {heading(key, kind): counted(key, figures[key][kind]) for key, kind in shown}
    late = [[r for r in result.records if r["iteration"] > runs.length / 2] for result in runs.results]
    cells[GRADIENT] = counted("gradient_max", [max(r.get("gradient_max", 0.0) for r in records) for records in late])
    return {label: short(cell) for label, cell in cells.items()}


def heading(key: str, kind: str) -> str:
    """modes, final."""
    return f"{LABELS[key].split(' / ')[0].split(' (')[0]}, {kind}"


def short(cell: str) -> str:
    """6.6e-4 for 6.6e-04."""
    return cell.replace("e-0", "e-").replace("e+0", "e")


def table(found: Mapping[str, Runs], shown: Sequence[tuple[str, str]], pages: Mapping[str, Path]) -> str:
    """One row per method; real data first, where its figures are known."""
    rows = {method: numbers(runs, shown) for method, runs in found.items()}
    labels = max(rows.values(), key=len)
    real = next((runs.results[0].run.reference for runs in found.values() if runs.results), {})
    ideal = {heading(key, kind): short(counted(key, real[key])) for key, kind in shown if key in real}
    named = {"real data": ideal} if ideal else {}
    named |= {link(method, pages): row for method, row in rows.items()}
    filled = [[name, *(row.get(each, "") for each in labels)] for name, row in named.items()]
    return lines([["method", *labels], *filled])


def judged(found: Mapping[str, Runs], keys: Sequence[str], pages: Mapping[str, Path]) -> str:
    """What the evaluator says of the networks at the end, one row per method, real data first."""
    rows, real = [], dict[str, float]()
    for method, runs in found.items():
        every = [sg.evaluate(result.run, "own") for result in runs.results]
        cells = []
        for key in keys:
            values = [each.figures[key] for each in every if key in each.figures]
            cells.append(counted(key, values) if values else "")
        for each in every[:1]:
            real |= each.reference
        rows.append([link(method, pages), *cells])
    kept = [i for i, _ in enumerate(keys) if any(row[i + 1] for row in rows)]
    head = ["", *(LABELS[keys[i]].split(" (")[0] for i in kept)]
    ideal = ["real data", *(counted(keys[i], real[keys[i]]) if keys[i] in real else "" for i in kept)]
    return short(lines([head, ideal, *([row[0], *(row[i + 1] for i in kept)] for row in rows)]))


def lines(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *rest])


def pages_of_methods() -> dict[str, Path]:
    """The page that tells of each method."""
    marked = [*(DOCS / "methods").glob("*.md"), DOCS / "losses.md"]
    return {name: page for page in marked for name in re.findall(r"<!-- results: (\S+) -->", page.read_text("utf-8"))}


def link(method: str, pages: Mapping[str, Path]) -> str:
    """The method's name, on its page where it has one."""
    return f"[{method}]({away(pages[method], PAGE)})" if method in pages else method


def away(target: Path, page: Path) -> str:
    """The way from a page to another file."""
    return Path(os.path.relpath(target, page.parent)).as_posix()


def put(page: Path, begin: str, content: str) -> None:
    """Replaces what stands between `begin` and the next end."""
    before, there, rest = page.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not there or not end:
        raise SystemExit(f"expected {begin} and {END} in {page}, found {'no end' if there else 'neither'}")
    page.write_text(f"{before}{begin}\n\n{content}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="runs are in a folder of the set's name here")
    parser.add_argument("--data", help="as for steadygan train")
    parser.add_argument("--write", action="store_true", help="write page and figure")
    given = parser.parse_args()
    own, folder = SETS[given.set], given.out / given.set
    words = [*own.words, "--seeds", str(own.seeds), "--out", str(folder)]
    words += [] if given.data is None else ["--data", given.data]
    words += [] if own.iterations is None else ["--iterations", str(own.iterations)]
    code = subprocess.run([sys.executable, "-m", "steadygan", "compare", *words], check=False).returncode
    if code in (EXIT_INPUT, EXIT_INTERRUPTED):
        raise SystemExit(code)
    found, pages = runs_of(folder, own.data, own.iterations), pages_of_methods()
    text = table(found, own.shown, pages)
    if own.judged:
        text += f"\n\n{judged(found, own.judged, pages)}"
    print(f"\n{text}")
    if given.write:
        put(PAGE, f"<!-- table: {given.set} -->", text)
        if own.shown is not IMAGES:
            sheet(found, FIGURES / f"strips-{given.set}.png")


if __name__ == "__main__":
    main()
