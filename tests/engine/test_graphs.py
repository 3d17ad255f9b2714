"""Recorded iterations, with a recorder that needs no GPU: it runs the function again on the same buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

import steadygan as sg
from stacks import OFF, PLAIN, Case, assert_near, rows
from steadygan.engine.captured import WARM, Captured
from steadygan.engine.members import StackedBlocks
from steadygan.engine.optim import OptimizerSettings
from steadygan.types import Opponent

penalties = sg.penalties
ITERATIONS = 15
FAR = {
    "D": Opponent(
        None, PLAIN.loss, (penalties.r1(1.0), penalties.zero_gp(1.0, interval=3)), sg.methods.FakeAsReal(2, 2)
    )
}
RATES = 1e-6  # a rate that is a tensor has float32's digits, as torch's kernels on a GPU want it
FALLING = "lazy penalties, several D steps, a falling rate"
CASES = {
    "plain": Case(),
    FALLING: Case(FAR, d_steps=2, factor=lambda i: 1.0 - i / 40),
    "momentum": Case(optimizer=OptimizerSettings("sgd", momentum=0.5)),
}


class Recorder:
    """Keeps what a graph would: the function's results are always the same tensors, filled anew."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        self.recorded += 1
        kept: dict[str, Tensor] = {}

        def replay() -> None:
            self.replayed += 1
            for key, value in function().items():
                kept.setdefault(key, torch.empty_like(value)).copy_(value)

        return replay, kept


def captured(case: Case, members: int, record: Recorder) -> tuple[Captured, StackedBlocks]:
    made, draws = zip(*(case.member(seed) for seed in range(members)), strict=True)
    return Captured(made, OFF, record), StackedBlocks(draws)


@pytest.mark.parametrize(("name", "members"), [("plain", 1), (FALLING, 3), ("momentum", 1)])
def test_recorded_iterations_are_the_plain_ones(name: str, members: int) -> None:
    case, record = CASES[name], Recorder()
    stack, blocks = captured(case, members, record)
    told = rows(stack, blocks, ITERATIONS, case.factor)
    stack.settle()
    plain, expected = case.together(members, ITERATIONS)
    for ours, theirs in zip(stack.members, plain.members, strict=True):
        assert_near(ours.held(), theirs.held(), RATES)
    for here, there in zip(told, expected, strict=True):
        assert_near(here, there, RATES)
    assert len({value.data_ptr() for row in told for value in row.values()}) == sum(map(len, told))  # not the buffers
    sets = record.recorded
    assert record.replayed == ITERATIONS - WARM * sets


def test_one_graph_per_set_of_active_parts() -> None:
    record = Recorder()
    stack, blocks = captured(CASES[FALLING], 2, record)
    rows(stack, blocks, ITERATIONS, lambda _: 1.0)
    assert record.recorded == 3  # zero_gp acts in the first, the second, or neither of the two D steps


def test_going_back_forgets_graphs_on_tensors_that_are_gone() -> None:
    record = Recorder()
    case = CASES["plain"]
    stack, blocks = captured(case, 2, record)
    rows(stack, blocks, 10, case.factor)
    before = stack.snapshot()
    expected = rows(stack, blocks, 10, case.factor, first=10)
    stack.go_back(before)
    assert_near(rows(stack, blocks, 10, case.factor, first=10), expected, 0.0)
    assert record.recorded == 2


def test_counters_and_rates_are_tensors() -> None:
    stack, blocks = captured(CASES["plain"], 2, Recorder())
    rows(stack, blocks, 1, lambda _: 0.5)
    for optimizer, rate in zip(stack.optimizers.values(), stack.rates, strict=True):
        (group,) = optimizer.param_groups
        assert group["capturable"]
        assert float(group["lr"]) == pytest.approx(rate / 2)
        assert all(isinstance(leaf, Tensor) for leaf in tree_leaves([*optimizer.state.values()]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_graph_on_a_gpu_trains_as_eager_does() -> None:
    runs = []
    for compiled in ("on", "off"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            G, D = sg.models.mlp(2, 2, 16, 2, "tanh"), sg.models.mlp(2, 1, 16, 2, "tanh")
        made = sg.Trainer(
            G,
            D,
            sg.data.DATA["ring8"](),
            latent_dim=2,
            penalties=[penalties.r1(0.1)],
            method=sg.methods.FakeAsReal(8),
            device="cuda",
            compile=compiled,
            evaluator=None,
        )
        runs.append(made.fit(60))
    for a, b in zip(*(run.G.parameters() for run in runs), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
