"""All that a report tells of one run, read from its folder; a part that is missing or damaged is noted, no more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import InputError
from ..runs.settings import NAME as SETTINGS
from . import records
from .events import Event, events
from .folders import METRICS
from .kept import Kept, kept
from .records import Records, Verdict


@dataclass(frozen=True)
class Gathered:
    """One run: `tree` are its settings as they stand in the file, `settings` the same where this version reads them."""

    path: Path
    tree: dict[str, Any]
    settings: Settings | None
    records: Records
    events: list[Event]
    kept: Kept
    seconds: float | None  # of training
    notes: tuple[str, ...] = ()

    @property
    def seed(self) -> int | None:
        """The seed, where the settings name one."""
        seed = self.tree.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict; None where no record has one."""
        return self.records.verdicts[-1] if self.records.verdicts else None

    @property
    def data(self) -> str:
        """The name of its data; "" where the settings name none."""
        data = self.tree.get("data")
        return str(data.get("name", "")) if isinstance(data, dict) else ""


def gather(folder: Path) -> Gathered:
    """Reads a run's folder; raises InputError where no record can be read."""
    read = records.read(folder / METRICS)
    if not read.rows:
        lines = f"{read.unreadable:,} that cannot be read" if read.unreadable else "an empty file"
        raise InputError(
            f"expected records in '{folder / METRICS}', got {lines}: train the run on, or leave it out of the report"
        )
    tree, settings, notes = _settings(folder / SETTINGS)
    if read.unreadable:
        plural = "line" if read.unreadable == 1 else "lines"
        notes.append(f"{read.unreadable:,} {plural} of {METRICS} cannot be read and {_were(read.unreadable)} left out")
    own = kept(folder, settings)
    if not own.known:
        notes.append("no checkpoint can be read: how figures were measured, and what real data gets, is not known")
    return Gathered(folder, tree, settings, read, events(folder / "log.txt"), own, _seconds(folder), tuple(notes))


def _were(count: int) -> str:
    return "is" if count == 1 else "are"


def _settings(path: Path) -> tuple[dict[str, Any], Settings | None, list[str]]:
    if not path.is_file():
        return {}, None, [f"no {path.name}: what the run was made with is not known"]
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, None, [f"{path.name} cannot be read ({type(error).__name__})"]
    if not isinstance(tree, dict):
        return {}, None, [f"{path.name} holds no settings"]
    if "recipe" not in tree:
        return tree, None, []
    try:
        return tree, Settings.check(tree), []
    except InputError as error:
        return tree, None, [f"{path.name} is not of this version: {error}"]


def _seconds(folder: Path) -> float | None:
    path = folder / "timing.jsonl"
    if not path.is_file():
        return None
    found = [records.number(line.get("seconds")) for line in records.lines(path) if line is not None]
    told = [seconds for seconds in found if seconds is not None]
    return told[-1] if told else None
