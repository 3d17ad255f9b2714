"""Which executor trains: eager or functional, compiled or not, decided once and told in a line."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import torch

from ..engine.captured import WARM, Captured
from ..engine.compiling import Compiler, first_line
from ..engine.draws import BLOCK
from ..engine.functional import Functional
from ..engine.members import StackedBlocks
from ..errors import InputError
from .loop import Loop
from .obstacles import convolutional
from .plan import Plan

COMPILING = 20.0  # seconds that compiling a small network's step takes from scratch (docs/results/speed.md)
SHARE = {False: 0.45, True: 0.35}  # of an iteration's time that is left when compiled: lone eager, stacked
MARGIN = 2.0  # what is won must be so many times what compiling costs
SHORT = 2000  # iterations for which nothing is timed: a small network's are over before a compiler is done
TIMED = 20  # iterations
SETS = 1000  # iterations in which every set of active penalties comes up


class CannotStackError(Exception):
    """The runs cannot be trained side by side after all; nothing was written yet."""


def settled(
    plan: Plan,
    loop: Loop,
    stored: str | None,
    obstacle: Callable[[], str | None],
    steps: dict[Hashable, Callable[..., Any]] | None = None,
) -> tuple[Plan, list[str], list[str]]:
    """Gives the loop its executor; the plan as it came out, what there is to say about it, and what belongs in a log.

    stored: the `compile` of the checkpoint that the runs go on from, which stands where the plan leaves it open.
    obstacle: finds out why a lone run cannot have its gradients taken by functions of its weights.
    steps: compiled ones of a stack of equal runs that was trained before; those of this one are added.
    """
    journals = loop.journals
    members = [journal.executor for journal in journals]
    eager = loop.executor, loop.blocks
    if len(members) > 1:
        loop.blocks = StackedBlocks([journal.draws for journal in journals])
        loop.executor = Functional(members, Compiler(on=False))
        plan = replace(plan, executor="functional")
        try:
            rehearse(loop, 1)
        except (InputError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a part of the user's own that does not bear stacking, for one
            raise CannotStackError(f"a step of all seeds at once fails ({first_line(error)})") from error
    told = []
    if plan.compile == "auto":
        on, reason = worthwhile(loop, stored)
        plan = replace(plan, compile="on" if on else "off")
        told.append(reason)
    hindered = obstacle() if plan.compile == "on" and len(members) == 1 else None
    if hindered is not None:
        told = [f"compile=off: {hindered}"]
    if plan.compile == "off" or hindered is not None:
        return replace(plan, compile="off"), told, []
    if loop.executor is eager[0]:
        loop.blocks = StackedBlocks([journal.draws for journal in journals])
    traces: list[str] = []
    ways = [(Captured, True), (Functional, True), (Captured, False)] if on_gpu(loop) else [(Functional, True)]
    for kind, compiled in ways:
        compiler = Compiler(on=compiled, steps=dict(steps or {}))
        try:
            loop.executor = kind(members, compiler)
            rehearse_all(loop)
            failed = compiler.failures[0] if compiler.failures else None
        except Exception as error:  # not the compiler's, but the step's, or that of a graph
            failed = first_line(error)
        traces += [f"compiling failed:\n{trace}" for trace in compiler.traces]
        if failed is None:
            done = f"compiled in {compiler.seconds:.0f} s" if compiled else "recorded as a CUDA graph, not compiled"
            if compiled and steps is not None:
                steps.update(compiler.steps)
            found = replace(plan, executor="functional", compile="on" if compiled else "off")
            return found, [*told, done], traces
        what = "compiling" if kind is Functional else "a CUDA graph"
        told.append(f"{what} failed, going on without ({failed})")
    if len(members) == 1:  # uncompiled, the eager executor is twice as fast
        loop.executor, loop.blocks = eager
    else:
        loop.executor = Functional(members, Compiler(on=False))
    return replace(plan, compile="off"), told, traces


def worthwhile(loop: Loop, stored: str | None) -> tuple[bool, str]:
    """Whether compiling pays within the horizon, and why: from the time of an iteration as it is measured here.

    Compiling costs about 20 s and leaves 35 to 45 % of the time of a small network's iteration; convolutions gain
    nothing. It must win twice what it costs.
    """
    left = loop.horizon - loop.iteration
    if stored in ("on", "off"):
        return stored == "on", f"compile={stored}, as before"
    if left < SHORT:
        return False, f"compile=off: {max(0, left):,} iterations are over sooner"
    gpu = on_gpu(loop)
    if not gpu and shutil.which("g++") is None and shutil.which("clang++") is None:
        return False, "compile=off: there is no C++ compiler here (g++ or clang++)"
    if not gpu and any(convolutional(network) for network in loop.executor.members[0].networks.values()):
        return False, "compile=off: convolutions on a CPU gain nothing"
    rehearse(loop, 3)
    began = time.perf_counter()
    done = rehearse(loop, TIMED)
    each = (time.perf_counter() - began) / done
    even = COMPILING / (each * (1.0 - SHARE[loop.executor.stacked]))
    on = left >= MARGIN * even
    side, word = ("above", "on") if on else ("below", "off")
    return on, (
        f"compile={word}: {left:,} iterations of {1e3 * each:.2f} ms are {side} {MARGIN:.0f} times the "
        f"{even:,.0f} at which compiling breaks even"
    )


def on_gpu(loop: Loop) -> bool:
    """Whether the networks are on a GPU."""
    return next(loop.executor.members[0].G.parameters()).device.type == "cuda"


def rehearse_all(loop: Loop) -> None:
    """Does one iteration for each set of active parts, so that all of them are compiled, and takes them back."""
    first = loop.iteration
    block = loop.blocks(first // BLOCK)
    d_steps = loop.journals[0].draws.needs.d_steps
    sets = {tuple(map(id, loop.executor.acting(n, d_steps))): n for n in reversed(range(first, first + SETS))}
    before = loop.executor.snapshot()
    repeat = WARM + 1 if isinstance(loop.executor, Captured) else 1
    try:
        for number in sorted(sets.values()):
            for _ in range(repeat):  # with the same draw: it is taken back
                loop.executor.iteration(block[first % BLOCK], number, 1.0)
    finally:
        loop.executor.go_back(before)


def rehearse(loop: Loop, iterations: int) -> int:
    """Does up to so many iterations, those that are left of the block, and takes them back; how many it did."""
    first = loop.iteration
    block = loop.blocks(first // BLOCK)
    numbers = range(first, min(first + iterations, (first // BLOCK + 1) * BLOCK))
    before = loop.executor.snapshot()
    try:
        for number in numbers:
            loop.executor.iteration(block[number % BLOCK], number, loop.schedule.factor(number, loop.horizon))
    finally:
        loop.executor.go_back(before)
    return len(numbers)
