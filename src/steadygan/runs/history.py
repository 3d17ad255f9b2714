"""Everything that a run's folder contains: missing or damaged parts are noted and counted, never a reason to stop."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..config import Settings
from ..errors import InputError
from ..files import json_of, regular
from ..quantities import number
from .folder import RunFolder
from .interventions import interventions_told
from .records import Records, Turn, objects, records, times, turns
from .settings import settings_told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..metrics import Protocol

STAMPED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*)")
LONGEST = 500  # characters of an event
DRAWN = 2  # the seed of real points that no file holds


class Event(NamedTuple):
    """One line of what a run said: an event is something that its user should hear of, a note is all else."""

    iteration: int | None  # not known of runs whose log is prose alone
    kind: Literal["event", "note"]
    message: str
    time: str = ""


@dataclass(frozen=True)
class RunHistory:
    """One run: `tree` are its settings as they stand in the file, `settings` the same where this version reads them.

    interventions: its roll-backs; equilibrium: the losses' (D, G) when generated is like real; protocols: how figures
    were measured; reference: what real data gets of them; seconds: of training; notes: what a reader should be told;
    loop: whether it is a loop of somebody's own, which a monitor saw.
    """

    path: Path
    rows: list[dict[str, float]]
    verdicts: list[Turn]
    tree: dict[str, Any]
    settings: Settings | None
    events: list[Event]
    interventions: tuple[Mapping[str, Any], ...]
    equilibrium: tuple[float | None, float | None]
    protocols: Mapping[str, Protocol]
    reference: Mapping[str, float]
    seconds: float | None
    notes: tuple[str, ...]
    loop: bool = False

    @property
    def last(self) -> int:
        """The last iteration with a record."""
        return int(self.rows[-1]["iteration"])

    @property
    def turns(self) -> list[Turn]:
        """The verdicts that differ from the one before."""
        return turns(self.verdicts)

    @property
    def seed(self) -> int | None:
        """The seed, where the settings name one."""
        seed = self.tree.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    @property
    def data(self) -> str:
        """The name of its data; "" where the settings name none."""
        data = self.tree.get("data")
        return str(data.get("name", "")) if isinstance(data, dict) else ""


def history(folder: Path) -> RunHistory:
    """Reads a run's folder; raises InputError where no record can be read."""
    place = RunFolder(folder)
    rows, verdicts, unreadable = records(place.metrics)
    tree, settings, notes = settings_told(place)
    loop = loop_told(place)
    if loop is not None:
        tree, notes = loop[1], []  # a run's settings it has not, and need not have
    if unreadable:
        lines, are = ("line", "is") if unreadable == 1 else ("lines", "are")
        notes.append(f"{unreadable:,} {lines} of {place.metrics.name} cannot be read and {are} left out")
    from .checkpoint import figures

    known = figures(place.checkpoints, settings)
    if loop is not None:
        known = replace(known, equilibrium=loop[0])
    elif not known.known:
        notes.append("no checkpoint can be read: how figures were measured, and the values of real data, are unknown")
    interventions, damaged = interventions_told(place.interventions)
    return RunHistory(
        path=folder,
        rows=rows,
        verdicts=verdicts,
        tree=tree,
        settings=settings,
        events=events(place),
        interventions=interventions,
        equilibrium=known.equilibrium,
        protocols=known.protocols,
        reference=known.reference,
        seconds=times(place.timing)[0] or None,
        notes=(*notes, *damaged),
        loop=loop is not None,
    )


def loop_told(folder: RunFolder) -> tuple[tuple[float | None, float | None], dict[str, Any]] | None:
    """The equilibrium (D, G) of the loop whose folder this is, and its settings; None where it is no loop's."""
    if not folder.loop.is_file():
        return None
    try:
        content = json_of(folder.loop)
    except InputError:
        return (None, None), {}
    content = content if isinstance(content, dict) else {}
    levels, horizon = content.get("equilibrium"), content.get("horizon")
    told = [number(level) for level in levels] if isinstance(levels, list) and len(levels) == 2 else [None, None]
    return (told[0], told[1]), {"horizon": horizon} if isinstance(horizon, int) else {}


def loop_history(
    path: Path, found: Records, equilibrium: tuple[float | None, float | None] = (None, None)
) -> RunHistory:
    """What the records of somebody's own loop tell by themselves; `path` names it."""
    lost = [f"{found.unreadable:,} of its records cannot be read and are left out"] if found.unreadable else []
    return RunHistory(
        path=path,
        rows=found.rows,
        verdicts=found.verdicts,
        tree={},
        settings=None,
        events=[],
        interventions=(),
        equilibrium=equilibrium,
        protocols={},
        reference={},
        seconds=None,
        notes=(*lost,),
        loop=True,
    )


def real_points(
    folder: Path, settings: Settings | None, most: int, asked: bool = False
) -> NDArray[np.floating[Any]] | None:
    """At most `most` real points (n, d) in the data's units: those that the run kept, else drawn anew, else None.

    asked: also read the file that the settings name; in a run that came from elsewhere, this may be any file.
    """
    import numpy as np
    import torch

    from ..data.build import source

    with suppress(Exception), np.load(regular(RunFolder(folder).real)) as arrays:  # damaged, it raises anything
        points = np.asarray(arrays["points"], dtype=np.float64)[:most]
        if points.ndim == 2 and points.size and np.isfinite(points).all():
            return points
    if settings is None or settings.data.image is not False:
        return None
    if getattr(settings.data, "path", None) is not None and not asked:
        return None
    with suppress(InputError, OSError):  # a file that has moved
        data = source(settings)
        some = data.some(most) if data.sampler is None else data.fresh(most, torch.Generator().manual_seed(DRAWN))
        return None if some is None else data.restore(some).double().numpy()
    return None


def events(folder: RunFolder) -> list[Event]:
    """What a run said while it trained, in its order; of one without events.jsonl the lines of its log as they are."""
    if folder.timeline.is_file():
        return [event for line in objects(folder.timeline) if line is not None and (event := _event(line)) is not None]
    if not folder.log.is_file():
        return []
    found = []
    for line in folder.log.read_text(encoding="utf-8", errors="replace").splitlines():
        stamped = STAMPED.fullmatch(line)
        time, message = stamped.groups() if stamped else ("", line)
        found.append(Event(None, "note", _cut(message), time))
    return found


def _event(line: Mapping[str, Any]) -> Event | None:
    iteration, message, time = number(line.get("iteration")), line.get("message"), line.get("time")
    if not isinstance(message, str):
        return None
    at = None if iteration is None or not 0 <= iteration < 1e15 else int(iteration)
    return Event(at, "event" if line.get("kind") == "event" else "note", _cut(message), str(time or ""))


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."


def run_folders(words: Sequence[str | Path], begun: bool = False) -> tuple[list[Path], list[str]]:
    """The run folders that `words` mean, each once, and what is to be said of those left out.

    begun: runs that have no records yet, or are about to begin, are among them. Raises InputError for a folder that
    does not exist or holds neither a run nor runs of several seeds.
    """
    folders: dict[Path, Path] = {}
    notes = []
    for word in words:
        own, without = _runs(Path(word).expanduser(), begun)
        notes += [f"{path} is left out: it holds no metrics.jsonl yet" for path in without]
        for path in own:
            folders.setdefault(path.resolve(), path)
    return list(folders.values()), notes


def _runs(folder: Path, begun: bool) -> tuple[list[Path], list[Path]]:
    """The run in this folder, or its runs by seed: those with records, and those without."""
    if folder.is_file():
        raise InputError(f"expected the folder of a run, got the file '{folder}': use {folder.parent}")
    if not folder.is_dir():
        raise InputError(f"expected a run in '{folder}', found no such folder: check the path")
    if measured(folder):
        return [folder], []
    seeds = sorted((p for p in folder.glob("seed-*") if p.is_dir()), key=lambda p: (len(p.name), p.name))
    own = [path for path in seeds if _begins(path)] if begun else []
    if own or (begun and _begins(folder)):
        return own or [folder], []
    if RunFolder(folder).begun:
        raise InputError(
            f"expected metrics.jsonl in '{folder}', found none: continue training, --out {folder} --resume"
        )
    own = [path for path in seeds if measured(path)]
    if own:
        return own, [path for path in seeds if path not in own]
    near = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if measured(path))
    hint = f"did you mean {near[0]}?" if near else "use the folder that train printed"
    raise InputError(f"expected a run in '{folder}', found no metrics.jsonl there: {hint}")


def measured(folder: Path) -> bool:
    """Whether a run here has written records."""
    return RunFolder(folder).metrics.is_file()


def _begins(folder: Path) -> bool:
    """Whether a run is here, or may come to be: all that training makes at first is the folder and its lock."""
    if measured(folder) or RunFolder(folder).begun:
        return True
    return all(path.name.startswith(".") for path in folder.iterdir())
