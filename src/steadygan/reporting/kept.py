"""What a run's newest checkpoint knows of its figures: equilibrium, protocols, what real data gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings

if TYPE_CHECKING:
    from ..metrics import Protocol


@dataclass(frozen=True)
class Kept:
    """Nothing is known where there is no checkpoint that can be read."""

    equilibrium: tuple[float | None, float | None] = (None, None)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    reference: Mapping[str, float] = field(default_factory=dict)
    known: bool = False


def kept(folder: Path, settings: Settings | None) -> Kept:
    """From the newest checkpoint that can be read, its tensors left on the disk; else the equilibrium of the losses."""
    from ..runs.checkpoint import listed

    for path in reversed(listed(folder / "checkpoints")):
        content = _content(path)
        if content is not None:
            return _told(content)
    return Kept() if settings is None else Kept(_equilibrium(settings))


def _content(path: Path) -> Mapping[str, Any] | None:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # a damaged file raises whatever its bytes lead to
        return None
    return content if isinstance(content, dict) and "equilibrium" in content else None


def _told(content: Mapping[str, Any]) -> Kept:
    from ..metrics import Protocol

    d, g = content["equilibrium"]
    protocols = {name: Protocol.read(own) for name, own in content.get("protocols", {}).items()}
    return Kept((d, g), protocols, dict(content.get("reference", {})), True)


def _equilibrium(settings: Settings) -> tuple[float | None, float | None]:
    from torch import nn

    from ..recipes.build import opponent
    from ..training.setup import equilibrium_of

    return equilibrium_of({name: opponent(judge, nn.Identity()) for name, judge in settings.judges().items()})
