"""`steadygan sample`: samples from a run, in the form that `--out` asks for, never many of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..errors import InputError, unknown
from .console import stdout
from .drawn import Asked, Target, check, has_images, target
from .existing import settings_of, weights_named

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs.run import Run
    from ..types import Batch

BAR_FROM = 2000  # samples; fewer are there before a bar would be


def sample(
    folder: Path,
    n: int,
    out: str | None,
    seed: int,
    weights: str,
    label: str | None = None,
    truncation: float | None = None,
    interpolate: int | None = None,
) -> int:
    """Draws n samples and writes them; with the same seed, a longer draw begins like a shorter one."""
    kind = weights_named(weights)
    asked = Asked(n, seed, kind, label, truncation, interpolate)
    place = target(out, folder, asked)
    settings = settings_of(folder)
    check(place, asked, settings, folder)
    from ..runs.run import load

    run = load(folder)
    names = run.data.get("class_names", ())
    chosen = None if label is None else class_of(label, names, run.classes or 0)
    console = stdout()
    with Drawn(run.stream(n, seed, kind, chosen, truncation, interpolate), n, console) as drawn:
        write(place, drawn, run, settings, asked)
    averaged = kind == "ema" and run.G is not run.G_live
    told = [f"iteration {run.iteration:,}", f"{'EMA' if averaged else 'live'} weights", f"seed {seed}"]
    if chosen is not None:
        named = len(names) > chosen and names[chosen] != str(chosen)
        told.append(f"label {chosen}" + (f" ({names[chosen]})" if named else ""))
    told += [] if truncation is None else [f"truncation {truncation:g}"]
    told += [] if interpolate is None else [f"rows of {interpolate} from one latent to another"]
    console.print(f"{n:,} samples of {folder} ({', '.join(told)}): {place.path}")
    if drawn.broken:
        console.print(f"{drawn.broken:,} of them hold numbers that are not finite", style="bold yellow")
    return 0


def class_of(text: str, names: list[str], classes: int) -> int:
    """The class that is meant: a name, which goes first, or a number from 0; raises InputError when there is none."""
    if text in names:
        return names.index(text)
    try:
        number = int(text)
    except ValueError:
        if names:
            raise unknown("class", text, names) from None
        number = -1
    if not 0 <= number < classes:
        raise InputError(f"expected --label from 0 to {classes - 1}, got {text}: choose one of the classes")
    return number


class Drawn:
    """Batches on their way to a file: moves a bar on a terminal, and counts samples that are not finite (`broken`)."""

    def __init__(self, batches: Iterator[Batch], n: int, console: Console) -> None:
        self._batches, self._n, self._console, self._stack = batches, n, console, ExitStack()
        self._bar: Any = None
        self.broken = 0

    def __enter__(self) -> Drawn:
        if self._console.is_terminal and self._n >= BAR_FROM:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("drawing"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True, expand=True)
            self._stack.enter_context(self._bar)
            self._bar.add_task("drawing", total=self._n)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            self.broken += int((~batch.x.flatten(1).isfinite().all(1)).sum())
            yield batch
            if self._bar is not None:
                self._bar.advance(self._bar.task_ids[0], batch.size)


def write(place: Target, drawn: Drawn, run: Run, settings: Settings, asked: Asked) -> None:
    """Writes what is drawn in the form asked for."""
    from ..runs import writers

    form, path = place
    images = has_images(settings)
    folders = None
    if run.classes is not None and asked.label is None:
        folders = writers.class_folders(run.data.get("class_names", ()), run.classes)
    if form == "folder":
        writers.image_folder(path, drawn, folders)
    elif form == "zip":
        writers.image_zip(path, drawn, folders)
    elif form == "npz":
        writers.npz(path, drawn, asked.n, images)
    elif form == "npy":
        writers.npy(path, drawn, asked.n, images)
    elif form == "csv":
        writers.csv(path, drawn)
    elif images:
        writers.grid(path, drawn, asked.n, asked.interpolate)
    else:
        scatter(path, drawn, run, settings)


def scatter(path: Path, drawn: Drawn, run: Run, settings: Settings) -> None:
    """Points beside real ones."""
    import torch

    from ..recipes.build import source
    from ..viz.samples import evolution_strip, scatter_matrix

    points = torch.cat([batch.x for batch in drawn]).cpu().numpy()
    data = source(settings)
    real = data.restore(data.fresh(max(1000, len(points)), torch.Generator().manual_seed(0))).numpy()
    if data.shape == (2,):
        evolution_strip(real, [(run.iteration, points, None, None)], path, settings.recipe)
    else:
        scatter_matrix(real, points, path, settings.recipe)
