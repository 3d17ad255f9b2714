"""Optimisers as settings, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError, unknown

OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]

OPTIMIZERS = ("adam", "rmsprop", "sgd")


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam(betas, eps), RMSprop(alpha, eps, momentum) or SGD(momentum) of torch, in its fastest exact form.

    Calling it with (parameters, lr) builds the optimiser; any function of that signature may stand in its place.
    """

    name: str = "adam"
    betas: tuple[float, float] = (0.5, 0.9)
    alpha: float = 0.99
    momentum: float = 0.0
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise unknown("optimizer", self.name, OPTIMIZERS)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"optimizer: betas must be two numbers in [0, 1), not {self.betas}")
        if not 0 <= self.alpha < 1:
            raise InputError(f"optimizer: alpha must be in [0, 1), not {self.alpha}")
        for name in ("momentum", "eps", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise InputError(f"optimizer: {name} must be 0 or more, not {getattr(self, name)}")

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        parameters = list(parameters)
        fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
        if self.name == "adam":
            return torch.optim.Adam(
                parameters, lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=fused
            )
        if self.name == "sgd":
            return torch.optim.SGD(parameters, lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=fused)
        return torch.optim.RMSprop(
            parameters,
            lr,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            foreach=True,
        )


def pack(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, dict[str, Any]]:
    """The optimiser's state by parameter name; empty before its first step."""
    state = optimizer.state_dict()["state"]
    return {names[index]: dict(entries) for index, entries in state.items()}


def unpack(optimizer: torch.optim.Optimizer, names: list[str], packed: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts a packed state back; hyper-parameters stay those of `optimizer`; InputError when it is of others."""
    position = {name: index for index, name in enumerate(names)}
    others = [name for name in packed if name not in position]
    if others:
        raise InputError(
            f"the checkpoint trained other parameters, such as {others[0]}: freeze the same ones as when it was made"
        )
    state = {
        position[name]: {key: value.clone() if isinstance(value, Tensor) else value for key, value in entries.items()}
        for name, entries in packed.items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
