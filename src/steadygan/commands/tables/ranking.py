"""The ranking of a sweep: each combination with its figures over seeds, the best first, and all runs as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from ...display.sentence import standing
from ...files import beside
from ...metrics import BETTER
from ...metrics.summary import FIRST, badness, final_and_best
from ...quantities import LABELS, counted, words
from ...runs.folder import RunFolder
from ...runs.records import read_records, times
from ..batch.grid import Combination
from ..console import new_table, tell
from ..job import Job, ended, finished

if TYPE_CHECKING:
    from rich.console import Console

FINISHED, UNFINISHED = "finished", "unfinished"
OTHERS = 2  # figures beside the one that sorts
LINES = 50  # of the table; the CSV has all


class Outcome(NamedTuple):
    """What became of a run: finished, stopped, non_finite or unfinished; why; and its figures, final and best."""

    job: Job
    state: str
    told: str
    iteration: int
    verdict: str
    causes: str
    seconds: float
    final: Mapping[str, float]
    best: Mapping[str, float]

    @staticmethod
    def of(job: Job) -> Outcome:
        """Read from the run's folder, up to the length that was asked for."""
        folder = RunFolder(job.folder)
        records = [record for record in read_records(folder.metrics) if record["iteration"] <= job.length]
        early = ended(job)
        rows = {row.key: row for row in final_and_best(records)}
        return Outcome(
            job,
            FINISHED if finished(job) else UNFINISHED if early is None else early.state,
            "" if early is None else early.told,
            int(records[-1]["iteration"]) if records else 0,
            *standing(records),
            times(folder.timing, job.length)[0],
            {key: row.final.value for key, row in rows.items()},
            {key: row.best.value for key, row in rows.items()},
        )


class Place(NamedTuple):
    """A combination with what became of its runs."""

    combination: Combination
    outcomes: list[Outcome]

    @property
    def whole(self) -> list[Outcome]:
        """The runs that reached their end."""
        return [outcome for outcome in self.outcomes if outcome.state == FINISHED]

    def values(self, key: str) -> list[float]:
        """A figure at the end of these."""
        return [outcome.final[key] for outcome in self.whole if key in outcome.final]


class Ranking(NamedTuple):
    """Combinations, those of which no run was stopped before the others, and then the best first by one figure."""

    places: list[Place]
    swept: Sequence[str]  # keys
    by: str  # a figure; "" where none was measured

    @staticmethod
    def of(found: Sequence[Combination], swept: Sequence[str], by: str | None = None) -> Ranking:
        """From the folders; by: by default the figure that matters most."""
        places = [Place(each, [Outcome.of(job) for job in each.jobs]) for each in found]
        known = {key for place in places for outcome in place.outcomes for key in outcome.final}
        figure = by or next((key for key in FIRST if key in known), "")

        def rank(place: Place) -> tuple[int, tuple[bool, float]]:
            own = place.values(figure)
            lost = len(place.outcomes) - len(place.whole)
            return lost, badness(figure, fmean(own)) if own else (True, inf)

        return Ranking(sorted(places, key=rank), swept, figure)

    @property
    def folders(self) -> list[Path]:
        """The folders of the runs with records, those of the best first."""
        outcomes = (outcome for place in self.places for outcome in place.outcomes)
        return [outcome.job.folder for outcome in outcomes if RunFolder(outcome.job.folder).metrics.is_file()]

    def figures(self) -> list[str]:
        """The figures of the table: the one that sorts, and a few others."""
        known = {key for place in self.places for outcome in place.whole for key in outcome.final}
        others = [key for key in (*FIRST, "gradient_max") if key in known and key != self.by]
        return [*filter(None, [self.by]), *others[:OTHERS]]

    def show(self, console: Console) -> None:
        """The table, and how many runs there are."""
        keys, figures = self.shown(), self.figures()
        several = len(self.places[0].outcomes) > 1
        seeds = f"{len(self.places[0].outcomes)} seeds, mean ± standard deviation" if several else "1 seed"
        lengths = sorted({outcome.job.length for place in self.places for outcome in place.outcomes})
        length = " to ".join(f"{n:,}" for n in dict.fromkeys((lengths[0], lengths[-1])))
        title = f"{length} iterations, final figures, {seeds}"
        table = new_table(title, "recipe", *keys, *(LABELS[key] for key in figures), "verdict", "stopped", words=1)
        table.columns[-2].justify = "left"
        for column in (*table.columns[: 1 + len(keys)], *table.columns[-2:]):
            column.no_wrap = True
        for place in self.places[:LINES]:
            modes = place.outcomes[0].job.settings.data.modes
            cells = [place.combination.values[key] for key in keys]
            shown = [tuple(place.values(key)) for key in figures]
            cells += [counted(key, own, modes) if own else "" for key, own in zip(figures, shown, strict=True)]
            table.add_row(place.combination.recipe, *cells, verdicts(place.outcomes), stopped(place.outcomes))
        console.print(table)
        if len(self.places) > LINES:
            tell(console, f"... and {len(self.places) - LINES:,} more")
        tell(console, self.told())

    def shown(self) -> list[str]:
        """The settings that have a column."""
        return [key for key in self.swept if key in self.places[0].combination.values]

    def told(self) -> str:
        """How many runs there are of each kind, and how they are sorted."""
        states = [outcome.state for place in self.places for outcome in place.outcomes]
        lost = sum(state not in (FINISHED, UNFINISHED) for state in states)
        parts = [f"{len(states):,} runs: {states.count(FINISHED):,} finished"]
        parts += [f"{lost:,} stopped before their end"] * (lost > 0)
        parts += [f"{states.count(UNFINISHED):,} unfinished"] * (UNFINISHED in states)
        side = {"higher": "highest", "lower": "lowest", "one": "nearest to 1"}
        order = f"; sorted by {LABELS[self.by]}, {side[BETTER[self.by]]} first" if self.by else ""
        after = ", combinations with a stopped run last" if lost else ""
        return ", ".join(parts) + order + after

    def write(self, path: Path) -> Path:
        """A line for each run as CSV: settings, what became of it, and every figure, final and best."""
        outcomes = [outcome for place in self.places for outcome in place.outcomes]
        keys = [*self.places[0].combination.values]
        figures = [key for key in LABELS if any(key in outcome.final for outcome in outcomes)]
        with beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            both = [name for key in figures for name in (key, f"{key}_best")]
            about = ("seed", "state", "told", "iteration", "length", "verdict", "causes", "seconds", "folder")
            lines.writerow(["recipe", "scale", *keys, *about, *both])
            for place in self.places:
                for outcome in place.outcomes:
                    lines.writerow([*self._line(place.combination, keys, outcome), *_cells(outcome, figures)])
        return path

    def _line(self, combination: Combination, keys: Sequence[str], outcome: Outcome) -> list[Any]:
        settings, values = outcome.job.settings, combination.values
        line: list[Any] = [settings.recipe, settings.scale, *(values[key] for key in keys), settings.seed]
        line += [outcome.state, outcome.told, outcome.iteration, outcome.job.length, outcome.verdict, outcome.causes]
        return [*line, round(outcome.seconds, 3), outcome.job.folder]


def _cells(outcome: Outcome, figures: Sequence[str]) -> list[Any]:
    return [own.get(key, "") for key in figures for own in (outcome.final, outcome.best)]


def verdicts(outcomes: Sequence[Outcome]) -> str:
    """The verdicts of some runs: good, or 2 good, 1 collapsed."""
    told = [words(outcome.verdict, outcome.causes) if outcome.verdict else outcome.state for outcome in outcomes]
    kinds = list(dict.fromkeys(told))
    return told[0] if len(kinds) == 1 else ", ".join(f"{told.count(kind)} {kind}" for kind in kinds)


def stopped(outcomes: Sequence[Outcome]) -> str:
    """How many of some runs were stopped, and when the first one was."""
    early = [outcome.iteration for outcome in outcomes if outcome.state not in (FINISHED, UNFINISHED)]
    if not early:
        return ""
    return f"at {early[0]:,}" if len(outcomes) == 1 else f"{len(early)} of {len(outcomes)}, from {min(early):,}"
