"""Finished runs of every method on one data set, and what they are made with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import steadygan as sg
from steadygan.commands.job import Job, finished
from steadygan.commands.tables.results import Result
from steadygan.config import Settings
from steadygan.recipes import RECIPES
from steadygan.runs.folder import RunFolder
from steadygan.runs.records import read_records
from steadygan.runs.settings import difference, saved


class Runs(NamedTuple):
    """All runs of one method on one data set, at least one."""

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


def runs_of(root: Path, data: str, length: int | None = None) -> dict[str, Runs]:
    """The runs of every method on this set, in the order of the recipes, as far as the longest of them goes.

    length: how far they are looked at, where that is less. Raises SystemExit where there are none.
    """
    methods = [name.removeprefix(f"{data}/") for name in RECIPES if name.startswith(f"{data}/")]
    folders = {
        method: [folder for end in ("", "-small") for folder in (root / f"{data}-{method}{end}").glob("seed-*")]
        for method in methods
    }
    begun = [folder for own in folders.values() for folder in own if (folder / "metrics.jsonl").exists()]
    if not begun:
        raise SystemExit(f"expected runs {root}/{data}-METHOD/seed-N, found none: check the folder")
    if length is None:
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
