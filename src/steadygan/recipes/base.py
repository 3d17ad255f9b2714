"""Recipes: named settings, each a function that differs from its base by a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..config import Settings
from ..registry import Registry

Build = TypeVar("Build", bound=Callable[[], Settings])


@dataclass(frozen=True)
class Recipe:
    """A name for settings: what it is in one line, the paper it follows, and the function that makes them."""

    name: str
    text: str
    paper: str  # a key of REFERENCES.bib
    build: Callable[[], Settings]

    def __call__(self, seed: int = 0) -> Settings:
        """The recipe's settings under its own name, for one seed."""
        return Settings.check({**self.build().plain(), "recipe": self.name, "seed": seed})


RECIPES: Registry[Recipe] = Registry("recipe")


def recipe(name: str, text: str, paper: str) -> Callable[[Build], Build]:
    """Enrols a function without arguments that returns `Settings`; `name` is `<data>/<method>`."""

    def enrol(build: Build) -> Build:
        RECIPES.register(name)(Recipe(name, text, paper, build))
        return build

    return enrol
