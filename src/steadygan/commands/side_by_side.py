"""Results of several recipes over the same seeds: table, figure, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from ..metrics import BETTER, Protocol
from ..metrics.summary import final_and_best
from ..numbers import plain
from .console import LABELS, clock, figure
from .why import Case, why

if TYPE_CHECKING:
    from rich.console import Console

    from .compare import Result


class Over(NamedTuple):
    """A figure over the seeds: their mean and sample standard deviation (None for one seed)."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def std(self) -> float | None:
        return stdev(self.values) if len(self.values) > 1 else None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "std": self.std, "values": list(self.values)}

    def shown(self, key: str, modes: int | None) -> str:
        """0.842 ± 0.011, the deviation where there is one."""
        if self.std is None:
            return figure(key, self.mean, modes)
        if key == "modes":
            return f"{self.mean:.1f} ± {self.std:.1f}" + ("" if modes is None else f" of {modes}")
        if figure(key, 0.5).endswith("%"):
            return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} %"
        return f"{plain(self.mean)} ± {plain(self.std)}"


class SideBySide(NamedTuple):
    """The results by recipe, each a list over seeds."""

    by_recipe: Mapping[str, Sequence[Result]]

    @staticmethod
    def of(results: Sequence[Result]) -> SideBySide:
        """Results in the order of the command line."""
        names = dict.fromkeys(result.job.settings.recipe for result in results)
        return SideBySide({name: [r for r in results if r.job.settings.recipe == name] for name in names})

    def figures(self, name: str) -> dict[str, dict[str, Over]]:
        """figure -> final, best (and peak, for gradients) of one recipe, over its seeds."""
        rows = [{row.key: row for row in final_and_best(result.records)} for result in self.by_recipe[name]]
        table: dict[str, dict[str, Over]] = {}
        for key in rows[0]:
            own = [row[key] for row in rows if key in row]
            table[key] = {
                "final": Over(tuple(row.final.value for row in own)),
                "best": Over(tuple(row.best.value for row in own)),
            }
            if all(row.peak is not None for row in own):
                table[key]["peak"] = Over(tuple(row.peak.value for row in own if row.peak is not None))
        return table

    def show(self, console: Console) -> None:
        """The table, the reason, and how it was measured."""
        from rich.table import Table

        first = next(iter(self.by_recipe.values()))
        settings = first[0].job.settings
        weights = "live weights" if settings.ema is None else "EMA weights"
        numbers = sorted({len(results) for results in self.by_recipe.values()})
        count = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
        seeds = f"{count} seeds, mean ± standard deviation" if numbers[-1] > 1 else "1 seed"
        table = Table(
            title=f"{first[0].job.length:,} iterations, n = {settings.evaluate.n:,}, {weights}, {seeds}",
            title_justify="left",
            title_style="bold",
        )
        numbers_of = ("final", "best", "peak", "real data")
        for column in ("", "recipe", *numbers_of):
            table.add_column(column, justify="right" if column in numbers_of else "left")
        figures = {name: self.figures(name) for name in self.by_recipe}
        modes = settings.data.modes
        for key, label in LABELS.items():
            for like, holders in self.alike(key, figures):
                for name in holders:
                    cells = figures[name][key]
                    shown = [cells[kind].shown(key, modes) if kind in cells else "" for kind in numbers_of[:3]]
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
            console.print(f"why: {self.why()}")
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
        return [(_otherwise(protocol, groups[0][0]), names) for protocol, names in groups]

    def real(self, name: str, key: str) -> float | None:
        """What real data gets, where it is known."""
        known = [r.run.reference[key] for r in self.by_recipe[name] if key in r.run.reference]
        return fmean(known) if known else None

    def why(self) -> str:
        """The reason, in plain words drawn from the numbers."""
        return why(
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
                        key: {kind: over.plain() for kind, over in cells.items()}
                        for key, cells in self.figures(name).items()
                    },
                    "real": {key: self.real(name, key) for key in results[0].run.reference},
                    "protocols": {key: protocol.plain() for key, protocol in results[0].run.protocols.items()},
                }
                for name, results in self.by_recipe.items()
            },
            "why": self.why(),
        }

    def draw(self, path: Path) -> None:
        """The comparison's figure; several seeds are averaged."""
        from ..viz.curves import comparison

        first = next(iter(self.by_recipe.values()))
        shared = {results[0].run.equilibrium for results in self.by_recipe.values()}
        path.parent.mkdir(parents=True, exist_ok=True)
        comparison(
            {name: averaged([result.records for result in results]) for name, results in self.by_recipe.items()},
            path,
            title=None if len(first) == 1 else f"means of {len(first)} seeds",
            equilibrium=shared.pop() if len(shared) == 1 else (None, None),
        )


def _otherwise(protocol: Protocol, first: Protocol) -> str:
    """What is unlike the first of several protocols: " (fakes 2,000, not 10,000)"."""
    told = [f"{name.replace('_', ' ')}: {own}, not {other}" for name, own, other in protocol.differences(first)]
    return f" ({'; '.join(told)})" if told else ""


def averaged(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, float]]:
    """One record per iteration: the mean over the runs that have it, key by key."""
    together: dict[int, dict[str, list[float]]] = {}
    for records in runs:
        for record in records:
            keys = together.setdefault(int(record["iteration"]), {})
            for key, value in record.items():
                if key not in ("iteration", "final") and not isinstance(value, str):
                    keys.setdefault(key, []).append(float(value))
    return [
        {"iteration": float(iteration), **{key: fmean(values) for key, values in keys.items()}}
        for iteration, keys in sorted(together.items())
    ]
