"""`key=value` on the command line: nested, typed by the setting it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import InputError
from ..plugins import load_installed
from .block import settings_of
from .data import DATA
from .keys import Branch, unknown_key
from .settings import Settings
from .values import Text

NOTHING = ("none", "null")


def override(settings: Settings, words: Iterable[str]) -> Settings:
    """The settings after each `key=value`, applied from left to right.

    A key is dotted as in settings.json (`penalty.r1.weight=0.3`). A group given a single value is reset, with that
    value as its first setting (`loss=hinge`, `penalty.r1=0.3`, `penalty=r1,r2`, `ema=0.99`); none removes a part or an
    average. Keys that only the recipe's data has need no prefix: `size=64` is `data.size=64`. Raises InputError, one
    line, for an unknown key (with the nearest known one) or a value that does not fit.
    """
    words = list(words)
    if not words:
        return settings
    tree = settings.plain()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise InputError(f"expected a setting as key=value, got {word!r}: for example batch_size=128")
        keys = key.strip().split(".")
        kind = DATA.find(str(tree["data"]["name"]))
        if keys[0] not in settings_of(Settings) and kind is not None and keys[0] in ("name", *settings_of(kind)):
            keys = ["data", *keys]
        put(tree, Branch((Settings,)), keys, value.strip())
    return Settings.check(tree)


def put(tree: dict[str, Any], branch: Branch, keys: list[str], value: str, prefix: str = "") -> None:
    """Sets one value in a tree of plain types, in place."""
    key, *rest = keys
    if not prefix and key == "recipe":
        raise InputError("recipe: expected as the first argument, got recipe=...: write steadygan train ring8/far")
    if not prefix and key == "scale":
        raise InputError("scale: expected as an option, got scale=...: write --scale small, or data.scale=...")
    inner = branch.below(key)
    if inner is None:
        if load_installed():
            put(tree, branch, keys, value, prefix)
            return
        raise unknown_key(Settings, branch, prefix, ".".join(keys))
    if rest == ["name"] and "name" in inner.names:
        rest = []  # another name is another thing: what was set of the old one does not carry over
    if rest and not inner.classes:
        raise InputError(f"unknown setting {prefix + '.'.join(keys)!r}: {prefix}{key} is a single value")
    if rest:
        known = tree.get(key)
        tree[key] = nested = dict(known) if isinstance(known, dict) else {}
        put(nested, inner, rest, value, f"{prefix}{key}.")
        return
    if value.lower() not in NOTHING:
        tree[key] = expanded(inner, Text(value), f"{prefix}{key}") if inner.classes else Text(value)
    elif inner.classes and not any(one.optional for one in branch.settings(key)):
        tree[key] = {}  # no part at all
    else:
        tree[key] = None
    if tree[key] is not None:
        for kind in branch.classes:
            rivals = kind.names() if getattr(kind, "lone", False) else getattr(kind, "rivals", ())
            tree.update(dict.fromkeys(set(rivals) - {key}) if key in rivals else {})


def expanded(branch: Branch, value: Text, key: str) -> dict[str, Any]:
    """The block meant by a lone value: its first setting, and nothing where it has none."""
    kind = branch.classes[0]
    if hasattr(kind, "expand"):
        found: dict[str, Any] = kind.expand(value)
        return found
    if branch.names:
        return {branch.names[0]: value}
    if value:
        raise InputError(f"{key}: expected no value, because it has no settings, got {str(value)!r}: leave it out")
    return {}
