"""Networks without wrappers that would mislead training: uncompiled, and D without its final sigmoid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError
from .labels import COMPILED, wrapped_in

Gives: TypeAlias = Literal["auto", "logit", "probability"]

# What autograd calls an operation that only moves numbers about, and one whose results lie in a narrow range.
MOVING = re.compile("Alias|Clone|Mean|Mv|Permute|ReshapeAlias|Select|Slice|Squeeze|ToCopy|Transpose|T|Unsqueeze|View")
JOINING = ("Cat", "Stack")  # of heads, any of which may be squashed
SQUASHING = {
    "Sigmoid": "a sigmoid",
    "Hardsigmoid": "a sigmoid",
    "LogSigmoid": "the logarithm of a sigmoid",
    "Softmax": "a softmax",
    "LogSoftmax": "the logarithm of a softmax",
    "Tanh": "tanh",
    "Hardtanh": "a clamp",
    "Clamp": "a clamp",
}
END = 0.05  # from 0 or 1, as near as the scores of a D that tells the sides apart come
NARROW = 2.0  # width of what a clamp leaves: a wider one guards logits


def ending_of(scores: Tensor) -> str | None:
    """Names the last operation that squashed these scores; None for logits, and where autograd recorded nothing."""
    nodes = [scores.grad_fn]
    while nodes:
        if (node := nodes.pop()) is None:
            continue
        kind = node.name().partition("Backward")[0]
        if kind in SQUASHING and not (SQUASHING[kind] == "a clamp" and _wide(node)):
            return SQUASHING[kind]
        if kind in JOINING:
            nodes += [before for before, _ in node.next_functions]
        elif MOVING.fullmatch(kind):
            nodes.append(next((before for before, _ in node.next_functions if before is not None), None))
    return None


def _wide(node: Any) -> bool:
    """Whether a clamp leaves more than a narrow range."""
    low, high = (
        getattr(node, f"_saved_{end}_val" if "Hardtanh" in node.name() else f"_saved_{end}", None)
        for end in ("min", "max")
    )
    return low is None or high is None or float(high) - float(low) > NARROW


def check_logits(scores: Tensor, name: str = "the discriminator") -> None:
    """Raises InputError for squashed scores: all losses and penalties expect logits."""
    found = ending_of(scores)
    if found is not None:
        raise InputError(
            f"expected logits of {name}, got the scores of a network that ends in {found}: leave that layer out, set "
            "gives='probability' to use the input of its last nn.Sigmoid, or set gives='logit' if it is intended "
            "(in your own loop: types.opened, types.critic)"
        )


def like_probabilities(*scores: Tensor) -> bool:
    """Whether all scores lie in [0, 1] and come close to both ends, as logits do not."""
    low, high = torch.cat([each.detach() for each in scores]).aminmax()
    return bool(0.0 <= low <= END and 1.0 - END <= high <= 1.0)


def opened(network: nn.Module) -> nn.Module:
    """The discriminator without its final `nn.Sigmoid`, sharing weights, buffers and sub-modules.

    It returns the logits d where the network returns D = sigmoid(d), exactly, however large they are. Raises InputError
    where there is no such module.
    """
    if not isinstance(network, nn.Module):
        raise InputError(
            f"expected a torch.nn.Module that ends in nn.Sigmoid, got {type(network).__name__}: return the logits"
        )
    inner = unwrapped(network)
    names = [name for name, part in inner.named_modules(remove_duplicate=False) if isinstance(part, nn.Sigmoid)]
    if not names or not names[-1]:
        raise InputError(
            "expected a discriminator that ends in an nn.Sigmoid module, got none: "
            "leave out torch.sigmoid in its forward, and gives='probability'"
        )
    whole: nn.Module = _like(network)
    for place in [name for name, part in network.named_modules(remove_duplicate=False) if part is inner]:
        at = whole  # a wrapper may hold the network twice
        *path, last = f"{place}.{names[-1]}".lstrip(".").split(".")
        for step in path:
            at._modules[step] = at = _like(at._modules[step])
        at._modules[last] = End()
    return whole


class End(nn.Identity):
    """Replaces the sigmoid that was removed."""


@contextmanager
def checked_end(network: nn.Module, name: str) -> Iterator[None]:
    """Checks one forward of an `opened` network; raises InputError where its sigmoid is not at the end."""
    seen: list[Tensor] = []
    ends = [part.register_forward_hook(lambda _, __, out: seen.append(out)) for part in _ends(network)]
    outputs: list[Any] = []
    ends.append(network.register_forward_hook(lambda _, __, out: outputs.append(out)))
    try:
        yield
    finally:
        for handle in ends:
            handle.remove()
    if len(ends) > 1 and (len(seen) != 1 or _first(outputs[0]).data_ptr() != seen[0].data_ptr()):
        raise InputError(
            f"expected {name} to end in its last nn.Sigmoid, got one that uses it elsewhere: return "
            "the logits, and leave out gives"
        )


def is_opened(network: Any) -> bool:
    """Whether the network was `opened`."""
    return isinstance(network, nn.Module) and any(True for _ in _ends(network))


def _ends(network: nn.Module) -> Iterator[nn.Module]:
    return (part for part in network.modules() if isinstance(part, End))


def _first(output: Any) -> Tensor:
    if isinstance(output, tuple | list):
        return _first(output[0])
    return _first(next(iter(output.values()))) if isinstance(output, Mapping) else output


def bare_network(network: Any) -> Any:
    """The network given to `torch.compile` or `Module.compile`: compiled forwards have no second derivatives."""
    while isinstance(network, nn.Module) and COMPILED in network._modules:
        network = network._modules[COMPILED]
    return _like(network) if isinstance(network, nn.Module) and _compiled(network) else network


def unwrapped(network: Any) -> Any:
    """The network inside all wrappers, to be called alone: no other process, precision or compiler is asked."""
    network = bare_network(network)
    while (inner := wrapped_in(network)) is not None:
        network = bare_network(inner)
    return network


def compiled_part(network: nn.Module) -> str | None:
    """The name of the first sub-module that is compiled."""
    return next((k for k, p in network.named_modules() if COMPILED in p._modules or _compiled(p)), None)


def _compiled(part: nn.Module) -> bool:
    return getattr(part, "_compiled_call_impl", None) is not None


def _like(part: Any) -> Any:
    """A copy of the module, not compiled, with its own dictionary of the same sub-modules.

    Its attributes are copied as they are: a wrapper may set the network's own instead, or build itself anew.
    """
    made = object.__new__(type(part))
    made.__dict__.update(part.__dict__)
    made.__dict__["_modules"] = dict(part._modules)
    made.__dict__.pop("_compiled_call_impl", None)
    forward = part.__dict__.get("forward")  # one that was put in place of the class's
    if getattr(forward, "__self__", None) is part:
        made.__dict__["forward"] = MethodType(forward.__func__, made)
    return made
