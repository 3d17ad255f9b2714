"""Modules of users that register parts, data sets, networks and recipes: imported when they are named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

GROUP = "steadygan.plugins"  # the entry points that installed packages declare
ADVICE = ": name its module with --plugin, or import it"  # for a name that a run's folder holds


def load(modules: Iterable[str] | None) -> None:
    """Imports modules by name, from the current folder or what is installed; raises InputError in one line."""
    for name in modules or ():
        if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"expected a plugin module, such as my_parts for my_parts.py, got {name!r}: name one")
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        importlib.invalidate_caches()
        with importing(name, f"a plugin {name}", f"the plugin {name}"):
            importlib.import_module(name)


def load_installed() -> bool:
    """Loads what installed packages bring, once, when a name is met that nobody knows; whether there was anything."""
    if _seen:
        return False
    _seen.append(GROUP)
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    for entry in found:
        with importing(entry.name, f"a plugin {entry.name}", f"the plugin {entry.name}"):
            entry.load()
    return bool(found)


_seen: list[str] = []


@contextmanager
def importing(module: str, a: str, the: str) -> Iterator[None]:
    """Around the import of a user's module: what is wrong with it in one line; `a` and `the` say what it is."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a script without a guard may end the program
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module}.".startswith(f"{missing}."):
            where = f"found no such module in {str(Path.cwd())!r} or among the installed ones"
            raise InputError(f"expected {a}, {where}: check the name") from None
        told = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        reason = " ".join(told.split())
        line = f"{type(error).__name__}: {reason}" if not isinstance(error, KeyError | InputError) else reason
        raise InputError(f"expected to import {the}, got {line[:200]}: fix the module") from error
