"""What follows runs while they train tells of them, where lines can move and where they cannot."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
from shown import CORNERS, EVEN, STATS, Terminal, drawn, run_of, watch_on

from steadygan.display.frame import Frame, clock, figures_of, means, wrapped
from steadygan.display.screens import MuteScreen, PlainScreen
from steadygan.display.watch import Watch, watching
from steadygan.errors import CollapseWarning, InputError
from steadygan.quantities import plain, span

NUMBERS = "7/8 modes, max gradient 12.3, D loss 1.200 (equilibrium 1.386), G loss 0.900 (0.693)"
RED, GREEN, YELLOW, CYAN = "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[1;36m"


class Lines:
    """A watch where nothing moves, on a clock of its own."""

    def __init__(self, total: int = 100, **more: Any) -> None:
        self.now, self.out = 0.0, io.StringIO()
        self.watch = Watch(PlainScreen(self.out, lambda: self.now), clock=lambda: self.now, **more)
        self.watch.plan("ring8/far seed 0", total, 8, "heading")

    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


def test_plain_lines_are_few_and_the_last_is_told() -> None:
    """A tenth of the run and thirty seconds have to pass."""
    shown = Lines(total=1000)
    with shown.watch:
        for iteration in range(0, 1001, 10):
            shown.now = 10.0 * iteration / 100  # 100 s in all
            shown.watch.tick(run_of(), iteration, STATS)
    assert shown.lines()[0] == "heading"
    assert [line.split("/")[0].strip() for line in shown.lines()[1:]] == ["300", "600", "900", "1,000"]
    slow = Lines(total=1000)
    with slow.watch:
        for iteration in range(0, 1001, 10):
            slow.now = float(iteration)  # 1,000 s in all
            slow.watch.tick(run_of(), iteration, STATS)
    assert [line.split("/")[0].strip() for line in slow.lines()[1:]] == [f"{at:,}" for at in range(100, 1001, 100)]


def test_a_short_fit_is_told_in_two_lines() -> None:
    shown = Lines()
    with shown.watch:
        for iteration in (0, 50, 100):
            shown.watch.tick(run_of(notes=["compile=off"]), iteration, STATS)
    assert shown.lines() == ["heading", "compile=off", f"100/100, learning, {NUMBERS}, 50 it/s"]


def test_the_last_tick_is_told_once_with_its_closing_measurement() -> None:
    shown = Lines()
    shown.watch.follow(lambda: 0, every=30)
    with shown.watch:
        shown.watch.tick(run_of(), 100, {"d_loss": 1.3})
        shown.watch.tick(run_of(), 100, {**STATS, "final": True})
    assert shown.lines() == ["heading", f"100/100, learning, {NUMBERS}, 50 it/s"]


def test_figures_that_are_not_measured_at_every_tick_stay() -> None:
    shown = Lines()
    with shown.watch:
        shown.watch.tick(run_of(), 50, STATS)
        shown.watch.tick(run_of(), 100, {"d_loss": 1.3})
    assert "7/8 modes" in shown.lines()[-1]


def test_a_line_holds_nothing_that_steers_a_terminal() -> None:
    """Whatever a run says, into whatever a file can hold."""
    raw = io.BytesIO()
    screen = PlainScreen(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    screen.say("caf\u00e9 \x1b[31mred\x07")
    assert raw.getvalue() == b"caf? \\x1b[31mred\\x07\n"


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_stream_that_is_gone_is_no_error(stream: str | None) -> None:
    out = None if stream is None else io.StringIO()
    if out is not None:
        out.close()
    with Watch(PlainScreen(out)) as watch:
        watch.plan("title", 1, None, "heading")
        watch.tick(run_of(), 1, STATS)


def test_an_event_is_told_once_and_when_it_happens() -> None:
    shown, run = Lines(), run_of()
    with shown.watch:
        shown.watch.tick(run, 0, STATS)
        run.events.append("iteration 50: the discriminator D is dead: no slope [at all]")
        shown.watch.tick(run, 50, STATS)
        shown.watch.tick(run, 100, STATS)
    assert shown.lines()[1] == "iteration 50: the discriminator D is dead: no slope [at all]"
    assert len(shown.lines()) == 3


LOST = {"verdict": "losing", "causes": "d_steep", "reason": "fakes have a quality of 0.3 after 0.9"}
SAID = "iteration 50: losing: fakes have a quality of 0.3 after 0.9"


def alarmed(shown: Lines) -> None:
    """Two alarms of one cause, then one of another."""
    run = run_of()
    with shown.watch:
        shown.watch.tick(run, 0, STATS)
        for iteration, more in ((50, {}), (60, {}), (70, {"causes": "fakes_alike"})):
            stats = {**STATS, **LOST, **more}
            run.events.append(f"iteration {iteration}: losing: {stats['reason']}")
            shown.watch.tick(run, iteration, stats)


def test_an_alarm_is_a_warning_once_for_each_cause_and_no_line_beside_it() -> None:
    shown = Lines()
    with pytest.warns(CollapseWarning) as caught:
        alarmed(shown)
    assert [str(each.message) for each in caught] == [f"steadygan: {SAID}", f"steadygan: {SAID.replace('50', '70')}"]
    assert {each.filename for each in caught} == {__file__}  # the first line that is not the package's own
    assert shown.lines() == ["heading", SAID.replace("50", "60")]


def test_the_shell_is_told_of_alarms_in_lines() -> None:
    shown = Lines(warns=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alarmed(shown)
    assert shown.lines() == ["heading", SAID, SAID.replace("50", "60"), SAID.replace("50", "70")]


def test_of_several_runs_an_alarm_names_the_seed() -> None:
    shown, run = Lines(seeds=2), run_of(7)
    run.events.append(SAID)
    with shown.watch, pytest.warns(CollapseWarning, match="steadygan: seed 7: iteration 50: losing: "):
        shown.watch.tick(run, 50, {**STATS, **LOST})
    assert shown.lines() == ["heading"]


@pytest.mark.parametrize(
    ("stats", "event", "codes"),
    [
        ({"verdict": "good"}, "iteration 5: good again", (GREEN, GREEN)),
        ({"verdict": "learning"}, "", (CYAN,)),
        ({"verdict": "learning", "causes": "d_steep"}, "iteration 5: warning: D is steep", (YELLOW, YELLOW)),
        ({"verdict": "losing", "causes": "d_steep"}, "iteration 5: losing: fakes", (RED, RED)),
    ],
)
def test_the_state_and_what_is_said_have_colours(stats: dict[str, str], event: str, codes: tuple[str, ...]) -> None:
    terminal = Terminal(200)
    with watch_on(terminal, warns=False) as watch:
        watch.plan("ring8", 5, 8)
        watch.tick(run_of(events=[event] if event else []), 5, {"modes": 8.0, "d_loss": 1.0, **stats})
        before = len(terminal.getvalue())
        drawn(watch)
        shown = terminal.getvalue()[before:]
        assert codes[0] in shown
        assert not any(code in terminal.getvalue() for code in {RED, GREEN, YELLOW, CYAN} - {*codes})
        assert terminal.getvalue().replace(shown, "").count(codes[-1]) >= len(codes) - 1


def test_between_two_ticks_the_iterations_go_on() -> None:
    terminal, reached = Terminal(100), [0]
    with watch_on(terminal) as watch:
        watch.plan("ring8", 1000, 8)
        watch.follow(lambda: reached[0])
        watch.tick(run_of(iterations_per_second=100.0), 0, STATS)
        reached[0] = 123
        drawn(watch)
        assert "123/1,000  100 it/s  0:09 left" in terminal.text()


def test_pictures_are_asked_for_where_they_can_be_drawn_and_something_was_measured() -> None:
    asked = []

    def glimpse() -> Any:
        asked.append(len(asked))
        return CORNERS

    with watch_on(Terminal(80)) as watch:
        watch.tick(run_of(), 10, {"d_loss": 1.0}, glimpse)
        assert asked == []
        watch.tick(run_of(), 20, STATS, glimpse)
        assert asked == [0]
        assert watch.frame().glimpse is CORNERS
    with Lines().watch as watch:
        watch.tick(run_of(), 20, STATS, glimpse)
    assert asked == [0]


def test_what_cannot_be_drawn_or_told_ends_no_run() -> None:
    """A picture that fails, and a terminal that goes away."""

    def broken() -> Any:
        raise RuntimeError("no picture")

    terminal = Terminal(80)
    with watch_on(terminal) as watch:
        watch.tick(run_of(), 20, STATS, broken)
        assert watch.frame().glimpse is None
        terminal.close()
        watch.tick(run_of(events=["said into nothing"]), 30, STATS)


def test_what_is_compiled_is_told_before_it_is_and_once() -> None:
    """The heading and the decision at once, the rest of the notes with the first tick."""
    shown, notes = Lines(), ["compile=on: it pays", "compiled in 20 s"]
    with shown.watch:
        shown.watch.notice(notes[0])
        assert shown.lines() == ["heading", "compile=on: it pays: compiling, about 20 s, once"]
        shown.watch.tick(run_of(notes=notes), 0, STATS)
        shown.watch.tick(run_of(notes=notes), 50, STATS)
    assert shown.lines()[2:] == ["compiled in 20 s"]


def test_reading_is_told_where_it_takes_long() -> None:
    shown = Lines()
    with shown.watch:
        shown.watch.reading("decoding photos", 0, 1000)
        assert shown.lines() == []
        for shown.now in (4.0, 6.0, 8.0):
            shown.watch.reading("decoding photos", 500, 1000)
        shown.watch.reading("waiting for another process", 0, 0)
    assert shown.lines() == ["decoding photos: 1,000", "waiting for another process"]


def test_one_line_for_all_seeds_once_the_last_one_has_ticked() -> None:
    """An event is told at the next tick of any seed: one that stopped ticks no more."""
    shown, runs = Lines(seeds=3), [run_of(7 + k, beside=3, notes=["compile=off"]) for k in range(3)]
    tick = shown.watch.tick
    with shown.watch:
        for k, run in enumerate(runs):
            tick(run, 0, {"d_loss": float(k), "modes": 2.0 * k})
        assert shown.watch.frame().figures == ("2/8 modes", "D loss 1.000 (equilibrium 1.386)")
        runs[1].events.append("iteration 33: stopped")
        for run in runs:
            run.beside = 2
        shown.now = 40.0
        tick(runs[0], 50, {"d_loss": 1.0, "modes": 8.0})
        runs[2].events.append("iteration 50: dead")
        tick(runs[2], 50, {"d_loss": 3.0, "modes": 8.0})
        for k in (0, 2):
            tick(runs[k], 100, {"d_loss": 2.0, "modes": 4.0 + k})
    assert shown.lines() == [
        "heading",
        "compile=off",
        "seed 8: iteration 33: stopped",
        "seed 9: iteration 50: dead",
        " 50/100, 8/8 modes, D loss 2.000 (equilibrium 1.386), 50 it/s x 2 seeds, 0:01 left",
        "100/100, 5/8 modes, D loss 2.000 (equilibrium 1.386), 50 it/s x 2 seeds",
    ]


def test_seeds_one_after_the_other_are_told_apart() -> None:
    shown, runs = Lines(seeds=2), [run_of(7 + k) for k in range(2)]
    runs[0].notes, runs[1].notes = ["compile=off"], ["compile=off", "resumed otherwise"]
    with shown.watch:
        for k, run in enumerate(runs):
            shown.watch.follow(lambda: 0)
            for iteration in (0, 100):
                shown.watch.tick(run, iteration, {"d_loss": float(k), "modes": 2.0})
    assert shown.lines() == [
        "heading",
        "compile=off",
        "100/100, 2/8 modes, D loss 0.000 (equilibrium 1.386), 50 it/s",
        "seed 8:",
        "resumed otherwise",
        "100/100, 2/8 modes, D loss 1.000 (equilibrium 1.386), 50 it/s",
    ]


def test_a_seed_that_goes_on_alone_after_a_roll_back_is_heard() -> None:
    shown, first, again = Lines(seeds=2), run_of(7), run_of(7)
    with shown.watch:
        shown.watch.tick(first, 0, {"d_loss": 1.0})
        first.events.append("iteration 40: rolled back to iteration 0")
        again.events = [*first.events, "iteration 60: losing"]
        shown.watch.tick(again, 60, {"d_loss": 1.0})
        again.events.append("iteration 80: good again")
        shown.watch.tick(again, 80, {"d_loss": 1.0})
    assert shown.lines()[1:] == [
        "seed 7: iteration 40: rolled back to iteration 0",
        "seed 7: iteration 60: losing",
        "seed 7: iteration 80: good again",
    ]


def test_who_watches_is_as_progress_says() -> None:
    own = Watch(MuteScreen())
    assert watching(own) is own
    assert isinstance(watching(False).screen, MuteScreen)
    assert isinstance(watching(None).screen, PlainScreen)  # under the tests' runner stderr is no terminal
    with pytest.raises(InputError, match="expected progress as True, False or None, got 'no': leave it out"):
        watching("no")  # type: ignore[arg-type]


def test_figures_stand_in_the_order_of_what_matters() -> None:
    assert ", ".join(figures_of(STATS, EVEN, 8)) == NUMBERS
    assert figures_of({"d_loss": 0.5, "g_loss": 1.0}, (0.0, None), None, brief=True) == ("D 0.500 (0.000)", "G 1.000")
    assert figures_of({"balance": 0.25}, EVEN, None) == ("balance 0.25",)
    assert figures_of({}, EVEN, 8) == ()


def test_means_are_over_the_rows_that_have_a_figure() -> None:
    assert means([{"a": 1.0, "b": 4.0}, {"a": 3.0}]) == {"a": 2.0, "b": 4.0}
    assert means([]) == {}


def test_seeds_are_told_in_short() -> None:
    assert [span(seeds) for seeds in ([0], [0, 1], [0, 1, 2], [5, 6, 7, 8], [0, 2, 5])] == [
        "0", "0, 1", "0-2", "5-8", "0, 2, 5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (1.5e-5, "1.5e-05")],
)
def test_numbers_keep_three_digits(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_times_read_well() -> None:
    assert [clock(seconds) for seconds in (7, 125, 3723)] == ["0:07", "2:05", "1:02:03"]


def test_lines_are_broken_between_words_alone() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("one two three", 7, "  ") == ["one two", "  three"]
    path = "runs/a-long-name/seed-0"
    assert wrapped(f"saved in {path} now", 12) == ["saved in", path, "now"]  # a path is whole, whatever its length
    assert wrapped("first\nsecond line", 6) == ["first", "second", "line"]
    assert wrapped("", 6) == [""]
    assert wrapped("  one two three", 8, " ") == ["  one", "   two", "   three"]
    assert wrapped("one  two  three", 9) == ["one  two", "three"]


def test_the_first_line_gives_way_from_the_right() -> None:
    """Rate, then time left, then the title; the count is always seen."""
    frame = Frame("grid25/far seed 0", 10, 40_000, "812 it/s", "0:34 left")
    seen = [frame.head(width) for width in (80, 60, 45, 20)]
    assert [(title, right) for title, _, right in seen] == [
        ("grid25/far seed 0", "10/40,000  812 it/s  0:34 left"),
        ("grid25/far seed 0", "10/40,000  812 it/s  0:34 left"),
        ("grid25/far seed 0", "10/40,000"),
        ("", "10/40,000"),
    ]
    for width, (title, bar, right) in zip((80, 60, 45, 20), seen, strict=True):
        assert len(title) + 2 * bool(title) + bar + 2 + len(right) == width
