"""The closing page of a training: a sentence, a few rows and the next commands; everything with --verbose."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ...display.card import fitting
from ...display.frame import COLOURS, clock
from ...display.sentence import sentence, sentence_of_seeds, standing
from ...metrics.summary import chosen, final_and_best, short
from ...quantities import LABELS, counted, plain, spoken, tone
from ...runs.run import Run
from ..console import cells, classes, new_table, shell_lines, tell
from ..job import Job
from .results import Result, SideBySide, exit_code

if TYPE_CHECKING:
    from rich.console import Console


def closing(console: Console, ran: Run | Sequence[Run], jobs: Sequence[Job], verbose: bool = False) -> int:
    """Prints the closing page of one run, or of several seeds; returns the exit code."""
    if isinstance(ran, Sequence):
        return _of_seeds(console, ran, jobs, verbose)
    _of_run(console, ran, jobs[0], verbose)
    return 0


def _of_run(console: Console, run: Run, job: Job, verbose: bool) -> None:
    tell(console, sentence(run.metrics, job.settings.data.modes), f"bold {COLOURS[tone(*standing(run.metrics))]}")
    if verbose:
        _all(console, run, job)
    else:
        for line in fitting(short(run.metrics, run.reference, job.settings.data.modes), room(console)):
            console.print(line)
        tell(console, f"{run.iteration:,} iterations in {clock(run.wall_time)}", "dim")
    go_on(console, job.folder, [job.folder], job.settings.generator is not None)


def _of_seeds(console: Console, runs: Sequence[Run], jobs: Sequence[Job], verbose: bool) -> int:
    results = [Result.of(job, run) for job, run in zip(jobs, runs, strict=True) if run.failure is None]
    if results:
        settings = results[0].job.settings
        told = {result.job.settings.seed: result.records for result in results}
        tell(console, sentence_of_seeds(told, settings.data.modes), "bold")
        together = SideBySide.of(results)
        if verbose:
            together.show(console)
        else:
            figures = together.figures(settings.recipe)
            for line in fitting(over_seeds(figures, settings.data.modes), room(console)):
                console.print(line)
            seconds = clock(fmean(result.seconds for result in results))
            count = f"{len(results)} seeds, mean ± standard deviation" if len(results) > 1 else "1 seed"
            tell(console, f"{results[0].job.length:,} iterations in {seconds}, {count}", "dim")
        folders = [result.job.folder for result in results]
        go_on(console, folders[0], folders, settings.generator is not None)
    sys.stdout.flush()
    return exit_code(runs)


def room(console: Console) -> int:
    """The width of a line; unlimited in a file."""
    return console.width if console.is_terminal else sys.maxsize


def over_seeds(figures: dict[str, dict[str, tuple[float, ...]]], modes: int | None) -> list[tuple[str, ...]]:
    """The short table over seeds: means and deviations."""
    told: list[tuple[str, ...]] = [("", "final", "best")]
    for key in chosen(figures):
        own = figures[key]
        shown = f"{counted(key, own['peak'])} peak" if "peak" in own else counted(key, own["best"], modes)
        told.append((LABELS[key], counted(key, own["final"], modes), shown))
    return told if len(told) > 1 else []


def go_on(console: Console, folder: Path, folders: Sequence[Path], samples: bool) -> None:
    """The next commands."""
    tell(console, "next:")
    commands = [["report", *map(str, folders)], ["diagnose", str(folder)]]
    commands += [["sample", str(folder), "-n", "1000", "--out", "samples.npz"]] if samples else []
    for words in commands:
        command = shlex.join(["steadygan", *words])
        for line in shell_lines(command, console.width) if console.is_terminal else [f"  {command}"]:
            console.print(line, soft_wrap=True)


def _all(console: Console, run: Run, job: Job) -> None:
    """All figures, final and best, how they were measured, and where everything is."""
    settings, folder = job.settings, job.folder
    modes = settings.data.modes
    weights = "live weights" if settings.ema is None else "EMA weights"
    title = (
        f"{settings.recipe}, seed {settings.seed}: {run.iteration:,} iterations, n = {settings.evaluate.n:,}, {weights}"
    )
    table = new_table(title, "", "final", "real data", "best", "at", "peak", "at")
    for row in final_and_best(run.metrics):
        if row.key in LABELS:
            peak = () if row.peak is None else (counted(row.key, row.peak.value, modes), f"{row.peak.iteration:,}")
            table.add_row(*cells(row, run.reference, modes), *peak)
    console.print(table)
    tell(console, _losses(run))
    shares = [told for record in reversed(run.metrics) if (told := classes(record))]
    if shares:
        tell(console, shares[0])
    if run.protocol:
        tell(console, f"measured with: {run.protocol}", "dim")
    tell(console, f"wall time {clock(run.wall_time)}, {plain(run.iterations_per_second)} iterations per second")
    for event in run.events:
        tell(console, spoken(event), "bold yellow")
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    if figures:
        tell(console, f"figures: {folder / 'figures'} ({', '.join(figures)})")
    tell(console, f"samples: {folder / 'samples'}")
    tell(console, f"numbers: {folder / 'metrics.jsonl'}, live with: tensorboard --logdir {folder}")


def _losses(run: Run) -> str:
    """The last losses, without penalties, beside their values at equilibrium."""
    parts = []
    for name, key, level in zip("DG", ("d_loss", "g_loss"), run.equilibrium, strict=True):
        known = [record[key] for record in run.metrics if key in record]
        if known:
            beside = "no fixed equilibrium" if level is None else f"{level:.3f} at equilibrium"
            parts.append(f"{name} {known[-1]:.3f} ({beside})")
    return f"losses without penalties: {', '.join(parts)}" if parts else "no iterations were trained"
