"""The options that several commands have, how numbers are read from words, and what a shell suggests for a word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..config import Settings
from ..config.keys import Branch, leaves
from ..config.values import Reader, ReadError, Text, whole
from ..plugins import load
from ..recipes import RECIPES
from ..runs.folder import RunFolder


def option(help: str, metavar: str | None = None, *names: str, read: Reader | None = None) -> Any:  # noqa: A002
    """An option; a flag has a name and no metavar, numbers are read as the settings read theirs."""

    def parsed(text: str) -> Any:
        assert read is not None
        try:
            return read(Text(text))
        except ReadError as error:
            raise typer.BadParameter(f"expected {error}, got {text}") from None

    shown = "" if names and metavar is None else metavar  # else a flag is shown with its type
    return typer.Option(*names, parser=None if read is None else parsed, metavar=shown, help=help)


def suggested_words(context: typer.Context, incomplete: str) -> list[str]:
    """Recipes, as long as there is none; then the keys of settings."""
    if any(word in RECIPES for word in context.params.get("words") or ()):
        return [f"{key}=" for key in dict.fromkeys(leaves(Branch((Settings,)))) if key.startswith(incomplete)]
    return [name for name in RECIPES if name.startswith(incomplete)]


def suggested_runs(incomplete: str) -> list[str]:
    """The runs below what is written so far, by default below `runs`; where there are none, the folders on the way."""
    above, _, begin = (incomplete or "runs/").rpartition("/")
    folder = Path(above or ("/" if incomplete.startswith("/") else ""))
    places = [path for path in sorted(folder.glob("*")) if path.name.startswith(begin) and path.is_dir()]
    inside = [place for path in places for place in (path, *sorted(path.glob("*"))) if RunFolder(place).begun]
    return [path.as_posix() for path in inside or places]


def suggested_recipes_and_runs(incomplete: str) -> list[str]:
    """Those of both kinds: what can be compared."""
    return [*(name for name in RECIPES if name.startswith(incomplete)), *suggested_runs(incomplete)]


Data = Annotated[
    Path | None,
    option("Your data: a .npy, .npz or .csv file of points, or a folder, .zip, .npy or .npz of images.", "PATH"),
]
Scale = Annotated[str, option("full, or small: sized for two cores.", "full|small")]
RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False, autocompletion=suggested_runs)
]
Weights = Annotated[str, option("The average of the weights (ema), or the trained network (live).", "ema|live")]
Iterations = Annotated[
    int | None, option("Where to stop, counted from 0; schedules keep the recipe's length.", "N", read=whole(0))
]


def loaded(modules: list[str] | None) -> list[str]:
    """The names of plugins, once they are imported; raises InputError for one that cannot be."""
    load(modules)
    return [*(modules or ())]


Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", callback=loaded, metavar="MODULE", help="Your own module that registers parts; may be repeated."
    ),
]
Jobs = Annotated[
    int | None, option("Number of jobs that are done at the same time, in processes.", "J", read=whole(1, 256))
]
On = Annotated[str | None, option("Train on a Ray cluster, which shares the folder of the runs.", "ray")]
PrintJobs = Annotated[
    bool, option("Do not train: print a shell command for each job, for any queue.", None, "--print-jobs")
]
Plain = Annotated[bool, option("Few lines as a file has them: nothing moves, no pictures.", None, "--plain")]
SEED = whole(0, most=2**63 - 1)
SEEDS = whole(1, most=10_000)
MOST_SAMPLES = 10**9
