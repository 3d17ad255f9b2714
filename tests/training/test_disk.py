"""A disk that is full, wherever the run meets it: one line, nothing lost, and the run can go on."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import steadygan as sg
from elsewhere import process, train_without_room
from several import FIFTH
from steadygan.errors import InputError
from steadygan.runs import folder as folder_files
from steadygan.runs import samples
from steadygan.training.probes import Probes
from tiny import assert_same, built, saved, state, trainer

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


OFTEN = {**FIFTH, "checkpoint_every": 10}


def refuse(*_: Any, **__: Any) -> None:
    raise FULL


def full_for(method: Any, when: Any) -> Any:
    """A stand-in for a method of Path that fails where `when(path, *arguments)` says so."""

    def stand_in(self: Path, *arguments: Any, **more: Any) -> Any:
        if when(self, *arguments):
            raise FULL
        return method(self, *arguments, **more)

    return stand_in


def writes(ending: str) -> Any:
    return lambda path, mode="r", *_: path.name.endswith(ending) and mode[0] in "wa"


@pytest.mark.parametrize("ending", [".part", "metrics.jsonl", "timing.jsonl", "log.txt"])
def test_in_the_middle_of_a_run(tmp_path, monkeypatch, ending):
    """Whatever cannot be written, the checkpoints before it are there, and with room the run goes on exactly."""
    whole = trainer(tmp_path / "whole", **OFTEN)
    whole.fit(30)
    cut = tmp_path / "cut"

    def fill(run: object, iteration: int, record: object) -> None:
        if iteration == 16:
            monkeypatch.setattr(Path, "open", stand_in)

    stand_in = full_for(Path.open, writes(ending))
    with pytest.raises(InputError) as error:
        trainer(cut, callbacks=[fill], **OFTEN).fit(30)
    monkeypatch.undo()
    monkeypatch.setattr(Probes, "draw", lambda *_: None)
    message = str(error.value)
    assert message.startswith(f"cannot write {cut}")
    assert "No space left on device: free some space and continue with --resume" in message
    assert "\n" not in message
    kept = [int(path.stem) for path in folder_files.listed(cut / "checkpoints")]
    assert 10 in kept
    assert not list(cut.rglob("*.part"))
    again = trainer(cut, resume=True, **OFTEN)
    again.fit(30)
    assert_same(state(again), state(whole))
    assert (cut / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_text", full_for(Path.write_text, lambda *_: True))
    with pytest.raises(InputError, match=r"cannot write .*settings\.json: No space left on device"):
        trainer(tmp_path).fit(10)
    monkeypatch.undo()
    monkeypatch.setattr(Probes, "draw", lambda *_: None)
    trainer(tmp_path).fit(10)  # nothing of a run is there that would have to be resumed


def test_for_samples_and_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", refuse)
    with pytest.raises(InputError, match=r"cannot write .*samples.*: No space left on device"):
        trainer(tmp_path / "samples").fit(10)
    monkeypatch.undo()
    monkeypatch.setattr(Probes, "draw", refuse)
    run = trainer(tmp_path / "figures").fit(10)  # what can be drawn again ends no run
    assert "no figures were drawn: cannot write " in run.events[-1]
    assert "No space left on device" in run.events[-1]
    assert int(saved(tmp_path / "figures")["state"].iteration) == 10
    monkeypatch.setattr(samples, "write_png", refuse)
    run = trainer(tmp_path / "picture").fit(10)
    told = [event for event in run.events if event.startswith("no picture was drawn: ")]
    assert len(told) == 2  # at the beginning and at the end, of which samples were kept
    assert len([*(tmp_path / "picture" / "samples").iterdir()]) == 2


def wide(out: Path, resume: bool = False, width: int = 40) -> sg.Trainer:
    """Checkpoints of some 50 kB, so that they are what first meets a limit on the size of files."""
    G, D = built(
        0,
        lambda: nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)),
        lambda: nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1)),
    )
    return trainer(out, G=G, D=D, resume=resume)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
@pytest.mark.parametrize("share", [0.3, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.0, 0.99))])
def test_where_no_file_may_grow(tmp_path, share):
    """For real: another process meets the limit within a checkpoint; the ones before are whole."""
    whole = tmp_path / "whole"
    wide(whole).fit(16)
    cut = tmp_path / "cut"
    wide(cut).fit(8)
    before = {path.name: path.read_bytes() for path in (cut / "checkpoints").iterdir()}
    room = int(share * (cut / "checkpoints" / "000000008.pt").stat().st_size)
    assert room == 0 or (cut / "metrics.jsonl").stat().st_size < room
    with process(train_without_room, wide, cut, 16, room) as (_, connection):
        kind, message = connection.recv()
    assert kind == "InputError", message
    assert message.startswith(f"cannot write {cut}")
    assert "File too large: free some space and continue with --resume" in message
    assert "\n" not in message
    assert {path.name: path.read_bytes() for path in (cut / "checkpoints").iterdir()} == before
    wide(cut, resume=True).fit(16)
    assert_same(saved(cut)["state"], saved(whole)["state"])
    assert (cut / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
