"""Terminals of 80, 100 and 140 columns at the start, in training, at an alarm, at the end and when interrupted.

`python tests/display/test_screens.py` writes the pictures in `screens/` anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shown import CORNERS, STATS, Terminal, drawn, run_of, watch_on

from steadygan import cli
from steadygan.commands.console import say_how_to_go_on
from steadygan.commands.job import Job
from steadygan.commands.tables import closing
from steadygan.display.screens import movable
from steadygan.recipes import RECIPES

HERE = Path(__file__).parent
TITLE = "grid25/far seed 0"
FOLDER = "runs/grid25-far/seed-0"
HEADING = f"{TITLE}: 40,000 iterations in {FOLDER}"
NOTE = "compile=on: 40,000 iterations of 2 steps are no fewer than the 80,000 steps from which it pays"
REASON = (
    "the average's fakes cover 41% of what they should, after 97%; D's slope at the fakes is 18 times what it was "
    "(since iteration 11,800): penalty.r1.weight=1, lr_d=2e-4"
)
LOST = {"modes": 11.0, "verdict": "losing", "causes": "d_steep", "reason": REASON, "gradient_max": 61.0}
EVENT = f"iteration 12,000: losing: {REASON}"
COMMAND = "steadygan train grid25/far penalty.r1.weight=0.3 method.fake_as_real.count=16 batch_size=128 --resume"


def begun(terminal: Terminal, then: Callable[[Any, Any], None] | None = None, **more: Any) -> None:
    """A run that has ticked twice, in a watch; `then` is what happens next."""
    run = run_of(iterations_per_second=812.0)
    with watch_on(terminal, **more) as watch:
        watch.plan(TITLE, 40_000, 25, HEADING)
        watch.follow(lambda: 12_345)
        watch.tick(run, 0, {**STATS, "modes": 0.0})
        watch.tick(run, 12_000, {**STATS, "modes": 24.0}, lambda: CORNERS)
        if then is not None:
            then(watch, run)
        drawn(watch)


def start(terminal: Terminal) -> None:
    watch = watch_on(terminal)
    with watch:
        drawn(watch)
        terminal.kept = terminal.text()  # type: ignore[attr-defined]


def compiling(terminal: Terminal) -> None:
    watch = watch_on(terminal)
    with watch:
        watch.plan(TITLE, 40_000, 25, HEADING)
        watch.notice(NOTE)
        drawn(watch)
        terminal.kept = terminal.text()  # type: ignore[attr-defined]


def training(terminal: Terminal) -> None:
    def then(watch: Any, run: Any) -> None:
        drawn(watch)
        terminal.kept = terminal.text()  # type: ignore[attr-defined]

    begun(terminal, then)


def alarm(terminal: Terminal) -> None:
    def then(watch: Any, run: Any) -> None:
        run.events.append(EVENT)
        watch.tick(run, 12_200, {**STATS, **LOST}, lambda: CORNERS)

    begun(terminal, then, warns=False)


def end(terminal: Terminal) -> None:
    def then(watch: Any, run: Any) -> None:
        watch.tick(run, 40_000, {**STATS, "modes": 25.0, "verdict": "good"}, lambda: CORNERS)

    begun(terminal, then)
    rows = [(0, 0.0, "learning", 0.5), (8_000, 23.0, "losing", 9.0), (20_000, 25.0, "good", 0.4)]
    metrics: list[dict[str, Any]] = [
        {"iteration": at, "modes": modes, "verdict": state, "gradient_max": 2 * size, "gradient_mean": size}
        | {"high_quality": 0.889, "balance": 0.352, "energy_distance": 0.001, "d_loss": 1.4, "g_loss": 0.7}
        for at, modes, state, size in [*rows, (40_000, 25.0, "good", 0.31)]
    ]
    run: Any = SimpleNamespace(
        metrics=metrics, reference={"modes": 25.0, "high_quality": 0.989, "balance": 1.0}, iteration=40_000,
        wall_time=125.0,
    )  # fmt: skip
    closing.closing(terminal.console(), run, [Job(RECIPES["grid25/far"](), Path(FOLDER), 40_000)])


def interrupt(terminal: Terminal) -> None:
    begun(terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        patch.setenv("COLUMNS", str(terminal.width))
        say_how_to_go_on(f"interrupted after iteration 12,345, saved in {FOLDER}", COMMAND)


SCENES: dict[str, Callable[[Terminal], None]] = {
    each.__name__: each for each in (start, compiling, training, alarm, end, interrupt)
}
SEEN = """
starting compiling, about 20 s, once learning losing good (D steep) modes max gradient D G loss (equilibrium it/s left
final best at real data high-quality share balance (1 = as even as real) gradient at G, max peak of %
good: nothing lost since modes, iterations in next: steadygan report diagnose sample -n --out samples.npz
interrupted after iteration 12,345, saved in continue with:
"""
WORDS = {*f"{SEEN} {HEADING} {NOTE} {EVENT} {COMMAND} {TITLE} {FOLDER} {FOLDER};".split(), "\\"}  # not a piece of one


def pictured(scene: str, width: int) -> str:
    terminal = Terminal(width)
    SCENES[scene](terminal)
    return getattr(terminal, "kept", None) or terminal.text()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("scene", SCENES)
def test_it_looks_as_it_did(scene: str, width: int) -> None:
    assert pictured(scene, width) == (HERE / "screens" / f"{scene}-{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
@pytest.mark.parametrize("scene", SCENES)
def test_no_word_is_cut(scene: str, width: int) -> None:
    """Nothing is seen but whole words, paths, numbers, bars and dots."""
    text = pictured(scene, width)
    signs = re.compile(r"[━╸\u2800-\u28ff⠋\s]+")
    number = re.compile(r"\(?[\d.,:]+\)?(/[\d,]+)?;?")
    cut = [word for word in signs.split(text) if word and word not in WORDS and not number.fullmatch(word)]
    assert cut == []


def test_what_matters_most_is_seen_where_there_is_little_room() -> None:
    """State, modes, the largest gradient, losses: in this order they give way."""
    seen = {width: pictured("training", width) for width in (30, 44, 80, 140)}
    assert "learning  24/25 modes\n" in seen[30]
    assert "learning  24/25 modes  max gradient 12.3\n" in seen[44]
    assert "max gradient 12.3  D 1.200 (1.386)  G 0.900 (0.693)\n" in seen[80]
    assert "max gradient 12.3  D loss 1.200 (equilibrium 1.386)  G loss 0.900 (0.693)\n" in seen[140]


def test_a_run_that_cannot_start_leaves_nothing_on_the_terminal() -> None:
    terminal = Terminal(80)

    def start() -> None:
        with watch_on(terminal) as watch:
            drawn(watch)
            assert "starting" in terminal.text()
            raise ValueError

    with pytest.raises(ValueError):
        start()
    assert terminal.text() == "\n"


def test_the_shell_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole command: lines that moved, a picture, a page, and no more than the terminal's width of each."""
    terminal = Terminal(80, 40)
    for name in ("JPY_PARENT_PID", "PAGER", "GIT_PAGER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "80"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    words = ["log_every=10", "evaluate.every=20", "evaluate.n=200", "device=cpu", "compile=off"]
    assert cli.main(["train", "ring8/far", *words, "--iterations", "20", "--out", "mine"]) == 0
    rows = terminal.rows()
    assert rows[0] == "ring8/far seed 0: 20 iterations in mine"
    assert re.fullmatch(r"ring8/far seed 0  ━+  20/20  \d+ it/s", rows[1])
    assert re.match(r"learning  \d/8 modes  max gradient ", rows[2])
    dots = [row for row in rows if row and set(row) <= {*map(chr, range(0x2800, 0x2900))}]
    assert len(dots) == 10
    assert "next:" in rows
    assert "  steadygan sample mine -n 1000 --out samples.npz" in rows


@pytest.mark.parametrize(
    ("terminal", "environment", "found"),
    [
        (True, {"TERM": "xterm-256color"}, True),
        (False, {"TERM": "xterm-256color"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm-color", "JPY_PARENT_PID": "12"}, False),  # `!steadygan train` in a notebook
        (True, {"TERM": "xterm-color", "PAGER": "cat", "GIT_PAGER": "cat", "CLICOLOR": "1"}, False),
        (True, {"TERM": "xterm", "PAGER": "less"}, True),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal without a name can move there")
def test_where_lines_can_move(terminal: bool, environment: dict[str, str], found: bool) -> None:
    stream: Any = SimpleNamespace(isatty=lambda: terminal)
    assert movable(stream, environment) is found


def test_a_stream_that_is_gone_is_no_terminal() -> None:
    closed = Terminal(80)
    closed.close()
    assert not movable(None)
    assert not movable(open_and_closed())


def open_and_closed() -> Any:
    stream = Path(__file__).open(encoding="utf-8")  # noqa: SIM115
    stream.close()
    return stream


if __name__ == "__main__":
    for name in SCENES:
        for columns in (80, 100, 140):
            (HERE / "screens" / f"{name}-{columns}.txt").write_text(pictured(name, columns), encoding="utf-8")
