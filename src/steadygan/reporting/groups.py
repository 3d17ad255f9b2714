"""Groups of runs that differ only in their seed: their names, and the commands that reproduce them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Settings, override
from ..errors import InputError
from ..recipes import RECIPES
from ..runs.history import RunHistory
from ..runs.settings import ABSENT, changed

OWN_OPTIONS = frozenset({"seed", "recipe", "scale"})


@dataclass(frozen=True)
class RunGroup:
    """One run, or the same run with several seeds."""

    name: str
    runs: tuple[RunHistory, ...]

    @property
    def first(self) -> RunHistory:
        return self.runs[0]

    @property
    def several(self) -> bool:
        return len(self.runs) > 1

    def called(self, run: RunHistory) -> str:
        """The name of one of its runs."""
        return f"{self.name}, {_seed(run)}" if self.several else self.name


def grouped(runs: Sequence[RunHistory]) -> list[RunGroup]:
    """The runs in groups, both in the given order."""
    groups: list[list[RunHistory]] = []
    for run in runs:
        home = next((own for own in groups if _same_but_for_the_seed(own, run)), None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    return [RunGroup(name, tuple(own)) for name, own in zip(_names(groups), groups, strict=True)]


def _same_but_for_the_seed(group: Sequence[RunHistory], run: RunHistory) -> bool:
    first = group[0]
    if run.seed is None or first.seed is None or run.seed in {other.seed for other in group}:
        return False
    return not [key for key, *_ in changed(first.tree, run.tree, reading=True) if key != "seed"]


def _names(groups: Sequence[Sequence[RunHistory]]) -> list[str]:
    """Recipes where these differ, else recipes with as much of the folder's path as it takes."""
    seeds = common_seed(groups) is None
    plain = [_plain(group, seeds) for group in groups]
    paths = [_path(group).parts for group in groups]
    names = plain
    for depth in range(1, max(map(len, paths), default=0) + 1):
        if len(set(names)) == len(names):
            break
        ends = ["/".join(path[-depth:]) for path in paths]
        names = [f"{name} in {end}" if plain.count(name) > 1 else name for name, end in zip(plain, ends, strict=True)]
    return names


def common_seed(groups: Sequence[Sequence[RunHistory]]) -> int | None:
    """The seed that all of several lone runs have: it is given once, and not with each name."""
    seeds = {run.seed for group in groups for run in group}
    return seeds.pop() if len(groups) > 1 and len(seeds) == 1 and all(len(group) == 1 for group in groups) else None


def _plain(group: Sequence[RunHistory], seed: bool) -> str:
    tree = group[0].tree
    recipe = tree.get("recipe")
    if not isinstance(recipe, str):
        return _path(group).name or str(group[0].path)
    name = recipe if tree.get("scale", "full") == "full" else f"{recipe} {tree['scale']}"
    return f"{name}, {_seed(group[0])}" if seed and len(group) == 1 and group[0].seed is not None else name


def _seed(run: RunHistory) -> str:
    return f"seed {run.seed}"


def _path(group: Sequence[RunHistory]) -> Path:
    path = group[0].path.resolve()
    return path.parent if len(group) > 1 else path


def command(group: RunGroup) -> str | None:
    """`steadygan train RECIPE KEY=VALUE ... --seed S --iterations N`; None if no command line gives these settings."""
    settings = group.first.settings
    if settings is None or settings.recipe not in RECIPES:
        return None
    words = _words(settings)
    if words is None:
        return None
    told = ["steadygan", "train", settings.recipe, *words]
    if settings.scale != "full":
        told += ["--scale", settings.scale]
    return "\n".join(shlex.join([*told, *seeds, "--iterations", str(length)]) for length, seeds in _stretches(group))


def _words(settings: Settings) -> list[str] | None:
    """What was changed of the recipe, as key=value; None where these words do not lead back to the settings.

    Parts that are no longer there are taken away first, and names come before what they decide.
    """
    try:
        base = RECIPES[settings.recipe](settings.seed, settings.scale)
        own = settings.plain()
        keys = {key: new for key, _, new in changed(base.plain(), own, reading=True) if key not in OWN_OPTIONS}
        gone = dict.fromkeys(part for key, new in keys.items() if new == ABSENT and (part := _gone(own, key)))
        there = {key: new for key, new in keys.items() if new != ABSENT}
        ordered = sorted(there, key=lambda key: not key.endswith(".name"))
        words = [f"{part}=none" for part in gone]
        words += [f"{key.removesuffix('.name')}={shown(there[key], ',')}" for key in ordered]
        return None if changed(override(base, words).plain(), own, reading=True) else words
    except InputError:
        return None


def _gone(own: Mapping[str, Any], key: str) -> str | None:
    """The shortest group of a dotted key that the settings do not have, or have as None; None where all are there."""
    tree: Any = own
    parts = key.split(".")
    for depth, part in enumerate(parts[:-1], start=1):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
        if not tree:
            return ".".join(parts[:depth])
    return None


def shown(value: Any, comma: str = ", ") -> str:
    """A setting as text."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return comma.join(shown(each, comma) for each in value)
    return str(value)


def _stretches(group: RunGroup) -> list[tuple[int, list[str]]]:
    """(iterations, options) of each command: one where the seeds follow each other and went equally far."""
    runs = sorted(((run.last, run.seed or 0) for run in group.runs), key=lambda each: each[1])
    seeds = [seed for _, seed in runs]
    lengths = {length for length, _ in runs}
    if len(runs) > 1 and len(lengths) == 1 and seeds == [*range(seeds[0], seeds[0] + len(seeds))]:
        return [(runs[0][0], ["--seed", str(seeds[0]), "--seeds", str(len(seeds))])]
    return [(length, ["--seed", str(seed)]) for length, seed in runs]
