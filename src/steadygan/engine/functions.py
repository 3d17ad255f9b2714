"""Networks as functions of their weights, and a step of one run as the step of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from ..critics import as_output, takes_label, with_features
from ..taps import Taps
from ..types import Batch, Output
from .eager import Eager
from .stacking import member_of

Tree = Any  # nested mappings of tensors


def functional_forward(
    network: nn.Module, tensors: Mapping[str, Tensor], taps: Taps | None = None
) -> Callable[[Batch], Output]:
    """The network's forward with other weights than its own."""
    labelled = takes_label(network)

    def forward(batch: Batch) -> Output:
        told = {"label": batch.label} if labelled else {}
        if taps is not None:
            taps.begin()  # a compiled step must know them from here: it also runs where there are no hooks
        output = as_output(functional_call(network, dict(tensors), (batch.x,), told), batch.size)
        return output if taps is None else with_features(output, taps.collected())

    return forward


def functional_auxiliary(part: nn.Module, tensors: Mapping[str, Tensor]) -> Callable[[Tensor, bool], Tensor]:
    """An auxiliary's forward with other weights; in eval mode it is the same, as batch norm is not stacked."""

    def forward(x: Tensor, training: bool) -> Tensor:
        return functional_call(part, dict(tensors), (x,))  # type: ignore[no-any-return]

    return forward


def within(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a sub-module, by their names there."""
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def lifted(one: Callable[..., Any], members: int) -> Callable[..., Any]:
    """`one(number, *trees)` for all members at once: trees with an axis of members in front, in and out."""

    def lone(number: Tensor, *trees: Tree) -> Any:
        found = one(number, *(member_of(tree, 0) for tree in trees))
        return tree_map(lambda leaf: leaf.unsqueeze(0), found)

    def together(number: Tensor, *trees: Tree) -> Any:
        axes = tree_map(lambda leaf: 0 if isinstance(leaf, Tensor) else None, trees)
        return vmap(one, in_dims=(None, *axes))(number, *trees)

    return lone if members == 1 else together


def fixed(member: Eager) -> dict[str, dict[str, Tensor]]:
    """All that the networks' forwards use beside the weights that are trained: frozen ones, and buffers."""
    open_ones = {id(p) for player in ("G", "D") for p in member.trained(player).values()}
    return {
        name: {key: p.detach() for key, p in network.named_parameters() if id(p) not in open_ones}
        | dict(network.named_buffers())
        for name, network in member.networks.items()
    }


def share_buffers(networks: Mapping[str, nn.Module], tensors: Tree) -> None:
    """Lets each network's buffers be these tensors: what changes the ones changes the others."""
    for name, network in networks.items():
        new = {id(old): tensors[name][key] for key, old in network.named_buffers()}
        for key, old in list(network.named_buffers(remove_duplicate=False)):  # one buffer may stand in two places
            place, _, own = key.rpartition(".")
            network.get_submodule(place)._buffers[own] = new[id(old)]
