"""What is seen while a run trains, on a terminal and elsewhere."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from steadygan.commands.console import clock, figure
from steadygan.commands.progress import Watch, live
from steadygan.quantities import plain

EVEN = (1.386, 0.693)
STATS = {"d_loss": 1.2, "g_loss": 0.9, "modes": 7.0, "balance": 0.5, "gradient_max": 12.34}
NUMBERS = "D loss 1.200 (equilibrium 1.386), G loss 0.900 (0.693), modes 7/8, max gradient 12.3"


def watched(
    console: Console, *ticks: tuple[int, dict[str, float]], events: dict[int, str] | None = None, every: int = 50
) -> None:
    """A run of 100 iterations that ticks, and says things at some of them."""
    run: Any = SimpleNamespace(
        events=[], equilibrium=EVEN, iterations_per_second=50.0, settings={"evaluate": {"every": every}}
    )
    with Watch(console, "ring8/far seed 0", 100, 8) as watch:
        for iteration, stats in ticks:
            if events and iteration in events:
                run.events.append(events[iteration])
            watch(run, iteration, stats)


def test_plain_lines_come_where_something_was_measured() -> None:
    out = io.StringIO()
    loss = {"d_loss": 1.3}
    watched(Console(file=out, width=300), (0, STATS), (10, loss), (50, STATS), (60, loss), (100, loss))
    lines = out.getvalue().splitlines()
    assert [line.split("/")[0].strip() for line in lines] == ["0", "50", "100"]
    assert lines[1] == f" 50/100, 50 it/s, 0:01 left, {NUMBERS}"
    assert "modes 7/8" in lines[2]  # the last measured one
    assert "left" not in lines[2]


def test_the_last_tick_is_told_once_with_its_closing_measurement() -> None:
    out = io.StringIO()
    closing = {**STATS, "final": True}
    watched(Console(file=out, width=300), (0, STATS), (50, STATS), (100, {"d_loss": 1.3}), (100, closing), every=30)
    lines = out.getvalue().splitlines()
    assert [line.split("/")[0].strip() for line in lines] == ["0", "50", "100"]
    assert lines[2].endswith(NUMBERS)


def test_an_event_is_told_once_and_when_it_happens() -> None:
    out = io.StringIO()
    dead = "iteration 50: the discriminator D is dead: no slope [at all]"
    watched(
        Console(file=out, width=40, markup=False, soft_wrap=True),
        (0, STATS),
        (50, STATS),
        (100, STATS),
        events={50: dead},
    )
    lines = out.getvalue().splitlines()
    assert lines[1] == dead
    assert lines.count(dead) == 1


def test_a_terminal_sees_a_bar_and_live_numbers() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    watched(console, (0, STATS), (50, STATS), events={50: "the discriminator D is dead"})
    text = out.getvalue()
    assert "50/100" in text
    assert "50 it/s, 0:01 left" in text
    assert NUMBERS in text
    assert "the discriminator D is dead" in text


def test_live_numbers_fit_what_is_known() -> None:
    assert live({"d_loss": 0.5, "g_loss": 1.0}, (0.0, None), None) == "D loss 0.500 (equilibrium 0.000), G loss 1.000"
    assert live({"balance": 0.25}, EVEN, None) == "balance 0.25"
    assert live({}, EVEN, 8) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (1.5e-5, "1.5e-05")],
)
def test_numbers_keep_three_digits(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_figures_and_times_read_well() -> None:
    assert figure("modes", 25.0, 25) == "25 of 25"
    assert figure("modes", 24.5, 25) == "24.5 of 25"
    assert figure("high_quality", 0.8888) == "88.9 %"
    assert [clock(seconds) for seconds in (7, 125, 3723)] == ["0:07", "2:05", "1:02:03"]


def test_what_is_compiled_is_told_before_it_is_and_once() -> None:
    """The heading and the decision at once, the rest of the notes with the first tick."""
    out = io.StringIO()
    run: Any = SimpleNamespace(events=[], equilibrium=EVEN, iterations_per_second=50.0, settings={})
    run.notes = ["compile=on: it pays", "compiled in 20 s"]
    with Watch(Console(file=out, width=300), "ring8/far seed 0", 100, 8, "ring8/far seed 0: 100 iterations") as watch:
        watch.notice("compile=on: it pays")
        assert out.getvalue().splitlines() == ["ring8/far seed 0: 100 iterations", "compile=on: it pays: compiling ..."]
        watch(run, 0, STATS)
        watch(run, 50, STATS)
    assert out.getvalue().splitlines()[2] == "compiled in 20 s"
    assert out.getvalue().count("it pays") == 1


def test_a_sign_moves_while_it_compiles() -> None:
    out = io.StringIO()
    with Watch(Console(file=out, width=80, force_terminal=True), "ring8/far seed 0", 100, 8) as watch:
        watch.notice("compile=on")
        watch._live.refresh()
    assert "compiling" in out.getvalue()
    assert any(sign in out.getvalue() for sign in "\u280b\u2819\u2839\u2838\u283c\u2834\u2826\u2827\u2807\u280f")
