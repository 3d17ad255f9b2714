"""Compiling a step: from which torch version on, with which options, and what happens when it fails."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ..errors import first_line

OLDEST = (2, 14)  # torch whose compiler is known to take a step in one piece; that of 2.9 does not


def too_old() -> str | None:
    """What this torch lacks to compile a step; None if it can."""
    if tuple(map(int, torch.__version__.split(".")[:2])) >= OLDEST:
        return None
    return "expected torch {}.{} or newer to compile steps, got {}".format(*OLDEST, torch.__version__)


@dataclass
class Compiler:
    """Compiles the steps of an executor, or leaves them as they are.

    A step that cannot be compiled runs as it is; `failures` gives the reasons, one line each, and `traces` the
    tracebacks.
    """

    on: bool
    seconds: float = 0.0  # that the first calls took
    failures: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    steps: dict[Hashable, Callable[..., Any]] = field(default_factory=dict)  # compiled ones, also of equal stacks

    def once(self, key: Hashable, make: Callable[[], Callable[..., Any]], device: torch.device) -> Callable[..., Any]:
        """The compiled step that is known as `key`, or what `make` gives, compiled at its first call."""
        if not self.on:
            return make()
        if key not in self.steps:
            self.steps[key] = self.compiled(make(), device)
        return self.steps[key]

    def compiled(self, step: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
        """The step, compiled at its first call."""
        if not self.on:
            return step
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        if device.type == "cpu":
            options["cpp_wrapper"] = True
        # Shapes, dtypes and networks never change under an executor: nothing is left to guard, and guards of some
        # fifty tensors would cost a tenth of a small step.
        return _Tried(self, step, {"fullgraph": True, "dynamic": False, "isolate_recompiles": True, "options": options})


class _Tried:
    """A compiled step until its first call has shown whether it works."""

    def __init__(self, compiler: Compiler, plain: Callable[..., Any], wishes: dict[str, Any]) -> None:
        self.compiler, self.plain, self.made, self.wishes = compiler, plain, plain, wishes
        self._known = False

    def __call__(self, *arguments: Any) -> Any:
        if self._known:
            return self.made(*arguments)
        began = time.perf_counter()
        try:
            with _quiet():
                self.made = torch.compile(self.plain, **self.wishes)
                found = self.made(*arguments)
        except Exception as error:  # whatever a compiler may raise: the step itself is still there
            self.compiler.failures.append(f"{type(error).__name__}: {first_line(error)}")
            self.compiler.traces.append(traceback.format_exc())
            self.made = self.plain
            found = self.plain(*arguments)
        self._known = True
        self.compiler.seconds += time.perf_counter() - began
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch's warning that a machine with CUDA tools has no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
