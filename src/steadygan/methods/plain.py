"""Plain training: every sample is shown as what it is."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.parts import Methods
from ..registry import Registry
from ..types import Method

METHODS: Registry[type[Method]] = Registry(Methods.kinds)


@METHODS.register("plain")
@dataclass(frozen=True)
class Plain(Method):
    """Reals as real, fakes as fake [goodfellow2014]."""
