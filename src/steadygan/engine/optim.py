"""Optimisers as settings, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError, unknown
from ..registry import Registry

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


@dataclass(frozen=True)
class Ema:
    """theta_ema <- decay theta_ema + (1 - decay) theta after each generator step [yazici2019].

    Either a plain `decay`, or `half_life` in images: decay = 0.5^(batch / h), where h grows as `ramp_up` times the
    images seen so far until it reaches `half_life`, so that an early average is not one of random weights.
    """

    decay: float | None = 0.999
    half_life: float | None = None
    ramp_up: float | None = 0.05

    def __post_init__(self) -> None:
        if (self.decay is None) == (self.half_life is None):
            raise InputError("ema: give either decay or half_life, and None for the other")
        if self.decay is not None and not 0 <= self.decay < 1:
            raise InputError(f"ema: decay must be in [0, 1), not {self.decay}")
        if self.half_life is not None and not self.half_life > 0:
            raise InputError(f"ema: half_life must be above 0 images, not {self.half_life}")
        if self.ramp_up is not None and not self.ramp_up > 0:
            raise InputError(f"ema: ramp_up must be above 0, or None for none, not {self.ramp_up}")

    def at(self, iteration: int, batch: int) -> float:
        """The decay of the update after iteration number `iteration` (from 0)."""
        if self.decay is not None:
            return self.decay
        assert self.half_life is not None
        life = self.half_life
        if self.ramp_up is not None:
            life = min(life, max(1.0, (iteration + 1) * batch * self.ramp_up))
        return float(0.5 ** (batch / life))


class Average:
    """A copy of a network that follows its weights, in eval mode; buffers are copied as they are."""

    def __init__(self, network: nn.Module, settings: Ema) -> None:
        self.settings = settings
        self.network = deepcopy(network).eval().requires_grad_(False)
        ours, theirs = dict(self.network.named_parameters()), dict(network.named_parameters())
        if ours.keys() != theirs.keys():
            raise InputError("ema: the generator's parameters changed names when it was copied: give it plain modules")
        self._parameters: list[Tensor] = [ours[name] for name in theirs]
        self._sources: list[Tensor] = list(theirs.values())
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, iteration: int, batch: int) -> None:
        """One step towards the network as it is now."""
        weight = 1.0 - self.settings.at(iteration, batch)
        torch._foreach_lerp_(self._parameters, self._sources, weight)
        for ours, theirs in self._buffers:
            ours.copy_(theirs)


class Schedule:
    """A factor on the learning rates."""

    constant: ClassVar[bool] = False  # the horizon does not matter

    def factor(self, iteration: int, horizon: int) -> float:
        """The factor of iteration number `iteration` (from 0) in a run of `horizon` iterations."""
        raise NotImplementedError


SCHEDULES: Registry[type[Schedule]] = Registry("schedule")


@SCHEDULES.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """1 throughout."""

    constant = True

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0


@dataclass(frozen=True)
class _Falling(Schedule):
    start: float = 0.5  # share of the horizon at which the fall begins
    end: float = 0.0  # factor at the horizon and after it

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise InputError(f"schedule: start must be a share of the horizon in [0, 1), not {self.start}")
        if not self.end >= 0:
            raise InputError(f"schedule: end must be 0 or more, not {self.end}")

    def progress(self, iteration: int, horizon: int) -> float:
        """0 before the fall, 1 from the horizon on."""
        return min(1.0, max(0.0, (iteration / max(1, horizon) - self.start) / (1.0 - self.start)))


@SCHEDULES.register("linear")
@dataclass(frozen=True)
class Linear(_Falling):
    """1 until `start` of the horizon, then a straight line to `end`."""

    def factor(self, iteration: int, horizon: int) -> float:
        return 1.0 + (self.end - 1.0) * self.progress(iteration, horizon)


@SCHEDULES.register("cosine")
@dataclass(frozen=True)
class Cosine(_Falling):
    """1 until `start` of the horizon, then half a cosine to `end`."""

    def factor(self, iteration: int, horizon: int) -> float:
        return self.end + (1.0 - self.end) * (1.0 + cos(pi * self.progress(iteration, horizon))) / 2
