"""Schedules: the factor of an iteration depends on it and on the horizon, never on where a run stops."""

from __future__ import annotations

import math

import pytest
import torch

from steadygan.engine.optim import SCHEDULES, Constant, Cosine, Linear, Schedule
from steadygan.errors import InputError
from tiny import assert_same, state, trainer


def test_constant():
    assert [Constant().factor(i, 10) for i in (0, 5, 10, 99)] == [1.0] * 4
    assert Constant().constant


@pytest.mark.parametrize(
    ("iteration", "factor"), [(0, 1.0), (50, 1.0), (51, 0.98), (75, 0.5), (99, 0.02), (100, 0.0), (250, 0.0)]
)
def test_linear_falls_over_the_second_half(iteration, factor):
    assert Linear().factor(iteration, 100) == pytest.approx(factor, abs=1e-12)
    assert not Linear().constant


def test_linear_to_another_end():
    schedule = Linear(start=0.2, end=0.25)
    assert [schedule.factor(i, 10) for i in (0, 2, 6, 10, 11)] == pytest.approx([1.0, 1.0, 0.625, 0.25, 0.25])


def test_linear_may_rise():
    assert Linear(start=0.0, end=3.0).factor(5, 10) == pytest.approx(2.0)


def test_cosine_is_half_a_cosine():
    schedule = Cosine(start=0.0, end=0.1)
    for i in range(12):
        share = min(1.0, i / 10)
        assert schedule.factor(i, 10) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2)
    assert Cosine(start=0.5).factor(5, 10) == 1.0
    assert Cosine(start=0.5).factor(9, 10) == pytest.approx((1 + math.cos(0.8 * math.pi)) / 2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"start": 1.0}, "schedule.start: expected a number from 0 to below 1, got 1.0"),
        ({"start": -0.1}, "schedule.start: expected a number from 0 to below 1, got"),
        ({"end": -1.0}, "schedule.end: expected a number of 0 or more, got -1.0"),
        ({"end": math.nan}, "schedule.end: expected a number of 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, told):
    for schedule in (Linear, Cosine):
        with pytest.raises(InputError) as error:
            schedule(**settings)
        assert told in str(error.value)


def test_registry():
    assert set(SCHEDULES) == {"constant", "linear", "cosine"}
    for name in SCHEDULES:
        assert SCHEDULES[name]().factor(0, 10) == 1.0
    with pytest.raises(NotImplementedError):
        Schedule().factor(0, 1)


class Steps(Schedule):
    """Says what it was asked."""

    constant = False

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def factor(self, iteration: int, horizon: int) -> float:
        self.asked.append((iteration, horizon))
        return 1.0 / (1 + iteration)


def test_every_iteration_asks_with_its_own_number_and_the_horizon():
    schedule = Steps()
    trained = trainer(schedule=schedule, horizon=77, optimizer=lambda p, lr: torch.optim.SGD(p, lr))
    trained.fit(30)
    assert schedule.asked == [(i, 77) for i in range(30)]
    rates = [o.param_groups[0]["lr"] for o in trained.session.executor.optimizers.values()]
    assert rates == pytest.approx([1e-2 / 30] * 2)


def test_the_horizon_is_the_first_fits():
    schedule = Steps()
    trained = trainer(schedule=schedule)
    trained.fit(5)
    trained.fit(8)
    assert {horizon for _, horizon in schedule.asked} == {5}


def test_half_a_run_is_the_first_half_of_the_whole():
    """fit(50) of horizon 100 is where fit(100) was after 50, though the rates are falling there."""
    schedule, whole, half = Linear(start=0.2), [], []

    def keep(to):
        return lambda run, iteration, stats: to.append((iteration, state_of(run), stats))

    def state_of(run):
        return {name: value.clone() for name, value in (run.G_live.state_dict() | run.D.state_dict()).items()}

    trainer(schedule=schedule, callbacks=[keep(whole)]).fit(100)
    trainer(schedule=schedule, horizon=100, callbacks=[keep(half)]).fit(50)
    assert_same(half, whole[: len(half)])
    shorter = trainer(schedule=schedule)
    shorter.fit(50)
    with pytest.raises(AssertionError):
        assert_same(state(shorter).networks["G"], half[-1][1])
