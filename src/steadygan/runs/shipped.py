"""Generators shipped as weights and a card: in the package, in an export's folder, at the Hugging Face Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, one_line, unreachable
from ..files import read_json, regular

WEIGHTS, PROGRAM, CARD = FILES = ("generator.safetensors", "generator.pt2", "card.json")  # of an export
ADDRESS = re.compile(r"hf:/{1,2}(.*)", re.DOTALL)  # of a repository of the Hub, also as a path that has lost a slash
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
FOLDER = "shipped"  # beside this file: NAME.safetensors and NAME.json, `/` in a name written as `-`
PERMITTED = "Apache-2.0"  # the package's own licence; that of the data stands in the card, too


class Shipped(NamedTuple):
    """A generator without its run: the name it was asked for by, its card, and what reads its safetensors file."""

    name: str
    card: dict[str, Any]
    weights: Callable[[], bytes]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what a damaged or foreign card or file does into one line."""
        from safetensors import SafetensorError

        try:
            yield
        except InputError:
            raise
        except (
            SafetensorError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            told = one_line(error, kind=True)
            raise InputError(
                f"expected an export of steadygan in {self.name}, got another ({told}): export it again"
            ) from None


def shipped_at(path: str | Path) -> Shipped | None:
    """The generator in an export's folder, or of that name in the package; None where there is neither.

    Raises InputError where card.json is another one than an export's, or its weights are missing.
    """
    folder, name = Path(path), Path(path).as_posix()
    if (folder / CARD).exists():
        card = read_json(folder / CARD)
        if "steadygan" not in card or not (folder / WEIGHTS).exists():
            raise InputError(f"expected card.json and {WEIGHTS} of an export in {folder}, got others: export it again")
        return Shipped(name, card, regular(folder / WEIGHTS).read_bytes)
    found = shipped_card(name)
    return None if found is None else Shipped(name, found, partial(shipped_weights, found))


def fetched(path: str | Path) -> Path:
    """The folder of what is at `hf://owner/name`, fetched where it is not in the Hub's cache; any other path as it is.

    Only weights and card are fetched. Raises InputError without `huggingface_hub`, and where it is not to be had.
    """
    address = ADDRESS.fullmatch(path if isinstance(path, str) else path.as_posix())
    if address is None:
        return Path(path)
    name = repository(address[1])
    with reaching(name) as client:
        folder = Path(client.snapshot_download(name, allow_patterns=[CARD, WEIGHTS]))
    if not (folder / CARD).exists():
        raise InputError(f"expected an export of steadygan at {name}, found no {CARD}: push a run there first")
    return folder


def repository(name: str) -> str:
    """The same name; raises InputError unless it is owner/name."""
    if REPOSITORY.fullmatch(name) is None:
        raise InputError(f"expected a repository as owner/name, got {name!r}: give both, as the Hub shows them")
    return name


@contextmanager
def reaching(name: str) -> Iterator[Any]:
    """`huggingface_hub`, whose errors about the repository become one line each."""
    try:
        import huggingface_hub as client
    except ImportError:
        raise InputError('the Hugging Face Hub\'s client is not installed: pip install "steadygan[hub]"') from None
    try:
        yield client
    except InputError:
        raise
    except Exception as error:  # its versions raise those of different HTTP clients
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):  # the Hub says the same of what is not there and of what is not shown
            raise InputError(
                f"the Hub refused {name} (HTTP {status}), because it is not there or the token may not use it: check "
                "owner and name, and log in with a token that may (hf auth login, or HF_TOKEN)"
            ) from None
        raise InputError(
            f"cannot reach {name} at the Hub ({unreachable(error)}): check the network, and try again"
        ) from None


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
