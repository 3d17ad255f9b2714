"""What `--out` asks for: a form of file and a place, both checked before anything is drawn and without torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..config import Digits, ImageSet, Settings
from ..errors import InputError

WORDS = {"folder": "", "zip": ".zip", "npz": ".npz", "png-grid": ".png"}
FORMS = {"": "folder", ".zip": "zip", ".npz": "npz", ".npy": "npy", ".png": "png-grid", ".csv": "csv"}
ONLY_IMAGES, ONLY_POINTS = ("folder", "zip"), ("csv",)
MOST_IN_GRID = 10_000


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


class Target(NamedTuple):
    """A form (folder, zip, npz, npy, csv, png-grid) and the path it is written to."""

    form: str
    path: Path


def has_images(settings: Settings) -> bool:
    """Whether a run of these settings makes images, and not points."""
    return isinstance(settings.data, Digits | ImageSet)


def target(out: str | None, run: Path, asked: Asked) -> Target:
    """`out`: one of `WORDS`, for a file in the run's folder, or a path whose ending tells the form; None is npz."""
    word = "npz" if out is None else out
    if word in WORDS:
        return Target(word, run / f"{asked.slug()}{WORDS[word]}")
    path = Path(word)
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise InputError(
            f"expected --out folder, zip, npz or png-grid, or a path that ends in {', '.join(filter(None, FORMS))} "
            f"or in nothing (a folder), got '{path}': rename it"
        )
    return Target(form, path)


def check(target: Target, asked: Asked, settings: Settings, run: Path) -> None:
    """Raises InputError for what such a run cannot give, and for a place that is taken."""
    images = has_images(settings)
    if not images and target.form in ONLY_IMAGES:
        raise InputError(f"expected npz, .npy, .csv or .png for points, got {target.form}: add --out npz")
    if images and target.form in ONLY_POINTS:
        raise InputError(f"expected folder, zip, npz, .npy or png-grid for images, got '{target.path}': add --out npz")
    if images and target.form == "png-grid" and asked.n > MOST_IN_GRID:
        raise InputError(
            f"expected at most {MOST_IN_GRID:,} images in a grid, got -n {asked.n:,}: lower it, or add --out zip"
        )
    if asked.label is not None and not settings.conditional:
        raise InputError(
            f"expected no --label, as the generator of {run} knows no classes, got {asked.label}: leave it out"
        )
    if asked.interpolate is not None and asked.interpolate > asked.n:
        raise InputError(
            f"expected --interpolate of at most -n {asked.n:,}, a whole row, got {asked.interpolate:,}: raise -n"
        )
    path = target.path
    if target.form != "folder":
        if path.is_dir():
            raise InputError(f"expected a file to write at {path}, found a folder: choose another --out")
    elif not path.name or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        found = "other files" if path.is_dir() else "a file"
        raise InputError(f"expected a new or empty folder at {path}, found {found}: choose another --out")
