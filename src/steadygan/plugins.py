"""Modules of users that register parts, data sets, networks and recipes: imported when they are named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import InputError

GROUP = "steadygan.plugins"  # the entry points that installed packages declare
ADVICE = ": name the module that brings it with --plugin, or import it"  # for a name that a run's folder holds


def load(modules: Iterable[str] | None) -> None:
    """Imports modules by name, from the current folder or what is installed; raises InputError in one line."""
    for name in modules or ():
        if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"expected a module as plugin, such as my_parts for my_parts.py, got {name!r}: name one")
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        importlib.invalidate_caches()
        _run(name, lambda name=name: importlib.import_module(name))  # type: ignore[misc]


def load_installed() -> bool:
    """Loads what installed packages bring, once, when a name is met that nobody knows; whether there was anything."""
    if _seen:
        return False
    _seen.append(GROUP)
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    for entry in found:
        _run(entry.name, entry.load)
    return bool(found)


_seen: list[str] = []


def _run(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (Exception, SystemExit) as error:  # a script without a guard may end the program
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            raise InputError(
                f"expected a plugin {name}, found no such module in {str(Path.cwd())!r} nor installed: check the name"
            ) from None
        told = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        reason = " ".join(told.split())
        line = f"{type(error).__name__}: {reason}" if not isinstance(error, KeyError | InputError) else reason
        raise InputError(f"expected to import the plugin {name}, got {line[:200]}: mend the module") from error
