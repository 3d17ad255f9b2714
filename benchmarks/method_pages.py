"""Every method beside nsgan on two sets of points: the blocks `<!-- results: METHOD -->` of the methods' pages.

    python benchmarks/method_tables.py grid25
    python benchmarks/method_tables.py ring8-far
    python benchmarks/method_pages.py [--runs runs]

writes each page's block from the finished runs, and draws its curves, docs/results/methods/METHOD.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from finished_runs import Runs, runs_of
from method_figures import BASE, draw
from method_tables import DOCS, FIGURES, PAGE, POINTS, SETS, away, lines, numbers, pages_of_methods, put

from steadygan.recipes.variants import VARIANTS

SHOWN = ("grid25", "ring8-far")


def block(method: str, found: Mapping[str, Mapping[str, Runs]], page: Path) -> str:
    """The method beside nsgan on each set where both were trained: commands, table, figure."""
    pairs = {data: [own[name] for name in (BASE, method)] for data, own in found.items()}
    commands, lengths, columns = [], [], {}
    for data, pair in pairs.items():
        commands.append(command(pair))
        lengths.append(f"{pair[0].length:,} iterations on {data}")
        columns |= {f"{data}, {runs.method}": numbers(runs, POINTS) for runs in pair}
    labels = max(columns.values(), key=len)
    rows = [["", *columns], *([label, *(own.get(label, "") for own in columns.values())] for label in labels)]
    first = next(iter(pairs.values()))[0].settings
    n, weights = f"n = {first.evaluate.n:,}", "live weights" if first.ema is None else "EMA"
    return "\n\n".join(
        [
            "```bash\n" + "\n".join(commands) + "\n```",
            f"Mean ± standard deviation over the seeds; {' and '.join(lengths)}, {n}, {weights};\n"
            f"protocol and [results of every method]({away(PAGE, page)}).",
            lines(rows),
            f"![{method} beside {BASE}: means over the seeds, bands of one standard deviation]"
            f"({away(FIGURES / f'{method}.png', page)})",
        ]
    )


def command(pair: Sequence[Runs]) -> str:
    """What trains these runs."""
    words = [runs.settings.recipe for runs in pair] + pair[0].changes() + ["--seeds", str(pair[0].seeds)]
    if pair[0].length != pair[0].settings.horizon:
        words += ["--iterations", str(pair[0].length)]
    return " ".join(["steadygan compare", *words])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as method_tables.py was told with --out")
    given = parser.parse_args()
    found = {SETS[name].data: runs_of(given.runs / name, SETS[name].data) for name in SHOWN}
    pages = pages_of_methods()
    for method in [name for name in VARIANTS if name in pages]:
        both = {data: own for data, own in found.items() if {BASE, method} <= own.keys()}
        if both:
            draw(method, both, FIGURES / f"{method}.png")
            put(pages[method], f"<!-- results: {method} -->", block(method, both, pages[method]))
            print(f"wrote {pages[method].relative_to(DOCS)}: {method}", flush=True)


if __name__ == "__main__":
    main()
