"""Which executor computes the iterations of some members: eager or functional, compiled or not, decided once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..engine.captured import WARM, Captured
from ..engine.compiler import Compiler, too_old
from ..engine.draws import Iterations
from ..engine.executor import Executor
from ..engine.functional import Functional
from ..engine.members import StackedBlocks
from ..engine.needs import BLOCK
from ..errors import InputError, first_line
from .member import Member
from .obstacles import convolutional, obstacle, uncompiled
from .plan import Plan

# Steps of G and D together from which compiling pays, on slow cores and on fast ones: it costs 20 s or more; a lone
# run's step of a small network takes 0.6 ms (docs/results/speed.md) to 3 ms and is left with 45 % of it or less, that
# of a stack takes longer and is left with 35 %.
LONE, STACKED = 80_000, 40_000
SETS = 1000  # iterations in which every set of active penalties comes up


class CannotStackError(Exception):
    """The runs cannot be trained side by side after all; nothing has been written yet."""


class Execution(NamedTuple):
    """An executor, the source of its draws, the final plan, what is reported about it, and what a log records."""

    executor: Executor
    blocks: Callable[[int], Iterations]  # number -> the iterations of a block, stacked as the executor wants them
    plan: Plan
    told: list[str]
    logged: list[str]


def execution(
    members: Sequence[Member],
    plan: Plan,
    until: int,
    steps: dict[Hashable, Callable[..., Any]],
    say: Callable[[str], None],
) -> Execution:
    """How the members are trained up to iteration `until`.

    steps: compiled steps of an equal stack that was trained before; new ones are added. say: called before anything
    slow. Raises CannotStackError where a step of all members at once fails.
    """
    first = members[0]
    chosen = Execution(first.executor, first.draws.block, plan, [], [])
    if len(members) > 1:
        executor = Functional([member.executor for member in members], Compiler(on=False))
        blocks = StackedBlocks([member.draws for member in members])
        chosen = chosen._replace(executor=executor, blocks=blocks, plan=replace(plan, executor="functional"))
        try:
            rehearse(chosen, [first.iteration])
        except (InputError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a part of the user's own that does not bear stacking, for one
            raise CannotStackError(f"a step of all seeds at once fails ({first_line(error)})") from error
    on, told = plan.compile == "on", []
    if plan.compile == "auto":
        stored = None if first.resumed is None else str(first.resumed["plan"].get("compile"))
        on, reason = worthwhile(members, until, stored)
        told.append(reason)
    hindered = uncompiled(first.setup) if on else None
    hindered = hindered or (obstacle([first.setup], alone=True) if on and len(members) == 1 else None)
    if hindered is not None:
        on, told = False, [f"compile=off: {hindered}"]
    if not on:
        return chosen._replace(plan=replace(chosen.plan, compile="off"), told=told)
    say(told[0] if told else "compile=on")
    return compiled(members, chosen, told, steps)


def compiled(
    members: Sequence[Member], plain: Execution, told: list[str], steps: dict[Hashable, Callable[..., Any]]
) -> Execution:
    """Compiled, on a GPU recorded as a graph; as it was where both fail, which is told."""
    blocks = plain.blocks if len(members) > 1 else StackedBlocks([member.draws for member in members])
    ways = [(Captured, True), (Functional, True), (Captured, False)] if on_gpu(members) else [(Functional, True)]
    traces: list[str] = []
    for kind, compiling in ways:
        compiler = Compiler(on=compiling, steps=dict(steps))
        try:
            executor = kind([member.executor for member in members], compiler)
            plan = replace(plain.plan, executor="functional", compile="on" if compiling else "off")
            found = Execution(executor, blocks, plan, told, traces)
            rehearse_all(found, members[0])
            failed = compiler.failures[0] if compiler.failures else None
        except Exception as error:  # not the compiler's, but the step's, or that of a graph
            failed = first_line(error)
        traces += [f"compiling failed:\n{trace}" for trace in compiler.traces]
        if failed is None:
            done = f"compiled in {compiler.seconds:.0f} s" if compiling else "recorded as a CUDA graph, not compiled"
            if compiling:
                steps.update(compiler.steps)
            return found._replace(told=[*told, done])
        what = "compiling" if kind is Functional else "a CUDA graph"
        told.append(f"{what} failed, continuing without ({failed})")
    if len(members) > 1:  # uncompiled, the eager executor is twice as fast for a lone one
        plain = plain._replace(executor=Functional([member.executor for member in members], Compiler(on=False)))
    return plain._replace(plan=replace(plain.plan, compile="off"), told=told, logged=traces)


def worthwhile(members: Sequence[Member], until: int, stored: str | None) -> tuple[bool, str]:
    """Whether compiling pays, and why: decided by counts, never by timing.

    stored: the `compile` of the checkpoint from which the runs continue, which takes precedence.
    """
    first, stacked = members[0], len(members) > 1
    left = max(0, until - first.iteration)
    if stored in ("on", "off"):
        return stored == "on", f"compile={stored}, as before"
    if (missing := too_old()) is not None:
        return False, f"compile=off: {missing}"
    gpu = on_gpu(members)
    least = STACKED if stacked or gpu else LONE
    each = first.setup.needs.d_steps + (first.setup.fakes is None)
    told = f"{left:,} iterations of {each} steps; compiling pays from {least:,} steps"
    if left * each < least:
        return False, f"compile=off: {told}"
    if not gpu and shutil.which("g++") is None and shutil.which("clang++") is None:
        return False, "compile=off: there is no C++ compiler here (g++ or clang++)"
    if not gpu and any(convolutional(network) for network in first.setup.networks):
        return False, "compile=off: convolutions on a CPU do not gain from it"
    return True, f"compile=on: {told}"


def on_gpu(members: Sequence[Member]) -> bool:
    """Whether the networks are on a GPU."""
    return members[0].setup.device.type == "cuda"


def rehearse_all(chosen: Execution, first: Member) -> None:
    """Does one iteration for each set of active parts, so that all are compiled, and undoes them."""
    d_steps, begun = first.draws.needs.d_steps, first.iteration
    numbers = reversed(range(begun, begun + SETS))
    sets = {tuple(map(id, chosen.executor.acting(n, d_steps))): n for n in numbers}
    repeat = WARM + 1 if isinstance(chosen.executor, Captured) else 1
    rehearse(chosen, [number for number in sorted(sets.values()) for _ in range(repeat)], begun)


def rehearse(chosen: Execution, numbers: Sequence[int], begun: int | None = None) -> None:
    """Does these iterations, each with the draw of iteration `begun` (the first of them), and undoes them."""
    at = numbers[0] if begun is None else begun
    draw = chosen.blocks(at // BLOCK)[at % BLOCK]
    before = chosen.executor.snapshot()
    try:
        for number in numbers:
            chosen.executor.iteration(draw, number, 1.0)
    finally:
        chosen.executor.go_back(before)
