"""The settings that a run folder holds, and how they differ from others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .settings import Settings

NAME = "settings.json"
ELSEWHERE = frozenset({"device", "threads"})  # where and how a run is done, not what it is
ABSENT = "absent"


def saved(folder: Path) -> Settings | None:
    """The settings of the run in `folder`, None where there is none; raises InputError when they cannot be read."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected settings in {path}, got {type(error).__name__}: is this a run folder?") from None
    if not isinstance(tree, dict) or "recipe" not in tree:
        raise InputError(f"expected a recipe's settings in {path}, got others: go on with such a run from Python")
    try:
        return Settings.check(tree)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def difference(old: Settings, new: Settings) -> list[tuple[str, Any, Any]]:
    """(key, old, new) of every setting that decides the run and is not the same; a key one side lacks is `absent`."""
    before, now = dict(_flat(old.plain())), dict(_flat(new.plain()))
    return [
        (key, before.get(key, ABSENT), now.get(key, ABSENT))
        for key in sorted(before.keys() | now.keys())
        if before.get(key, ABSENT) != now.get(key, ABSENT) and key.split(".")[0] not in ELSEWHERE
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
