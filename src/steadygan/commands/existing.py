"""A run that a command reads: is there one, and which of its weights are meant; told without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..config import Settings
from ..errors import InputError, unknown
from ..runs.settings import saved


def settings_of(folder: Path) -> Settings:
    """The settings of the run in `folder`; raises InputError where there is none and names one that is near."""
    found = saved(folder)
    if found is not None:
        return found
    near = sorted(str(path.parent) for path in folder.glob("*/settings.json")) if folder.is_dir() else []
    hint = f"did you mean {near[0]}?" if near else "give the folder that train printed"
    raise InputError(f"{folder} holds no run (no settings.json): {hint}")


def weights_named(name: str) -> Literal["ema", "live"]:
    """The weights of that name; raises InputError for others."""
    if name not in ("ema", "live"):
        raise unknown("weights", name, ("ema", "live"))
    return "ema" if name == "ema" else "live"
