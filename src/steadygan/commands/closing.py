"""What a finished run says: its figures, final and best, and where everything is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..numbers import plain
from .console import LABELS, classes, clock, figure

if TYPE_CHECKING:
    from rich.console import Console

    from ..config import Settings
    from ..metrics.summary import At
    from ..runs.run import Run


def close(console: Console, run: Run, settings: Settings) -> None:
    """The closing table and what stands below it."""
    from rich.table import Table

    from ..metrics.summary import final_and_best

    modes = settings.data.modes
    weights = "live weights" if settings.ema is None else "EMA weights"
    table = Table(
        title=f"{settings.recipe}, seed {settings.seed}: {run.iteration:,} iterations, n = {settings.evaluate.n:,}, "
        f"{weights}",
        title_justify="left",
        title_style="bold",
    )
    for column in ("", "final", "real data", "best", "at", "peak", "at"):
        table.add_column(column, justify="left" if not column else "right")
    for row in final_and_best(run.metrics):
        if row.key not in LABELS:
            continue
        peak = ("", "") if row.peak is None else shown(row.key, row.peak, modes)
        real = figure(row.key, run.reference[row.key], modes) if row.key in run.reference else ""
        final = figure(row.key, row.final.value, modes)
        table.add_row(LABELS[row.key], final, real, *shown(row.key, row.best, modes), *peak)
    console.print(table)
    console.print(losses(run))
    shares = [told for record in reversed(run.metrics) if (told := classes(record))]
    if shares:
        console.print(shares[0])
    console.print(f"measured with: {run.protocol}", style="dim")
    console.print(f"wall time {clock(run.wall_time)}, {plain(run.iterations_per_second)} iterations per second")
    for event in run.events:
        console.print(event, style="bold yellow")


def shown(key: str, at: At, modes: int | None) -> tuple[str, str]:
    """A value and its iteration."""
    return figure(key, at.value, modes), f"{at.iteration:,}"


def losses(run: Run) -> str:
    """The last losses, without penalties, beside the values they have when fakes are like reals."""
    parts = []
    for name, key, level in zip("DG", ("d_loss", "g_loss"), run.equilibrium, strict=True):
        known = [record[key] for record in run.metrics if key in record]
        if known:
            parts.append(f"{name} {known[-1]:.3f} ({'free' if level is None else f'{level:.3f}'} at equilibrium)")
    return f"losses without penalties: {', '.join(parts)}" if parts else "no iteration was trained"


def whereabouts(console: Console, folder: Path) -> None:
    """Where figures, samples and numbers are."""
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    if figures:
        console.print(f"figures: {folder / 'figures'} ({', '.join(figures)})")
    console.print(f"samples: {folder / 'samples'}, more with: steadygan sample {folder} -n 1000 --out samples.npz")
    console.print(f"numbers: {folder / 'metrics.jsonl'}, live with: tensorboard --logdir {folder}")
