"""The lines of JSON that a run writes: one record per tick, times, events; and how they are read back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from ..config.values import MOST
from ..errors import InputError, printable
from ..files import json_of, write_text, writing
from ..quantities import number, tone, words

TAIL = 2**15  # bytes at the end of a file, which hold some of its records
REASONS = ("verdict_reason", "reason")


class Turn(NamedTuple):
    """A verdict of a record, and why where it says so; causes: their names, joined by a space."""

    iteration: int
    verdict: str
    reason: str = ""
    causes: str = ""

    @property
    def told(self) -> str:
        """The verdict as words, with its first cause where that is a warning."""
        warned = tone(self.verdict, self.causes) == "warn"
        return words(self.verdict, self.causes if warned else "")


class Records(NamedTuple):
    """The numbers of each record, sorted by iteration; a value that is not finite is NaN."""

    rows: list[dict[str, float]]
    verdicts: list[Turn]  # of every record that has one
    unreadable: int  # lines


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Adds one line; raises InputError when it cannot."""
    append_text(path, json.dumps(line) + "\n")


def append_text(path: Path, text: str) -> None:
    """Adds text to a file; raises InputError when it cannot."""
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file without lines that are none, as the last after a kill, and values that none has."""
    lines = filter(is_record, objects(path))
    return [{key: value for key, value in line.items() if _is_value(key, value)} for line in lines]


def is_record(line: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Whether a line is an object with an iteration."""
    at = None if line is None else number(line.get("iteration"))
    return at is not None and 0 <= at <= MOST and at == int(at)


def unreadable(path: Path) -> int:
    """How many lines are no records; the last is not counted, which a kill may have cut short."""
    return sum(not is_record(line) for line in [*objects(path)][:-1])


def _is_value(key: str, value: Any) -> bool:
    """Whether it may stand in a record: words, whether it closes the run, else a finite number."""
    if key in (*REASONS, "verdict", "causes"):
        return isinstance(value, str)
    told = number(value)
    return isinstance(value, bool) if key == "final" else told is not None and isfinite(told)


def times(path: Path, until: float = inf) -> tuple[float, float]:
    """Seconds of training, and iterations per second, as last recorded up to an iteration; zeros where nothing is."""
    told = [(0.0, 0.0)]
    for line in read_records(path):
        if line["iteration"] <= until and "seconds" in line:
            told.append((float(line["seconds"]), float(line.get("iterations_per_second", 0.0))))
    return told[-1]


def cut_back(path: Path, iteration: int) -> None:
    """Forgets everything after `iteration`, and the closing record of a run that stopped between two ticks."""
    kept = [r for r in read_records(path) if r["iteration"] <= iteration and not r.get("final")]
    write_text(path, "".join(json.dumps(record) + "\n" for record in kept))


def records(path: Path) -> Records:
    """The records of a file, line by line, or of a .json file as one list; see `records_of`."""
    if path.suffix == ".json":
        content = json_of(path)
        if not isinstance(content, list):
            raise InputError(f"expected a list of records in '{path}', got {type(content).__name__}: write one")
        return records_of([each if isinstance(each, dict) else None for each in content], path)
    return records_of([*objects(path)], path)


def records_of(lines: Sequence[Mapping[str, Any] | None], name: str | Path) -> Records:
    """The numbers of records; those that are truncated, garbled (None) or tell no iteration are counted.

    Raises InputError where none can be read; `name` says whose they are.
    """
    rows: list[dict[str, float]] = []
    verdicts: list[Turn] = []
    for content in sorted(filter(is_record, lines), key=lambda line: float(line["iteration"])):
        values = ((str(key), number(value)) for key, value in content.items() if key != "final")
        rows.append({key: value if isfinite(value) else nan for key, value in values if value is not None})
        verdict = content.get("verdict")
        if isinstance(verdict, str) and verdict:
            reasons = [content[key] for key in REASONS if isinstance(content.get(key), str)]
            causes = content.get("causes")
            known = " ".join(causes.split()) if isinstance(causes, str) else ""
            verdicts.append(Turn(int(content["iteration"]), verdict, reasons[0] if reasons else "", known))
    unreadable = len(lines) - len(rows)
    if not rows:
        told = f"{unreadable:,} that cannot be read" if unreadable else "an empty file"
        raise InputError(f"expected records in '{name}', got {told}: continue the run, or leave it out")
    return Records(rows, verdicts, unreadable)


def turns(verdicts: Sequence[Turn]) -> list[Turn]:
    """Those that differ from the one before: another verdict, or another warning."""
    return [turn for i, turn in enumerate(verdicts) if i == 0 or turn.told != verdicts[i - 1].told]


def newest(path: Path) -> dict[str, Any]:
    """The last value of each figure near the end of a file that may be growing; {} where there is no record yet."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    found: dict[str, Any] = {}
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:  # cut short, at either end
            continue
        if isinstance(content, dict) and is_record(content):
            found |= {str(key): value for key, value in content.items() if _is_value(key, value)}
    return found


def objects(path: Path) -> Iterator[dict[str, Any] | None]:
    """The objects of a .jsonl file, one for each line that is not blank; None for what is none."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                content = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                content = None
            if not isinstance(content, dict):
                yield None
            else:  # as it may be printed
                yield {key: printable(value) if isinstance(value, str) else value for key, value in content.items()}
