"""Readers of single settings: each takes a JSON value or text as typed, or says what it expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator


class ReadError(ValueError):
    """What a setting should have been; `names` are what it may be, where they can be listed."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


class Text(str):
    """A value as it was typed: every setting reads it as its own type, so that a path named 007 stays a path."""

    __slots__ = ()


def whole(low: int, high: int | None = None, *, optional: bool = False) -> BeforeValidator:
    """Reads a whole number from `low` to `high`; 2e4 and 64.0 are whole numbers, true and "64" in JSON are not."""
    expected = f"a whole number of {low} or more" if high is None else f"a whole number from {low} to {high}"

    def read(value: Any) -> int:
        number = _number(value)
        if number != int(number) or number < low or (high is not None and number > high):
            raise ValueError
        return int(number)

    return _reader(read, expected, optional)


def real(
    low: float | None = None,
    high: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    optional: bool = False,
) -> BeforeValidator:
    """Reads a finite number within low <= value <= high, above < value < below."""
    if low is not None:
        words = f"of {low:g} or more" if high is None and below is None else f"from {low:g}"
    else:
        words = "" if above is None else f"above {above:g}"
    upper = f"to {high:g}" if high is not None else f"to below {below:g}" if below is not None else ""
    expected = " ".join(filter(None, ("a number", words, upper)))

    def read(value: Any) -> float:
        number = float(_number(value))
        if (low is not None and number < low) or (high is not None and number > high):
            raise ValueError
        if (above is not None and number <= above) or (below is not None and number >= below):
            raise ValueError
        return number

    return _reader(read, expected, optional)


def choice(*names: str, optional: bool = False) -> BeforeValidator:
    """Reads one of the given names, which may be none itself."""

    def read(value: Any) -> str:
        value = "none" if value is None else value  # as the command line gives it
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return str(value)

    return _reader(read, f"one of {', '.join(names)}", optional, names)


def text(expected: str, pattern: str = ".+", *, optional: bool = False) -> BeforeValidator:
    """Reads text that matches `pattern`, exactly as it was typed."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError
        return str(value)

    return _reader(read, expected, optional)


def truth() -> BeforeValidator:
    """Reads true or false."""

    def read(value: Any) -> bool:
        value = {"true": True, "false": False}.get(value.lower()) if isinstance(value, Text) else value
        if not isinstance(value, bool):
            raise ValueError
        return value

    return _reader(read, "true or false", optional=False)


def pair(low: float, below: float, example: str) -> BeforeValidator:
    """Reads two numbers within low <= value < below, typed as `0.5,0.9`."""

    def read(value: Any) -> tuple[float, float]:
        items = value.strip("()[] ").split(",") if isinstance(value, Text) else value
        if not isinstance(items, list | tuple) or len(items) != 2:
            raise ValueError
        first, second = (float(_number(Text(item) if isinstance(value, Text) else item)) for item in items)
        if not (low <= first < below and low <= second < below):
            raise ValueError
        return first, second

    return _reader(read, f"two numbers from {low:g} to below {below:g}, such as {example}", optional=False)


def names(example: str) -> BeforeValidator:
    """Reads any number of names, typed as `net.2,net.5`; nothing, or none, is no name at all."""

    def read(value: Any) -> tuple[str, ...]:
        items = value.strip("()[] ").split(",") if isinstance(value, Text) else () if value is None else value
        if isinstance(value, Text) and items == [""]:
            return ()
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise ValueError
        found = tuple(str(item).strip() for item in items)
        if not all(re.fullmatch(r"[^\s,]+", item) for item in found):
            raise ValueError
        return found

    return _reader(read, f"names separated by commas, such as {example}", optional=False)


def _reader(read: Callable[[Any], Any], expected: str, optional: bool, names: tuple[str, ...] = ()) -> BeforeValidator:
    wanted = f"{expected}, or none" if optional else expected

    def checked(value: Any) -> Any:
        if optional and value is None:
            return None
        try:
            return read(value)
        except (ValueError, OverflowError):
            raise ReadError(wanted, names) from None

    return BeforeValidator(checked)


def _number(value: Any) -> int | float:
    if isinstance(value, Text):
        try:
            value = json.loads(value.strip().replace("_", "").removeprefix("+"))
        except json.JSONDecodeError:
            value = float(value)  # .5 and 1. are no JSON
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return value


Of: TypeAlias = Annotated[Literal["logit", "probability"], choice("logit", "probability")]
Count: TypeAlias = Annotated[int, whole(1)]
Natural: TypeAlias = Annotated[int, whole(0)]
Weight: TypeAlias = Annotated[float, real(0.0)]
Positive: TypeAlias = Annotated[float, real(above=0.0)]
Real: TypeAlias = Annotated[float, real()]
Names: TypeAlias = Annotated[tuple[str, ...], names("net.2,net.5")]
Flag: TypeAlias = Annotated[bool, truth()]
