"""The settings stored in a run's folder, and how they differ from others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config.settings import Settings
from ..errors import InputError
from ..files import read_json
from .folder import RunFolder


def saved(folder: Path) -> Settings | None:
    """The settings of the run in `folder`, None where there is none; raises InputError when they cannot be read."""
    path = RunFolder(folder).settings
    if not path.exists():
        return None
    tree = read_json(path)
    if "recipe" not in tree:
        raise InputError(f"expected a recipe's settings in {path}, got others: continue such a run from Python")
    try:
        return Settings.check(tree)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def difference(old: Settings, new: Settings, reading: bool = False) -> list[tuple[str, Any, Any]]:
    """(key, old, new) of every setting that decides the run and is not the same; see `changed`."""
    return changed(old.plain(), new.plain(), reading)


PLAN_KEYS = frozenset({"device", "threads", "compile"})  # where a run is done: a matter of the plan
KEEPING_KEYS = frozenset({"keep", "monitor"})  # how many checkpoints are kept, and who watches
READING_KEYS = frozenset(
    {"data.path", "data.workers", "fakes.path", "fakes.workers"}
)  # where data is and who reads it: its content is compared
PLACES = frozenset({"data.path", "fakes.path", "init_from", "out"})  # paths of the machine a run was trained on
ABSENT = "absent"
LATER = {  # settings that older runs do not name, and what they had
    "fakes": None,
    "precision": "float32",
    "candidates": None,
    "discriminator.minibatch_discrimination": 0,
    "discriminator.embedding": 0,
    "discriminator.denoiser": 0,
    "evaluate.features": "auto",
}

LATER_OF_PENALTIES = {"by": "gradient", "sigma": 0.01}
LATER_WORDS = ", by='gradient', sigma=0.01"  # the same where a part of a user's own run is recorded as its repr


def changed(old: Mapping[str, Any], new: Mapping[str, Any], reading: bool = False) -> list[tuple[str, Any, Any]]:
    """(dotted key, old, new) of every setting that is not the same; a key that one side lacks is `absent`.

    reading: where data is read from counts too, for those who do not compare its content.
    """
    ignored = PLAN_KEYS | KEEPING_KEYS
    before, now = ({key: _plain(value) for key, value in (LATER | dict(flat(tree))).items()} for tree in (old, new))
    return [
        (key, was, becomes)
        for key in sorted(before.keys() | now.keys())
        if (was := before.get(key, absent(key))) != (becomes := now.get(key, absent(key)))
        and key.split(".")[0] not in ignored
        and (key not in READING_KEYS or (reading and key.endswith(".path")))
    ]


def without_places(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same settings without paths of this machine, for others."""
    return {
        key: without_places(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in tree.items()
        if f"{prefix}{key}" not in PLACES and not (isinstance(value, str) and Path(value).is_absolute())
    }


def absent(key: str) -> Any:
    """What a setting counts as where it is not named: that of a part may be one that older runs did not have."""
    return LATER_OF_PENALTIES.get(key.rpartition(".")[2], ABSENT) if "penalty." in key else ABSENT


def _plain(value: Any) -> Any:
    return value.replace(LATER_WORDS, "") if isinstance(value, str) else value


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys; an empty group counts as absent."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def taken(folder: RunFolder) -> InputError:
    """The refusal of a folder that holds a run."""
    return InputError(
        f"{folder.path} already holds a run: continue it with --resume, or choose another folder with --out"
    )


def check_same(folder: RunFolder, old: Mapping[str, Any], new: Mapping[str, Any], reading: bool = False) -> None:
    """Raises InputError where the run in `folder`, made with the settings `old`, is to go on with others."""
    differing = [f"{key}: {before} in the run, {now} now" for key, before, now in changed(old, new, reading)]
    if differing:
        raise InputError(
            f"{folder.path} was trained with other settings: {'; '.join(differing)}: resume with the same "
            "settings, or choose another --out"
        )


def check_settings(folder: RunFolder, settings: Mapping[str, Any], resume: bool) -> Path | None:
    """Checks a folder against the settings; its newest checkpoint when there is one to resume.

    Raises InputError where a run is there already, or the settings differ.
    """
    if not resume and (folder.begun or any(folder.checkpoints.glob("*.pt"))):
        raise taken(folder)
    if resume and folder.begun:
        check_same(folder, read_json(folder.settings), json.loads(json.dumps(settings)))  # tuples are lists there
    return folder.newest


def settings_told(folder: RunFolder) -> tuple[dict[str, Any], Settings | None, list[str]]:
    """The settings as they stand there, the same as this version reads them, and a word where one is not to be had."""
    path, tree = folder.settings, dict[str, Any]()
    if not folder.begun:
        return {}, None, [f"no {path.name}: the settings of the run are unknown"]
    try:
        tree = read_json(path)
        return tree, Settings.check(tree) if "recipe" in tree else None, []
    except (InputError, TypeError) as error:
        return tree, None, [f"{path.name} is not from this version: {error}" if tree else f"{error}"]
