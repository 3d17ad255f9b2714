"""`key=value` on the command line: nested, typed by the setting it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import InputError
from .keys import Models, inside, optional, unknown_key
from .settings import Settings
from .values import Text

NOTHING = ("none", "null")


def override(settings: Settings, words: Iterable[str]) -> Settings:
    """The settings with each `key=value` put in, from left to right.

    A key is dotted as in settings.json (`penalty.r1.weight=0.3`). A group given one value starts afresh with its first
    setting (`loss=hinge`, `penalty.r1=0.3`, `penalty=r1,r2`, `ema=0.99`); none takes a part or an average away. What
    only the recipe's data has needs no prefix: `size=64` is `data.size=64`.
    Raises InputError, one line, for an unknown key (the nearest known one is offered) or a value that does not fit.
    """
    tree = settings.plain()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise InputError(f"expected a setting as key=value, got {word!r}: write for instance batch_size=128")
        keys = key.strip().split(".")
        if keys[0] not in Settings.model_fields and keys[0] in data_fields(str(tree["data"]["name"])):
            keys = ["data", *keys]
        put(tree, (Settings,), keys, value.strip())
    return Settings.check(tree)


def data_fields(name: str) -> set[str]:
    """The settings of the data set of this name."""
    kinds = inside((Settings,), "data") or ()
    return {field for kind in kinds if kind.model_fields["name"].default == name for field in kind.model_fields}


def put(tree: dict[str, Any], models: Models, keys: list[str], value: str, prefix: str = "") -> None:
    """Sets one value in a tree of plain types, in place."""
    key, *rest = keys
    if not prefix and key == "recipe":
        raise InputError("recipe: expected as the first word, got recipe=...: write steadygan train ring8/far")
    if not prefix and key == "scale":
        raise InputError("scale: expected as an option, got scale=...: write --scale small, or data.scale=...")
    below = inside(models, key)
    if below is None:
        raise unknown_key((Settings,), models, prefix, ".".join(keys))
    if rest == ["name"] and any("name" in block.model_fields for block in below):
        rest = []  # another name is another thing: what was set of the old one does not carry over
    if rest and not below:
        raise InputError(f"unknown setting {prefix + '.'.join(keys)!r}: {prefix}{key} is a single value")
    if rest:
        known = tree.get(key)
        tree[key] = inner = dict(known) if isinstance(known, dict) else {}
        put(inner, below, rest, value, f"{prefix}{key}.")
        return
    if value.lower() not in NOTHING:
        tree[key] = below[0].expand(Text(value)) if below else Text(value)
    elif below and not optional(models, key):
        tree[key] = {}  # no part at all
    else:
        tree[key] = None
    for rival in {name for model in models if key in model.exclusive for name in model.exclusive} - {key}:
        if tree[key] is not None:
            tree[rival] = None
