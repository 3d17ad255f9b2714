"""Recipes: named settings, each a function that differs from its base by a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..config import Settings
from ..registry import Registry

Build = TypeVar("Build", bound=Callable[[], Settings])


@dataclass(frozen=True)
class Recipe:
    """A name for settings: what it is in one line, the paper it follows, and the functions that make them.

    small: the settings that two cores can train; None where those of `build` are for two cores already.
    """

    name: str
    text: str
    paper: str  # a key of REFERENCES.bib
    build: Callable[[], Settings]
    small: Callable[[], Settings] | None = None

    def __call__(self, seed: int = 0, scale: str = "full") -> Settings:
        """The recipe's settings under its own name, for one seed; `scale` is full or small."""
        build = self.build if scale == "full" or self.small is None else self.small
        named: dict[str, Any] = {"recipe": self.name, "scale": scale, "seed": seed}
        return replace(build(), **named)


RECIPES: Registry[Recipe] = Registry("recipe")


def recipe(name: str, text: str, paper: str, small: Callable[[], Settings] | None = None) -> Callable[[Build], Build]:
    """Enrols a function without arguments that returns `Settings`; `name` is `<data>/<method>`."""

    def enrol(build: Build) -> Build:
        RECIPES.register(name)(Recipe(name, text, paper, build, small))
        return build

    return enrol
