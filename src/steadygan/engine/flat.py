"""Named parameters as one flat vector, and an optimiser's state of it as that of each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .held import cloned


@dataclass(frozen=True)
class Flat:
    """Where each named parameter stands in the flat vector."""

    shapes: Mapping[str, torch.Size]

    @staticmethod
    def of(parameters: Mapping[str, nn.Parameter]) -> Flat:
        """The layout of these parameters in their order."""
        return Flat({name: p.shape for name, p in parameters.items()})

    def joined(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """One vector (numbers,) of all of them, a copy."""
        return torch.cat([parameters[name].detach().reshape(-1) for name in self.shapes])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters in a vector (numbers,), by reference."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def bind(self, parameters: Mapping[str, Tensor], flat: Tensor) -> None:
        """Lets each parameter be its part of the vector from now on: what changes one changes the other."""
        for name, view in self.views(flat).items():
            parameters[name].data = view


def leaf_of(optimizer: torch.optim.Optimizer) -> Tensor:
    """The one stacked parameter of a stack's optimiser."""
    (leaf,) = optimizer.param_groups[0]["params"]
    return leaf  # type: ignore[no-any-return]


def gather(whole: torch.optim.Optimizer, own: Sequence[torch.optim.Optimizer]) -> None:
    """Makes the members' optimiser states one: entries of a parameter's shape are stacked, the others are shared."""
    leaf = leaf_of(whole)
    whole.state.pop(leaf, None)
    lists = [[p for group in optimizer.param_groups for p in group["params"]] for optimizer in own]
    states = [own[0].state.get(p, {}) for p in lists[0]]
    for key, value in states[0].items():
        own_shape = (
            torch.is_tensor(of[key]) and of[key].shape == p.shape for of, p in zip(states, lists[0], strict=True)
        )
        if key != "step" and all(own_shape):
            joined = [
                torch.cat([optimizer.state[p][key].reshape(-1) for p in parameters])
                for optimizer, parameters in zip(own, lists, strict=True)
            ]
            whole.state[leaf][key] = torch.stack(joined)
        else:
            whole.state[leaf][key] = value.clone() if isinstance(value, Tensor) else value


def expose(whole: torch.optim.Optimizer, own: Sequence[torch.optim.Optimizer | None], layout: Flat) -> None:
    """Lets the members' optimisers hold their part of the stacked state, by reference where it has one.

    None stands for a member that is none any more.
    """
    leaf = leaf_of(whole)
    state: Mapping[str, Any] = whole.state.get(leaf, {})
    for k, optimizer in enumerate(own):
        if optimizer is None:
            continue
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.state.clear()
        if not state:
            continue
        parts = {
            key: layout.views(value[k]) if isinstance(value, Tensor) and value.shape == leaf.shape else value
            for key, value in state.items()
        }
        for name, p in zip(layout.shapes, parameters, strict=True):
            optimizer.state[p] = {
                key: value[name] if isinstance(value, dict) else cloned(value) for key, value in parts.items()
            }  # a counter is each parameter's own: it would be raised once for each of them
