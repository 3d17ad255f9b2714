"""The loop: when it ticks, what a record says, how often what happens."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

import steadygan as sg
from parts import Pulled
from steadygan.engine.needs import BLOCK
from steadygan.runs.run import Run
from steadygan.training.session import Segment, Session
from steadygan.training.setup import Rhythm
from steadygan.types import Opponent
from tiny import assert_same, built, differs, networks, ring, small_d, small_g, state, trainer

losses, penalties, methods = sg.losses, sg.penalties, sg.methods


@pytest.mark.parametrize(
    ("iteration", "until", "stop"),
    [(0, 10**6, 70), (70, 10**6, 100), (99, 10**6, 100), (100, 10**6, 140), (399, 10**6, 400), (400, 410, 410)],
)
def test_iterations_pause_at_ticks_blocks_and_the_end(iteration, until, stop):
    assert Rhythm(log=400, evaluate=500, checkpoint=70).next_stop(iteration, until) == stop


def test_every_stop_is_met_and_none_twice():
    rhythm, seen, at = Rhythm(log=30, evaluate=70, checkpoint=110), [], 0
    while at < 500:
        at = rhythm.next_stop(at, 500)
        seen.append(at)
    multiples = itertools.chain(*(range(n, 501, n) for n in (30, 70, 110, BLOCK)))
    assert seen == sorted({*multiples, 500})


def rows_of(made: sg.Trainer, until: int) -> tuple[list[dict[str, float]], Run]:
    """What each iteration's terms were, and the run."""
    rows = []
    made.fit(0)
    plain = made.session.executor.iteration

    def noted(*arguments: Any) -> Any:
        row = plain(*arguments)
        rows.append({key: value.item() for key, value in row.items()})
        return row

    made.session.executor.iteration = noted
    return rows, made.fit(until)


def mean(rows: list[dict[str, float]], key: str) -> float:
    values = [row[key] for row in rows if key in row]
    return sum(values) / len(values)


def test_a_record_holds_the_means_since_the_last_tick():
    made = trainer(penalties=[penalties.r1(0.5, interval=3)], log_every=20, evaluate_every=50, checkpoint_every=10**6)
    rows, run = rows_of(made, 70)
    assert [r["iteration"] for r in run.metrics] == [0, 20, 40, 50, 60, 70]
    for before, record in itertools.pairwise(run.metrics):
        since = rows[before["iteration"] : record["iteration"]]
        assert record["d_loss"] == pytest.approx(mean(since, "d/D/loss"), rel=1e-12)  # without the penalty
        assert record["g_loss"] == pytest.approx(mean(since, "g/D/loss"), rel=1e-12)
        assert record["penalty/r1"] == pytest.approx(mean(since, "d/D/penalty/r1"), rel=1e-12)  # where it acted
    assert run.metrics[0].keys() >= {"iteration", "gradient_mean", "gradient_max", "spread"}
    assert not {"d_loss", "g_loss"} & run.metrics[0].keys()


def test_evaluations_fall_on_their_own_multiples_and_on_the_end():
    run = trainer(log_every=20, evaluate_every=50).fit(110)
    told = [(r["iteration"], "spread" in r, r.get("final", False)) for r in run.metrics]
    assert told == [
        (0, True, False),
        *((20, False, False), (40, False, False), (50, True, False), (60, False, False)),
        *((80, False, False), (100, True, False), (110, True, True)),
    ]


def test_a_run_that_ends_on_an_evaluation_has_no_closing_record():
    run = trainer(log_every=20, evaluate_every=50).fit(100)
    assert run.metrics[-1]["iteration"] == 100
    assert "final" not in run.metrics[-1]


def test_a_run_that_ends_on_a_tick_closes_with_that_ticks_losses():
    run = trainer(log_every=20, evaluate_every=50).fit(40)
    tick, closing = run.metrics[-2:]
    assert closing == {**tick, "spread": closing["spread"], "final": True}
    assert "d_loss" in tick


def test_no_iterations_at_all():
    run = trainer().fit(0)
    assert (run.iteration, len(run.metrics)) == (0, 1)
    assert run.metrics[0]["iteration"] == 0
    assert torch.equal(run.sample(4), run.sample(4, weights="live"))


def test_terms_of_both_players_keep_their_names():
    rows, run = rows_of(trainer(method=Pulled(), penalties=[penalties.zero_gp(1.0)]), 20)
    record = run.metrics[1]
    assert {"method/pull", "g/method/pull", "penalty/zero_gp"} <= record.keys()
    assert record["method/pull"] == pytest.approx(mean(rows, "d/D/method/pull"), rel=1e-12)
    assert record["g/method/pull"] == pytest.approx(mean(rows, "g/D/method/pull"), rel=1e-12)


def test_several_opponents_add_up_with_their_weights_and_keep_their_names():
    G, a, b = built(0, small_g, small_d, small_d)
    opponents = {
        "a": Opponent(a, losses.NonSaturating(), (penalties.r1(1.0),), weight=2.0),
        "b": Opponent(b, losses.Minimax(), (penalties.r1(1.0),), weight=0.5),
    }
    rows, run = rows_of(trainer(G=G, D=opponents), 20)
    record = run.metrics[1]
    assert record["d_loss"] == pytest.approx(2.0 * mean(rows, "d/a/loss") + 0.5 * mean(rows, "d/b/loss"), rel=1e-12)
    assert record["g_loss"] == pytest.approx(2.0 * mean(rows, "g/a/loss") + 0.5 * mean(rows, "g/b/loss"), rel=1e-12)
    assert {"d/a/penalty/r1", "d/b/penalty/r1"} <= record.keys()
    equal = (2.0 + 0.5) * 2 * torch.log(torch.tensor(2.0)).item()
    assert run.equilibrium[0] == pytest.approx(equal)


def test_the_last_d_step_of_an_iteration_is_the_one_told():
    rows, run = rows_of(trainer(d_steps=3), 20)
    assert len(rows) == 20
    assert run.metrics[1]["d_loss"] == pytest.approx(mean(rows, "d/D/loss"), rel=1e-12)


def final(**settings: Any) -> Any:
    made = trainer(**settings)
    made.fit(10)
    return state(made), made.session.members[0].run.metrics


def test_no_candidates_at_all_are_plain_training():
    plain = final()
    named = final(method=methods.FakeAsReal(0))
    assert_same(named[0], plain[0])
    assert named[1] == plain[1]
    assert differs(final(method=methods.FakeAsReal(1))[0], plain[0])


def test_a_chain_of_one_and_an_empty_one():
    assert_same(final(method=[])[0], final(method=[methods.Plain()])[0])
    assert_same(final(method=[methods.FakeAsReal(2)])[0], final(method=methods.FakeAsReal(2))[0])


def test_the_seed_decides():
    def weights(seed: int) -> Any:
        G, D = networks()
        made = ring(G=G, D=D, seed=seed)
        made.fit(20)
        return state(made).networks

    assert_same(weights(1), weights(1))
    assert differs(weights(1), weights(2))


def test_the_rate_and_the_clock(tmp_path):
    speeds = []
    made = trainer(tmp_path, log_every=4, callbacks=[lambda run, i, _: speeds.append((i, run.iterations_per_second))])
    run = made.fit(8)
    assert speeds[0] == (0, 0.0)
    assert all(speed > 0 for _, speed in speeds[1:])
    assert run.iterations_per_second > 0
    first = run.wall_time
    assert made.fit(12).wall_time > first > 0
    assert trainer(tmp_path, log_every=4, resume=True).fit(16).wall_time > first


def test_between_two_stops_nothing_is_looked_at(monkeypatch):
    made = trainer(log_every=50, evaluate_every=100, checkpoint_every=100)
    made.fit(0)
    stops, plain = [], Session._look

    def noted(self: Session, segment: Segment) -> None:
        stops.append(segment.numbers.stop)
        plain(self, segment)

    monkeypatch.setattr(Session, "_look", noted)
    made.fit(200)
    assert stops == [50, 100, 150, 200]


def test_what_an_exception_cuts_short_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further `fit` begins where nothing of the broken segment was done, and ends as an undisturbed one."""
    whole, broken = trainer(log_every=4), trainer(log_every=4)
    whole.fit(18)
    broken.fit(8)
    plain = broken.session.executor.iteration

    def fail(draw: Any, number: int, *rest: Any) -> Any:
        if number == 11:
            raise KeyboardInterrupt
        return plain(draw, number, *rest)

    monkeypatch.setattr(broken.session.executor, "iteration", fail)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(18)
    monkeypatch.undo()
    broken.fit(18)
    assert_same(state(broken).networks, state(whole).networks)
