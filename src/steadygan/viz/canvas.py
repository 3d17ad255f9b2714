"""One style for every figure: colours, type sizes, and saving without touching matplotlib's global state."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..files import beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISCRIMINATOR = "#009E73"
GENERATOR = "#AA4499"
CYCLE = ("#222222", "#AA4499", "#009E73", "#E69F00", "#56B4E9", "#661100", "#888888")  # runs: neither real nor fake
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
INK = "#222222"
QUIET = "#767676"

DPI = 160

STYLE: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": True,
    "figure.titlesize": 11.0,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.0,
}


@contextmanager
def canvas(
    path: str | Path,
    width: float,
    height: float,
    title: str | None = None,
    layout: Literal["constrained", "compressed"] = "constrained",
) -> Iterator[Figure]:
    """An empty figure of `width` x `height` inches, written to `path` when the block ends without an error.

    The file's suffix determines the format (png, pdf, svg). The style holds only inside the block, pyplot is never
    imported, and the file is written completely or not at all.
    """
    without_backend()
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(STYLE, after_reset=True):  # the host's settings must not leak in either
        figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title)
        yield figure
        path = Path(path)
        with beside(path) as part:
            kind = path.suffix.lstrip(".").lower() or "png"
            figure.savefig(part, format=kind, dpi=DPI, bbox_inches="tight", pad_inches=0.08)


def without_backend() -> None:
    """Imports matplotlib even if MPLBACKEND names a missing backend, such as a notebook's: none is used here.

    The import would otherwise fail half-way. The backend is set afterwards, as matplotlib does, if it exists.
    """
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def iteration_axis(axes: Axes, label: bool = True) -> None:
    """Iterations along x with thousands separators; the label only if requested."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.01)
    right = axes.get_xlim()[1]
    axes.set_xlim(left=min(axes.get_xlim()[0], -0.01 * right))  # every run starts at 0, whatever its first record
    axes.grid(visible=True)
    if label:
        axes.set_xlabel("iteration (generator updates)")
