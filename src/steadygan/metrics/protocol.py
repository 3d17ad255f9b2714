"""How a figure was measured: everything that must match before two figures are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

WORDS = {
    "how": "",
    "features": "features: ",
    "real": "against ",
    "n_fake": "fakes: ",
    "n_real": "reals: ",
    "pixels": "",
    "weights": "weights: ",
    "batch_norm": "batch norm: ",
    "seeds": "seeds: ",
    "versions": "",
}


@dataclass(frozen=True)
class Protocol:
    """Everything a figure depends on beside the fakes themselves; an empty field does not apply.

    how: the measure with its thresholds; features: the network with its hash and its resize; real: the data, its split
    and its hash; n_fake, n_real: how many of each; pixels: what is done to images before they are measured; weights,
    batch_norm: of the generator; seeds: of the fakes, and of whatever the measure draws; versions: of the libraries.
    """

    how: str
    n_fake: int = 0
    n_real: int = 0
    features: str = ""
    real: str = ""
    pixels: str = ""
    weights: str = ""
    batch_norm: str = ""
    seeds: str = ""
    versions: str = ""

    def __str__(self) -> str:
        """One line."""
        return "; ".join(f"{word}{_shown(getattr(self, name))}" for name, word in WORDS.items() if getattr(self, name))

    def differences(self, other: Protocol) -> list[tuple[str, str, str]]:
        """(field, own, other's) of all that is not the same; [] where the two figures may stand side by side.

        A generator without batch normalisation may stand beside one with it.
        """
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [
            (name, _shown(own), _shown(others))
            for name, own, others in pairs
            if own != others and not (name == "batch_norm" and "" in (own, others))
        ]

    def plain(self) -> dict[str, Any]:
        """For JSON: the fields that apply."""
        return {name: value for name, value in asdict(self).items() if value}

    @staticmethod
    def read(kept: Mapping[str, Any]) -> Protocol:
        """What `plain` gave; fields of a later version, or of another type, are left out."""
        kinds: dict[str, type] = {f.name: str if f.name == "how" else type(f.default) for f in fields(Protocol)}
        own: dict[str, Any] = {name: each for name, each in kept.items() if type(each) is kinds.get(name)}
        return Protocol(**{"how": "", **own})

    def made(self, **changes: Any) -> Protocol:
        """The same with some fields filled in."""
        return replace(self, **changes)


def _shown(value: object) -> str:
    if not value:
        return "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def together(protocols: Mapping[str, Protocol]) -> str:
    """All of them in one line: how each figure is measured, by what else they share, then what all share."""
    if not protocols:
        return ""
    own = list(protocols.values())
    same = {f.name for f in fields(Protocol) if f.name != "how" and len({getattr(p, f.name) for p in own}) == 1}
    blank = {f.name: f.default for f in fields(Protocol) if f.name in same} | {"how": ""}
    groups: dict[str, dict[str, list[str]]] = {}
    for name, protocol in protocols.items():
        rest = str(replace(protocol, **blank))  # type: ignore[arg-type]
        groups.setdefault(rest, {}).setdefault(protocol.how, []).append(name)
    told = []
    for rest, hows in groups.items():
        each = "; ".join(f"{', '.join(names)}: {how}" for how, names in hows.items())
        told.append(f"{each} ({rest})" if rest else each)
    shared = str(replace(Protocol(""), **{name: getattr(own[0], name) for name in same}))
    return "; ".join([*told, *([shared] if shared else [])])
