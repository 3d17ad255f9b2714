"""Named settings that are known to work; `recipes.build`, which needs torch, builds trainers from them."""

from . import bases, papers, showcase
from .recipe import RECIPES, Recipe, recipe

__all__ = ["RECIPES", "Recipe", "bases", "papers", "recipe", "showcase"]
