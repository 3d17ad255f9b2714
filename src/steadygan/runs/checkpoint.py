"""Checkpoints: the complete state in one file, tensors and plain types only, written beside and renamed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..config.block import values
from ..config.settings import Settings
from ..errors import InputError
from ..files import RESUME, beside
from ..losses import LOSSES, Nothing
from ..methods import METHODS
from ..metrics import Protocol
from ..types.parts import equilibrium_of
from .folder import listed, name

FORMAT = 1


class TrainState(NamedTuple):
    """A pytree of tensors; what a checkpoint stores."""

    iteration: Tensor  # (), int64: iterations done
    networks: Mapping[str, Mapping[str, Tensor]]  # parameters and buffers by network
    ema: Mapping[str, Tensor]  # the generator's average; {} when off
    optimizers: Mapping[str, Mapping[str, Mapping[str, Any]]]  # player -> parameter -> entry
    parts: Mapping[str, Any]  # opponent -> part -> entry
    random: Mapping[str, Tensor]  # "run": generator at its block's beginning; "cpu", "cuda": torch's global ones
    sums: Mapping[str, Tensor]  # statistics since the last tick: (sum, count) in float64

    def clone(self) -> TrainState:
        """A copy that later steps leave alone."""
        copied = tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, tuple(self))
        return TrainState(*copied)


def write(folder: Path, state: TrainState, meta: Mapping[str, Any]) -> Path:
    """Writes a checkpoint atomically; raises InputError when it cannot."""
    path = folder / name(int(state.iteration))
    kept = listed(folder)
    last = f"; the last good checkpoint is {kept[-1]}" if kept else ""
    with beside(path, advice=f"{RESUME}{last}") as part, part.open("wb") as file:
        whole = state.clone()  # of a view, torch would save all that it is a view of
        torch.save({"format": FORMAT, **meta, "state": whole._asdict()}, file)
        file.flush()
        os.fsync(file.fileno())
    return path


def prune(folder: Path, keep: int, held: int | None = None) -> None:
    """Removes all checkpoints but the newest `keep` and that of iteration `held`."""
    for old in listed(folder)[:-keep]:
        if held is None or old.name != name(held):
            old.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, its checksums verified; raises InputError for a damaged, foreign or newer file."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise zipfile.BadZipFile(f"{broken} fails its checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"no checkpoint {path}: give a run's folder, or start the run") from None
    except Exception as error:
        raise InputError(
            f"{path} is not a complete checkpoint ({type(error).__name__}): it is truncated or damaged; remove it to "
            "go on from the one before"
        ) from error
    format_, state = (content.get("format"), content.get("state")) if isinstance(content, dict) else (None, None)
    if isinstance(format_, int) and format_ > FORMAT:
        raise InputError(
            f"{path} has format {format_}, but this steadygan reads formats up to {FORMAT}: upgrade steadygan"
        )
    if not isinstance(format_, int) or not isinstance(state, dict) or state.keys() != set(TrainState._fields):
        raise InputError(f"{path} is not a checkpoint of steadygan: give the folder of a run that it made")
    return dict(content) | {"state": TrainState(**state)}


def load_network(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Loads parameters and buffers; raises InputError when they are of another model."""
    check_network(network, saved, name)
    network.load_state_dict(dict(saved))


def check_network(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Raises InputError at the first difference in names or shapes."""
    current = network.state_dict()
    for key in [*current, *saved]:
        here = tuple(current[key].shape) if key in current else "nothing"
        there = tuple(saved[key].shape) if key in saved else "nothing"
        if here != there:
            raise InputError(
                f"the checkpoint is of another model: {name} has {key} of shape {here} here and {there} in the "
                "checkpoint: build the network it was made with"
            )


class Figures(NamedTuple):
    """What a checkpoint knows of a run's figures; nothing where there is none that can be read."""

    equilibrium: tuple[float | None, float | None] = (None, None)
    protocols: Mapping[str, Protocol] = {}
    reference: Mapping[str, float] = {}
    known: bool = False


def figures(folder: Path, settings: Settings | None) -> Figures:
    """From the newest checkpoint that can be read, its tensors left on the disk; else the equilibrium of the losses."""
    for path in reversed(listed(folder)):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            d, g = content["equilibrium"]
        except Exception:  # a damaged file raises whatever its bytes lead to
            continue
        protocols = {name: Protocol.read(own) for name, own in content.get("protocols", {}).items()}
        return Figures((d, g), protocols, dict(content.get("reference", {})), known=True)
    if settings is None:
        return Figures()
    return Figures(
        equilibrium_of(
            (
                judge.weight,
                Nothing()
                if any(METHODS[name].replaces_loss for name, _ in judge.method.items())
                else LOSSES[judge.loss.name](**values(judge.loss)),
            )
            for judge in settings.judges().values()
        )
    )
