"""The settings that a run folder holds, and how they differ from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..comparison import changed
from ..errors import InputError
from .settings import Settings

NAME = "settings.json"


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


def difference(old: Settings, new: Settings, reading: bool = False) -> list[tuple[str, Any, Any]]:
    """(key, old, new) of every setting that decides the run and is not the same; a key one side lacks is `absent`.

    reading: where data is read from counts too.
    """
    return changed(old.plain(), new.plain(), reading)
