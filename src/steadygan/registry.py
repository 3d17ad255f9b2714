"""One registry for each kind of named thing: losses, penalties, methods, models, data sets, recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .config.block import PLAIN, Kinds
from .errors import unknown
from .plugins import load_installed

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Registry(Mapping[str, T]):
    """Names to classes or functions; an unknown name raises `InputError` with the nearest known one.

    kind: what is registered, in a word, or the table of its settings, which then knows whatever is registered.
    """

    def __init__(self, kind: str | Kinds) -> None:
        self.settings = None if isinstance(kind, str) else kind
        self.kind = kind if isinstance(kind, str) else kind.kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator that enrols a class or factory under `name`; a second entry of that name raises `KeyError`.

        A class that does not say its name bears that one.
        """

        def enrol(entry: F) -> F:
            if name in self._entries:
                raise KeyError(f"{self.kind} {name!r} is already registered")
            self._entries[name] = entry  # type: ignore[assignment]
            if isinstance(entry, type) and hasattr(entry, "name") and "name" not in vars(entry):
                entry.name = name
            if self.settings is not None and name != PLAIN:
                self.settings.known.setdefault(name, entry)
            return entry

        return enrol

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or (load_installed() and name in self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
