"""A compiled stack's members are the eager runs of their seeds, too, and no stack runs another one's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_functional import Conditional, Heads

import steadygan as sg
from known import F64, needs_cpp
from parts import Balanced, Pulled
from stacks import PLAIN, Case, assert_members_are_lone_runs, assert_near, rows, tanh
from steadygan.engine.compiler import Compiler
from tiny import assert_same
from tracing import traced_steps

FAR = replace(PLAIN, penalties=(sg.penalties.r1(1.0),), method=sg.methods.FakeAsReal(2, factor=4))
EVERYTHING = Case(
    {
        "d1": replace(PLAIN, loss=Balanced(rate=0.1), penalties=(sg.penalties.r1(1.0, interval=3),)),
        "d2": replace(FAR, penalties=(), method=sg.methods.chain(Pulled(), FAR.method), weight=0.5),
    },
    lambda: Conditional(2),
    lambda _: Conditional(1),
    labels=True,
    d_steps=2,
)
# Leaky ReLU's kinks carry a rounding of float32 away.
SMOOTH = Case({"D": FAR}, lambda: tanh(2, 2), lambda features: tanh(features, 1))


@pytest.fixture(autouse=True)
def _no_code_of_others() -> None:
    torch.compiler.reset()


@needs_cpp
@pytest.mark.parametrize(
    ("members", "dtype", "within"),
    [
        (3, torch.float32, 1e-5),
        pytest.param(1, torch.float32, 1e-5, marks=pytest.mark.slow),
        pytest.param(3, F64, 1e-10, marks=pytest.mark.slow),
    ],
)
def test_generated_code_trains_and_repeats_the_same_runs(members: int, dtype: torch.dtype, within: float) -> None:
    """What a dump relies on: going back and doing the iterations again by a stack's own code changes no bit."""
    compiler, case = Compiler(on=True), replace(SMOOTH, dtype=dtype)
    assert_members_are_lone_runs(case, members, 20, within, compiler)
    assert compiler.failures == []
    assert compiler.seconds > 0
    stack, blocks = case.stack(members, compiler)
    before = stack.snapshot()
    once = rows(stack, blocks, 5, case.factor)
    after = stack.snapshot()
    stack.go_back(before)
    assert_same(rows(stack, blocks, 5, case.factor), once)
    assert_same(stack.snapshot(), after)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    """Steps are traced as for the compiler, and the traced operations done as they are; which steps these were."""
    return traced_steps(monkeypatch)


def test_a_traced_step_of_all_of_them_trains_the_same_runs(traced: list[Any]) -> None:
    """One step per set of acting penalties: D steps with r1, D steps without, and the G step."""
    compiler = Compiler(on=True)
    assert_members_are_lone_runs(EVERYTHING, 2, compiler=compiler)
    assert (compiler.failures, len(traced)) == ([], 3)


def test_a_traced_step_of_heads_and_differences(traced: list[Any]) -> None:
    compiler = Compiler(on=True)
    penalties = (sg.penalties.r1(0.1, of="sum"), sg.penalties.zero_gp(0.1, by="difference"))
    opponent = replace(FAR, penalties=penalties, weigh=(0.25, 0.75))
    assert_members_are_lone_runs(Case({"D": opponent}, d=Heads), 2, compiler=compiler)
    assert (compiler.failures, len(traced)) == ([], 2)


@pytest.mark.slow
def test_stacks_in_one_process_keep_their_code_apart(traced: list[Any]) -> None:
    """Same shapes, other opponents or another number of members, by turns: nothing guards what a step was made of."""
    plain, hinge = ({"D": replace(PLAIN, loss=loss())} for loss in (sg.losses.NonSaturating, sg.losses.Hinge))
    first = replace(SMOOTH, opponents=plain)
    cases = [(first, 2), (replace(first, opponents=hinge), 2), (first, 1)]
    compilers = [Compiler(on=True) for _ in cases]
    stacks = [case.stack(members, compiler) for (case, members), compiler in zip(cases, compilers, strict=True)]
    told = [[rows(stack, blocks, 1, lambda _: 1.0, i) for stack, blocks in stacks] for i in range(4)]
    assert len(traced) == 2 * len(cases)
    for index, ((case, members), (stack, _), compiler) in enumerate(zip(cases, stacks, compilers, strict=True)):
        stack.settle()
        uncompiled, expected = case.together(members, 4)
        for here, there in zip(stack.members, uncompiled.members, strict=True):
            assert_near(here.held(), there.held(), 1e-10)
        assert_near([own for turn in told for own in turn[index]], expected, 1e-10)
        assert compiler.failures == []
