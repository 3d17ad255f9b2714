"""What the moving lines show at one moment, fitted to a width: the most important first, no word cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from ..quantities import TONES, plain, tone, words
from .glimpse import Glimpse

COLOURS = {"good": "green", "calm": "cyan", "warn": "yellow", "bad": "red"}  # of verdicts, the best first
GAP = "  "
LEAST_BAR = 8  # characters


class Frame(NamedTuple):
    """One moment: what is trained, its progress, state and figures; or what is being prepared."""

    title: str
    done: int = 0
    total: int = 1
    rate: str = ""  # iterations per second
    left: str = ""  # time to go
    verdict: str = ""
    causes: str = ""
    figures: tuple[str, ...] = ()  # what matters most comes first
    brief: tuple[str, ...] = ()  # the same in fewer letters, for a narrow line
    doing: str = ""  # what takes its time just now; "" while iterations are done
    glimpse: Glimpse | None = None

    @property
    def state(self) -> str:
        """The verdict in words."""
        return words(self.verdict, self.causes) if self.verdict else ""

    @property
    def colour(self) -> str:
        """The colour of the verdict."""
        return COLOURS[tone(self.verdict, self.causes)]

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return min(1.0, self.done / max(1, self.total))

    def counted(self) -> str:
        """Iterations done, and the total."""
        return f"{self.done:,}/{self.total:,}"

    def head(self, width: int) -> tuple[str, int, str]:
        """Title, length of the bar, and the text right of it, fitted together; the rate is dropped first."""
        for title, right in (
            (self.title, (self.counted(), self.rate, self.left)),
            (self.title, (self.counted(), self.left)),
            (self.title, (self.counted(),)),
            ("", (self.counted(),)),
        ):
            told = GAP.join(filter(None, right))
            bar = width - len(told) - len(GAP) - (len(title) + len(GAP) if title else 0)
            if bar >= LEAST_BAR:
                return title, bar, told
        return "", 0, self.counted()

    def fitting(self, width: int) -> tuple[str, str]:
        """State and figures that fit side by side into `width`: short forms, without the last ones, where needed."""
        state = self.state if len(self.state) <= width else words(self.verdict)
        first = f"{state}{GAP}" if state else ""
        kept = [self.figures, *(self.brief[:count] for count in range(len(self.brief), 0, -1))]
        return state, next((told for told in map(GAP.join, kept) if len(first) + len(told) <= width), "")

    def told(self) -> str:
        """The moment in one line of any length, for places where nothing can be redrawn."""
        count = f"{self.done:>{len(f'{self.total:,}')},}/{self.total:,}"
        return ", ".join(filter(None, (count, self.state, *self.figures, self.rate, self.left)))


def figures_of(
    stats: Mapping[str, float],
    equilibrium: tuple[float | None, float | None],
    modes: int | None,
    brief: bool = False,
) -> tuple[str, ...]:
    """Modes or balance, the largest gradient that G receives, then losses without penalties and their equilibrium."""
    parts = []
    if "modes" in stats and modes is not None:
        parts.append(f"{stats['modes']:.3g}/{modes} modes")
    elif "balance" in stats:
        parts.append(f"balance {stats['balance']:.2f}")
    if "gradient_max" in stats:
        parts.append(f"max gradient {plain(stats['gradient_max'])}")
    for name, key, level in zip("DG", ("d_loss", "g_loss"), equilibrium, strict=True):
        if key in stats:
            beside = "" if level is None else f" ({'' if brief or name == 'G' else 'equilibrium '}{level:.3f})"
            parts.append(f"{name} {'' if brief else 'loss '}{stats[key]:.3f}{beside}")
    return tuple(parts)


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over the rows that have it; the most serious of their verdicts."""
    keys = {key: None for row in rows for key, value in row.items() if not isinstance(value, str)}
    verdicts = [(row["verdict"], row.get("causes", "")) for row in rows if "verdict" in row]
    told = dict(zip(("verdict", "causes"), gravest(verdicts), strict=True)) if verdicts else {}
    return {key: fmean(row[key] for row in rows if key in row) for key in keys} | told


def gravity(verdict: str, causes: str = "") -> tuple[int, int]:
    """How serious a verdict is: by its tone, then by its word."""
    return [*COLOURS].index(tone(verdict, causes)), [*TONES, verdict].index(verdict)


def gravest(verdicts: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The most serious of some runs' verdicts, with its causes; the first if several are equal."""
    return max(verdicts, key=lambda each: gravity(*each))


def clock(seconds: float) -> str:
    """Seconds as 0:07, 2:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width`, broken only between words; a longer word, such as a path, has its own line.

    indent: before all lines but the first, added to the spaces that the first begins with.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        own = line[: len(line) - len(line.lstrip(" "))] + indent
        shown, *words = line.split(" ")
        for word in words:
            longer = f"{shown} {word}"
            if word and shown.strip() and len(longer) > width:
                lines.append(shown.rstrip(" "))
                shown = (own if len(own) + len(word) <= width else "") + word
            else:
                shown = longer
        lines.append(shown)
    return lines
