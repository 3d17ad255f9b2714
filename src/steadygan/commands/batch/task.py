"""A task: seeds of one recipe with the same settings, as one `train` command trains them, wherever that is run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ...quantities import span
from ..job import Job, settled


class Task(NamedTuple):
    """Runs of consecutive seeds, one beside the other in a folder; or a single run."""

    jobs: tuple[Job, ...]

    def __hash__(self) -> int:
        return hash(self.jobs[0].folder)

    @property
    def name(self) -> str:
        """What is shown of it."""
        seeds = [job.settings.seed for job in self.jobs]
        return f"{self.jobs[0].name} seed{'s' * (len(seeds) > 1)} {span(seeds)}"

    @property
    def length(self) -> int:
        """Iterations of each of its runs."""
        return self.jobs[0].length

    def command(self, plugins: Sequence[str] = ()) -> list[str]:
        """What trains it: `train RECIPE KEY=VALUE ... --resume`, which continues runs that have begun."""
        first, several = self.jobs[0], len(self.jobs) > 1
        settings = first.settings
        words = ["train", settings.recipe, *first.changes, "--seed", str(settings.seed)]
        words += ["--seeds", str(len(self.jobs))] if several else []
        words += [] if settings.scale == "full" else ["--scale", settings.scale]
        words += [word for name in plugins for word in ("--plugin", name)]
        out = str(first.folder.parent if several else first.folder)
        return [*words, "--iterations", str(first.length), "--out", out, "--resume", "--plain"]

    def shell(self, plugins: Sequence[str] = ()) -> str:
        """The same as one line for a shell, whatever folder that is in."""
        run = shlex.join([sys.executable, "-m", "steadygan", *self.command(plugins)])
        return f"cd {shlex.quote(str(Path.cwd()))} && {run}"


class Ended(NamedTuple):
    """A task's exit code, less than 0 for the signal that killed it, and its last words."""

    task: Task
    code: int
    told: str


def tasks(groups: Sequence[Sequence[Job]], at_once: int, apart: bool) -> list[Task]:
    """The tasks that train what is missing of several recipes, each a list of jobs over consecutive seeds.

    The seeds of a recipe are one task, which trains them side by side in one program. Where there are fewer recipes
    than `at_once`, they are split into as many stacks as keep all workers busy. apart: seeds of images are a task each,
    because on a CPU convolutions are not stacked. What is trained already has no part in this: the same command makes
    the same stacks, so that they are continued bit for bit.
    """
    found: list[Task] = []
    for own in groups:
        if not all(map(settled, own)):
            parts = len(own) if apart and own[0].settings.data.image else -(-at_once // len(groups))
            count = min(parts, len(own))
            ends = [len(own) * i // count for i in range(count + 1)]
            found += [Task(tuple(own[a:b])) for a, b in pairwise(ends)]
    return [task for task in found if not all(map(settled, task.jobs))]
