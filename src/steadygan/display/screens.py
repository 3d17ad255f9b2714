"""Where a run's moving lines are shown: in place in a terminal, in one notebook output, or as a few plain lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..errors import printable
from ..quantities import heard, tone
from .frame import COLOURS, Frame, wrapped
from .glimpse import Span

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.live import Live
    from rich.segment import Segment

RATE = 2  # times a second that a terminal's lines are drawn
PICTURE = 10  # lines of a picture at most
WIDEST = 120  # characters of it
BEAT = 1.0  # seconds between two updates of a notebook's output
SHARE, SECONDS = 0.1, 30.0  # of a run, and of time, between two plain lines: both have to pass
SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
DULL = ("", "dumb", "unknown")  # kinds of terminals without a cursor


class Screen(Protocol):
    """A place where a `Watch` shows things."""

    draws: bool  # pictures
    moves: bool  # what is shown can be replaced

    def start(self, frame: Callable[[], Frame]) -> None:
        """Begins to show what `frame()` returns, repeatedly where possible."""

    def stop(self, keep: bool) -> None:
        """Ends the display; keep: the last frame stays."""

    def say(self, line: str, style: str = "") -> None:
        """Prints something once, which stays."""

    def show(self, last: bool) -> None:
        """Called when there is something new; last: it is the final frame."""

    def beat(self) -> None:
        """Called after every iteration."""


class MuteScreen:
    """Shows nothing."""

    draws = moves = False

    def start(self, frame: Callable[[], Frame]) -> None:
        """Nothing."""

    def stop(self, keep: bool) -> None:
        """Nothing."""

    def say(self, line: str, style: str = "") -> None:
        """Nothing."""

    def show(self, last: bool) -> None:
        """Nothing."""

    def beat(self) -> None:
        """Nothing."""


class PlainScreen(MuteScreen):
    """A few lines one below the other, without control characters: for files, pipes and logs."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock = stream, clock
        self._frame: Callable[[], Frame] | None = None
        self._spoke, self._share = clock(), 0.0

    def start(self, frame: Callable[[], Frame]) -> None:
        """Starts the clock."""
        self._frame, self._spoke, self._share = frame, self.clock(), 0.0

    def say(self, line: str, style: str = "") -> None:
        """One line or several; nothing if the stream is closed or gone."""
        if self.stream is not None:
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            with suppress(OSError, ValueError):
                print(printable(line).encode(encoding, "replace").decode(encoding), file=self.stream, flush=True)

    def show(self, last: bool) -> None:
        """A line for each tenth of the run, but never within thirty seconds of another; and the last one."""
        assert self._frame is not None
        frame, now = self._frame(), self.clock()
        if frame.share < self._share:  # others are trained now
            self._share = 0.0
        due = frame.share - self._share >= SHARE - 1e-9 and now - self._spoke >= SECONDS
        if last or due:
            self._spoke, self._share = now, frame.share
            self.say(frame.told())


class LiveScreen:
    """Two moving lines at the end of a terminal, and a small picture below them."""

    moves = True

    def __init__(self, console: Console, draws: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self.fancy = (console.encoding or "").lower().startswith("utf")
        self.draws = draws and self.fancy
        self._frame: Callable[[], Frame] | None = None
        self._live: Live | None = None
        self._drawn: tuple[Any, Any, list[list[Span]]] = (None, None, [])  # what was drawn last, how large, the lines

    def start(self, frame: Callable[[], Frame]) -> None:
        """Takes the terminal's last lines; whatever is printed meanwhile goes above them."""
        from rich.live import Live

        self._frame = frame
        own = sys.stdout is not None and sys.stdout.isatty()  # else what is printed belongs into a file
        self._live = Live(
            self, console=self.console, refresh_per_second=RATE, redirect_stdout=own, vertical_overflow="crop"
        )
        self._live.start()

    def stop(self, keep: bool) -> None:
        """Releases them, with the last frame or empty."""
        live, self._live = self._live, None
        if live is not None:
            live.transient = not keep  # a run that could not start leaves its error alone
            with suppress(OSError, ValueError):  # the terminal is gone
                live.stop()

    def say(self, line: str, style: str = "") -> None:
        """Above the moving lines, broken between words."""
        from rich.text import Text

        with suppress(OSError, ValueError):
            for each in wrapped(printable(line), self.console.width, "  "):
                self.console.print(Text(each, style=style), soft_wrap=True)

    def show(self, last: bool) -> None:
        """Nothing: a thread redraws the lines at its own pace."""

    def beat(self) -> None:
        """Nothing."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        from rich.segment import Segment

        if self._frame is not None:
            for spans in self.lines(self._frame(), options.max_width, options.height or console.height):
                for text, style in spans:
                    yield Segment(text, console.get_style(style) if style else None)
                yield Segment.line()

    def lines(self, frame: Frame, width: int, height: int) -> Iterator[list[tuple[str, str]]]:
        """The frame in lines of spans, text and style; pictures where there is room for them."""
        signs = SIGNS if self.fancy else "|/-\\"
        sign = f"{signs[int(self.clock() * RATE) % len(signs)]} " if self._live is not None else ""
        doing = wrapped(frame.doing, width - 2)[0]
        if not frame.title:
            yield [(sign, "cyan"), (doing, "")]
            return
        title, bar, right = frame.head(width - len(sign))
        told = [(f"{title}  " if title else "", ""), *self._bar(frame.share, bar), (f"  {right}" if bar else right, "")]
        yield [(sign, "cyan"), *told]
        if frame.doing:
            yield [(doing, "dim")]
        elif frame.state or frame.figures:
            state, figures = frame.fitting(width)
            gap = "  " if state and figures else ""
            yield [(state, f"bold {frame.colour}"), (f"{gap}{figures}", "dim")]
        if self.draws and frame.glimpse is not None:
            size = min(width, WIDEST), min(PICTURE, height // 2 - 2), self.console.color_system is not None
            if self._drawn[0] is not frame.glimpse or self._drawn[1] != size:
                self._drawn = frame.glimpse, size, [joined(line) for line in frame.glimpse.text(*size)]
            yield from self._drawn[2]

    def _bar(self, share: float, length: int) -> Iterator[tuple[str, str]]:
        full, rest = divmod(int(2 * length * share), 2)
        on, half, off = ("━", "╸", "━") if self.fancy else ("#", "#", "-")
        coloured = self.console.color_system is not None
        yield on * full + half * rest, "cyan"
        yield (off if coloured or not self.fancy else " ") * (length - full - rest), "bright_black"


def joined(line: list[Span]) -> list[Span]:
    """Neighbours of one style as one span: a line is drawn twice a second."""
    return [("".join(text for text, _ in own), style) for style, own in groupby(line, key=itemgetter(1))]


class NotebookScreen:
    """One output of a notebook's cell, replaced whenever there is news; display: IPython's."""

    draws = moves = True

    def __init__(self, display: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.display, self.clock = display, clock
        self._frame: Callable[[], Frame] | None = None
        self._said: list[tuple[str, str]] = []
        self._handle: Any = None
        self._drawn = -BEAT

    def start(self, frame: Callable[[], Frame]) -> None:
        """The output appears at once."""
        self._frame, self._said = frame, []
        self._handle = self.display(self._bundle(), raw=True, display_id=True)
        self._drawn = self.clock()

    def stop(self, keep: bool) -> None:
        """The last frame stays."""
        self._draw()
        self._handle = None

    def say(self, line: str, style: str = "") -> None:
        """A line below the figures."""
        self._said.append((line, style))
        self._draw()

    def show(self, last: bool) -> None:
        """Draws when a second has passed, or when nothing comes after it."""
        if last:
            self._draw()
        else:
            self.beat()

    def beat(self) -> None:
        """Draws once a second, however long a tick takes."""
        if self.clock() - self._drawn >= BEAT:
            self._draw()

    def _draw(self) -> None:
        if self._handle is not None:
            self._drawn = self.clock()
            self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> Mapping[str, str]:
        assert self._frame is not None
        frame = self._frame()
        told = [frame.doing or frame.told() if frame.title else frame.doing, *(line for line, _ in self._said)]
        return {"text/html": page(frame, self._said), "text/plain": "\n".join(filter(None, told))}


HUES = {"good": "#1a7f37", "calm": "#0072B2", "warn": "#9a6700", "bad": "#c62828"}  # of verdicts, on a page


def page(frame: Frame, said: list[tuple[str, str]]) -> str:
    """A frame and the printed lines as HTML; a bar without a value moves by itself."""
    value = "" if frame.doing else f' value="{frame.share:.4f}"'
    right = " · ".join(filter(None, (frame.counted(), frame.rate, frame.left)))
    hue = HUES[tone(frame.verdict, frame.causes)]
    state = f'<b style="color:{hue}">{escape(frame.state)}</b> ' if frame.state else ""
    figures = escape(" · ".join(frame.figures))
    lines = [
        f"<div><b>{escape(frame.title)}</b> <progress{value} max='1' style='width:16em'></progress> "
        f"{escape(right if frame.title else '')}</div>",
        f"<div>{escape(frame.doing)}</div>" if frame.doing else f"<div>{state}{figures}</div>",
        "" if frame.glimpse is None else f"<div>{frame.glimpse.html()}</div>",
        *(f'<div style="opacity:.8;white-space:pre-wrap">{escape(line)}</div>' for line, _ in said),
    ]
    return f'<div style="font-size:90%;line-height:1.6">{"".join(lines)}</div>'


def new_screen(plain: bool = False, pictures: bool = True, stream: TextIO | None = None) -> Screen:
    """The best screen available, on stderr: a notebook's output, a terminal's moving lines, else plain lines."""
    stream = sys.stderr if stream is None else stream
    if not plain and (display := notebook()) is not None:
        return NotebookScreen(display)
    if plain or not movable(stream):
        return PlainScreen(stream)
    from rich.console import Console

    return LiveScreen(Console(file=stream, force_terminal=True, markup=False, highlight=False), pictures)


def movable(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines can be overwritten: in a terminal, but not in one whose whole output a notebook keeps.

    A command in a notebook's cell (`!steadygan train`) writes to something that claims to be a terminal; the
    environment reveals it.
    """
    try:
        terminal = stream is not None and stream.isatty()
    except (AttributeError, ValueError):  # closed
        return False
    pagers = environment.get("PAGER"), environment.get("GIT_PAGER")
    kernel = "JPY_PARENT_PID" in environment or (pagers == ("cat", "cat") and "CLICOLOR" in environment)
    return terminal and not kernel and environment.get("TERM", "dumb" if os.name == "posix" else "any") not in DULL


def notebook() -> Callable[..., Any] | None:
    """IPython's `display` in a notebook's own process, else None; nothing is imported for it."""
    module = sys.modules.get("IPython")
    shell = getattr(module, "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    shown: Callable[..., Any] = display
    return shown


def shade(event: str) -> str:
    """The style of a run's event: red for an alarm, green for the end of one, else yellow."""
    return f"bold {COLOURS[heard(event)]}"
