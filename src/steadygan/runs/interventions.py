"""The roll-backs of a run, stored in its folder and repeated when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.block import Block
from ..config.keys import read
from ..config.values import Natural
from ..errors import InputError
from ..files import json_of, write_text


@dataclass(frozen=True)
class Intervention(Block):
    """One roll-back: seen at `iteration`, gone back to `to`; the `remedy` in words."""

    iteration: Natural
    to: Natural
    verdict: str
    reason: str
    remedy: str
    change: str = ""  # the monitor's own, as it writes it
    begun: bool = False  # what came after `to` is yet to be removed

    @property
    def told(self) -> str:
        """In words, without the iteration at which it was seen."""
        changed = f", {self.remedy}" if self.remedy else ""
        return f"{self.verdict.replace('_', ' ')}: rolled back to iteration {self.to}{changed}"


def interventions(path: Path) -> list[Intervention]:
    """Those of a run so far; raises InputError where the file cannot be read."""
    if not path.exists():
        return []
    try:
        content = json_of(path)
        if not isinstance(content, list):
            raise InputError(f"it holds {type(content).__name__}")
        return [read(Intervention, each) for each in content]
    except InputError as error:
        raise InputError(f"{path} is not a readable list of roll-backs ({error}): start the run again") from None


def note(path: Path, done: Sequence[Intervention]) -> None:
    """Writes all of them down, in one piece."""
    write_text(path, json.dumps([vars(each) for each in done], indent=2) + "\n")


def begun_to(path: Path) -> int | None:
    """The iteration of a roll-back that was killed half-way; None without one, or if they cannot be read."""
    with suppress(InputError):
        done = interventions(path)
        return done[-1].to if done and done[-1].begun else None
    return None


def interventions_told(path: Path) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """The roll-backs of a run, and a word where they cannot be read."""
    try:
        return tuple(
            {key: value for key, value in vars(each).items() if key not in ("begun", "change")}
            for each in interventions(path)
        ), []
    except InputError:
        return (), [f"{path.name} cannot be read: roll-backs are not shown"]
