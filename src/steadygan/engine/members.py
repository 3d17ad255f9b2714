"""Members of a stack: their parameters as one flat tensor, their optimisers' states as views, their draws joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from ..types import Batch, Output
from ..types.critic import Called, with_features
from ..types.output import Weigh, as_output
from ..types.taps import Taps
from .draws import Draws, Iteration, Iterations, split
from .executor import Eager
from .needs import Whole
from .optim import cloned


@dataclass(frozen=True)
class Flat:
    """The place of each named parameter in the flat vector."""

    shapes: Mapping[str, torch.Size]

    @staticmethod
    def of(parameters: Mapping[str, nn.Parameter]) -> Flat:
        """The layout of these parameters, in order."""
        return Flat({name: p.shape for name, p in parameters.items()})

    def joined(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """One vector (numbers,) with a copy of all of them."""
        return torch.cat([parameters[name].detach().reshape(-1) for name in self.shapes] or [torch.empty(0)])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters as views of a vector (numbers,)."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes.values()]) if self.shapes else ()
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def bind(self, parameters: Mapping[str, Tensor], flat: Tensor) -> None:
        """Makes each parameter a view of its part of the vector, so that a change of one changes the other."""
        for name, view in self.views(flat).items():
            parameters[name].data = view


def leaf_of(optimizer: torch.optim.Optimizer) -> Tensor:
    """The single stacked parameter of a stack's optimiser."""
    (leaf,) = optimizer.param_groups[0]["params"]
    return leaf  # type: ignore[no-any-return]


def gather(whole: torch.optim.Optimizer, own: Sequence[torch.optim.Optimizer]) -> None:
    """Stacks the members' optimiser states: entries with a parameter's shape are stacked, the others shared."""
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
    """Gives each member's optimiser its part of the stacked state, by reference where possible.

    None stands for a member that has left.
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


Tree = Any  # nested mappings of tensors


def functional_forward(
    called: Called, tensors: Mapping[str, Tensor], weigh: Weigh | None = None, taps: Taps | None = None
) -> Callable[[Batch], Output]:
    """The network's forward with other weights than its own."""
    result = called.with_weights(tensors)

    def forward(batch: Batch) -> Output:
        if taps is not None:
            taps.begin()  # a compiled step must know them from here: it also runs where there are no hooks
        output = as_output(result(batch), batch.size, weigh)
        return output if taps is None else with_features(output, taps.collected())

    return forward


def functional_auxiliary(part: nn.Module, tensors: Mapping[str, Tensor]) -> Callable[[Tensor, bool], Tensor]:
    """An auxiliary's forward with other weights; eval mode makes no difference, as batch norm is not stacked."""

    def forward(x: Tensor, training: bool) -> Tensor:
        return functional_call(part, dict(tensors), (x,))  # type: ignore[no-any-return]

    return forward


def within(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a sub-module, under their names in it."""
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def lifted(one: Callable[..., Any], members: int) -> Callable[..., Any]:
    """`one(number, *trees)` for all members at once: trees with a leading axis of members, in and out."""

    def lone(number: Tensor, *trees: Tree) -> Any:
        found = one(number, *(member_of(tree, 0) for tree in trees))
        return tree_map(lambda leaf: leaf.unsqueeze(0), found)

    def together(number: Tensor, *trees: Tree) -> Any:
        axes = tree_map(lambda leaf: 0 if isinstance(leaf, Tensor) else None, trees)
        return vmap(one, in_dims=(None, *axes))(number, *trees)

    return lone if members == 1 else together


def fixed(member: Eager) -> dict[str, dict[str, Tensor]]:
    """Everything that the networks' forwards use beside the trained weights: frozen parameters and buffers."""
    open_ones = {id(p) for player in ("G", "D") for p in member.trained(player).values()}
    return {
        name: {key: p.detach() for key, p in network.named_parameters() if id(p) not in open_ones}
        | dict(network.named_buffers())
        for name, network in member.networks.items()
    }


def share_buffers(networks: Mapping[str, nn.Module], tensors: Tree) -> None:
    """Makes each network's buffers these tensors, so that a change of one changes the other."""
    for name, network in networks.items():
        new = {id(old): tensors[name][key] for key, old in network.named_buffers()}
        for key, old in list(network.named_buffers(remove_duplicate=False)):  # one buffer may stand in two places
            place, _, own = key.rpartition(".")
            network.get_submodule(place)._buffers[own] = new[id(old)]


def stacked(trees: Sequence[Any], axis: int = 0) -> Any:
    """Stacks trees of tensors along an axis of members; anything but a tensor must be equal in all of them."""
    return tree_map(lambda *leaves: torch.stack(leaves, axis) if isinstance(leaves[0], Tensor) else leaves[0], *trees)


def member_of(tree: Any, member: int) -> Any:
    """What belongs to one member, by reference; a number that all share is returned unchanged."""
    if isinstance(tree, Iteration):
        return Iteration(tree.number, *(member_of(part, member) for part in tree[1:]))
    return tree_map(lambda leaf: leaf[member] if isinstance(leaf, Tensor) else leaf, tree)


class StackedBlocks:
    """The blocks of several runs as one: number -> iterations whose tensors have a leading axis of members."""

    def __init__(self, draws: Sequence[Draws]) -> None:
        self.draws = draws
        self._current: tuple[int, Iterations] | None = None

    def __call__(self, number: int) -> Iterations:
        if self._current is None or self._current[0] != number:
            wholes = [draws.whole(number) for draws in self.draws]
            together = Whole(wholes[0].numbers, *stacked([whole[1:] for whole in wholes], axis=1))
            iterations = split(together, self.draws[0].needs, axis=1)
            self._current = (
                number,
                Iterations(iterations, self._reals([draws.reals_of(number) for draws in self.draws])),
            )
        return self._current[1]

    @staticmethod
    def _reals(
        own: Sequence[Callable[[int], list[Batch | None]] | None],
    ) -> Callable[[int], list[Batch | None]] | None:
        """How the reals of an iteration are read, where blocks do not hold them: each member's, then as one."""
        readers = [read for read in own if read is not None]
        if not readers:
            return None
        return lambda i: [stacked(batches) for batches in zip(*(read(i) for read in readers), strict=True)]
