"""Several seeds of one recipe, trained together and watched as one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import Settings
from ..runs.settings import NAME as SETTINGS
from .console import gravest, say_error
from .progress import Reading, Watch

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs.run import Run
    from ..training.trainer import Trainer


class Job(NamedTuple):
    """One run of several."""

    settings: Settings
    folder: Path
    length: int  # iterations


def fit_seeds(jobs: Sequence[Job], resume: bool, console: Console) -> list[Run]:
    """Trains runs that differ in their seed alone, side by side where that can be done, and says how."""
    first = jobs[0]
    numbers = [job.settings.seed for job in jobs]
    title = f"{first.settings.recipe} seed{'s' * (len(jobs) > 1)} {told(numbers)}"
    from ..recipes.build import source, trainer, whereabouts
    from ..training.seeds import Seeds

    with Reading(console) as reading:
        data = source(first.settings, reading).to(*whereabouts(first.settings))  # one copy for all seeds
    watch = WatchSeeds(Watch(console, title, first.length, first.settings.data.modes))
    by_seed = {job.settings.seed: (index, job) for index, job in enumerate(jobs)}

    def build(seed: int) -> Trainer:
        index, job = by_seed[seed]
        return trainer(job.settings, job.folder, resume, callbacks=[watch.member(index)], data=data)

    seeds = Seeds(build, numbers)
    where = f"each in {first.folder.parent}" if len(jobs) > 1 else f"in {first.folder}"
    heading = f"{title}: {first.length:,} iterations {where}"
    mirrored = ["training images are mirrored left to right in half of their visits"] if data.flip else []
    watch.inner.heading = "\n".join([heading, *data.notes, *mirrored])
    with watch.inner:
        return seeds.fit(first.length)


def told(numbers: Sequence[int]) -> str:
    """0-7, or 0, 2, 5."""
    if len(numbers) > 2 and [*numbers] == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def exit_code(runs: Sequence[Run]) -> int:
    """0, or that of a run which came upon a term that was not finite or was stopped, each told on stderr."""
    failed = [run for run in runs if run.failure is not None]
    for run in failed:
        say_error(f"{run.settings.get('recipe')} seed {run.settings.get('seed')}: {run.failure}")
    return max((run.failure.exit_code for run in failed if run.failure is not None), default=0)


def first_folder(out: Path) -> Path:
    """The folder of the first seed in `out` that has begun."""
    begun = [path for path in out.glob("seed-*") if (path / SETTINGS).exists() and path.name[5:].isdigit()]
    return min(begun, key=lambda path: int(path.name[5:]), default=out)


class WatchSeeds:
    """Gathers the ticks of runs that are trained side by side, and shows their means."""

    def __init__(self, inner: Watch) -> None:
        self.inner = inner
        self._at = -1
        self._seen: dict[int, Mapping[str, float]] = {}
        self._runs: dict[int, Run] = {}
        self._told: dict[int, int] = {}
        self._noted: set[str] = set()

    def member(self, index: int) -> Callable[[Run, int, Mapping[str, float]], None]:
        """The callback of one of the runs."""

        def tick(run: Run, iteration: int, stats: Mapping[str, float]) -> None:
            lines = self._news(index, run)
            if iteration != self._at:
                self._at, self._seen = iteration, {}
            self._seen[index] = stats
            shown = [*self._seen.values()] if len(self._seen) >= run.beside else []
            self.inner.show(run, iteration, means(shown) if shown else None, lines, len(shown))
            if shown:
                self._seen = {}

        return tick

    def _news(self, index: int, run: Run) -> list[str]:
        """What is new: who is trained now, how, and what any of the runs has to say (one that failed ticks no more)."""
        lines = []
        if index not in self._runs:
            if self._runs and run.beside == 1:
                lines.append(f"seed {run.settings.get('seed')}:")
            if not self.inner.heading:
                lines += [note for note in run.notes if note not in self._noted]
            self._noted |= {*run.notes}
        self._runs[index] = run  # another one, once it was rolled back
        for other, each in self._runs.items():
            lines += [f"seed {each.settings.get('seed')}: {line}" for line in each.events[self._told.get(other, 0) :]]
            self._told[other] = len(each.events)
        return lines


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over the rows that have it; the gravest of their verdicts."""
    keys = {key: None for row in rows for key, value in row.items() if not isinstance(value, str)}
    verdicts = [row["verdict"] for row in rows if "verdict" in row]
    told = {"verdict": gravest(verdicts)} if verdicts else {}
    return {key: fmean(row[key] for row in rows if key in row) for key in keys} | told


def finish(runs: Sequence[Run], jobs: Sequence[Job], console: Console) -> int:
    """The table over the seeds, and where everything is; the exit code."""
    from .compare import Result
    from .side_by_side import SideBySide

    whole = [(job, run) for job, run in zip(jobs, runs, strict=True) if run.failure is None]
    if whole:
        SideBySide.of([Result.of(job, run) for job, run in whole]).show(console)
        folder = whole[0][0].folder
        console.print(f"runs: {folder.parent}/seed-*, each complete")
        console.print(f"more samples with: steadygan sample {folder} -n 1000 --out samples.npz")
    sys.stdout.flush()
    return exit_code(runs)
