"""What happened to a run, told from its log: lines about how it is executed are left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["alarm", "notice", "mark"]

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*)")
AT = re.compile(r"\biteration (\d+)\b")
KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (  # the first that fits
    ("alarm", re.compile(r"dead discriminator|\bwas [-+]?(nan|inf)\b|non-finite|not finite", re.IGNORECASE)),
    ("alarm", re.compile(r"\b(exploding|collapsing|collapsed|drifting)\b")),
    ("notice", re.compile(r"^not bit-identical|^iteration \d+: ")),
    ("mark", re.compile(r"^(started|resumed|stopped) at iteration \d+")),
)
LONGEST = 500


class Event(NamedTuple):
    """One line of the log: alarm (something is wrong), notice (worth knowing), or mark (began, ended)."""

    iteration: int
    kind: Kind
    text: str
    when: str = ""


def events(path: Path) -> list[Event]:
    """The events of a log.txt in its order; [] where there is none.

    A line that names no iteration is of the one that was named last.
    """
    if not path.is_file():
        return []
    found: list[Event] = []
    at = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LINE.fullmatch(line)
        when, text = match.groups() if match else ("", line)
        named = AT.search(text)
        at = int(named[1]) if named and len(named[1]) < 16 else at
        kind = next((kind for kind, pattern in KINDS if pattern.search(text)), None)
        if kind is None:
            continue
        text = text.partition(" ")[0] if kind == "mark" else re.sub(r"^iteration \d+: ", "", text)
        found.append(Event(at, kind, text if len(text) <= LONGEST else f"{text[:LONGEST]} ...", when))
    return found
