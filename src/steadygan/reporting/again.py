"""The command that makes a run again: its recipe and what was changed of it, checked by reading it back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Settings, override
from ..errors import InputError
from ..recipes import RECIPES
from ..runs.settings import ABSENT, changed
from .groups import Group

OWN_OPTIONS = frozenset({"seed", "recipe", "scale"})


def command(group: Group) -> str | None:
    """`steadygan train RECIPE KEY=VALUE ... --seed S --iterations N`; None where words cannot say the settings."""
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
    """What was changed of the recipe, as key=value; None where these words do not lead back to the settings."""
    try:
        base = RECIPES[settings.recipe](settings.seed, settings.scale)
        own = settings.plain()
        keys = [(key, new) for key, _, new in changed(base.plain(), own, reading=True) if key not in OWN_OPTIONS]
        for words in (_leaves(own, keys), _blocks(base.plain(), own, keys)):
            if _leads_back(base, words, settings):
                return words
    except InputError:
        pass
    return None


def _leads_back(base: Settings, words: Sequence[str], settings: Settings) -> bool:
    try:
        return not changed(override(base, words).plain(), settings.plain(), reading=True)
    except InputError:
        return False


def _leaves(own: Mapping[str, Any], keys: Sequence[tuple[str, Any]]) -> list[str]:
    """One word per leaf that differs."""
    return [f"{key}={_value(new)}" for key, new in keys if new != ABSENT]


def _blocks(base: Mapping[str, Any], own: Mapping[str, Any], keys: Sequence[tuple[str, Any]]) -> list[str]:
    """The same, with parts that are no longer there taken away, and names before what they decide."""
    words = dict.fromkeys(f"{part}=none" for key, new in keys if new == ABSENT and (part := _gone(own, key)))
    named = [key for key, new in keys if key.endswith(".name") and new != ABSENT]
    words |= dict.fromkeys(f"{key.removesuffix('.name')}={_value(dict(keys)[key])}" for key in named)
    leaves = [(key, new) for key, new in keys if key not in named]
    return [*words, *_leaves(own, leaves)]


def _gone(own: Mapping[str, Any], key: str) -> str | None:
    """The shortest group of a dotted key that the settings do not have, or have as None; None where all are there."""
    tree: Any = own
    parts = key.split(".")
    for depth, part in enumerate(parts[:-1], start=1):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
        if not tree:
            return ".".join(parts[:depth])
    return None


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(_value(each) for each in value)
    return str(value)


def _stretches(group: Group) -> list[tuple[int, list[str]]]:
    """(iterations, options) of each command: one where the seeds follow each other and went equally far."""
    runs = sorted(((run.records.last, run.seed or 0) for run in group.runs), key=lambda each: each[1])
    seeds = [seed for _, seed in runs]
    lengths = {length for length, _ in runs}
    if len(runs) > 1 and len(lengths) == 1 and seeds == [*range(seeds[0], seeds[0] + len(seeds))]:
        return [(runs[0][0], ["--seed", str(seeds[0]), "--seeds", str(len(seeds))])]
    return [(length, ["--seed", str(seed)]) for length, seed in runs]
