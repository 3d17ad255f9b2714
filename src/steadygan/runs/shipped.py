"""Generators that are part of the package: weights and a card each, for sampling without training first."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from typing import Any

from ..errors import InputError

FOLDER = "shipped"  # beside this file: NAME.safetensors and NAME.json, `/` in a name written as `-`
PERMITTED = "Apache-2.0"  # the package's own licence; that of the data stands in the card, too


def shipped() -> tuple[str, ...]:
    """The names of the recipes whose trained generator the package holds, sorted."""
    folder = files(__package__).joinpath(FOLDER)
    cards = [path for path in folder.iterdir() if path.name.endswith(".json")] if folder.is_dir() else []
    return tuple(sorted(str(json.loads(path.read_text(encoding="utf-8"))["name"]) for path in cards))


def shipped_card(name: str) -> dict[str, Any] | None:
    """The card of a shipped generator, an export's with licence and hash of its weights; None where there is none."""
    if name not in shipped():
        return None
    card: dict[str, Any] = json.loads(_read(name, "json"))
    return card


def shipped_weights(card: dict[str, Any]) -> bytes:
    """The safetensors file that this card describes; raises InputError when it is another one, or missing."""
    content = _read(name := card["name"], "safetensors")
    wanted, found = card["sha256"], sha256(content).hexdigest()
    if found != wanted:
        got = f"{found[:12]}...: the installation is damaged, reinstall steadygan"
        raise InputError(f"expected the weights of {name} with the SHA-256 {wanted[:12]}..., got {got}")
    return content


def stem(name: str) -> str:
    """A recipe's name as that of a file."""
    return name.replace("/", "-")


def _read(name: str, suffix: str) -> bytes:
    file = f"{stem(name)}.{suffix}"
    try:
        return files(__package__).joinpath(FOLDER, file).read_bytes()
    except OSError as error:
        raise InputError(f"expected the package's file {FOLDER}/{file}, found none: reinstall steadygan") from error
