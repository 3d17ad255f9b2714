"""A job, one run that the command line asks for: settings, folder and length, checked before torch is imported."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import steadygan as sg

from ..config import Settings, override
from ..config.data import Folder, ImageSet, PointsFile
from ..display.watch import Watch
from ..errors import InputError, unknown
from ..files import holds_images
from ..processes import processes
from ..quantities import span
from ..recipes import RECIPES
from ..runs.folder import RunFolder
from ..runs.log import Ending, ending
from ..runs.records import read_records
from ..runs.settings import changed, check_same, saved, taken

DEFAULT = "grid25/far"
DEFAULT_POINTS, DEFAULT_IMAGES = "points/far", "folder/far"  # when the user's data came without a recipe
POINTS = (".npy", ".npz", ".csv")
IMAGES = (".zip", ".npy", ".npz")


class Job(NamedTuple):
    """One run of several."""

    settings: Settings
    folder: Path
    length: int  # iterations
    title: str = ""  # a name beside others, where the recipe's would not tell
    changes: tuple[str, ...] = ()  # key=value, which lead from the recipe to the settings

    @property
    def name(self) -> str:
        """What a table calls it."""
        return self.title or self.settings.recipe


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
            raise InputError(f"expected one seed, got --seed {seed} and seed=...: use one of them")
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
            f"{settings.recipe}: expected no --data, because it generates its own, got {data}: use {better} --data "
            f"{data}"
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
        raise InputError(f"expected a folder for the run, got the folder of its data, '{folder}': choose another --out")
    run = RunFolder(folder)
    if not run.begun:
        several = first_folder(folder)
        if resume and several != folder:
            raise InputError(
                f"expected a run in {folder}, got runs of several seeds: add --seeds, or resume one with --out "
                f"{several}"
            )
        run.check_free()
    elif not resume:
        raise taken(run)
    elif before := saved(folder):
        check_same(run, before.plain(), settings.plain(), reading)


def default_folder(settings: Settings, root: Path = Path("runs"), number: int = 1) -> Path:
    """runs/grid25-far/seed-0, runs/mnist-far-small/seed-0; for the second of such folders runs/grid25-far-2/seed-0."""
    name = settings.recipe.replace("/", "-") + ("" if settings.scale == "full" else f"-{settings.scale}")
    return root / (name if number == 1 else f"{name}-{number}") / f"seed-{settings.seed}"


def own_folders(each: Sequence[Settings], resume: bool, compared: bool = False) -> tuple[list[Path], str]:
    """A default folder for each seed of one recipe, all of one number, and a word where that is not the first.

    Numbers that hold runs with other settings are skipped. Without `resume`, the number is the first that holds exactly
    these runs, else the first that is free. With it, the number with the most of exactly these runs, then with the most
    that may continue with these settings. If none can continue, it is the first number, so that the error says in what
    the runs differ; if recipes are `compared`, it is a free one, where the missing runs are trained.
    """
    choices: list[tuple[list[Path], list[str]]] = []
    while not choices or {*choices[-1][1]} != {"free"}:
        folders = [default_folder(settings, number=len(choices) + 1) for settings in each]
        choices.append((folders, [_state(*pair, compared) for pair in zip(folders, each, strict=True)]))
    if resume:
        fitting = [choice for choice in choices if "other" not in choice[1]]
        folders, states = max(fitting, key=lambda choice: (choice[1].count("same"), choice[1].count("like")))
        if {*states} == {"free"} and not compared:
            folders = choices[0][0]
    else:
        folders, _ = next((choice for choice in choices if {*choice[1]} == {"same"}), choices[-1])
    first = choices[0][0]
    return (
        folders,
        "" if folders == first else f"{first[0].parent} holds other runs: this run goes to {folders[0].parent}",
    )


def _state(folder: Path, settings: Settings, compared: bool) -> str:
    """free; same, when the run there has these settings; like, when it may go on with them; other."""
    if not RunFolder(folder).begun:
        return "free"
    try:
        old = saved(folder)
    except InputError:
        old = None
    if old == settings:
        return "same"
    return "other" if old is None or changed(old.plain(), settings.plain(), reading=compared) else "like"


def seed_folders(out: Path) -> list[Path]:
    """The folders of the seeds in `out` that have begun, in their order."""
    begun = [path for path in out.glob("seed-*") if RunFolder(path).begun and path.name[5:].isdigit()]
    return sorted(begun, key=lambda path: int(path.name[5:]))


def first_folder(out: Path) -> Path:
    """The folder of the first seed in `out` that has begun."""
    return next(iter(seed_folders(out)), out)


def finished_jobs(folder: Path, iterations: int | None = None) -> list[Job]:
    """The run in `folder`, or the seeds in it, as they are; none where there is no run.

    Raises InputError for a run of modules of one's own.
    """
    jobs = []
    for path in [folder] if RunFolder(folder).begun else seed_folders(folder):
        try:
            settings = saved(path)
        except InputError as error:
            raise InputError(f"{error}; to see any runs side by side: steadygan report {path} ...") from None
        assert settings is not None  # it has begun
        jobs.append(Job(settings, path, settings.horizon if iterations is None else iterations, str(folder)))
    return jobs


def finished(job: Job) -> bool:
    """Whether the folder's run reached the length of the comparison and was measured there."""
    every, alone = job.settings.evaluate.every, job.settings.generator is None

    def measured(record: Mapping[str, Any]) -> bool:
        if alone:  # of a D alone there may be nothing to measure
            return record["iteration"] % every == 0 or bool(record.get("final"))
        return "energy_distance" in record

    records = read_records(RunFolder(job.folder).metrics)
    return any(record["iteration"] >= job.length and measured(record) for record in records)


def ended(job: Job) -> Ending | None:
    """How the folder's run ended before that length, if it would end so again: under the same monitor."""
    found = ending(RunFolder(job.folder))
    if found is None or finished(job):
        return None
    before = saved(job.folder)
    return found if before is not None and before.monitor == job.settings.monitor else None


def settled(job: Job) -> bool:
    """Whether there is nothing to train: the folder's run is finished, or has ended before."""
    return finished(job) or ended(job) is not None


def prepare(
    jobs: Sequence[Job],
    resume: bool,
    watch: Watch,
    together: bool = False,
    said: Sequence[str] = (),
    kept: bool = True,
) -> sg.Trainer | sg.Seeds:
    """What trains one run, or together runs that differ in their seed alone, told to who watches; imports torch.

    said: what is told before all else, once the run is known to start. kept: otherwise nothing is written.
    """
    from ..data.build import source
    from ..recipes.build import trainer, whereabouts

    first, settings = jobs[0], jobs[0].settings
    index = {job.settings.seed: i for i, job in enumerate(jobs)}
    title = f"{settings.recipe} seed{'s' * (len(jobs) > 1)} {span([*index])}"
    where = f"each in {first.folder.parent}" if len(jobs) > 1 else f"in {first.folder}"
    data = source(settings, watch.reading).to(*whereabouts(settings))  # one copy for all seeds
    watch.doing("starting")
    mirrored = ["training images are mirrored left to right at half of their visits"] if data.flip else []
    heading = "\n".join([*said, f"{title}: {first.length:,} iterations {where}", *data.notes, *mirrored])
    watch.plan(title, first.length, settings.data.modes, heading)
    if not together:
        return trainer(settings, first.folder if kept else None, resume, data=data)

    def build(seed: int) -> sg.Trainer:
        job = jobs[index[seed]]
        return trainer(job.settings, job.folder if kept else None, resume, data=data)

    return sg.Seeds(build, [*index])


def again(arguments: Sequence[str] | None = None) -> str:
    """The command that continues what this one began."""
    program, *words = sys.argv if arguments is None else arguments
    own = ["python", "-m", "steadygan"] if Path(program).name == "__main__.py" else ["steadygan"]
    if processes() > 1:
        own = ["torchrun", "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"], "-m", "steadygan"]
    more: list[Any] = [] if "--resume" in words or words[:1] != ["train"] else ["--resume"]
    return shlex.join([*own, *words, *more])
