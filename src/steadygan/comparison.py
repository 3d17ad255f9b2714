"""Which settings of two runs differ, as far as they decide what a run computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PLAN_KEYS = frozenset({"device", "threads", "compile"})  # where a run is done: a matter of the plan
KEEPING_KEYS = frozenset({"keep", "monitor"})  # how many checkpoints are kept, and who watches
READING_KEYS = frozenset({"data.path", "data.workers"})  # where data is and who reads it: its content is compared
ABSENT = "absent"
LATER = {  # settings that older runs do not name, and what they had
    "precision": "float32",
    "candidates": None,
    "discriminator.minibatch_discrimination": 0,
    "discriminator.embedding": 0,
    "discriminator.denoiser": 0,
    "evaluate.features": "auto",
}


def changed(old: Mapping[str, Any], new: Mapping[str, Any], reading: bool = False) -> list[tuple[str, Any, Any]]:
    """(dotted key, old, new) of every setting that is not the same; a key that one side lacks is `absent`.

    reading: where data is read from counts too, for those who do not compare its content.
    """
    ignored = PLAN_KEYS | KEEPING_KEYS
    before, now = LATER | dict(flat(old)), LATER | dict(flat(new))
    return [
        (key, before.get(key, ABSENT), now.get(key, ABSENT))
        for key in sorted(before.keys() | now.keys())
        if before.get(key, ABSENT) != now.get(key, ABSENT)
        and key.split(".")[0] not in ignored
        and (key not in READING_KEYS or (reading and key == "data.path"))
    ]


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys; an empty group counts as absent."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
