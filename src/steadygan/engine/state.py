"""The state of a run as one nested mapping of tensors: everything that the next iteration depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import InputError
from .draws import BLOCK, Draws
from .eager import Eager
from .held import Held, cloned, global_states, restore_global_states


class TrainState(NamedTuple):
    """A pytree of tensors; what a checkpoint stores and a snapshot copies."""

    iteration: Tensor  # (), int64: iterations done
    networks: Mapping[str, Mapping[str, Tensor]]  # parameters and buffers by network
    ema: Mapping[str, Tensor]  # the generator's average; {} when off
    optimizers: Mapping[str, Mapping[str, Mapping[str, Any]]]  # player -> parameter -> entry
    parts: Mapping[str, Any]  # opponent -> part -> entry
    random: Mapping[str, Tensor]  # "run": generator at its block's beginning; "cpu", "cuda": torch's global ones
    sums: Mapping[str, Tensor]  # statistics since the last tick: (sum, count) in float64

    def clone(self) -> TrainState:
        """A copy that later steps leave alone."""
        return TrainState(*(cloned(leaf) for leaf in self))


def collect(iteration: int, executor: Eager, draws: Draws, sums: Mapping[str, Tensor]) -> TrainState:
    """The state as it is, tensors by reference."""
    device = draws.generator.device
    networks, ema, optimizers, parts = executor.held()
    random = {"run": draws.beginning(iteration // BLOCK), **global_states(device)}
    return TrainState(torch.tensor(iteration), networks, ema, optimizers, parts, random, sums)


def restore(state: TrainState, executor: Eager, draws: Draws) -> None:
    """Puts a state back in place; raises InputError when it is of another model."""
    wanted = [(network, state.networks.get(name, {}), name) for name, network in executor.networks.items()]
    if executor.average is not None:
        wanted.append((executor.average.network, state.ema, "the average of G"))
    for network, saved, name in wanted:  # all of them first, so that a refused state changes nothing
        check_network(network, saved, name)
    executor.put(Held(state.networks, state.ema, state.optimizers, state.parts, {}))
    draws.restore(state.random["run"].cpu())
    restore_global_states(state.random, draws.generator.device)


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
