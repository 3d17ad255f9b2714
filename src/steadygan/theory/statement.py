"""A statement of a paper as an object: what it says, what is computed, predicted and measured, and the verdict."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ..errors import unknown

if TYPE_CHECKING:
    from ..viz.plot import Plot

Numbers: TypeAlias = float | Sequence[float]
Law: TypeAlias = Any  # a number that a statement predicts, or a function that computes one
Verdict: TypeAlias = Literal["holds", "holds_as_corrected", "fails"]


class Reading(NamedTuple):
    """One number, or several that belong together, predicted and measured.

    It agrees where every measured number is within `tolerance` of the predicted one ("="), or all are above (">") or
    below ("<") it. printed: predicted by the text as printed, where other readings test the corrected one.
    """

    what: str
    predicted: Numbers
    measured: Numbers
    tolerance: float = 0.0
    relation: Literal["=", "<", ">"] = "="
    printed: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the measurement agrees with the prediction; never for a number that is not finite."""
        pairs = [*zip(several(self.predicted), several(self.measured), strict=True)]
        if not all(isfinite(number) for pair in pairs for number in pair):
            return False
        if self.relation == "=":
            return all(abs(measured - predicted) <= self.tolerance for predicted, measured in pairs)
        sign = 1.0 if self.relation == ">" else -1.0
        return all(sign * (measured - predicted) > 0.0 for predicted, measured in pairs)

    def plain(self) -> dict[str, Any]:
        """In JSON's types; what is not finite as None."""
        told = {"predicted": self.predicted, "measured": self.measured}
        numbers = {key: [x if isfinite(x) else None for x in several(value)] for key, value in told.items()}
        shown = {key: own if isinstance(told[key], Sequence) else own[0] for key, own in numbers.items()}
        rest = {"tolerance": self.tolerance, "relation": self.relation, "printed": self.printed, "agrees": self.agrees}
        return {"what": self.what, **shown, **rest}


def several(numbers: Numbers) -> list[float]:
    """One number or several, as floats."""
    return [float(x) for x in numbers] if isinstance(numbers, Sequence) else [float(numbers)]


def told(numbers: Numbers, digits: int = 6) -> str:
    """One number or several as text; of many equal ones, one with their count."""
    words = [f"{x:.{digits}g}" for x in several(numbers)]
    if len(words) > 2 and len(set(words)) == 1:
        return f"{words[0]} ({len(words)} times)"
    return ", ".join(words)


def relative(what: str, predicted: Numbers, measured: Numbers, share: float, printed: bool = False) -> Reading:
    """A reading whose tolerance is a share of the largest predicted number."""
    return Reading(what, predicted, measured, share * max(map(abs, several(predicted))), printed=printed)


def trend(values: Iterable[float]) -> float:
    """1 where each value is above the one before, -1 where each is below it, else 0."""
    listed = [*values]
    signs = {(after > before) - (after < before) for before, after in pairwise(listed)}
    return float(signs.pop()) if len(signs) == 1 else 0.0


@dataclass(frozen=True)
class Statement:
    """A proposition, theorem, equation or claim of a paper, checked by running it.

    name: paper/what. says: as printed. source: keys of REFERENCES.bib and the place. computed: what is run, with which
    parts. corrected: the correct form, where the printed text is wrong. measure: module.function of this package, which
    yields readings and takes the laws that the statement predicts as keywords; plots: one that returns figures.
    """

    name: str
    title: str
    says: str
    source: str
    computed: str
    measure: str
    corrected: str = ""
    plots: str = ""

    @property
    def laws(self) -> dict[str, Law]:
        """What it predicts, by name: numbers, and functions that compute them."""
        return {name: own.default for name, own in inspect.signature(found(self.measure)).parameters.items()}

    def check(self, **laws: Law) -> Checked:
        """Runs it; `laws` replace its predictions. Raises InputError for a law that it does not have."""
        for name in laws.keys() - self.laws.keys():
            raise unknown("law", name, self.laws)
        start = perf_counter()
        readings = tuple(found(self.measure)(**laws))
        return Checked(self, readings, perf_counter() - start)

    def figures(self) -> list[Plot]:
        """What it shows, from the same measurements."""
        return [*found(self.plots)()] if self.plots else []


class Checked(NamedTuple):
    """A statement with its readings."""

    statement: Statement
    readings: tuple[Reading, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """fails if a reading disagrees, except for those of a printed text, where others test the corrected form."""
        own = [reading for reading in self.readings if not reading.printed]
        if not own or not all(reading.agrees for reading in own):
            return "fails"
        return "holds" if all(reading.agrees for reading in self.readings) else "holds_as_corrected"

    def plain(self) -> dict[str, Any]:
        """In JSON's types."""
        told = self.statement
        words = {key: getattr(told, key) for key in ("name", "title", "says", "source", "computed", "corrected")}
        readings = [reading.plain() for reading in self.readings]
        return {**words, "verdict": self.verdict, "readings": readings, "seconds": round(self.seconds, 3)}


def found(place: str) -> Callable[..., Any]:
    """The function `module.name` of this package, imported on first use, because it needs torch."""
    module, _, name = place.partition(".")
    function: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    return function
