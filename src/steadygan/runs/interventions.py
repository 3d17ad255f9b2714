"""The roll-backs of a run, kept beside it and done again when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..files import write_text
from .folder import RunFolder


@dataclass(frozen=True)
class Intervention:
    """One roll-back: seen at `iteration`, gone back to `to`; the `remedy` in words."""

    iteration: int
    to: int
    verdict: str
    reason: str
    remedy: str

    @property
    def told(self) -> str:
        """In words, without the iteration at which it was seen."""
        changed = f", {self.remedy}" if self.remedy else ""
        return f"{self.verdict.replace('_', ' ')}: rolled back to iteration {self.to}{changed}"


def interventions(folder: RunFolder) -> list[Intervention]:
    """Those of a run so far; raises InputError where the file cannot be read."""
    if not folder.interventions.exists():
        return []
    try:
        content = json.loads(folder.interventions.read_text(encoding="utf-8"))
        return [
            Intervention(**{**each, "iteration": int(each["iteration"]), "to": int(each["to"])}) for each in content
        ]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{folder.interventions} is not a readable list of roll-backs ({type(error).__name__}): start the run anew"
        ) from None


def note(folder: RunFolder, done: Sequence[Intervention]) -> None:
    """Writes all of them down, in one piece."""
    write_text(folder.interventions, json.dumps([vars(each) for each in done], indent=2) + "\n")


def interventions_told(folder: RunFolder) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """The roll-backs of a run, and a word where they cannot be read."""
    try:
        return tuple(map(vars, interventions(folder))), []
    except InputError:
        return (), [f"{folder.interventions.name} cannot be read: roll-backs are left out"]
