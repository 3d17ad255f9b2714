"""Real data from a run's settings: built for a run, and again for its evaluation."""

from __future__ import annotations

from inspect import signature
from typing import Any

from ..config import Settings
from ..config.block import values
from ..config.data import PointsFile
from ..errors import InputError
from .samples import Progress
from .source import DATA, Source


def source(settings: Settings, progress: Progress | None = None) -> Source:
    """The real data; the user's points are standardised unless settings say otherwise.

    progress: called with (what, done, total) while images are decoded. Raises InputError for data that cannot be read
    or used.
    """
    settings.check_path()
    data = settings.data
    if isinstance(data, PointsFile):
        points = DATA["points"](path=data.path)
        return points.standardised() if data.standardise else points
    found = built(data.name, progress, **values(data))
    if settings.conditional and found.label is None:
        got = f"{found.name} without: put each class into its own folder, or set conditional=false"
        raise InputError(f"{settings.recipe}: expected images with classes, got {got}")
    return found


def fakes(settings: Settings, progress: Progress | None = None) -> Source | None:
    """What a discriminator without a generator is shown as fake, in the units in which it is kept; None beside one.

    Raises InputError for data that cannot be read.
    """
    own = settings.fakes
    if own is None:
        return None
    settings.check_path()
    if isinstance(own, PointsFile):
        return DATA["points"](path=own.path)
    return built(own.name, progress, **values(own))


def built(name: str, progress: Progress | None = None, **own: Any) -> Source:
    """The data set of this name, with settings of its own; it receives `progress`, if it takes that."""
    build = DATA[name]
    told = {"progress": progress} if "progress" in signature(build).parameters else {}
    return build(**own, **told)
