"""Results of finished runs: of one, of its seeds, of several recipes side by side; tables, figure, JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from ...files import read_json
from ...metrics import BETTER, Protocol
from ...metrics.summary import final_and_best
from ...quantities import LABELS, plain
from ...runs.folder import RunFolder
from ...runs.records import read_records, times
from ...runs.run import Run, load
from ...viz import comparison
from ..console import cells, classes, clock, figure, new_table, say_error
from ..job import Job, prepare
from ..progress import means
from .reasons import Case, reasons

if TYPE_CHECKING:
    from rich.console import Console


class Result(NamedTuple):
    """What a run left, up to the comparison's length."""

    job: Job
    records: list[dict[str, Any]]
    seconds: float
    run: Run
    members: int = 1  # of the stack that the seconds are of

    @staticmethod
    def of(job: Job, run: Run) -> Result:
        """The run's records and times, as far as the comparison goes."""
        folder = RunFolder(job.folder)
        records = [record for record in run.metrics if record["iteration"] <= job.length]
        seconds = times(folder.timing, job.length)[0] or run.wall_time
        members = read_json(folder.plan).get("members", 1) if folder.plan.exists() else 1
        return Result(job, records, seconds, run, members if isinstance(members, int) else 1)


def finished(job: Job) -> bool:
    """Whether the folder's run got as far as the comparison goes and was measured there."""
    every, alone = job.settings.evaluate.every, job.settings.generator is None

    def measured(record: Mapping[str, Any]) -> bool:
        if alone:  # of a D alone there may be nothing to measure
            return record["iteration"] % every == 0 or bool(record.get("final"))
        return "energy_distance" in record

    records = read_records(RunFolder(job.folder).metrics)
    return any(record["iteration"] >= job.length and measured(record) for record in records)


def results_of(jobs: Sequence[Job], console: Console) -> list[Result]:
    """The results of one recipe's seeds: read where they are finished, else trained to their end, together."""
    missing = [job for job in jobs if not finished(job)]
    if any(max(RunFolder(job.folder).saved, default=-1) >= job.length for job in missing):
        missing = [*jobs]  # a stack that was killed while it was measured for the last time
    trained: dict[int, Run] = {}
    if missing:
        made, watch = prepare(missing, resume=True, console=console, together=len(jobs) > 1)
        with watch:
            ran = made.fit(missing[0].length)
        runs = ran if isinstance(ran, list) else [ran]
        trained = {job.settings.seed: run for job, run in zip(missing, runs, strict=True)}
    found = []
    for job in jobs:
        run = trained.get(job.settings.seed)
        if run is None:
            console.print(f"{job.settings.recipe} seed {job.settings.seed}: as trained in {job.folder}")
            run = load(job.folder)
        found.append(Result.of(job, run))
    return found


def kept(jobs: Sequence[Job]) -> list[Result]:
    """The results of runs as they are: nothing is trained."""
    runs = [load(job.folder) for job in jobs]
    return [
        Result.of(job._replace(length=min(job.length, run.iteration)), run) for job, run in zip(jobs, runs, strict=True)
    ]


def usable(results: Sequence[Result]) -> list[Result]:
    """Those that came to an end; raises the failure of a recipe of which none did."""
    whole = [result for result in results if result.run.failure is None]
    names = {result.job.name for result in whole}
    for result in results:
        if result.run.failure is not None and result.job.name not in names:
            raise result.run.failure
    return whole


def exit_code(runs: Sequence[Run]) -> int:
    """0, or that of a run which came upon a term that was not finite or was stopped, each told on stderr."""
    failed = [run for run in runs if run.failure is not None]
    for run in failed:
        say_error(f"{run.settings.get('recipe')} seed {run.settings.get('seed')}: {run.failure}")
    return max((run.failure.exit_code for run in failed if run.failure is not None), default=0)


class SideBySide(NamedTuple):
    """The results by recipe, or by the folder that was named, each a list over seeds."""

    by_recipe: Mapping[str, Sequence[Result]]

    @staticmethod
    def of(results: Sequence[Result]) -> SideBySide:
        """Results in the order of the command line."""
        names = dict.fromkeys(result.job.name for result in results)
        return SideBySide({name: [r for r in results if r.job.name == name] for name in names})

    def figures(self, name: str) -> dict[str, dict[str, tuple[float, ...]]]:
        """figure -> final, best (and peak, for gradients) of one recipe, over its seeds."""
        rows = [{row.key: row for row in final_and_best(result.records)} for result in self.by_recipe[name]]
        table: dict[str, dict[str, tuple[float, ...]]] = {}
        for key in rows[0]:
            own = [row[key] for row in rows if key in row]
            table[key] = {
                "final": tuple(row.final.value for row in own),
                "best": tuple(row.best.value for row in own),
            }
            if all(row.peak is not None for row in own):
                table[key]["peak"] = tuple(row.peak.value for row in own if row.peak is not None)
        return table

    def show(self, console: Console) -> None:
        """The table, the reason, and how it was measured."""
        first = next(iter(self.by_recipe.values()))
        settings = first[0].job.settings
        weights = "live weights" if settings.ema is None else "EMA weights"
        numbers = sorted({len(results) for results in self.by_recipe.values()})
        count = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
        seeds = f"{count} seeds, mean ± standard deviation" if numbers[-1] > 1 else "1 seed"
        lengths = sorted({result.job.length for results in self.by_recipe.values() for result in results})
        length = " to ".join(f"{n:,}" for n in dict.fromkeys((lengths[0], lengths[-1])))
        title = f"{length} iterations, n = {settings.evaluate.n:,}, {weights}, {seeds}"
        kinds = ("final", "best", "peak")
        table = new_table(title, "", "recipe", *kinds, "real data", words=2)
        figures = {name: self.figures(name) for name in self.by_recipe}
        modes = settings.data.modes
        for key, label in LABELS.items():
            for like, holders in self.alike(key, figures):
                for name in holders:
                    own = figures[name][key]
                    shown = [figure(key, own[kind], modes) if kind in own else "" for kind in kinds]
                    heading = f"{label}{like}" if name == holders[0] else ""
                    real = self.real(name, key)
                    shown.append("" if real is None or name != holders[0] else figure(key, real, modes))
                    table.add_row(heading, name, *shown, end_section=name == holders[-1])
        for name, results in self.by_recipe.items():
            seconds = [result.seconds for result in results]
            members = max(result.members for result in results)
            beside = f" ({members} side by side)" if members > 1 else ""
            table.add_row("wall time" if name == next(iter(figures)) else "", name, clock(fmean(seconds)) + beside)
        console.print(table)
        if len(self.by_recipe) > 1:
            console.print(f"why: {self.reasons()}")
        console.print(f"measured with: {first[0].run.protocol}", style="dim")

    def alike(self, key: str, holders: Iterable[str]) -> list[tuple[str, list[str]]]:
        """The recipes that have the figure, those of one protocol together, and what the others do otherwise."""
        groups: list[tuple[Protocol, list[str]]] = []
        for name in holders:
            if key not in self.figures(name):
                continue
            run = self.by_recipe[name][0].run
            own = run.protocols.get(key, Protocol(run.protocol if key in BETTER else ""))
            for protocol, names in groups:
                if not own.differences(protocol):
                    names.append(name)
                    break
            else:
                groups.append((own, [name]))
        told = []
        for protocol, names in groups:
            differing = protocol.differences(groups[0][0])
            unlike = "; ".join(f"{name.replace('_', ' ')}: {own}, not {other}" for name, own, other in differing)
            told.append((f" ({unlike})" if unlike else "", names))
        return told

    def real(self, name: str, key: str) -> float | None:
        """What real data gets, where it is known."""
        known = [r.run.reference[key] for r in self.by_recipe[name] if key in r.run.reference]
        return fmean(known) if known else None

    def reasons(self) -> str:
        """The reason, in plain words drawn from the numbers."""
        return reasons(
            [
                Case.of(name, results[0].job.settings, results[0].run.equilibrium, [r.records for r in results])
                for name, results in self.by_recipe.items()
            ]
        )

    def plain(self) -> dict[str, Any]:
        """Everything in JSON's types."""
        first = next(iter(self.by_recipe.values()))
        settings = first[0].job.settings
        return {
            "iterations": first[0].job.length,
            "n": settings.evaluate.n,
            "weights": "live" if settings.ema is None else "ema",
            "seeds": [result.job.settings.seed for result in first],
            "protocol": first[0].run.protocol,
            "recipes": {
                name: {
                    "seeds": [result.job.settings.seed for result in results],
                    "runs": [str(result.job.folder) for result in results],
                    "seconds": [round(result.seconds, 3) for result in results],
                    "figures": {
                        key: {kind: over(values) for kind, values in cells.items()}
                        for key, cells in self.figures(name).items()
                    },
                    "real": {key: self.real(name, key) for key in results[0].run.reference},
                    "protocols": {key: protocol.plain() for key, protocol in results[0].run.protocols.items()},
                }
                for name, results in self.by_recipe.items()
            },
            "why": self.reasons(),
        }

    def draw(self, path: Path) -> None:
        """The comparison's figure; several seeds are averaged."""
        first = next(iter(self.by_recipe.values()))
        shared = {results[0].run.equilibrium for results in self.by_recipe.values()}
        path.parent.mkdir(parents=True, exist_ok=True)
        comparison(
            {name: averaged([result.records for result in results]) for name, results in self.by_recipe.items()},
            path,
            title=None if len(first) == 1 else f"means of {len(first)} seeds",
            equilibrium=shared.pop() if len(shared) == 1 else (None, None),
        )


def over(values: Sequence[float]) -> dict[str, Any]:
    """A figure over the seeds, for JSON: the sample standard deviation is None for one seed."""
    return {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None, "values": list(values)}


def averaged(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One record per iteration: the mean over the runs that have it, key by key."""
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for record in chain.from_iterable(runs):
        rows.setdefault(record["iteration"], []).append(record)
    return [means(own) for _, own in sorted(rows.items())]


def close(console: Console, run: Run, job: Job) -> None:
    """The closing table of one run: its figures, final and best, and where everything is."""
    settings, folder = job.settings, job.folder
    modes = settings.data.modes
    weights = "live weights" if settings.ema is None else "EMA weights"
    title = (
        f"{settings.recipe}, seed {settings.seed}: {run.iteration:,} iterations, n = {settings.evaluate.n:,}, {weights}"
    )
    table = new_table(title, "", "final", "real data", "best", "at", "peak", "at")
    for row in final_and_best(run.metrics):
        if row.key in LABELS:
            peak = () if row.peak is None else (figure(row.key, row.peak.value, modes), f"{row.peak.iteration:,}")
            table.add_row(*cells(row, run.reference, modes), *peak)
    console.print(table)
    console.print(_losses(run))
    shares = [told for record in reversed(run.metrics) if (told := classes(record))]
    if shares:
        console.print(shares[0])
    if run.protocol:
        console.print(f"measured with: {run.protocol}", style="dim")
    console.print(f"wall time {clock(run.wall_time)}, {plain(run.iterations_per_second)} iterations per second")
    for event in run.events:
        console.print(event, style="bold yellow")
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    if figures:
        console.print(f"figures: {folder / 'figures'} ({', '.join(figures)})")
    more = "" if settings.generator is None else f", more with: steadygan sample {folder} -n 1000 --out samples.npz"
    console.print(f"samples: {folder / 'samples'}{more}")
    console.print(f"numbers: {folder / 'metrics.jsonl'}, live with: tensorboard --logdir {folder}")


def _losses(run: Run) -> str:
    """The last losses, without penalties, beside the values they have when fakes are like reals."""
    parts = []
    for name, key, level in zip("DG", ("d_loss", "g_loss"), run.equilibrium, strict=True):
        known = [record[key] for record in run.metrics if key in record]
        if known:
            parts.append(f"{name} {known[-1]:.3f} ({'free' if level is None else f'{level:.3f}'} at equilibrium)")
    return f"losses without penalties: {', '.join(parts)}" if parts else "no iteration was trained"


def close_seeds(console: Console, runs: Sequence[Run], jobs: Sequence[Job]) -> int:
    """The table over the seeds, and where everything is; the exit code."""
    results = [Result.of(job, run) for job, run in zip(jobs, runs, strict=True) if run.failure is None]
    if results:
        SideBySide.of(results).show(console)
        folder = results[0].job.folder
        console.print(f"runs: {folder.parent}/seed-*, each complete")
        if results[0].job.settings.generator is not None:
            console.print(f"more samples with: steadygan sample {folder} -n 1000 --out samples.npz")
    sys.stdout.flush()
    return exit_code(runs)
