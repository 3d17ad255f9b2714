"""A job, one run that the command line asks for: settings, folder and length, checked before torch is imported."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import steadygan as sg

from ..config import Settings, override
from ..config.data import Folder, ImageSet, PointsFile
from ..errors import InputError, unknown
from ..files import holds_images
from ..recipes import RECIPES
from ..runs.folder import RunFolder
from ..runs.settings import check_same, saved, taken
from .progress import ReadingProgress, Watch

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT = "grid25/far"
DEFAULT_POINTS, DEFAULT_IMAGES = "points/far", "folder/far"  # when the user's data came without a recipe
POINTS = (".npy", ".npz", ".csv")
IMAGES = (".zip", ".npy", ".npz")


class Job(NamedTuple):
    """One run of several."""

    settings: Settings
    folder: Path
    length: int  # iterations


def chosen(
    words: Sequence[str],
    data: Path | None,
    resumed: Path | None,
    seed: int | None,
    scale: str = "full",
    init_from: Path | None = None,
) -> Settings:
    """The settings that the command line means; a resumed folder's own ones when no recipe is named."""
    names = [word for word in words if "=" not in word]
    changes = [word for word in words if "=" in word]
    if len(names) > 1:
        raise InputError(f"expected one recipe, got {', '.join(names)}: write settings as key=value")
    own = None if names or resumed is None else saved(resumed)
    settings = own or RECIPES[names[0] if names else default(data)](scale=known_scale(scale))
    if data is not None:
        changes.append(f"data.path={own_data(override(settings, changes), data)}")
    if init_from is not None:
        changes.append(f"init_from={init_from}")
    if seed is not None:
        if any(change.startswith("seed=") for change in changes):
            raise InputError(f"expected one seed, got --seed {seed} beside seed=...: give one of them")
        changes.append(f"seed={seed}")
    return override(settings, changes)


def known_scale(scale: str) -> str:
    """The scale, if it is one."""
    if scale not in ("full", "small"):
        raise unknown("scale", scale, ("full", "small"))
    return scale


def default(data: Path | None) -> str:
    """The recipe for data without one: folders and zips hold images, files of numbers points."""
    if data is None:
        return DEFAULT
    images = data.is_dir() or data.suffix.lower() == ".zip" or holds_images(data)
    return DEFAULT_IMAGES if images else DEFAULT_POINTS


def own_data(settings: Settings, data: Path) -> Path:
    """The user's file or folder, checked as far as that needs no torch."""
    if isinstance(settings.data, ImageSet):
        if not data.exists():
            raise InputError(f"expected a folder or file of images at '{data}', found none: check the path")
        if data.is_dir() and next(data.iterdir(), None) is None:
            raise InputError(f"expected images in '{data}', got an empty folder: check the path")
        if data.is_file() and isinstance(settings.data, Folder) and data.suffix.lower() not in IMAGES:
            raise InputError(
                f"expected a folder, or a {', '.join(IMAGES)} file of images, got '{data}': check the path"
            )
        return data
    if not isinstance(settings.data, PointsFile):
        better = default(data) if data.exists() else DEFAULT_POINTS
        raise InputError(
            f"{settings.recipe}: expected no --data, as it makes its own, got {data}: use {better} --data {data}"
        )
    if data.suffix.lower() not in POINTS:
        hint = f"use folder/far --data {data}" if data.is_dir() else "convert it or rename it"
        raise InputError(f"expected data in a .npy, .npz or .csv file, got '{data}': {hint}")
    if not data.is_file():
        raise InputError(f"expected a data file at '{data}', found none: check the path")
    return data


def refuse_early(settings: Settings, folder: Path, resume: bool, reading: bool = False) -> None:
    """Says what the run itself would say after seconds of imports; reading: see `changed`."""
    settings.check_path()
    if settings.init_from is not None and not resume and saved(Path(settings.init_from)) is None:
        raise InputError(
            f"expected a run in '{settings.init_from}' to take weights from, found none: check --init-from"
        )
    path = getattr(settings.data, "path", None)
    if path is not None and Path(path).is_dir() and folder.resolve() == Path(path).resolve():
        raise InputError(f"expected a folder for the run, got that of its data, '{folder}': choose another --out")
    run = RunFolder(folder)
    if not run.begun:
        several = first_folder(folder)
        if resume and several != folder:
            raise InputError(
                f"expected a run in {folder}, got runs of several seeds: add --seeds, or resume one, --out {several}"
            )
        run.check_free()
    elif not resume:
        raise taken(run)
    elif before := saved(folder):
        check_same(run, before.plain(), settings.plain(), reading)


def default_folder(settings: Settings, root: Path = Path("runs")) -> Path:
    """runs/grid25-far/seed-0, runs/mnist-far-small/seed-0."""
    name = settings.recipe.replace("/", "-") + ("" if settings.scale == "full" else f"-{settings.scale}")
    return root / name / f"seed-{settings.seed}"


def first_folder(out: Path) -> Path:
    """The folder of the first seed in `out` that has begun."""
    begun = [path for path in out.glob("seed-*") if RunFolder(path).begun and path.name[5:].isdigit()]
    return min(begun, key=lambda path: int(path.name[5:]), default=out)


def prepare(
    jobs: Sequence[Job], resume: bool, console: Console, together: bool = False
) -> tuple[sg.Trainer | sg.Seeds, Watch]:
    """What trains one run, or together runs that differ in their seed alone, and what watches it; imports torch."""
    from ..data.build import source
    from ..recipes.build import trainer, whereabouts

    first, settings = jobs[0], jobs[0].settings
    index = {job.settings.seed: i for i, job in enumerate(jobs)}
    title = f"{settings.recipe} seed{'s' * (len(jobs) > 1)} {told([*index])}"
    where = f"each in {first.folder.parent}" if len(jobs) > 1 else f"in {first.folder}"
    with ReadingProgress(console) as reading:
        data = source(settings, reading).to(*whereabouts(settings))  # one copy for all seeds
    mirrored = ["training images are mirrored left to right in half of their visits"] if data.flip else []
    heading = "\n".join([f"{title}: {first.length:,} iterations {where}", *data.notes, *mirrored])
    watch = Watch(console, title, first.length, settings.data.modes, heading)
    if not together:
        return trainer(settings, first.folder, resume, callbacks=[watch], data=data), watch

    def build(seed: int) -> sg.Trainer:
        job = jobs[index[seed]]
        return trainer(job.settings, job.folder, resume, callbacks=[watch.member(index[seed])], data=data)

    return sg.Seeds(build, [*index]), watch


def told(numbers: Sequence[int]) -> str:
    """0-7, or 0, 2, 5."""
    if len(numbers) > 2 and [*numbers] == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def again(arguments: Sequence[str] | None = None) -> str:
    """The command that continues what this one began."""
    program, *words = sys.argv if arguments is None else arguments
    own = ["python", "-m", "steadygan"] if Path(program).name == "__main__.py" else ["steadygan"]
    more: list[Any] = [] if "--resume" in words or words[:1] != ["train"] else ["--resume"]
    return shlex.join([*own, *words, *more])
