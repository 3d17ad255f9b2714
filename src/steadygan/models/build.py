"""Networks by name and from plain settings, built for a run and rebuilt when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ..config.block import Block, Kinds, settings_of, values
from ..config.keys import read, read_kind, shown
from ..config.networks import DISCRIMINATOR, GENERATOR
from ..config.values import Size, Width, whole
from ..devices import borrowed
from ..errors import InputError, unknown
from ..plugins import ADVICE
from ..registry import Registry
from .spectral import spectral_norm

# generator(latent_dim, shape, classes=None, **settings): z (n, latent_dim) -> samples (n, *shape)
# discriminator(shape, classes=None, **settings): samples (n, *shape) -> logits (n,)
# With a number of classes, forward takes a second argument `label` (n,) int64 of 0..classes-1; without, it has none.
GENERATORS: Registry[Callable[..., nn.Module]] = Registry(GENERATOR)
DISCRIMINATORS: Registry[Callable[..., nn.Module]] = Registry(DISCRIMINATOR)


def refuse_classes(name: str, classes: int | None) -> None:
    """Raises InputError if classes are requested of a network without a conditional form."""
    if classes is not None:
        raise InputError(f"{name} has no conditional form, but got classes={classes}: use dcgan, or leave out labels")


class NoGenerator(nn.Module):
    """A stand-in where there is no generator: it passes on the fakes that it is given, and has nothing to train."""

    def forward(self, x: Tensor) -> Tensor:
        return x


ABSENT = {"name": "none"}  # in a `network_settings`: there is no generator


def networks(
    spec: Mapping[str, Mapping[str, Any]], seed: int = 0
) -> tuple[nn.Module, nn.Module | dict[str, nn.Module]]:
    """(G, D) of a `network_settings`, on the CPU, with the initial weights of `seed`; several Ds as a mapping by name.

    G is a `NoGenerator` where D was trained alone. Raises InputError for settings that the networks do not have, such
    as those of a run of another version.
    """
    several = spec.get("discriminators")
    with borrowed(seed), torch.device("cpu"):
        absent = spec.get("generator") == ABSENT
        G = NoGenerator() if absent else _network(GENERATORS, GENERATOR, spec.get("generator"))
        if isinstance(several, Mapping):
            return G, {name: _network(DISCRIMINATORS, DISCRIMINATOR, own) for name, own in several.items()}
        return G, _network(DISCRIMINATORS, DISCRIMINATOR, spec.get("discriminator"))


def generator_of(spec: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """G from the settings `generator` of a `network_settings`; see `networks`."""
    with borrowed(seed), torch.device("cpu"):
        return _network(GENERATORS, GENERATOR, spec)


@dataclass(frozen=True)
class Given(Block):
    """What a run passes to a network."""

    latent_dim: Annotated[int | None, whole(1, most=2**16)] = None
    shape: tuple[Width, ...] = ()
    classes: Size = None
    spectral: bool = False


def _network(registry: Registry[Callable[..., nn.Module]], kinds: Kinds, tree: Any) -> nn.Module:
    try:
        if not isinstance(tree, Mapping):
            raise InputError(f"{kinds.kind}: expected settings, got {shown(tree)}")
        if tree.get("name") not in registry:
            raise InputError(f"{unknown(kinds.kind, str(tree.get('name')), registry)}{ADVICE}")
        names = settings_of(Given).keys() & tree.keys()
        given = values(read(Given, {name: tree[name] for name in names}))
        own = read_kind(kinds, {name: tree[name] for name in tree if name not in names}, kinds.kind)
        made = registry[tree["name"]](**{name: given[name] for name in names - {"spectral"}}, **values(own))
    except (InputError, TypeError) as error:
        got = f"others ({error}): use the version named in plan.json, or train again"
        raise InputError(f"expected network settings of this version of steadygan, got {got}") from error
    return spectral_norm(made) if given["spectral"] else made
