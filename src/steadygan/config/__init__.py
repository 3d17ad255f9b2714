"""Typed settings: JSON and command line on one side, checked values on the other; nothing here imports torch."""

from . import data, networks, opponents, optimisation, parts
from .override import override
from .settings import Settings

__all__ = ["Settings", "data", "networks", "opponents", "optimisation", "override", "parts"]
