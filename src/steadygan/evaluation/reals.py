"""The data that fakes are compared with: a named data set, the user's own files, or the data of the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from ..config import Settings
from ..config.data import ImageSet
from ..data import DATA, Source, folder, points
from ..data.arrays import read_images
from ..data.build import built, source
from ..data.samples import Progress
from ..data.user import to_judge
from ..errors import InputError, unknown
from ..files import holds_images

OWN = "own"
FILES = ("folder", "points")  # these are named by their path


def reals(
    against: Any, path: Path | None, settings: Mapping[str, Any] | None, progress: Progress | None = None
) -> Source:
    """The real data that `against` means: a name, a path, "own", or samples as `data.to_judge` takes them.

    path: where the files of a data set lie. settings: of the run that is judged; its own data, named "own" or by its
    name, comes as the run's settings have it. Raises InputError for names that are not known and data that is missing.
    """
    if not isinstance(against, str | Path):
        return to_judge(against)
    word = str(against)
    own = None if settings is None else Settings.check(settings)
    if word == OWN or (own is not None and own.data.name == word):
        if own is None:
            raise InputError("expected a run from a recipe with --against own, got something else: name the data")
        return source(_at(own, path), progress)
    if word in DATA and word not in FILES:
        if "path" not in signature(DATA[word]).parameters:
            if path is not None:
                raise InputError(f"expected no --data, because {word} generates its own, got {path}: leave it out")
            return built(word)
        return built(word, progress, path=path)
    place = Path(word).expanduser()
    if not place.exists():
        raise unknown("data", word, [OWN, *(name for name in DATA if name not in FILES)])
    return from_file(place, progress)


def from_file(place: Path, progress: Progress | None = None, image: bool | None = None) -> Source:
    """Points of a .csv, .npy or .npz, or images of a folder, .zip, .npy or .npz; image: see `data.to_judge`."""
    suffix = place.suffix.lower()
    if suffix in (".npy", ".npz") and holds_images(place):
        name, array, label = read_images(place)
        return to_judge(array, image, name, label)
    return points(place) if suffix in (".npy", ".npz", ".csv") else folder(place, progress=progress)


def _at(settings: Settings, path: Path | None) -> Settings:
    if path is None:
        return settings
    if not isinstance(settings.data, ImageSet):
        raise InputError(
            f"expected no --data, because {settings.data.name} generates its own, got {path}: leave it out"
        )
    return replace(settings, data=replace(settings.data, path=str(path)))
