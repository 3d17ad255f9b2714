"""Readers of single settings: each accepts a JSON value or text from the command line, or says what it expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from ..errors import printable

MOST = 10**12  # of a number that has no bound of its own
LONGEST = 100  # characters of a name that is held against others


class ReadError(ValueError):
    """What was expected of a setting."""


class Text(str):
    """A value as it was typed: every setting reads it as its own type, so a path named 007 stays a path."""

    __slots__ = ()


@dataclass(frozen=True)
class Reader:
    """How one setting is read: `read` converts a JSON value or `Text`, or raises ValueError; `types` are Python types.

    It is part of a setting's annotation, `Annotated[float, real(0.0)]`, and defines the allowed range, wherever the
    setting comes from.
    """

    expected: str
    read: Callable[[Any], Any]
    types: tuple[type, ...]
    names: tuple[str, ...] = ()
    optional: bool = False

    @property
    def wanted(self) -> str:
        """What it expects, in words."""
        return f"{self.expected}, or none" if self.optional else self.expected

    def __call__(self, value: Any) -> Any:
        """The setting that a JSON value or text as typed means; raises `ReadError`."""
        if self.optional and value is None:
            return None
        try:
            return self.read(value)
        except ReadError:
            raise
        except (ValueError, OverflowError):
            raise ReadError(self.wanted) from None

    def refusal(self, value: Any, shown: str) -> str:
        """What is wrong with a value, and the nearest name where there are names."""
        wanted = self.wanted
        try:
            self.read(value)
        except ReadError as error:  # it is of the kind that was expected, but for this
            wanted = str(error)
        except (ValueError, OverflowError):
            pass
        near = get_close_matches(str(value)[:LONGEST], self.names, n=1, cutoff=0.5)
        return f"expected {wanted}, got {shown}{f': did you mean {near[0]!r}?' if near else ''}"

    def takes(self, value: Any) -> bool:
        """Whether a value given in Python is such a setting already."""
        if value is None or not isinstance(value, self.types):
            return value is None and self.optional
        try:
            self.read(value)
        except (ValueError, OverflowError):
            return False
        return True


def whole(low: int | None = None, high: int | None = None, most: int = MOST) -> Reader:
    """Reads a whole number from `low` to `high`; 2e4 and 64.0 are whole numbers, true and "64" in JSON are not.

    most: an upper limit on sensible values, mentioned only to those who exceed it.
    """
    expected = "a whole number"
    if low is not None:
        expected += f" of {low} or more" if high is None else f" from {low} to {high}"

    def read(value: Any) -> int:
        number = _number(value)
        if number != int(number) or (low is not None and number < low) or (high is not None and number > high):
            raise ValueError
        if abs(number) > most:
            raise ReadError(f"a whole number of at most {most:,}")
        return int(number)

    return Reader(expected, read, (int,))


def real(
    low: float | None = None, high: float | None = None, *, above: float | None = None, below: float | None = None
) -> Reader:
    """Reads a finite number within low <= value <= high, above < value < below."""
    if low is not None:
        words = f"of {low:g} or more" if high is None and below is None else f"from {low:g}"
    else:
        words = "" if above is None else f"above {above:g}"
    upper = f"to {high:g}" if high is not None else f"to below {below:g}" if below is not None else ""

    def read(value: Any) -> float:
        number = float(_number(value))
        if (low is not None and number < low) or (high is not None and number > high):
            raise ValueError
        if (above is not None and number <= above) or (below is not None and number >= below):
            raise ValueError
        return number

    return Reader(" ".join(filter(None, ("a number", words, upper))), read, (int, float))


def choice(*names: str) -> Reader:
    """Reads one of the given names, which may be none itself."""

    def read(value: Any) -> str:
        value = "none" if value is None else value  # as the command line gives it
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return str(value)

    return Reader(f"one of {', '.join(names)}", read, (str,), names)


def text(expected: str, pattern: str = ".+") -> Reader:
    """Reads text that matches `pattern`, exactly as it was typed, without control characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None or printable(value) != value:
            raise ValueError
        return str(value)

    return Reader(expected, read, (str,))


def truth() -> Reader:
    """Reads true or false."""

    def read(value: Any) -> bool:
        value = {"true": True, "false": False}.get(value.lower()) if isinstance(value, Text) else value
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Reader("true or false", read, (bool,))


def several(item: Reader, expected: str, count: int | None = None) -> Reader:
    """Reads `count` values of one kind, or any number of them, typed as `0.5,0.9`; nothing, or none, is no value."""

    def read(value: Any) -> tuple[Any, ...]:
        typed = isinstance(value, Text)
        items = value.strip("()[] ").split(",") if typed else () if value is None else value
        if typed and items == [""]:
            items = ()
        if not isinstance(items, list | tuple) or count not in (None, len(items)):
            raise ValueError
        return tuple(
            None if each is None and item.optional else item.read(Text(each.strip()) if typed else each)
            for each in items
        )

    return Reader(expected, read, (tuple, list))


def table(expected: str, item: Callable[[Any], Any]) -> Reader:
    """Reads a mapping of names to whatever `item` reads."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise ValueError
        return {name: item(each) for name, each in value.items()}

    return Reader(expected, read, (dict,))


def reader_of(annotation: Any) -> Reader | None:
    """The reader in a setting's annotation, or the one that its plain type means; None for any other type."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (inner, *others) = (each for each in args if each is not NoneType)
        found = None if others else reader_of(inner)
        return found if found is None or NoneType not in args else replace(found, optional=True)
    if origin is Annotated:
        told = [each for each in args[1:] if isinstance(each, Reader)]
        return replace(told[0], optional=NoneType in get_args(args[0])) if told else reader_of(args[0])
    if origin is Literal:
        return choice(*args)
    if origin is tuple:
        item = reader_of(args[0])
        if item is None or any(each not in (args[0], ...) for each in args):
            return None
        many = "any number of values" if ... in args else f"{len(args)} values"
        return several(item, f"{many} separated by commas, each {item.expected}", None if ... in args else len(args))
    return PLAIN[annotation]() if annotation in PLAIN else None


def _number(value: Any) -> int | float:
    if isinstance(value, Text):
        if not value.isascii():  # Python would take the digits of any script
            raise ValueError
        try:
            value = json.loads(value.strip().replace("_", "").removeprefix("+"))
        except json.JSONDecodeError:
            value = float(value)  # .5 and 1. are no JSON
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return value


PLAIN: dict[Any, Callable[[], Reader]] = {
    bool: truth,
    int: whole,
    float: real,
    str: lambda: text("text", "(?s).*"),
}
Of: TypeAlias = Literal["logit", "probability", "sum"]
By: TypeAlias = Literal["gradient", "difference"]
Count: TypeAlias = Annotated[int, whole(1)]
Natural: TypeAlias = Annotated[int, whole(0)]
Size: TypeAlias = Annotated[int | None, whole(1, most=10**8)]
Few: TypeAlias = Annotated[int, whole(1, most=10_000)]
Depth: TypeAlias = Annotated[int, whole(0, most=10_000)]
Width: TypeAlias = Annotated[int, whole(1, most=2**16)]
Extra: TypeAlias = Annotated[int, whole(0, most=2**16)]  # a width, 0 where there is none
Seed: TypeAlias = Annotated[int, whole(0, most=2**63 - 1)]
Weight: TypeAlias = Annotated[float, real(0.0)]
Positive: TypeAlias = Annotated[float, real(above=0.0)]
Share: TypeAlias = Annotated[float, real(0.0, below=1.0)]
Names: TypeAlias = Annotated[
    tuple[str, ...], several(text("a name", r"[^\s,]+"), "names separated by commas, such as net.2,net.5")
]
