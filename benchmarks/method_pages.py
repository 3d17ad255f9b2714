"""What every method made of two sets of points, from finished runs: the tables and figures of the documentation.

    steadygan compare 'grid25/*' --seeds 8 --out runs/near
    steadygan compare 'ring8/*' data.scale=10 --seeds 8 --out runs/far
    python benchmarks/method_pages.py runs/near runs/far [--write]

prints the tables of docs/results/methods.md. With --write it puts them there, fills every block
`<!-- results: METHOD -->` of the pages, and draws docs/results/methods: METHOD.png, curves beside nsgan's, and
strips-SET.png, the last samples of each method's first seed.

A second table holds what `steadygan evaluate RUN --against own` says of the networks as they ended, beside real data.

A run counts as come to an end when it was measured at the last iteration that any run of its set reached; others are
counted, and left out of means and curves.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import steadygan as sg
from steadygan.commands.compare import Result, finished
from steadygan.commands.console import LABELS, figure
from steadygan.commands.seeds import Job
from steadygan.commands.side_by_side import Over, SideBySide
from steadygan.config import Settings, difference, saved
from steadygan.engine.folder import RunFolder, read_records
from steadygan.recipes import RECIPES
from steadygan.recipes.build import source
from steadygan.recipes.variants import VARIANTS
from steadygan.thresholds import DEAD_GRADIENT
from steadygan.viz.canvas import CYCLE, canvas, iteration_axis
from steadygan.viz.curves import QUALITY, WHY, Quantity, draw_quantity
from steadygan.viz.lines import SMOOTH_FROM
from steadygan.viz.marks import draw_clouds, share_outside, view
from steadygan.viz.series import Series, running, series

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "results" / "methods.md", DOCS / "results" / "methods"
SETS = ("grid25", "ring8")
BASE = "nsgan"
END = "<!-- end -->"
PANELS = (*QUALITY[:3], *WHY)  # modes, high quality, emptiest mode; D loss, G loss, largest gradient
COLUMNS = 3
SHOWN = (
    *((key, kind) for key in ("modes", "high_quality") for kind in ("final", "best")),
    *((key, "final") for key in ("emptiest_mode", "balance", "energy_distance")),
)
JUDGED = (
    *("mode_kl", "veegan_modes", "veegan_high_quality", "balance"),
    *("precision", "recall", "density", "coverage", "memorised"),
)
POINTS = 1000  # real ones behind a sheet's samples
Floats = NDArray[np.float64]


class Runs(NamedTuple):
    """All runs of one method on one set of points, at least one."""

    method: str
    settings: Settings  # of its first seed
    first: Path  # the folder of that seed
    results: list[Result]  # of those that came to an end
    stopped: list[str]  # why the others did not
    length: int

    @property
    def seeds(self) -> int:
        return len(self.results) + len(self.stopped)

    @property
    def ended(self) -> str:
        """8 of 8, or 6 of 8 (2 not finite)."""
        reasons = [f"{self.stopped.count(why)} {why}" for why in dict.fromkeys(self.stopped)]
        return f"{len(self.results)} of {self.seeds}" + (f" ({', '.join(reasons)})" if reasons else "")

    def changes(self) -> list[str]:
        """What the runs have of their own, as the command line says it."""
        recipe = RECIPES[self.settings.recipe](self.settings.seed, self.settings.scale)
        differing = [(key, new) for key, _, new in difference(recipe, self.settings)]
        return [f"{key}={new:g}" if isinstance(new, float) else f"{key}={new}" for key, new in differing]


def runs_of(root: Path, data: str) -> dict[str, Runs]:
    """The runs of every method on this set, in the order of the recipes; raises SystemExit where there are none."""
    folders = {method: [*(root / f"{data}-{method}").glob("seed-*")] for method in VARIANTS}
    begun = [folder for own in folders.values() for folder in own if (folder / "metrics.jsonl").exists()]
    if not begun:
        raise SystemExit(f"expected runs {root}/{data}-METHOD/seed-N, found none: check the folder")
    length = max(int(read_records(RunFolder(folder).metrics)[-1]["iteration"]) for folder in begun)
    found = {}
    for method, own in folders.items():
        jobs = [Job(settings, folder, length) for folder in own if (settings := saved(folder)) is not None]
        jobs.sort(key=lambda job: job.settings.seed)
        if jobs:
            results = [Result.of(job, sg.load(job.folder, device="cpu")) for job in jobs if finished(job)]
            others = [job.folder for job in jobs if not finished(job)]
            stopped = ["not finite" if any(each.glob("non_finite_*.pt")) else "unfinished" for each in others]
            found[method] = Runs(method, jobs[0].settings, jobs[0].folder, results, stopped, length)
    return found


def numbers(runs: Runs) -> dict[str, str]:
    """Every column of the tables but the method's name."""
    cells = {"seeds that came to an end": runs.ended}
    if not runs.results:
        return cells
    figures = SideBySide.of(runs.results).figures(runs.settings.recipe)
    for key, kind in SHOWN:
        cells[f"{LABELS[key].split(' / ')[0].split(' (')[0]}, {kind}"] = figures[key][kind].shown(key, None)
    late = [[r for r in result.records if r["iteration"] > runs.length / 2] for result in runs.results]
    peaks = Over(tuple(max(r.get("gradient_max", 0.0) for r in records) for records in late))
    cells["largest gradient at G, second half"] = peaks.shown("gradient_max", None)
    return {label: cell.replace("e-0", "e-").replace("e+0", "e") for label, cell in cells.items()}


def judged(found: Mapping[str, Runs], pages: Mapping[str, Path]) -> str:
    """What the evaluator says of the networks at the end, one row per method, real data first."""
    rows, real = [], dict[str, float]()
    for method, runs in found.items():
        every = [sg.evaluate(result.run, "own") for result in runs.results]
        cells = []
        for key in JUDGED:
            over = Over(tuple(each.figures[key] for each in every if key in each.figures))
            cells.append(over.shown(key, None) if over.values else "")
        for each in every[:1]:
            real |= each.reference
        rows.append([f"[{method}]({away(pages[method], PAGE)})" if method in pages else method, *cells])
    kept = [i for i, _ in enumerate(JUDGED) if any(row[i + 1] for row in rows)]
    head = ["", *(LABELS[JUDGED[i]].split(" (")[0] for i in kept)]
    ideal = ["real data", *(figure(JUDGED[i], real[JUDGED[i]]) if JUDGED[i] in real else "" for i in kept)]
    return lines([head, ideal, *([row[0], *(row[i + 1] for i in kept)] for row in rows)]).replace("e-0", "e-")


def lines(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *rest])


def table(found: Mapping[str, Runs], pages: Mapping[str, Path]) -> str:
    """One row per method."""
    rows = {method: numbers(runs) for method, runs in found.items()}
    labels = max(rows.values(), key=len)
    shown = [["method", *labels]]
    for method, row in rows.items():
        link = f"[{method}]({away(pages[method], PAGE)})" if method in pages else method
        shown.append([link, *(row.get(label, "") for label in labels)])
    return lines(shown)


def block(method: str, found: Mapping[str, Mapping[str, Runs]], page: Path) -> str:
    """The method beside nsgan on each set where both were trained: commands, table, figure."""
    pairs = {data: [own[name] for name in (BASE, method)] for data, own in found.items()}
    commands, lengths, columns = [], [], {}
    for data, pair in pairs.items():
        commands.append(command(pair))
        lengths.append(f"{pair[0].length:,} iterations on {data}")
        columns |= {f"{data}, {runs.method}": numbers(runs) for runs in pair}
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


def band(results: Sequence[Result], quantity: Quantity) -> tuple[Series, Floats, Floats]:
    """The mean over the seeds, and one standard deviation below and above it; of the logarithm on a log axis."""
    curves = [series(result.records, quantity.key) for result in results]
    at = np.unique(np.concatenate([curve.iteration for curve in curves]))
    values = np.full((len(curves), len(at)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[np.searchsorted(at, curve.iteration)] = curve.value
    at, values = at[np.isfinite(values).any(0)], values[:, np.isfinite(values).any(0)]
    logarithmic = quantity.kind == "log"
    if logarithmic:
        values = np.log10(np.maximum(values, DEAD_GRADIENT))
    mean, std = np.nanmean(values, 0), np.nanstd(values, 0, ddof=min(1, len(curves) - 1))
    low, high = mean - std, mean + std
    if len(at) >= SMOOTH_FROM:  # as the line is
        low, high = (running(np.mean, edge, max(5, len(at) // 30)) for edge in (low, high))
    if logarithmic:
        mean, low, high = 10.0**mean, 10.0**low, 10.0**high
    return Series(at, mean), low, high


def draw(method: str, found: Mapping[str, Mapping[str, Runs]], path: Path) -> None:
    """Curves of nsgan and the method on each set, two rows of panels a set."""
    rows = len(found) * len(PANELS) // COLUMNS
    with canvas(path, 3.3 * COLUMNS + 0.2, 2.2 * rows + 0.7) as drawing:
        grid = drawing.subplots(rows, COLUMNS, squeeze=False).ravel().tolist()
        places = [(data, quantity) for data in found for quantity in PANELS]
        for i, (axes, (data, quantity)) in enumerate(zip(grid, places, strict=True)):
            own = {name: found[data][name] for name in (BASE, method) if found[data][name].results}
            bands = {name: band(runs.results, quantity) for name, runs in own.items()}
            draw_quantity(axes, {name: curve for name, (curve, _, _) in bands.items()}, quantity, CYCLE)
            for colour, (name, (curve, low, high)) in zip(CYCLE, bands.items(), strict=False):
                axes.fill_between(curve.iteration, low, high, color=colour, alpha=0.15, linewidth=0)
                levels = dict(zip(("d_loss", "g_loss"), own[name].results[0].run.equilibrium, strict=True))
                if (level := levels.get(quantity.key)) is not None:
                    axes.axhline(level, color=colour, linestyle=":", linewidth=1.0)
            if quantity.key == "modes" and (modes := found[data][method].settings.data.modes):
                axes.set_ylim(-0.03 * modes, 1.06 * modes)
            if i % len(PANELS) == 1:
                axes.set_title(" ".join([data, *found[data][method].changes()]))
            iteration_axis(axes, label=i % len(PANELS) >= len(PANELS) - COLUMNS)
        legends = [axes.get_legend_handles_labels() for axes in grid]  # a method may have nothing to show on one set
        entries = {label: handle for own in legends for handle, label in zip(*own, strict=True)}
        drawing.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    shrink(path)


def sheet(found: Mapping[str, Runs], path: Path) -> None:
    """The last samples of each method's first seed over real points, one small panel each."""
    data = source(next(iter(found.values())).settings)
    real = data.restore(data.fresh(POINTS, torch.Generator().manual_seed(0))).numpy()
    xmin, xmax, ymin, ymax = view(real, [])
    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    with canvas(path, 2.0 * columns, 2.25 * rows + 0.4) as drawing:
        grid = drawing.subplots(rows, columns, squeeze=False).ravel().tolist()
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        for axes, runs in zip(grid, found.values(), strict=False):
            folder = RunFolder(runs.first)
            shot = max(folder.samples.glob("*.npz"))
            with np.load(shot) as arrays:
                points = arrays["points"]
            draw_clouds(axes, real, points, most=POINTS)
            measured = [record["modes"] for record in read_records(folder.metrics) if "modes" in record]
            title = f"{runs.method}: {measured[-1]} of {runs.settings.data.modes}" if measured else runs.method
            if int(shot.stem) < runs.length:
                title += f"\nstopped at {int(shot.stem):,}"
            elif (outside := share_outside(points, (xmin, xmax, ymin, ymax))) >= 0.005:
                title += f"\n({outside:.0%} outside)"
            axes.set_title(title)
            axes.set(xlim=(xmin, xmax), ylim=(ymin, ymax), aspect="equal", xticks=[], yticks=[])
            axes.spines[["top", "right"]].set_visible(True)
        handles, labels = grid[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=1.5)
    shrink(path)


def shrink(path: Path) -> None:
    """Keeps 256 colours of a picture: a third of its size, and no difference to be seen."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for data in SETS:
        parser.add_argument(data, type=Path, metavar=f"RUNS_{data.upper()}", help=f"folder of {data}-METHOD/seed-N")
    parser.add_argument("--write", action="store_true", help="write pages and figures")
    given = parser.parse_args()
    found = {data: runs_of(getattr(given, data), data) for data in SETS}
    marked = [*(DOCS / "methods").glob("*.md"), DOCS / "losses.md"]
    pages = {name: page for page in marked for name in re.findall(r"<!-- results: (\S+) -->", page.read_text("utf-8"))}
    for data, own in found.items():
        text = table(own, pages)
        print(f"{data}\n\n{text}\n")
        if given.write:
            put(PAGE, f"<!-- table: {data} -->", f"{text}\n\n{judged(own, pages)}")
            sheet(own, FIGURES / f"strips-{data}.png")
    for method in [name for name in VARIANTS if name in pages and given.write]:
        both = {data: own for data, own in found.items() if {BASE, method} <= own.keys()}
        if both:
            draw(method, both, FIGURES / f"{method}.png")
            put(pages[method], f"<!-- results: {method} -->", block(method, both, pages[method]))
            print(f"wrote {pages[method].relative_to(DOCS)}: {method}", flush=True)


if __name__ == "__main__":
    main()
