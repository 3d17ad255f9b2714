"""Compiling a step: as it was asked for, or where it pays; and what happens where it cannot be done."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import batch_norm, dropout, pair

import steadygan as sg
from known import compiles, needs_cpp
from several import EXACT, records, several, stacked
from steadygan.engine.compiler import Compiler
from steadygan.errors import InputError, first_line
from tiny import assert_same, saved, state, trainer

pytestmark = compiles
CPU = torch.device("cpu")
FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.r1(0.1)]}


def test_switched_off_it_gives_the_step_itself() -> None:
    def step() -> None: ...

    compiler = Compiler(on=False)
    assert compiler.compiled(step, CPU) is step
    assert (compiler.seconds, compiler.failures, compiler.traces) == (0.0, [], [])


def test_a_step_is_compiled_once_at_its_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def compiled(step: Any, **wishes: Any) -> Any:
        asked.append(wishes)
        return lambda x: ("made", step(x))

    monkeypatch.setattr(torch, "compile", compiled)
    compiler = Compiler(on=True)
    step = compiler.compiled(lambda x: x + 1, CPU)
    assert asked == []
    assert [step(1), step(2)] == [("made", 2), ("made", 3)]
    (wishes,) = asked
    assert wishes["fullgraph"] is True  # a step in pieces would be no faster: better to know
    assert wishes["dynamic"] is False
    assert compiler.seconds > 0
    assert compiler.failures == []


@pytest.mark.parametrize("early", [True, False], ids=["when it wraps", "at the first call"])
def test_a_step_that_cannot_be_compiled_runs_as_it_is(monkeypatch: pytest.MonkeyPatch, early: bool) -> None:
    refuse(monkeypatch, early)
    compiler = Compiler(on=True)
    step = compiler.compiled(lambda x: x + 1, CPU)
    assert [step(1), step(2)] == [2, 3]
    assert compiler.failures == ["RuntimeError: no code for this"]
    (trace,) = compiler.traces
    assert "Traceback" in trace
    assert "of all machines" in trace


def test_an_error_of_the_steps_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda step, **_: step)

    def step(x: int) -> int:
        raise ZeroDivisionError("the step's own")

    with pytest.raises(ZeroDivisionError):
        Compiler(on=True).compiled(step, CPU)(1)


def test_torchs_remarks_on_cuda_tools_are_heard_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, levels = logging.getLogger("torch.utils.cpp_extension"), []
    monkeypatch.setattr(torch, "compile", lambda *_, **__: lambda: levels.append(logger.level))
    before = logger.level
    Compiler(on=True).compiled(lambda: None, CPU)()
    assert levels == [logging.ERROR]
    assert logger.level == before


def test_first_lines() -> None:
    assert first_line(ValueError("\n\n  one \n two")) == "one"
    assert first_line(ValueError()) == "ValueError"


def refuse(monkeypatch: pytest.MonkeyPatch, early: bool = False) -> None:
    """No step can be compiled."""

    def never(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no code for this\nof all machines")

    monkeypatch.setattr(torch, "compile", never if early else lambda *_, **__: never)


@pytest.mark.parametrize("early", [True, False], ids=["when it wraps", "at the first call"])
def test_a_lone_run_goes_back_to_eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: bool) -> None:
    """From the first iteration, and from a checkpoint, where the optimisers have a state already."""
    whole = trainer(tmp_path / "whole", **FAR)
    whole.fit(130)
    refuse(monkeypatch, early)
    heard = 0
    for until in (45, 130):
        made = trainer(tmp_path / "cut", resume=True, compile="on", **FAR)
        run = made.fit(until)
        plan = json.loads((tmp_path / "cut" / "plan.json").read_text())
        assert (plan["executor"], plan["compile"], plan["members"]) == ("eager", "off", 1)
        assert run.notes == ["compiling failed, continuing without (RuntimeError: no code for this)"]
        assert run.events == []
        log = (tmp_path / "cut" / "log.txt").read_text()
        assert log.count("of all machines") > heard
        heard = log.count("of all machines")
    assert log.count(run.notes[0]) == 2
    assert_same(state(made), state(whole))
    assert records(run) == records(tmp_path / "whole")


def test_a_stack_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = several(tmp_path / "plain", 2, **FAR).fit(60)
    refuse(monkeypatch)
    made = several(tmp_path / "tried", 2, compile="on", **FAR)
    runs = made.fit(60)
    assert stacked(made)
    for run, expected in zip(runs, plain, strict=True):
        assert_same(saved(run.path)["state"], saved(expected.path)["state"])
        assert run.notes == ["compiling failed, continuing without (RuntimeError: no code for this)"]
        plan = json.loads((run.path / "plan.json").read_text())
        assert (plan["executor"], plan["compile"], plan["members"]) == ("functional", "off", 2)
    assert "of all machines" in (runs[0].path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("networks", "reason"),
    [
        (lambda: pair(dropout), "G draws random numbers in its forward"),
        (lambda: pair(batch_norm), "G changes its buffer 1."),
    ],
)
def test_what_cannot_be_a_function_of_its_weights_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: Any, reason: str
) -> None:
    refuse(monkeypatch, early=True)
    run = trainer(tmp_path / "asked", compile="on", **networks()).fit(60)
    (note,) = run.notes
    assert note.startswith("compile=off: ")
    assert reason in note
    plain = trainer(tmp_path / "plain", **networks()).fit(60)
    assert records(run) == records(plain)
    assert_same(saved(run.path)["state"], saved(plain.path)["state"])


def test_words_that_are_known() -> None:
    with pytest.raises(InputError) as error:
        trainer(compile="sometimes")
    assert str(error.value) == "unknown compile 'sometimes': known: auto, off, on"


@needs_cpp
def test_a_lone_compiled_run_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", compile="on", **FAR, **EXACT)
    run = whole.fit(130)
    assert run.notes[0].startswith("compiled in ")
    plan = json.loads((tmp_path / "whole" / "plan.json").read_text())
    assert (plan["executor"], plan["compile"], plan["members"]) == ("functional", "on", 1)
    for until in (45, 130):
        made = trainer(tmp_path / "cut", resume=True, compile="on", **FAR, **EXACT)
        again = made.fit(until)
    assert_same(state(made), state(whole))
    assert records(again) == records(run)
    assert again.events == []
    start, eager = trainer(**FAR, **EXACT).fit(0), trainer(**FAR, **EXACT).fit(130)
    torch.testing.assert_close(run.sample(20), eager.sample(20), rtol=0, atol=1e-6)
    assert (run.sample(20) - start.sample(20)).abs().max() > 0.1
