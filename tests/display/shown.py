"""What a terminal of some width shows: a stream that calls itself one, read back by a terminal's emulator."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pyte
from rich.console import Console

from steadygan.display.glimpse import Glimpse
from steadygan.display.screens import LiveScreen
from steadygan.display.watch import Watch

EVEN = (1.386, 0.693)
STATS = {"d_loss": 1.2, "g_loss": 0.9, "modes": 7.0, "balance": 0.5, "gradient_max": 12.34, "verdict": "learning"}
CORNERS = Glimpse(points=[(0.0, 0.0), (1.0, 1.0)], real=[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])


class Terminal(io.StringIO):
    """A stream that is a terminal of this width."""

    encoding = "utf-8"

    def __init__(self, width: int, height: int = 30) -> None:
        super().__init__()
        self.width, self.height = width, height

    def isatty(self) -> bool:
        return True

    def console(self, **more: Any) -> Console:
        size = {"width": self.width, "height": self.height}
        return Console(file=self, force_terminal=True, markup=False, highlight=False, **size, **more)

    def rows(self) -> list[str]:
        """What stands on it by now, and what has left it above."""
        screen = pyte.HistoryScreen(self.width, self.height, history=1000)
        screen.set_mode(pyte.modes.LNM)
        pyte.Stream(screen).feed(self.getvalue())
        gone = ["".join(line[column].data for column in range(self.width)) for line in screen.history.top]
        return [row.rstrip() for row in [*gone, *screen.display]]

    def text(self) -> str:
        """The same without what is empty below."""
        return "\n".join(self.rows()).rstrip() + "\n"


def run_of(seed: int = 0, beside: int = 1, **more: Any) -> Any:
    """What a watch wants to know of a run."""
    own = {"events": [], "notes": [], "equilibrium": EVEN, "iterations_per_second": 50.0, "settings": {"seed": seed}}
    return SimpleNamespace(beside=beside, **{**own, **more})


def watch_on(terminal: Terminal, **more: Any) -> Watch:
    """One whose clock stands still."""
    screen = LiveScreen(terminal.console(color_system="truecolor"), clock=lambda: 0.0)
    return Watch(screen, clock=lambda: 0.0, **more)


def drawn(watch: Watch) -> None:
    """The moving lines are drawn once more, now."""
    live = watch.screen._live  # type: ignore[attr-defined]
    assert live is not None
    live.refresh()
