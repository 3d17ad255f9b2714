"""The data sets a user can name."""

from __future__ import annotations

from collections.abc import Callable

from ..registry import Registry
from .source import Source

DATA: Registry[Callable[..., Source]] = Registry("data set")
