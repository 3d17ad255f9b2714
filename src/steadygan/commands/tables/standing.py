"""How a paper's table compares: published numbers beside ours, and the verdict on each claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...metrics.summary import final_and_best
from ...quantities import LABELS, percent, spread
from ...recipes.papers import Claim, PaperTable, Row
from ...recipes.papers.verdict import RULES, Word, effect, published_effect, verdict
from ...runs.run import load
from ..batch.queue import Queue, check
from ..console import new_table, tell
from ..job import Job, finished, settled
from .results import Result, SideBySide, over, results_of

if TYPE_CHECKING:
    from rich.console import Console


def train(planned: Mapping[str, Sequence[Job]], queue: Queue, root: Path) -> None:
    """Trains what is missing: the seeds of a row side by side, in this process or by many; root: of all runs."""
    if not queue.alone:
        check(queue.train(planned.values(), root))
        return
    for own in planned.values():
        if not all(map(settled, own)):
            results_of(own)


def finished_runs(jobs: Sequence[Job]) -> list[Result]:
    """The runs that reached their end, with any outcome."""
    return [Result.of(job, load(job.folder)) for job in jobs if finished(job)]


class Line(NamedTuple):
    """A row of the table: published, our final and our best value."""

    row: Row
    published: str
    final: tuple[float, ...] = ()
    best: tuple[float, ...] = ()


CLAIMS = ("claim", "published effect", "ours", "verdict")  # over the columns of `Standing.said`


class Standing(NamedTuple):
    """A table with the runs that exist for it."""

    table: PaperTable
    scale: str
    runs: Mapping[str, Sequence[Result]]

    @staticmethod
    def of(table: PaperTable, scale: str, planned: Mapping[str, Sequence[Job]]) -> Standing:
        """The runs planned for each row, as far as they are finished."""
        return Standing(table, scale, {name: finished_runs(own) for name, own in planned.items()})

    def measured(self, printed: str) -> str:
        """The figure that we measured: the one that the paper prints, or its substitute."""
        known = {row.key for own in self.runs.values() for run in own for row in final_and_best(run.records)}
        return self.table.measured(printed, known)

    @property
    def figure(self) -> str:
        """The figure of the claims, as we measured it."""
        return self.measured(self.table.figure)

    def lines(self, printed: str) -> Iterator[Line]:
        """The rows in order, by one of the table's figures."""
        figure = self.measured(printed)
        for name, own in self.runs.items():
            row = self.table.row(name)
            published = str(row.published.get(printed, ""))
            kinds = SideBySide({name: own}).figures(name).get(figure, {}) if own else {}
            yield Line(row, published, kinds.get("final", ()), kinds.get("best", ()))

    def claims(self) -> Iterator[tuple[Claim, float | None, float | None, Word]]:
        """Each claim about rows that exist: its published effect, ours, and the verdict."""
        final = {line.row.name: line.final for line in self.lines(self.table.figure)}
        for claim in self.table.claims:
            if claim.better in final and claim.worse in final:
                better, worse = final[claim.better], final[claim.worse]
                printed = published_effect(self.table, claim)
                ours = effect(self.figure, worse, better) if better and worse else None
                yield claim, printed, ours, verdict(self.figure, better, worse, printed, claim.same)

    def protocol(self) -> list[str]:
        """How ours was measured, the rules, and what the paper leaves open."""
        first = next((run for own in self.runs.values() for run in own), None)
        told = []
        if first is not None:
            settings = first.job.settings
            weights = "live weights" if settings.ema is None else "EMA weights"
            length = f"{first.job.length:,} of {settings.horizon:,} iterations"
            told.append(f"ours: {self.scale} scale, {length}, {weights}; {first.run.protocol}")
            for printed in self.table.printed:
                figure = self.measured(printed)
                real = first.run.reference.get(figure)
                if real is not None:
                    told.append(f"real data: {LABELS[figure]} {real:.4g}")
                if figure != printed:
                    told.append(
                        f"published: {LABELS[printed]}, ours: {LABELS[figure]}; compare differences between rows, not "
                        "the numbers"
                    )
        return [*told, *self.table.notes, *RULES]

    def show(self, console: Console) -> None:
        """For a terminal."""
        for printed in self.table.printed:
            table = new_table(f"{self.table.name}: {self.table.text}", *self.headings(printed))
            for cells in self.rows(printed):
                table.add_row(*cells)
            console.print(table)
        said = new_table("claims", *CLAIMS)
        for cells in self.said():
            said.add_row(*cells)
        console.print(said)
        for line in self.protocol():
            tell(console, line, "dim")

    def headings(self, printed: str) -> tuple[str, ...]:
        """The headings of the columns of `rows`."""
        return "row", f"published, {LABELS[printed]}", f"ours, {LABELS[self.measured(printed)]}: final", "best", "seeds"

    def rows(self, printed: str) -> list[list[str]]:
        """The rows by one of the table's figures, as text."""
        figure = self.measured(printed)

        def shown(values: Sequence[float]) -> str:
            return spread(figure, [*values]) if values else ""

        return [
            [line.row.name, line.published, shown(line.final), shown(line.best), f"{len(line.final)}"]
            for line in self.lines(printed)
        ]

    def said(self) -> list[list[str]]:
        """The claims as text."""
        return [
            [claim.text, "none" if claim.same else percent(printed), percent(ours), word]
            for claim, printed, ours, word in self.claims()
        ]

    def markdown(self) -> list[str]:
        """For a page."""
        text = [f"### {self.table.name}: {self.table.text}", ""]
        for printed in self.table.printed:
            text += [*_rows(self.headings(printed), self.rows(printed)), ""]
        if claims := self.said():
            text += [*_rows(CLAIMS, claims), ""]
        return [*text, *(f"- {line}" for line in self.protocol())]

    def plain(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return {
            "table": self.table.name,
            "scale": self.scale,
            "published_figure": self.table.figure,
            "figure": self.figure,
            "rows": self.told(self.table.figure),
            "others": {
                printed: {"figure": self.measured(printed), "rows": self.told(printed)} for printed in self.table.others
            },
            "claims": [
                {
                    "claim": claim.text,
                    "published": printed,
                    "ours": None if ours == inf else ours,
                    "verdict": word,
                }
                for claim, printed, ours, word in self.claims()
            ],
            "protocol": self.protocol(),
        }

    def told(self, printed: str) -> dict[str, Any]:
        """The rows by one of the table's figures, as JSON types."""
        return {
            line.row.name: {
                "recipe": self.table.recipe(line.row),
                "published": {key: value._asdict() for key, value in line.row.published.items()},
                "final": over(line.final) if line.final else None,
                "best": over(line.best) if line.best else None,
            }
            for line in self.lines(printed)
        }


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)]
