"""Runs that differ in their seed alone stand together; every group has a name that tells it from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..runs.settings import changed
from .gather import Gathered


@dataclass(frozen=True)
class Group:
    """One run, or the same run with several seeds."""

    name: str
    runs: tuple[Gathered, ...]

    @property
    def first(self) -> Gathered:
        return self.runs[0]

    @property
    def several(self) -> bool:
        return len(self.runs) > 1

    def called(self, run: Gathered) -> str:
        """The name of one of its runs."""
        if not self.several:
            return self.name
        return f"{self.name}, {_seed(run)}"


def grouped(runs: Sequence[Gathered]) -> list[Group]:
    """The runs in groups, both in the order in which they were given."""
    groups: list[list[Gathered]] = []
    for run in runs:
        home = next((own for own in groups if _same_but_for_the_seed(own, run)), None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    return [Group(name, tuple(own)) for name, own in zip(_names(groups), groups, strict=True)]


def _same_but_for_the_seed(group: Sequence[Gathered], run: Gathered) -> bool:
    first = group[0]
    if run.seed is None or first.seed is None or run.seed in {other.seed for other in group}:
        return False
    return not [key for key, *_ in changed(first.tree, run.tree, reading=True) if key != "seed"]


def _names(groups: Sequence[Sequence[Gathered]]) -> list[str]:
    """Recipes where these differ, else recipes with as much of the folder's path as it takes."""
    plain = [_plain(group) for group in groups]
    if len(set(plain)) == len(plain):
        return plain
    paths = [_path(group) for group in groups]
    depth = 1
    while depth < max(len(path.parts) for path in paths) and len({_end(p, depth) for p in paths}) < len(paths):
        depth += 1
    return [
        name if plain.count(name) == 1 else f"{name} in {_end(path, depth)}"
        for name, path in zip(plain, paths, strict=True)
    ]


def _plain(group: Sequence[Gathered]) -> str:
    tree = group[0].tree
    recipe = tree.get("recipe")
    if not isinstance(recipe, str):
        return _path(group).name or str(group[0].path)
    name = recipe if tree.get("scale", "full") == "full" else f"{recipe} {tree['scale']}"
    return name if len(group) > 1 or group[0].seed is None else f"{name}, {_seed(group[0])}"


def _seed(run: Gathered) -> str:
    return f"seed {run.seed}"


def _path(group: Sequence[Gathered]) -> Path:
    path = group[0].path.resolve()
    return path.parent if len(group) > 1 else path


def _end(path: Path, depth: int) -> str:
    return "/".join(path.parts[-depth:])
