"""Errors a user can fix, and the exit code of each on the command line."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from math import inf, isfinite

EXIT_INPUT = 2
EXIT_NON_FINITE = 3
EXIT_STOPPED = 4
EXIT_INTERRUPTED = 130
MOST_NAMES = 15  # that one line lists
NEAREST = 5  # names that stand for the rest
LISTED = {  # where all names of a kind are to be found
    "recipe": "steadygan recipes '*' lists all",
    "paper": "steadygan recipes '*' lists all",
    "setting": "--dry-run prints all",
    "statement": "steadygan theory lists all",
}
INNER = ("steadygan", "torch", "contextlib")  # where a warning points nowhere that a user could change
LONG_WORD, LONG_LINE = 300, 1200  # characters of a message


class InputError(ValueError):
    """A setting, file or module the user gave is wrong; one line: what was expected, what came, what to change."""

    exit_code = EXIT_INPUT

    def __init__(self, message: object = "") -> None:
        super().__init__(shortened(str(message)))


class ToldError(InputError):
    """The same, of several processes: the first one says it."""


def shortened(message: str) -> str:
    """A message with long words and its middle cut, and with control characters escaped as in Python."""
    text = re.sub(rf"\S{{{LONG_WORD},}}", lambda word: _cut(word[0], LONG_WORD), printable(message))
    return text if len(text) <= LONG_LINE else _cut(text, LONG_LINE)


def printable(text: str) -> str:
    """Text with control characters escaped as in Python."""
    return "".join(c if c.isprintable() or c.isspace() else ascii(c)[1:-1] for c in text)


def _cut(text: str, most: int) -> str:
    return f"{text[: most // 2]}...{text[-most // 3 :]}"


def check_whole(name: str, value: object, low: int, most: int = 2**63 - 1) -> None:
    """Raises InputError unless `value` is a whole number of at least `low`, and no more than a machine counts."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(f"{name} must be a whole number of {low} or more, not {value!r}")
    if value > most:
        raise InputError(f"{name} must be a whole number of at most {most:,}: lower it")


def check_number(name: str, value: object, low: float = -inf, above: bool = False) -> None:
    """Raises InputError unless `value` is a finite number of at least `low` (more than it, if `above`)."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or value < low or (above and value == low):  # type: ignore[operator]
        least = "" if low == -inf else f" above {low:g}" if above else f" of {low:g} or more"
        raise InputError(f"{name} must be a finite number{least}, not {value!r}")


class NonFiniteError(ArithmeticError):
    """A term of the objective became NaN or infinite; the message names step, term and the last good checkpoint."""

    exit_code = EXIT_NON_FINITE


class CollapseError(RuntimeError):
    """The monitor stopped a run; the message says at which iteration, why, and what helps."""

    exit_code = EXIT_STOPPED


class CollapseWarning(UserWarning):
    """A run loses quality, or none is to be had; the message says at which iteration, why, and what helps."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def warn(message: str) -> None:
    """A `CollapseWarning` that points at the user's line: the first one outside of this package and of torch."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(f"steadygan: {message}", CollapseWarning, stacklevel=level)


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for an unregistered name: offers the closest known one, then lists all, or the closest."""
    names = sorted(known)
    sought = name[:LONG_WORD]
    near = get_close_matches(sought, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if len(names) <= MOST_NAMES:
        return InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")
    some = get_close_matches(sought, names, n=NEAREST, cutoff=0.0)
    where = f"; {LISTED[kind]}" if kind in LISTED else ""
    return InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(some)}, ... ({len(names):,} in all{where})")


def one_line(error: BaseException, kind: bool = False) -> str:
    """The message of another library's error in one line of at most 200 characters; with `kind`, after its type."""
    text, name = " ".join(shortened(str(error)).split()), type(error).__name__
    text = f"{name}: {text}" if kind and text else text or name
    return text if len(text) <= 200 else f"{text[:197]}..."


def unreachable(error: BaseException) -> str:
    """Why a download failed, in one line and without addresses: `no route to host`, `HTTP Error 404: Not Found`."""
    text = re.sub(r"Tried \S+, got:|\S*://\S+", "", str(error))
    reasons = re.findall(r"<urlopen error (?:\[Errno -?\d+\] )?(.*?)>", text)
    return one_line(OSError(reasons[-1] if reasons else text.strip() or type(error).__name__))


def first_line(error: BaseException) -> str:
    """The first non-empty line of another library's error, else its type."""
    return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)


@contextmanager
def calling(what: str, advice: str) -> Iterator[None]:
    """Turns an error of a user's function or network about its input into one line."""
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, TypeError, LookupError, ValueError) as error:
        raise InputError(f"{what}: {first_line(error)}: {advice}") from error


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: Python's, NumPy's, or torch's of any device."""
    said = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, MemoryError) or any(words in str(error) for words in said)


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop (SIGINT, SIGTERM) and has saved its checkpoint."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, iteration: int, out: str | None) -> None:
        self.iteration, self.out = iteration, out
        kept = f"saved in {out}" if out else "nothing was saved, because no output folder is set"
        super().__init__(f"interrupted after iteration {iteration:,}, {kept}")
