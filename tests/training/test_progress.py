"""A fit tells where it stands, and is the same run whoever looks on."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

import steadygan as sg
from several import several
from steadygan.display.screens import LiveScreen, MuteScreen
from steadygan.display.watch import Watch
from tiny import assert_same, state, trainer


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Counted(MuteScreen):
    """Keeps how many iterations are seen to be done, after each of them."""

    moves = True

    def __init__(self) -> None:
        self.seen: list[int] = []

    def start(self, frame: Any) -> None:
        self.frame = frame

    def beat(self) -> None:
        if not self.frame().doing:
            self.seen.append(self.frame().done)


def test_a_fit_tells_how_it_begins_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Under the tests' runner stderr is no terminal: a few plain lines."""
    trainer(None).fit(40)
    out, err = capsys.readouterr()
    first, *notes, last = err.splitlines()
    assert out == ""
    assert re.fullmatch(r"data seed \d: 40 iterations", first)
    assert last.startswith("40/40, ")
    assert len(notes) <= 2
    assert err.isprintable() or not re.search(r"[^\n -~\u00a0-\uffff]", err)


def test_a_fit_can_be_silent(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(None).fit(40, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [None, False])
def test_an_alarm_warns_in_any_case_and_points_at_the_fit(progress: bool | None) -> None:
    """Of a D whose rate is next to nothing: once for the cause, however often it is seen."""
    made = trainer(None, lr_d=1e-30, monitor="auto", evaluator=None)
    with pytest.warns(sg.CollapseWarning) as caught:
        run = made.fit(160, progress=progress)
    assert [record.get("verdict") for record in run.metrics].count("stalled") > 1
    (only,) = caught
    assert str(only.message).startswith("steadygan: iteration ")
    assert "D's weights do not change" in str(only.message)
    assert only.filename == __file__


def test_iterations_are_counted_between_two_ticks() -> None:
    screen = Counted()
    trainer(None, log_every=20).fit(60, progress=Watch(screen))
    assert screen.seen[:60] == list(range(1, 61))


def test_who_looks_on_changes_no_bit() -> None:
    """A terminal with pictures, drawn by a thread of its own, beside nobody at all."""
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=100, height=40)
    watched, alone = trainer(None), trainer(None)
    one = watched.fit(60, progress=Watch(LiveScreen(console)))
    other = alone.fit(60, progress=False)
    assert "60/60" in terminal.getvalue()
    assert one.metrics == other.metrics
    assert_same(state(watched), state(alone))


def test_seeds_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    several(None).fit(40)
    err = capsys.readouterr().err
    assert re.match(r"\S+ seeds 0-2: 40 iterations\n", err)
    (last,) = [line for line in err.splitlines() if line.startswith("40/40, ")]
    assert last.endswith(" it/s x 3 seeds")
