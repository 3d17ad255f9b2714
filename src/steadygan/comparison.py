"""Which settings of two runs differ, as far as they decide what a run computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PLAN_KEYS = frozenset({"device", "threads"})  # where a run is done: a matter of the plan
KEEPING_KEYS = frozenset({"keep"})  # how many checkpoints are kept
ABSENT = "absent"


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(dotted key, old, new) of every setting that is not the same; a key that one side lacks is `absent`."""
    before, now = dict(flat(old)), dict(flat(new))
    return [
        (key, before.get(key, ABSENT), now.get(key, ABSENT))
        for key in sorted(before.keys() | now.keys())
        if before.get(key, ABSENT) != now.get(key, ABSENT) and key.split(".")[0] not in PLAN_KEYS | KEEPING_KEYS
    ]


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys; an empty group counts as absent."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
