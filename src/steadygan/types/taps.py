"""Outputs of named sub-modules of a network, collected during its forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import InputError, unknown

ALL = "all"  # layers that end a block


class Hooked:
    """Hooks on a network's sub-modules, present only inside `with`."""

    _handles: Sequence[RemovableHandle] = ()

    def hooks(self) -> Iterable[tuple[nn.Module, Callable[..., None]]]:
        """Each sub-module with the function to call after its forward."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._handles = self._handles or [part.register_forward_hook(hook) for part, hook in self.hooks()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = ()


class Taps(Hooked):
    """Collects the outputs of sub-modules by name; its hooks are present only inside `with taps:`.

    A sub-module that is used several times gives its last output. Raises InputError for a name that the network does
    not have, for one that its forward does not call, and for outputs that are not tensors.
    """

    def __init__(self, network: Any, layers: Sequence[str]) -> None:
        self.parts = module_layers(network, layers)
        self._found: dict[str, Tensor] = {}

    def hooks(self) -> Iterable[tuple[nn.Module, Callable[..., None]]]:
        """Those that collect."""
        return [(part, partial(self._keep, name)) for name, part in self.parts.items()]

    def __enter__(self) -> Self:
        self.begin()
        return super().__enter__()

    def begin(self) -> None:
        """Discards what a failed forward may have left."""
        self._found = {}

    def collected(self) -> Mapping[str, Tensor]:
        """Returns the outputs of the last forward and clears them."""
        found, self._found = self._found, {}
        for name in self.parts:
            if name not in found:
                raise InputError(
                    f"expected D's forward to call the feature layer {name!r}, got no call: choose another layer"
                )
        return found

    def _keep(self, name: str, part: nn.Module, given: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise InputError(
                f"expected a tensor from the feature layer {name!r}, got {type(output).__name__}: choose another layer"
            )
        self._found[name] = output


def module_layers(network: Any, layers: Sequence[str]) -> dict[str, nn.Module]:
    """The sub-modules with these names; the single name `all` means those that end a block of the network.

    A module names the children that end a block in its attribute `feature_layers`, a tuple. Raises InputError for an
    unknown name, for `all` where no block is named, and for anything but a module.
    """
    if not layers:
        return {}
    if not isinstance(network, nn.Module):
        raise InputError(
            f"expected a torch.nn.Module to take the features {', '.join(layers)} from, got "
            f"{type(network).__name__}: pass the module, or return (logits, features)"
        )
    known = {name: part for name, part in network.named_modules() if name}
    if tuple(layers) == (ALL,):
        layers = [f"{name}.{end}".lstrip(".") for name, part in network.named_modules() for end in block_ends(part)]
        if not layers:
            raise InputError(
                f"expected a discriminator that names its blocks for feature_layers=all, got {type(network).__name__}: "
                f"name layers of it, such as {next(reversed(known), 'body.1')}"
            )
    for layer in layers:
        if layer not in known:
            raise unknown("feature layer", layer, known)
    return {layer: known[layer] for layer in layers}


def block_ends(part: nn.Module) -> tuple[str, ...]:
    """The children of a module that end a block, as the module names them."""
    named = getattr(part, "feature_layers", ())
    return named if isinstance(named, tuple) else ()


def tapped(network: Any, layers: Sequence[str]) -> Taps | None:
    """Taps on these layers; None for no layers."""
    return Taps(network, layers) if layers else None
