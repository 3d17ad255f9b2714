"""Whether compiling pays is decided once, from the horizon and the time of an iteration, told and stored."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from images import images
from several import EXACT, one, several, states
from stacks import assert_near
from steadygan.training.selection import COMPILING, MARGIN, SHARE, SHORT, TIMED, worthwhile
from tiny import assert_same, state, trainer

import steadygan as sg
from steadygan.training import seeds
from steadygan.training import selection as executors

FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.r1(0.1)]}


def loop_of(horizon: int, done: int = 0) -> Any:
    """A lone loop after so many iterations."""
    made = one(0, horizon=horizon, compile="off")
    made.fit(done)
    return made.session.loop


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each rehearsed iteration takes `clocked.each` seconds; how often it was rehearsed."""
    clock = SimpleNamespace(now=0.0, each=0.001, rehearsed=[])

    def rehearse(loop: Any, iterations: int) -> int:
        clock.now += clock.each * iterations
        clock.rehearsed.append(iterations)
        return iterations

    monkeypatch.setattr(executors, "rehearse", rehearse)
    monkeypatch.setattr(executors, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(executors.shutil, "which", lambda name: f"/usr/bin/{name}")
    return clock


def test_a_short_run_is_not_even_timed(clocked: Any) -> None:
    assert worthwhile(loop_of(SHORT - 1), None) == (False, "compile=off: 1,999 iterations are over sooner")
    assert worthwhile(loop_of(SHORT + 9, done=10), None)[1] == "compile=off: 1,999 iterations are over sooner"
    assert worthwhile(loop_of(5, done=10), None)[1] == "compile=off: 0 iterations are over sooner"
    assert clocked.rehearsed == []
    clocked.each = 1.0
    assert worthwhile(loop_of(SHORT), None)[0]
    assert clocked.rehearsed[-1] == TIMED


@pytest.mark.parametrize("stored", ["on", "off"])
def test_what_a_checkpoint_was_made_with_stands(clocked: Any, stored: str) -> None:
    for horizon in (10, 10**6):
        assert worthwhile(loop_of(horizon), stored) == (stored == "on", f"compile={stored}, as before")
    assert clocked.rehearsed == []
    assert worthwhile(loop_of(10**9), "auto")[0]  # of no compiler's making


def test_without_a_cpp_compiler(clocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors.shutil, "which", lambda _: None)
    expected = (False, "compile=off: there is no C++ compiler here (g++ or clang++)")
    assert worthwhile(loop_of(10**9), None) == expected
    for there in ("g++", "clang++"):
        monkeypatch.setattr(executors.shutil, "which", lambda name, there=there: name if name == there else None)
        assert worthwhile(loop_of(10**9), None)[0]


def test_convolutions_on_a_cpu(clocked: Any) -> None:
    made = images(horizon=10**9, compile="off")
    made.fit(0)
    clocked.rehearsed.clear()
    assert worthwhile(made.session.loop, None) == (False, "compile=off: convolutions on a CPU gain nothing")
    assert clocked.rehearsed == []


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("each", [0.002, 0.0005])
def test_break_even(clocked: Any, together: bool, each: float) -> None:
    """Twice what compiling costs must be won: 2 * 20 s = n * each * (1 - share), on either side of n."""
    share = 0.35 if together else 0.45
    assert (SHARE[together], COMPILING, MARGIN) == (share, 20.0, 2.0)
    even = 2 * 20.0 / (each * (1 - share))
    clocked.each = each

    def decided(horizon: int) -> tuple[bool, str]:
        if together:
            made = several(None, 2, horizon=horizon, compile="off")
            made.fit(0)
            return worthwhile(made._stacks[0].loop, None)
        return worthwhile(loop_of(horizon), None)

    below, above = decided(int(even) - 1), decided(int(even) + 2)
    assert (below[0], above[0]) == (False, True)
    assert below[1] == (
        f"compile=off: {int(even) - 1:,} iterations of {1e3 * each:.2f} ms are below 2 times the {even / 2:,.0f} at "
        "which compiling breaks even"
    )
    assert above[1].startswith(f"compile=on: {int(even) + 2:,} iterations of ")
    assert "are above 2 times the" in above[1]


def test_the_decision_is_stored_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` decides at the first start; a resumed run does as it did, however little is left to do."""
    asked: list[str | None] = []

    def decide(loop: Any, stored: str | None) -> tuple[bool, str]:
        asked.append(stored)
        return worthwhile(loop, stored) if stored else (True, "compile=on: it pays")

    monkeypatch.setattr(executors, "worthwhile", decide)
    monkeypatch.setattr(torch, "compile", lambda step, **_: step)
    for until, told in ((20, "compile=on: it pays"), (40, "compile=on, as before")):
        run = trainer(tmp_path, resume=True, horizon=10**5, compile="auto").fit(until)
        assert run.notes[0] == told
        assert run.notes[1].startswith("compiled in ")
        assert json.loads((tmp_path / "plan.json").read_text())["compile"] == "on"
        assert told in (tmp_path / "log.txt").read_text()
        assert run.events == []
    assert asked == [None, "on"]
    run = trainer(tmp_path, resume=True, horizon=10**5, compile="off").fit(60)
    assert asked == [None, "on"]
    assert run.notes == []
    assert run.events == ["not bit-identical: executor: functional then, eager now; compile: on then, off now"]


def test_a_rehearsal_leaves_no_trace() -> None:
    """Timing an iteration does a few and takes them back."""
    plain, timed = (trainer(horizon=h, compile="auto", **FAR) for h in (10, SHORT))
    plain.fit(20)
    timed.fit(0)
    loop = timed.session.loop
    before = state(timed)
    clone = before.clone()
    assert executors.rehearse(loop, 23) == 23
    assert_same(state(timed), clone)
    timed.fit(20)
    assert_same(state(timed), state(plain))
    timed.fit(95)
    assert executors.rehearse(loop, 23) == 5  # as many as are left of the block


def test_later_stacks_of_the_same_seeds_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four seeds in two stacks: a D step and a G step are compiled, once, and all four are their lone runs."""
    found: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda step, **_: found.append(step) or step)
    monkeypatch.setattr(seeds, "cut", lambda trainers: [trainers[:2], trainers[2:]])
    made = several(None, 4, compile="on", **EXACT)
    made.fit(5)
    assert len(found) == 2
    assert [len(session.trainers) for session in made._stacks] == [2, 2]
    for seed, whole in enumerate(states(made)):
        alone = several(None, [seed], compile="off", **EXACT)
        alone.fit(5)
        assert_near(whole.networks, states(alone)[0].networks, 1e-10)
