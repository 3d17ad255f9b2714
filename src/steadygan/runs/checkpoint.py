"""Checkpoints: the complete state in one file of tensors and plain types, written to a temporary file and renamed."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..config.block import Block, settings_of, values
from ..config.keys import read as read_settings
from ..config.keys import shown
from ..config.settings import Settings
from ..config.values import Natural, ReadError, choice, real, table, text, whole
from ..errors import InputError
from ..files import RESUME, beside, regular
from ..losses import LOSSES, Nothing
from ..methods import METHODS
from ..metrics import Protocol
from ..types.labels import WRAPPED
from ..types.parts import equilibrium_of
from .folder import RunFolder, listed, name

FORMAT = 1
REMOVE = "remove it to continue from the one before"
M = TypeVar("M", bound=Block)
WRAPPER = re.compile(rf"(?<![^.])({'|'.join(WRAPPED)})\.")


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

    def fitting(
        self, networks: Mapping[str, nn.Module], average: nn.Module | None, optimized: Mapping[str, Iterable[str]]
    ) -> TrainState:
        """The state under these networks' own names; raises InputError for a state of other networks.

        optimized: the names of each player's parameters, as its optimiser's state has them.
        """
        wanted = {name: (network, self.networks.get(name, {}), name) for name, network in networks.items()}
        if average is not None:
            wanted[""] = average, self.ema, "the average of G"
        named = {key: named_as(network.state_dict(), saved) for key, (network, saved, _) in wanted.items()}
        for key, (network, _, told) in wanted.items():  # all of them first, so that a refused state changes nothing
            check_network(network, named[key], told)
        ema = named.pop("", self.ema)
        optimizers = {player: named_as(optimized[player], own) for player, own in self.optimizers.items()}
        return self._replace(networks=named, ema=ema, optimizers=optimizers)


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


def prune(folder: Path, keep: int, held: Collection[int] = ()) -> None:
    """Removes all checkpoints but the newest `keep` and those of the iterations `held`."""
    kept = {name(iteration) for iteration in held}
    for old in listed(folder)[:-keep]:
        if old.name not in kept:
            old.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, its checksums verified and its `meta` read; InputError for a damaged or foreign file."""
    try:
        with regular(path).open("rb") as file:
            if file.read(1) == pickle.PROTO:
                raise UnpicklingError
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise zipfile.BadZipFile(f"{broken} fails its checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"found no checkpoint {path}: name a run's folder, or start the run") from None
    except UnpicklingError as error:  # its checksums are right: it was made so
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise InputError(
            f"{path} is not a checkpoint written by steadygan: it asks for {asked[1] if asked else 'more'} beside "
            "tensors "
            "and plain types, which could run code, and was not read; do not trust its source"
        ) from None
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} is not a complete checkpoint ({type(error).__name__}): it is truncated or damaged; {REMOVE}"
        ) from error
    format_, state = (content.get("format"), content.get("state")) if isinstance(content, dict) else (None, None)
    if isinstance(format_, int) and format_ > FORMAT:
        raise InputError(
            f"{path} has format {format_}, but this steadygan reads formats up to {FORMAT}: upgrade steadygan"
        )
    if not isinstance(format_, int) or not isinstance(state, dict) or state.keys() != set(TrainState._fields):
        raise InputError(f"{path} is not a checkpoint of steadygan: name the folder of one of its runs")
    try:
        meta = read_as(Meta, content)
        _check_state(state, path)
    except InputError as error:
        raise InputError(f"{path} is damaged, or was changed: {error}; {REMOVE}") from None
    return dict(content) | {"state": TrainState(**state), "meta": meta}


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        raise ValueError
    if value.is_complex() or value.is_quantized:
        raise ValueError
    return value


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nested(each) for name, each in value.items()}
    return value if isinstance(value, int | float | None) else _tensor(value)


def _protocol(value: Any) -> Protocol:
    if not isinstance(value, dict | Protocol):
        raise ValueError
    return value if isinstance(value, Protocol) else Protocol.read(value)


DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
TENSORS = table("tensors by name", _tensor)
NESTED = table("tensors by name", table("tensors by name", _nested))
STATE = {
    "networks": table("networks by name", TENSORS),
    "ema": TENSORS,
    "optimizers": NESTED,
    "parts": NESTED,
    "random": TENSORS,
    "sums": TENSORS,
}


@dataclass(frozen=True)
class About(Block):
    """What is known of the training data, as far as it is read back."""

    name: Annotated[str, text("a name", "(?s).*")] = ""
    shape: tuple[Natural, ...] = ()
    size: Annotated[int | None, whole(0)] = None
    image: bool = False
    class_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    class_counts: tuple[Natural, ...] | None = None


@dataclass(frozen=True)
class PlanMeta(Block):
    """What is read back of the plan."""

    dtype: Annotated[str, choice(*DTYPES)] = "float32"


@dataclass(frozen=True)
class Stop(Block):
    """What the monitor said when it ended the run, and the policy by which it did; empty if it did not."""

    told: Annotated[str, text("words", "(?s).*")] = ""
    policy: Annotated[str, choice("warn", "stop", "rollback")] = "warn"
    times: Natural = 0


@dataclass(frozen=True)
class Figures(Block):
    """What a checkpoint knows of a run's figures; `known` where there is one that can be read."""

    equilibrium: tuple[float | None, float | None] = (None, None)
    protocols: Annotated[dict[str, Protocol], table("protocols by name", _protocol)] = field(default_factory=dict)
    reference: Annotated[dict[str, float], table("numbers by name", real())] = field(default_factory=dict)
    known: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class Meta(Figures):
    """What a checkpoint holds beside its state."""

    protocol: str = ""
    plan: PlanMeta = field(default_factory=PlanMeta)
    about: About = field(default_factory=About)
    data: str = ""
    latent_dim: Annotated[int | None, whole(0, most=2**16)] = None  # 0: G makes samples of conditions alone
    networks: Annotated[dict[str, Any] | None, table("settings by name", dict)] = None
    units: Annotated[dict[str, Tensor], TENSORS] = field(default_factory=dict)
    stopped: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        super().__post_init__()
        shapes = {name: tuple(each.shape) for name, each in self.units.items()}
        if shapes and shapes != dict.fromkeys(("offset", "scale"), self.about.shape):
            raise InputError(f"units: expected offset and scale of shape {self.about.shape}, got {shapes}")
        if self.about.columns and (len(self.about.columns),) != self.about.shape:
            raise InputError(f"about.columns: expected a name for each of {self.about.shape}, got {self.about.columns}")
        own = (self.networks or {}).get("generator", {}).get("latent_dim", self.latent_dim)
        if own != self.latent_dim:
            raise InputError(f"latent_dim: expected {shown(own)}, as the generator has, got {self.latent_dim}")


def read_as(kind: type[M], content: Mapping[str, Any]) -> M:
    """What a checkpoint holds of this kind, checked; what else it holds is left alone."""
    tree = {key: each for key, each in content.items() if key in settings_of(kind)}
    for own, one in settings_of(kind).items():
        if one.block is not None and isinstance(tree.get(own), dict):
            tree[own] = {key: each for key, each in tree[own].items() if key in settings_of(one.block)}
    return read_settings(kind, tree)


def _check_state(state: Mapping[str, Any], path: Path) -> None:
    at = state["iteration"]
    known = isinstance(at, Tensor) and at.dtype == torch.int64 and at.ndim == 0
    if not known or (path.stem.isdigit() and int(at) != int(path.stem)):
        raise InputError(f"iteration: expected the one in its name, got {shown(at)}")
    for key, reader in STATE.items():
        try:
            reader(state[key])
        except ReadError as error:
            raise InputError(f"{key}: expected {error}, got something else") from None


def named_as(wanted: Iterable[str], saved: Mapping[str, Any]) -> dict[str, Any]:
    """The saved entries by the wanted names, whether or not a wrapper (`module.`, `_orig_mod.`) is part of either."""
    names = [*wanted]
    bare = {WRAPPER.sub("", name): name for name in names}
    return {key if key in names else bare.get(WRAPPER.sub("", key), key): value for key, value in saved.items()}


def load_network(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Loads parameters and buffers; raises InputError when they are of another model."""
    saved = named_as(network.state_dict(), saved)
    check_network(network, saved, name)
    network.load_state_dict(dict(saved))


def check_network(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Raises InputError at the first difference in names or shapes."""
    current = network.state_dict()
    for key in [*current, *saved]:
        here, there = (tuple(own[key].shape) if key in own else "nothing" for own in (current, saved))
        if here != there:
            raise InputError(
                f"the checkpoint is of another model: {name} has {key} of shape {here} here and {there} in the "
                "checkpoint: build the network it was saved from"
            )
        if current[key].is_floating_point() != saved[key].is_floating_point():
            raise InputError(f"the checkpoint holds {saved[key].dtype} for {key} of {name}: it is damaged; {REMOVE}")


def take_weights(path: str | Path, G: nn.Module, ds: Mapping[str, nn.Module]) -> None:
    """Loads the latest networks of the run at `path`, in place, and nothing else of the run.

    Raises InputError if the folder holds no run, or one of another model.
    """
    newest = RunFolder(Path(path)).newest
    if newest is None:
        raise InputError(
            f"expected a run with a checkpoint in {path} to take weights from, got none: check --init-from"
        )
    found = read(newest)["state"].networks
    for player, network in {"G": G, **ds}.items():
        try:
            load_network(network, found.get(player, {}), player)
        except InputError as error:
            raise InputError(f"cannot start from the weights of {path}: {error}") from None


def figures(folder: Path, settings: Settings | None) -> Figures:
    """From the newest checkpoint that can be read, its tensors left on the disk; else the equilibrium of the losses."""
    for path in reversed(listed(folder)):
        try:
            content = torch.load(regular(path), map_location="cpu", weights_only=True, mmap=True)
            return replace(read_as(Figures, content), known=True)
        except Exception:  # a damaged file raises whatever its bytes lead to
            continue
    if settings is None or settings.fakes is not None:
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
