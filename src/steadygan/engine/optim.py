"""Optimisers as settings, their state as named tensors, and the average of G's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..config.optimisation import SCHEDULE, Constant, Cosine, Ema, Linear, Optimizer, Schedule
from ..errors import InputError
from ..registry import Registry

__all__ = [
    "SCHEDULES", "Average", "Constant", "Cosine", "Ema", "Linear", "OptimizerFactory", "OptimizerSettings", "Schedule",
    "pack", "unpack",
]  # fmt: skip

OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]


@dataclass(frozen=True)
class OptimizerSettings(Optimizer):
    """Torch's Adam(betas, eps), RMSprop(alpha, eps, momentum) or SGD(momentum), in the fastest exact form.

    Call it with (parameters, lr) to build the optimiser; any function with that signature can replace it.
    """

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        parameters = list(parameters)
        fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
        shared: dict[str, Any] = {"lr": lr, "weight_decay": self.weight_decay}
        if self.name == "adam":
            return torch.optim.Adam(parameters, betas=self.betas, eps=self.eps, fused=fused, **shared)
        shared["momentum"] = self.momentum
        if self.name == "sgd":
            return torch.optim.SGD(parameters, fused=fused, **shared)
        return torch.optim.RMSprop(parameters, alpha=self.alpha, eps=self.eps, foreach=True, **shared)


def cloned(leaf: Any, device: torch.device | None = None) -> Any:
    """A deep copy of nested mappings of tensors."""
    if isinstance(leaf, Tensor):
        return leaf.detach().to(device).clone() if device is not None else leaf.detach().clone()
    if isinstance(leaf, Mapping):
        return {key: cloned(value, device) for key, value in leaf.items()}
    return leaf


def pack(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, dict[str, Any]]:
    """The optimiser's state by parameter name; empty before its first step."""
    state = optimizer.state_dict()["state"]
    return {names[index]: dict(entries) for index, entries in state.items()}


def unpack(optimizer: torch.optim.Optimizer, names: list[str], packed: Mapping[str, Mapping[str, Any]]) -> None:
    """Restores a packed state; hyper-parameters stay those of `optimizer`. Raises InputError if it does not fit."""
    position = {name: index for index, name in enumerate(names)}
    others = [name for name in packed if name not in position]
    if others:
        raise InputError(f"the checkpoint trained other parameters, such as {others[0]}: freeze the same ones as then")
    state = {
        position[name]: {key: value.clone() if isinstance(value, Tensor) else value for key, value in entries.items()}
        for name, entries in packed.items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def check_packed(optimizer: torch.optim.Optimizer, names: list[str], packed: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises InputError unless a packed state looks like one step of torch's own optimisers leaves it."""
    if not type(optimizer).__module__.startswith("torch.optim") or not packed:
        return  # what others keep may change from step to step
    spare = deepcopy(optimizer)
    for parameter in (p for group in spare.param_groups for p in group["params"]):
        parameter.grad = torch.zeros_like(parameter)
    try:
        spare.step()
    except TypeError:  # it wants a closure
        return
    wanted = pack(spare, names)
    for name in packed.keys() & wanted.keys():
        check_alike(f"the optimiser's state of {name}", packed[name], wanted[name])


def check_alike(what: str, found: Any, wanted: Any) -> None:
    """Raises InputError unless nested tensors have the same names and shapes as others."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping) and found.keys() >= wanted.keys():
        for name, each in wanted.items():
            check_alike(f"{what}, {name}", found[name], each)
        return
    here, there = (tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__ for each in (wanted, found))
    if isinstance(wanted, Mapping) or here != there:
        raise InputError(f"expected {here} as {what}, got {there}: the checkpoint is damaged, or of another run")


class Average:
    """A copy of a network that follows its weights, in eval mode; buffers are copied as they are."""

    def __init__(self, network: nn.Module, settings: Ema) -> None:
        self.settings = settings
        self._plain = None if settings.decay is None else 1.0 - settings.decay
        self.network = deepcopy(network).eval().requires_grad_(False)
        ours, theirs = dict(self.network.named_parameters()), dict(network.named_parameters())
        if ours.keys() != theirs.keys():
            raise InputError("ema: the generator's parameters changed names when it was copied: use plain modules")
        self._parameters: list[Tensor] = [ours[name] for name in theirs]
        self._sources: list[Tensor] = list(theirs.values())
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, iteration: int, batch: int) -> None:
        """One step towards the network's current weights."""
        weight = 1.0 - self.settings.at(iteration, batch) if self._plain is None else self._plain
        torch._foreach_lerp_(self._parameters, self._sources, weight)
        for ours, theirs in self._buffers:
            ours.copy_(theirs)


SCHEDULES: Registry[type[Schedule]] = Registry(SCHEDULE)
for _name, _schedule in SCHEDULE.known.items():
    SCHEDULES.register(_name)(_schedule)
