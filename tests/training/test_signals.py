"""SIGINT and SIGTERM while training: saved, told, and gone on with bit for bit."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest
from torch import nn

import steadygan as sg
from steadygan.errors import Interrupted
from steadygan.processes import StopSignals
from steadygan.training.probes import Probes
from tiny import assert_same, built, next_draws, saved, state, trainer

BOTH = [signal.SIGINT, signal.SIGTERM]


def send(number: int) -> None:
    """To this process; Python handles it before the next instruction but one."""
    os.kill(os.getpid(), number)
    time.sleep(0.001)


def at(iteration: int, number: int = signal.SIGINT) -> Any:
    """A callback that sends a signal at one tick; a closing one of the same iteration is another."""
    return lambda _, now, record: send(number) if now == iteration and "final" not in record else None


def noisy() -> dict[str, Any]:
    """Networks that draw from torch's global generator, so that its state matters, too."""
    G, D = built(0, lambda: nn.Sequential(nn.Linear(2, 5), nn.Dropout(0.3), nn.Linear(5, 2)), lambda: nn.Linear(2, 1))
    return {"G": G, "D": D, "method": sg.methods.FakeAsReal(2, factor=3)}


def interrupted(made: sg.Trainer, until: int = 160) -> Interrupted:
    with pytest.raises(Interrupted) as error:
        made.fit(until)
    return error.value


@pytest.mark.parametrize("number", BOTH)
def test_saves_and_says_so_and_a_resumed_run_goes_on(tmp_path, number):
    whole = trainer(tmp_path / "whole", **noisy())
    whole.fit(160)
    cut = tmp_path / "cut"
    told = interrupted(trainer(cut, callbacks=[at(60, number)], **noisy()))
    assert (told.iteration, told.out, told.exit_code) == (60, str(cut), 130)
    assert str(told) == f"interrupted after iteration 60, saved in {cut}"
    assert isinstance(told, KeyboardInterrupt)
    assert int(saved(cut)["state"].iteration) == 60
    assert "iteration 60: interrupted, checkpoint saved" in (cut / "log.txt").read_text()
    again = trainer(cut, resume=True, **noisy())
    again.fit(160)
    assert_same(state(again), state(whole))
    assert_same(next_draws(again), next_draws(whole))
    assert (cut / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_at_any_moment(tmp_path):
    """A thread sends the signal while a segment is under way; wherever it falls, the run is the same."""
    whole = trainer(tmp_path / "whole", **noisy())
    whole.fit(160)
    threads = []

    def soon(run, iteration, _):
        if iteration == 20:
            threads.append(threading.Timer(0.004, send, [signal.SIGINT]))
            threads[0].start()
        elif threads:
            threads[0].join()  # the run does not end before it

    cut = tmp_path / "cut"
    told = interrupted(trainer(cut, callbacks=[soon], **noisy()))
    assert 20 <= told.iteration < 160
    assert int(saved(cut)["state"].iteration) == told.iteration
    again = trainer(cut, resume=True, **noisy())
    again.fit(160)
    assert_same(state(again), state(whole))
    assert (cut / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_the_same_trainer_can_go_on_in_memory():
    whole = trainer(**noisy())
    whole.fit(160)
    made = trainer(callbacks=[at(60)], **noisy())
    told = interrupted(made)
    assert str(told) == "interrupted after iteration 60, nothing was saved, because no output folder is set"
    assert told.out is None
    run = made.fit(160)
    assert_same(state(made), state(whole))
    assert run.metrics == whole.session.members[0].run.metrics


def test_before_the_first_iteration(tmp_path):
    assert interrupted(trainer(tmp_path, callbacks=[at(0)])).iteration == 0
    assert trainer(tmp_path, resume=True).fit(30).iteration == 30


def test_after_the_last_iteration_the_run_is_complete(tmp_path):
    run = trainer(tmp_path, callbacks=[at(40)]).fit(40)
    assert run.iteration == 40
    assert run.metrics[-1]["final"]


def test_a_second_one_acts_as_it_did_before(tmp_path):
    def twice(run, iteration, _):
        if iteration == 40:
            send(signal.SIGINT)
            send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as error:
        trainer(tmp_path, callbacks=[twice]).fit(160)
    assert not isinstance(error.value, Interrupted)
    assert trainer(tmp_path, resume=True).fit(50).iteration == 50


def test_the_figures_are_drawn_all_the_same(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Probes, "draw", lambda _, folder, *__: drawn.append(folder.path))
    interrupted(trainer(tmp_path, callbacks=[at(40)]))
    assert drawn == [tmp_path]


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in BOTH]


def test_handlers_are_the_runs_while_it_trains_and_as_found_afterwards():
    before, during = handlers(), []
    mine = [lambda *_: None, signal.SIG_IGN]
    try:
        for number, handler in zip(BOTH, mine, strict=True):
            signal.signal(number, handler)
        made = trainer(callbacks=[lambda *_: during.append(handlers())])
        made.fit(20)
        assert handlers() == mine
        assert not any(handler in mine for found in during for handler in found)
        made.callbacks.append(at(40))
        interrupted(made)
        assert handlers() == mine
    finally:
        for number, handler in zip(BOTH, before, strict=True):
            signal.signal(number, handler)


def test_outside_the_main_thread_no_handler_is_touched():
    before, during, runs = handlers(), [], []

    def work() -> None:
        runs.append(trainer(callbacks=[lambda *_: during.append(handlers())], threads=1).fit(40))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert runs[0].iteration == 40
    assert all(found == before for found in during)
    assert_same(runs[0].metrics, trainer(threads=1).fit(40).metrics)


def test_only_the_first_counts():
    with StopSignals() as signals:
        assert not signals.asked
        send(signal.SIGTERM)
        assert signals.asked
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
