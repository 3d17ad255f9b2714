"""What a trained generator is used for: `sample`, never many samples in memory, `export` and `push`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import typer

import steadygan as sg

from ..config import Settings
from ..config.values import real, whole
from ..display.model_card import MARK, model_card
from ..display.screens import MuteScreen, new_screen
from ..display.watch import Watch
from ..errors import InputError, unknown
from ..files import write_json
from ..runs.folder import RunFolder
from ..runs.settings import saved, without_places
from ..runs.shipped import CARD, PROGRAM, fetched, reaching, repository, shipped, shipped_at, stem
from .console import new_console, tell
from .options import MOST_SAMPLES, SEED, Plugins, RunPath, Weights, option

Target: TypeAlias = tuple[str, Path]  # a form (folder, zip, npz, npy, csv, png-grid) and where it is written
BAR_FROM = 2000  # samples; fewer are there before a bar would be
WORDS = {"folder": "", "zip": ".zip", "npz": ".npz", "png-grid": ".png"}
FORMS = {"": "folder", ".zip": "zip", ".npz": "npz", ".npy": "npy", ".png": "png-grid", ".csv": "csv"}
ONLY_IMAGES, ONLY_POINTS = ("folder", "zip"), ("csv",)
MOST_IN_GRID, MOST_IN_FIGURE = 10_000, 1_000_000


class Asked(NamedTuple):
    """The options of `sample` that decide what is drawn, as they were given."""

    n: int
    seed: int = 0
    weights: str = "ema"
    label: str | None = None
    truncation: float | None = None
    interpolate: int | None = None

    def slug(self) -> str:
        """The name of a file that needs no other: drawn-64-seed-0-label-cat."""
        parts: list[object] = ["drawn", self.n, "seed", self.seed]
        for key in ("label", "truncation", "interpolate"):
            value = getattr(self, key)
            if value is not None:
                parts += [key, re.sub(r"[^\w.]+", "-", f"{value:g}" if isinstance(value, float) else str(value))]
        return "-".join(map(str, [*parts, "live"] if self.weights == "live" else parts))


def sample(
    folder: RunPath,
    n: Annotated[int, option("How many samples.", "N", "-n", read=whole(1, most=MOST_SAMPLES))] = 64,
    out: Annotated[
        str | None,
        option(
            "folder, zip, npz or png-grid, inside RUN; or a path: .zip, .npz, .npy, .png, .csv, or a folder.",
            "FORM|PATH",
        ),
    ] = None,
    seed: Annotated[int, option("The same seed draws the same samples.", "S", read=SEED)] = 0,
    weights: Weights = "ema",
    label: Annotated[str | None, option("One class only, by name or number from 0 (conditional runs).", "K")] = None,
    truncation: Annotated[
        float | None, option("Truncate the latent distribution at +-T.", "T", read=real(above=0))
    ] = None,
    interpolate: Annotated[
        int | None, option("Rows of K samples that interpolate between two latents.", "K", read=whole(2))
    ] = None,
    plugin: Plugins = None,
) -> int:
    """Draws n samples and writes them; with the same seed, a longer draw begins like a shorter one."""
    kind = weights_named(weights)
    asked = Asked(n, seed, kind, label, truncation, interpolate)
    own = fetched(folder)
    found = None if RunFolder(own).begun else shipped_at(own)
    card = None if found is None else found.card
    place = target(out, folder, asked, within=found is None or (own == folder and own.is_dir()))
    settings = settings_of(folder, shipped()) if card is None else Settings.check(card["settings"])
    check(place, asked, settings, folder)
    run = sg.load(own)
    names = run.data.get("class_names", ())
    check_room(place, n, run)
    chosen = None if label is None else class_of(label, names, run.classes or 0)
    console = new_console()
    broken: list[int] = []
    stream = run.stream(n, seed, kind, chosen, truncation, interpolate)
    write(place, drawing(stream, n, broken), run, settings, asked)
    averaged = card["weights"] == "ema" if card is not None else kind == "ema" and run.G is not run.G_live
    told = ["shipped with steadygan"] if found is not None and not own.is_dir() else []
    told += [f"iteration {run.iteration:,}", f"{'EMA' if averaged else 'live'} weights", f"seed {seed}"]
    if chosen is not None:
        named = len(names) > chosen and names[chosen] != str(chosen)
        told.append(f"label {chosen}" + (f" ({names[chosen]})" if named else ""))
    told += [] if truncation is None else [f"truncation {truncation:g}"]
    told += [] if interpolate is None else [f"rows of {interpolate} from one latent to another"]
    tell(console, f"{n:,} samples of {folder} ({', '.join(told)}): {place[1]}")
    if any(broken):
        tell(console, f"{sum(broken):,} of them contain values that are not finite", "bold yellow")
    return 0


def class_of(text: str, names: list[str], classes: int) -> int:
    """The class that is meant: a name, which goes first, or a number from 0; raises InputError when there is none."""
    if text in names:
        return names.index(text)
    try:
        number = int(text) if text.isascii() else int("")
    except ValueError:
        if names:
            raise unknown("class", text, names) from None
        number = -1
    if not 0 <= number < classes:
        raise InputError(f"expected --label from 0 to {classes - 1}, got {text}: choose one of the classes")
    return number


def drawing(batches: Iterator[sg.types.Batch], n: int, broken: list[int]) -> Iterator[sg.types.Batch]:
    """Batches on their way to a file, counted where lines move; broken: takes how many samples are not finite."""
    with Watch(new_screen() if n >= BAR_FROM else MuteScreen()) as watch:
        done = 0
        for batch in batches:
            broken.append(int((~batch.x.flatten(1).isfinite().all(1)).sum()))
            yield batch
            done += batch.size
            if watch.screen.moves:
                watch.reading("drawing", done, n)


def write(target: Target, drawn: Iterator[sg.types.Batch], run: sg.Run, settings: Settings, asked: Asked) -> None:
    """Writes what is drawn in the form asked for."""
    from ..runs import writers

    form, path = target
    images = settings.data.image
    if images is None and run.network_settings is not None:
        images = len(run.network_settings["generator"]["shape"]) == 3
    folders = None
    if run.classes is not None and asked.label is None:
        folders = writers.class_folders(run.data.get("class_names", ()), run.classes)
    if form == "folder":
        writers.image_folder(path, drawn, folders)
    elif form == "zip":
        writers.image_zip(path, drawn, folders)
    elif form == "npz":
        writers.npz(path, drawn, asked.n, bool(images))
    elif form == "npy":
        writers.npy(path, drawn, asked.n, bool(images))
    elif form == "csv":
        writers.csv(path, drawn, run.data.get("columns", ()))
    elif images:
        writers.grid(path, drawn, asked.n, asked.interpolate)
    else:
        scatter(path, drawn, run, settings)


def scatter(path: Path, drawn: Iterator[sg.types.Batch], run: sg.Run, settings: Settings) -> None:
    """Points beside real ones."""
    import torch

    from ..runs.history import real_points
    from ..viz import evolution_strip, scatter_matrix

    points = torch.cat([batch.x for batch in drawn]).cpu().numpy()
    real = None if run.path is None else real_points(run.path, settings, max(1000, len(points)))
    if real is None or real.shape[1:] != points.shape[1:]:
        raise InputError(f"expected real points kept by {run.path} to draw beside the fakes, got none: use --out npz")
    names = run.data.get("columns") or None
    if points.shape[1] == 2:
        evolution_strip(real, [(run.iteration, points, None, None)], path, settings.recipe, names)
    else:
        scatter_matrix(real, points, path, settings.recipe, names)


def target(out: str | None, run: Path, asked: Asked, within: bool = True) -> Target:
    """`out`: one of `WORDS`, for a file in the run's folder, or a path whose ending tells the form; None is npz.

    within: whether there is such a folder; else the file is put here, and its name begins with the run's.
    """
    word = "npz" if out is None else out
    if word in WORDS:
        name = f"{asked.slug()}{WORDS[word]}"
        return word, run / name if within else Path(f"{stem(run.as_posix().removeprefix('hf:/'))}-{name}")
    path = Path(word)
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise InputError(
            f"expected --out folder, zip, npz or png-grid, or a path that ends in {', '.join(filter(None, FORMS))} "
            f"or in nothing (a folder), got '{path}': rename it"
        )
    return form, path


def check(target: Target, asked: Asked, settings: Settings, run: Path) -> None:
    """Raises InputError for what such a run cannot give, and for a place that is taken."""
    form, path = target
    images = settings.data.image
    if images is False and form in ONLY_IMAGES:
        raise InputError(f"expected npz, .npy, .csv or .png for points, got {form}: add --out npz")
    if images and form in ONLY_POINTS:
        raise InputError(f"expected folder, zip, npz, .npy or png-grid for images, got '{path}': add --out npz")
    if images and form == "png-grid" and asked.n > MOST_IN_GRID:
        raise InputError(
            f"expected at most {MOST_IN_GRID:,} images in a grid, got -n {asked.n:,}: lower it, or add --out zip"
        )
    if images is False and form == "png-grid" and asked.n > MOST_IN_FIGURE:
        raise InputError(f"expected at most {MOST_IN_FIGURE:,} points in a figure, got -n {asked.n:,}: lower it")
    if asked.label is not None and not settings.conditional:
        raise InputError(
            f"expected no --label, because the generator of {run} has no classes, got {asked.label}: leave it out"
        )
    if asked.interpolate is not None and asked.interpolate > asked.n:
        raise InputError(
            f"expected --interpolate of at most -n {asked.n:,}, a whole row, got {asked.interpolate:,}: raise -n"
        )
    if form != "folder":
        if path.is_dir():
            raise InputError(f"expected a file to write at {path}, found a folder: choose another --out")
    elif not path.name or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        found = "other files" if path.is_dir() else "a file"
        raise InputError(f"expected a new or empty folder at {path}, found {found}: choose another --out")


def check_room(target: Target, n: int, run: sg.Run) -> None:
    """Raises InputError where the disk cannot hold so many samples: arrays as they are, all else at least a tenth."""
    form, path = target
    size = n * prod(run.data.get("shape", ())) * (1 if run.data.get("image") else 4)
    size //= 1 if form in ("npz", "npy") else 10
    near = next(each for each in (path, *path.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(near).free
    if size > free:
        unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB")
        raise InputError(
            f"expected disk space for {n:,} samples at {path}, {size / unit:,.1f} {name} or more, found "
            f"{free / unit:,.1f} {name}: lower -n, or choose another --out"
        )


def settings_of(folder: Path, others: Sequence[str] = ()) -> Settings:
    """The settings of the run in `folder`; raises InputError where there is none, naming one that is near or others."""
    found = saved(folder)
    if found is not None:
        return found
    near = sorted(str(path.parent) for path in folder.glob("*/settings.json")) if folder.is_dir() else []
    there = f", or one of the names {', '.join(others)}" if others else ""
    hint = f"did you mean {near[0]}?" if near else f"use the folder that train printed{there}"
    raise InputError(f"{folder} holds no run (no settings.json): {hint}")


def weights_named(name: str) -> Literal["ema", "live"]:
    """The weights of that name; raises InputError for others."""
    if name not in ("ema", "live"):
        raise unknown("weights", name, ("ema", "live"))
    return "ema" if name == "ema" else "live"


def export(
    folder: RunPath,
    out: Annotated[Path | None, option("By default RUN/export.", "DIR")] = None,
    weights: Weights = "ema",
    hub_card: Annotated[
        bool, option("Write README.md too: a model card as the Hugging Face Hub reads it.", None, "--hub-card")
    ] = False,
    plugin: Plugins = None,
) -> int:
    """Writes generator.safetensors, generator.pt2 and card.json, and README.md if asked for, and says where."""
    kind = weights_named(weights)
    settings_of(folder)
    run = sg.load(folder, device="cpu")
    place = folder / "export" if out is None else out
    readme = place / "README.md"
    if hub_card and readme.exists() and MARK not in readme.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"expected no README.md but an older export's in {place}, found another: choose another --out")
    card = sg.export(run, place, kind)
    if hub_card:
        readme.write_text(hub_page(run, card), encoding="utf-8")
    files = ", ".join(path.name for path in sorted(place.iterdir()) if path.stem in ("card", "generator", "README"))
    new_console().print(
        f"generator of {folder} (iteration {card['iteration']:,}, {'EMA' if card['weights'] == 'ema' else 'live'} "
        f"weights, {card['parameters']:,} parameters): {place} ({files})"
    )
    return 0


def hub_page(run: sg.Run, card: dict[str, Any]) -> str:
    """README.md for an export of this run with this card."""
    last = run.metrics[-1] if run.metrics else {}
    return model_card(card, *(str(last.get(key, "")) for key in ("verdict", "causes", "reason")))


def push(
    folder: RunPath,
    name: Annotated[
        str, typer.Argument(metavar="REPO", help="Where to: owner/name, made if need be.", show_default=False)
    ],
    weights: Weights = "ema",
    private: Annotated[bool, option("Make a new repository private.", None, "--private")] = False,
    plugin: Plugins = None,
) -> int:
    """Uploads weights, card and README.md of an export without places of this machine, and says where they are."""
    kind, name = weights_named(weights), repository(name)
    settings_of(folder)
    with reaching(name) as client:
        if client.get_token() is None:
            raise InputError(f"expected a token of the Hub to write {name}, found none: hf auth login, or set HF_TOKEN")
    run = sg.load(folder, device="cpu")
    with TemporaryDirectory() as made:
        place = Path(made)
        card = sg.export(run, place, kind)
        (place / PROGRAM).unlink()  # it tells the paths of the files that it was traced from
        card["settings"] = without_places(card["settings"])
        card["load"] = [
            f'import steadygan as sg; run = sg.load("hf://{name}")  # pip install "steadygan[hub]"',
            f"x = run.sample(8)  # (8, {', '.join(map(str, card['output']['shape']))})",
            card["load"][-1],
        ]
        write_json(place / CARD, card)
        (place / "README.md").write_text(hub_page(run, card), encoding="utf-8")
        with reaching(name) as client:
            api = client.HfApi()
            address = api.create_repo(name, private=private or None, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=place, commit_message=f"Iteration {run.iteration:,}")
    new_console().print(f"generator of {folder} (iteration {run.iteration:,}): {address}")
    return 0
