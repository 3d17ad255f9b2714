"""`steadygan train`: settings from words, one run, and what came of it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Points, Settings, difference, override, saved
from ..config.saved import NAME as SETTINGS
from ..errors import EXIT_INTERRUPTED, InputError, Interrupted
from ..recipes import RECIPES
from .closing import close, whereabouts
from .console import stdout
from .progress import Watch

if TYPE_CHECKING:
    from rich.console import Console

    from ..engine.run import Run

DEFAULT = "grid25/far"
DEFAULT_DATA = "points/far"  # when the user's data came without a recipe
FORMATS = (".npy", ".npz", ".csv")


def train(
    words: Sequence[str],
    data: Path | None,
    out: Path | None,
    iterations: int | None,
    seed: int | None,
    resume: bool,
    dry_run: bool,
) -> int:
    """Checks the settings, trains, and says how it ended; returns the exit code."""
    settings = chosen(words, data, out if resume else None, seed)
    if dry_run:
        print(settings.to_json())
        return 0
    folder = out or default_folder(settings)
    length = settings.horizon if iterations is None else iterations
    refuse_early(settings, folder, resume)
    console = stdout()
    try:
        run = fit(settings, folder, length, resume, console)
    except KeyboardInterrupt as stop:
        how = str(stop) if isinstance(stop, Interrupted) else "interrupted"
        print(f"{how}; continue with: {again()}", file=sys.stderr)
        return EXIT_INTERRUPTED
    close(console, run, settings)
    whereabouts(console, folder)
    if settings.recipe.startswith("grid25/"):
        console.print("see why: steadygan compare grid25/nsgan grid25/r1 grid25/far")
    return 0


def chosen(words: Sequence[str], data: Path | None, resumed: Path | None, seed: int | None) -> Settings:
    """The settings that the command line means; a resumed folder's own ones when no recipe is named."""
    names = [word for word in words if "=" not in word]
    changes = [word for word in words if "=" in word]
    if len(names) > 1:
        raise InputError(f"expected one recipe, got {', '.join(names)}: write settings as key=value")
    own = None if names or resumed is None else saved(resumed)
    settings = own or RECIPES[names[0] if names else DEFAULT if data is None else DEFAULT_DATA]()
    if data is not None:
        changes.append(f"data.path={own_data(settings, data)}")
    if seed is not None:
        if any(change.startswith("seed=") for change in changes):
            raise InputError(f"expected one seed, got --seed {seed} beside seed=...: give one of them")
        changes.append(f"seed={seed}")
    return override(settings, changes)


def own_data(settings: Settings, data: Path) -> Path:
    """The user's file, checked as far as that needs no torch."""
    if not isinstance(settings.data, Points):
        raise InputError(
            f"{settings.recipe}: expected no --data, as it makes its own, got {data}: use points/far --data {data}"
        )
    if data.suffix.lower() not in FORMATS:
        raise InputError(f"expected data in a .npy, .npz or .csv file, got '{data}': convert it or rename it")
    if not data.is_file():
        raise InputError(f"expected a data file at '{data}', found none: check the path")
    return data


def refuse_early(settings: Settings, folder: Path, resume: bool) -> None:
    """Says what the run itself would say after seconds of imports."""
    if isinstance(settings.data, Points) and settings.data.path is None:
        raise InputError(f"{settings.recipe}: expected your data, got none: add --data points.npy (or .npz, .csv)")
    if not (folder / SETTINGS).exists():
        return
    if not resume:
        raise InputError(
            f"{folder} already holds a run: continue it with --resume, or choose another folder with --out"
        )
    before = saved(folder)
    differing = [] if before is None else difference(before, settings)
    changed = [f"{key}: {old} in the run, {new} now" for key, old, new in differing]
    if changed:
        raise InputError(
            f"{folder} was made with other settings: {'; '.join(changed)}: resume with the same ones, or choose "
            "another --out"
        )


def default_folder(settings: Settings, root: Path = Path("runs")) -> Path:
    """runs/grid25-far/seed-0."""
    return root / settings.recipe.replace("/", "-") / f"seed-{settings.seed}"


def fit(settings: Settings, folder: Path, iterations: int, resume: bool, console: Console) -> Run:
    """Trains one run, watched."""
    title = f"{settings.recipe} seed {settings.seed}"
    heading = f"{title}: {iterations:,} iterations in {folder}"
    from ..recipes.build import trainer  # torch, once everything is known to be in order

    with Watch(console, title, iterations, settings.data.modes, heading) as watch:
        return trainer(settings, out=folder, resume=resume, callbacks=[watch]).fit(iterations)


def again(arguments: Sequence[str] | None = None) -> str:
    """The command that continues what this one began."""
    program, *words = sys.argv if arguments is None else arguments
    own = ["python", "-m", "steadygan"] if Path(program).name == "__main__.py" else ["steadygan"]
    more: list[Any] = [] if "--resume" in words or words[:1] != ["train"] else ["--resume"]
    return shlex.join([*own, *words, *more])
