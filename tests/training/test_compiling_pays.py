"""Whether compiling pays is decided once, from what is to be trained, told and stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import steadygan as sg
from images import images
from known import compiles
from several import EXACT, one, several, states
from stacks import assert_near
from steadygan.training import execution as decision
from steadygan.training import seeds
from steadygan.training.execution import worthwhile
from tiny import assert_same, state, trainer

pytestmark = compiles
FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.r1(0.1)]}


def ready(horizon: int, done: int = 0) -> list[Any]:
    """A lone member after so many iterations."""
    made = one(0, horizon=horizon, compile="off")
    made.fit(done)
    return made.session.members


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision.shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize("stored", ["on", "off"])
def test_what_a_checkpoint_was_made_with_stands(compilers: None, stored: str) -> None:
    for until in (10, 10**6):
        assert worthwhile(ready(until), until, stored) == (stored == "on", f"compile={stored}, as before")
    assert worthwhile(ready(10**9), 10**9, "auto")[0]  # of no compiler's making


def test_without_a_cpp_compiler(compilers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision.shutil, "which", lambda _: None)
    expected = (False, "compile=off: there is no C++ compiler here (g++ or clang++)")
    assert worthwhile(ready(10**9), 10**9, None) == expected
    for there in ("g++", "clang++"):
        monkeypatch.setattr(decision.shutil, "which", lambda name, there=there: name if name == there else None)
        assert worthwhile(ready(10**9), 10**9, None)[0]


def test_convolutions_on_a_cpu(compilers: None) -> None:
    made = images(horizon=10**9, compile="off")
    made.fit(0)
    expected = (False, "compile=off: convolutions on a CPU do not gain from it")
    assert worthwhile(made.session.members, 10**9, None) == expected


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("d_steps", [1, 5])
def test_from_how_many_steps_it_pays(compilers: None, together: bool, d_steps: int) -> None:
    """Steps of both players that are left, whatever a stopwatch says: 80,000 of a lone run, 40,000 of a stack."""
    least = -(-(40_000 if together else 80_000) // (d_steps + 1))

    def decided(until: int) -> tuple[bool, str]:
        made = several(None, 2 if together else [0], horizon=10**9, compile="off", d_steps=d_steps)
        made.fit(5)
        session = made._stacks[0] if together else made.trainers[0].session
        return worthwhile(session.members, until, None)

    below, above = decided(least + 4), decided(least + 5)
    steps = f"iterations of {d_steps + 1} steps; compiling pays from {40_000 if together else 80_000:,} steps"
    assert below == (False, f"compile=off: {least - 1:,} {steps}")
    assert above == (True, f"compile=on: {least:,} {steps}")


def test_what_is_trained_decides_and_not_the_horizon_alone(compilers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 iterations of a recipe of a million are not compiled for, nor a million of a recipe of 200."""
    asked: list[int] = []

    def decide(members: Any, until: int, stored: str | None) -> tuple[bool, str]:
        asked.append(until)
        return worthwhile(members, until, stored)

    monkeypatch.setattr(decision, "worthwhile", decide)
    for horizon, until in ((10**6, 3), (3, 5)):
        run = one(0, horizon=horizon, compile="auto").fit(until)
        assert run.notes[0].startswith("compile=off: 3 iterations of 2 steps; compiling pays")
    assert asked == [3, 3]


def test_the_decision_is_told_before_it_is_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Watching:
        def notice(self, line: str) -> None:
            told.append(line)

        def __call__(self, *_: Any) -> None:
            told.append("tick")

    monkeypatch.setattr(torch, "compile", lambda step, **_: told.append("compiled") or step)
    one(0, compile="on", callbacks=[Watching()]).fit(3)
    assert told[:3] == ["compile=on", "compiled", "compiled"]


def test_the_decision_is_stored_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` decides at the first start; a resumed run does as it did, however little is left to do."""
    asked: list[str | None] = []

    def decide(members: Any, until: int, stored: str | None) -> tuple[bool, str]:
        asked.append(stored)
        return worthwhile(members, until, stored) if stored else (True, "compile=on: it pays")

    monkeypatch.setattr(decision, "worthwhile", decide)
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
    """Iterations that are done to find out whether they can be are taken back."""
    plain, tried = (trainer(horizon=10, compile="off", **FAR) for _ in range(2))
    plain.fit(20)
    tried.fit(0)
    (member,) = tried.session.members
    clone = state(tried).clone()
    chosen = decision.Execution(member.executor, member.draws.block, member.plan, [], [])
    decision.rehearse(chosen, [0, 1, 2])
    assert_same(state(tried), clone)
    tried.fit(20)
    assert_same(state(tried), state(plain))


def test_later_stacks_of_the_same_seeds_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four seeds in two stacks: a D step and a G step are compiled, once, and all four are their lone runs."""
    found: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda step, **_: found.append(step) or step)
    monkeypatch.setattr(seeds, "cut", lambda trainers: [trainers[:2], trainers[2:]])
    made = several(None, 4, compile="on", **EXACT)
    made.fit(5)
    assert len(found) == 2
    assert [len(session.members) for session in made._stacks] == [2, 2]
    for seed, whole in enumerate(states(made)):
        alone = several(None, [seed], compile="off", **EXACT)
        alone.fit(5)
        assert_near(whole.networks, states(alone)[0].networks, 1e-10)
