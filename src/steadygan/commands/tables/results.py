"""Results of finished runs: one run, its seeds, or several recipes side by side; tables, figure, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...display.card import aligned
from ...display.frame import clock, means
from ...display.screens import new_screen
from ...display.watch import Watch
from ...errors import CollapseError, NonFiniteError
from ...files import read_json
from ...metrics import BETTER, Protocol
from ...metrics.summary import final_and_best
from ...quantities import LABELS, counted
from ...runs.folder import RunFolder
from ...runs.log import NON_FINITE, STOPPED
from ...runs.records import times
from ...runs.run import Run, load
from ...viz import comparison
from ..console import new_table, say, say_error, tell
from ..job import Job, ended, prepare, settled
from .reasons import Case, reasons

if TYPE_CHECKING:
    from rich.console import Console


FAILURES: Mapping[str, type[CollapseError | NonFiniteError]] = {STOPPED: CollapseError, NON_FINITE: NonFiniteError}
Group: TypeAlias = tuple[str, list[tuple[str, ...]]]  # a figure's label, and rows: a recipe and its cells


class Result(NamedTuple):
    """The results of a run, up to the length of the comparison."""

    job: Job
    records: list[dict[str, Any]]
    seconds: float
    run: Run
    members: int = 1  # of the stack that the seconds are of

    @staticmethod
    def of(job: Job, run: Run) -> Result:
        """The run's records and times, up to the length of the comparison."""
        folder = RunFolder(job.folder)
        records = [record for record in run.metrics if record["iteration"] <= job.length]
        seconds = times(folder.timing, job.length)[0] or run.wall_time
        members = read_json(folder.plan).get("members", 1) if folder.plan.exists() else 1
        return Result(job, records, seconds, run, members if isinstance(members, int) else 1)


def results_of(jobs: Sequence[Job], plain: bool = False) -> list[Result]:
    """The results of one recipe's seeds: read where they are finished, else trained to the end, together."""
    missing = [job for job in jobs if not settled(job)]
    if any(max(RunFolder(job.folder).saved, default=-1) >= job.length for job in missing):
        missing = [*jobs]  # a stack that was killed while it was measured for the last time
    trained: dict[int, Run] = {}
    if missing:
        with Watch(new_screen(plain), seeds=len(missing), warns=False) as watch:
            made = prepare(missing, resume=True, watch=watch, together=len(jobs) > 1)
            ran = made.fit(missing[0].length, progress=watch)
        runs = ran if isinstance(ran, list) else [ran]
        trained = {job.settings.seed: run for job, run in zip(missing, runs, strict=True)}
    found = []
    for job in jobs:
        run = trained.get(job.settings.seed)
        if run is None:
            run = load(job.folder)
            early = ended(job)
            told = "already trained" if early is None else "ended before"
            say(f"{job.settings.recipe} seed {job.settings.seed}: {told} in {job.folder}")
            if early is not None:
                run.failure = FAILURES[early.state](early.told)
        found.append(Result.of(job, run))
    return found


def kept(jobs: Sequence[Job]) -> list[Result]:
    """The results of runs as they are, without training."""
    runs = [load(job.folder) for job in jobs]
    return [
        Result.of(job._replace(length=min(job.length, run.iteration)), run) for job, run in zip(jobs, runs, strict=True)
    ]


def usable(results: Sequence[Result]) -> list[Result]:
    """The runs that reached their end; raises the failure of a recipe of which none did."""
    whole = [result for result in results if result.run.failure is None]
    names = {result.job.name for result in whole}
    for result in results:
        if result.run.failure is not None and result.job.name not in names:
            raise result.run.failure
    return whole


def exit_code(runs: Sequence[Run]) -> int:
    """0, or the code of a run that met a term that is not finite or was stopped; each is reported on stderr."""
    failed = [run for run in runs if run.failure is not None]
    for run in failed:
        say_error(f"{run.settings.get('recipe')} seed {run.settings.get('seed')}: {run.failure}")
    return max((run.failure.exit_code for run in failed if run.failure is not None), default=0)


class SideBySide(NamedTuple):
    """The results by recipe, or by the named folder, each a list over seeds."""

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
        """The reason, the table, and how it was measured."""
        first = next(iter(self.by_recipe.values()))
        if len(self.by_recipe) > 1:
            tell(console, f"why: {self.reasons()}")
        settings = first[0].job.settings
        weights = "live weights" if settings.ema is None else "EMA weights"
        numbers = sorted({len(results) for results in self.by_recipe.values()})
        count = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
        seeds = f"{count} seeds, mean ± standard deviation" if numbers[-1] > 1 else "1 seed"
        lengths = sorted({result.job.length for results in self.by_recipe.values() for result in results})
        length = " to ".join(f"{n:,}" for n in dict.fromkeys((lengths[0], lengths[-1])))
        title = f"{length} iterations, n = {settings.evaluate.n:,}, {weights}, {seeds}"
        show_groups(console, title, ("final", "best", "peak", "real data"), [*self.groups()])
        tell(console, f"measured with: {first[0].run.protocol}", "dim")

    def groups(self) -> Iterator[Group]:
        """Each figure with a row for each recipe that has it, then the wall times."""
        figures = {name: self.figures(name) for name in self.by_recipe}
        modes = next(iter(self.by_recipe.values()))[0].job.settings.data.modes
        for key, label in LABELS.items():
            for like, holders in self.alike(key, figures):
                rows = []
                for name in holders:
                    own, real = figures[name][key], self.real(name, key)
                    shown = [
                        counted(key, own[kind], modes) if kind in own else "" for kind in ("final", "best", "peak")
                    ]
                    shown.append("" if real is None or name != holders[0] else counted(key, real, modes))
                    rows.append((name, *shown))
                yield f"{label}{like}", rows
        times: list[tuple[str, ...]] = []
        for name, results in self.by_recipe.items():
            members = max(result.members for result in results)
            beside = f" ({members} side by side)" if members > 1 else ""
            times.append((name, clock(fmean(result.seconds for result in results)) + beside))
        yield "wall time", times

    def alike(self, key: str, holders: Iterable[str]) -> list[tuple[str, list[str]]]:
        """The recipes that have the figure, grouped by protocol, and how the protocols differ."""
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
        """The value for real data, if known."""
        known = [r.run.reference[key] for r in self.by_recipe[name] if key in r.run.reference]
        return fmean(known) if known else None

    def reasons(self) -> str:
        """The reasons in plain words, derived from the numbers."""
        return reasons(
            [
                Case.of(name, results[0].job.settings, results[0].run.equilibrium, [r.records for r in results])
                for name, results in self.by_recipe.items()
            ]
        )

    def plain(self) -> dict[str, Any]:
        """Everything as JSON types."""
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


def show_groups(console: Console, title: str, kinds: Sequence[str], groups: Sequence[Group]) -> None:
    """A table of all figures; a list where it is too wide for the terminal, so that no name is cut."""
    table = new_table(title, "", "recipe", *kinds, words=2)
    for column in table.columns[1:]:
        column.no_wrap = True
    for label, rows in groups:
        for i, row in enumerate(rows):
            table.add_row("" if i else label, *row, end_section=row is rows[-1])
    rows = [("recipe", *kinds), *(row for _, own in groups for row in own)]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    labels = max(len(word) for label, _ in groups for word in label.split())
    if labels + sum(widths) + 3 * len(widths) + 4 <= console.width:
        console.print(table)
        return
    tell(console, title, "bold")
    for label, rows in groups:
        tell(console, label, "bold")
        lines = aligned([("", *kinds), *rows])
        if max(map(len, lines)) + 2 <= console.width:
            for line in lines:
                tell(console, f"  {line}")
            continue
        for name, *cells in rows:
            tell(console, f"  {name}")
            told = (f"{kind} {cell}" for kind, cell in zip(kinds, cells, strict=False) if cell)
            tell(console, f"    {', '.join(told)}")


def over(values: Sequence[float]) -> dict[str, Any]:
    """A figure over the seeds, for JSON: the sample standard deviation is None for one seed."""
    return {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None, "values": list(values)}


def averaged(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One record per iteration: the mean over the runs that have it, key by key."""
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for record in chain.from_iterable(runs):
        rows.setdefault(record["iteration"], []).append(record)
    return [means(own) for _, own in sorted(rows.items())]
