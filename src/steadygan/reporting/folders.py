"""Which folders a report is about, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..runs.settings import NAME as SETTINGS

METRICS = "metrics.jsonl"
PAGE = "report.html"


def found(words: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """The run folders that `words` mean, each once, and what is to be said of those left out.

    Raises InputError for a folder that does not exist or holds neither a run nor runs of several seeds.
    """
    folders: dict[Path, Path] = {}
    notes = []
    for word in words:
        folder = Path(word).expanduser()
        own, without = _runs(folder)
        notes += [f"{path} is left out: it holds no {METRICS} yet" for path in without]
        for path in own:
            folders.setdefault(path.resolve(), path)
    return list(folders.values()), notes


def _runs(folder: Path) -> tuple[list[Path], list[Path]]:
    """The run in this folder, or its runs by seed: those with records, and those without."""
    if folder.is_file():
        raise InputError(f"expected the folder of a run, got the file '{folder}': give {folder.parent}")
    if not folder.is_dir():
        raise InputError(f"expected a run in '{folder}', found no such folder: check the path")
    if (folder / METRICS).is_file():
        return [folder], []
    if (folder / SETTINGS).is_file():
        raise InputError(f"expected {METRICS} in '{folder}', found none: go on with training, --out {folder} --resume")
    seeds = _seeds(folder)
    own = [path for path in seeds if (path / METRICS).is_file()]
    if own:
        return own, [path for path in seeds if path not in own]
    near = sorted(path.parent for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}/{METRICS}"))
    hint = f"did you mean {near[0]}?" if near else "give the folder that train printed"
    raise InputError(f"expected a run in '{folder}', found no {METRICS} there: {hint}")


def _seeds(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("seed-*") if p.is_dir()), key=lambda p: (len(p.name), p.name))


def awaited(words: Sequence[str | Path]) -> list[Path]:
    """The run folders that `words` mean, each once, those that have no records yet among them.

    Raises InputError for a folder that does not exist or holds something else.
    """
    folders: dict[Path, Path] = {}
    for word in words:
        for path in _awaited(Path(word).expanduser()):
            folders.setdefault(path.resolve(), path)
    return list(folders.values())


def _awaited(folder: Path) -> list[Path]:
    if folder.is_dir():
        begun = [path for path in _seeds(folder) if _begins(path)]
        if begun or _begins(folder):
            return begun if begun and not (folder / METRICS).is_file() else [folder]
    return _runs(folder)[0]  # which says what is wrong


def _begins(folder: Path) -> bool:
    """Whether a run is here, or may come to be: all that training makes at first is the folder and its lock."""
    if (folder / METRICS).is_file() or (folder / SETTINGS).is_file():
        return True
    return all(path.name.startswith(".") for path in folder.iterdir())


def place(words: Sequence[str | Path], out: str | Path | None) -> Path:
    """Where the page goes; raises InputError for a folder."""
    if out is None:
        return Path(words[0]).expanduser() / PAGE if len(words) == 1 else Path(PAGE)
    path = Path(out).expanduser()
    if path.is_dir():
        raise InputError(f"expected a file for --out, got the folder '{path}': write {path / PAGE}")
    return path
