"""Networks by name, and from plain settings: built for a run, and built again when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ..config.networks import DISCRIMINATOR, GENERATOR
from ..devices import borrowed
from ..errors import InputError
from ..plugins import ADVICE
from ..registry import Registry
from .spectral import spectral_norm

# generator(latent_dim, shape, classes=None, **settings): z (n, latent_dim) -> samples (n, *shape)
# discriminator(shape, classes=None, **settings): samples (n, *shape) -> logits (n,)
# With a number of classes, forward takes a second argument `label` (n,) int64 of 0..classes-1; without, it has none.
GENERATORS: Registry[Callable[..., nn.Module]] = Registry(GENERATOR)
DISCRIMINATORS: Registry[Callable[..., nn.Module]] = Registry(DISCRIMINATOR)


def refuse_classes(name: str, classes: int | None) -> None:
    """Raises InputError for a network without a conditional form that was given a number of classes."""
    if classes is not None:
        raise InputError(f"{name} has no conditional form, but got classes={classes}: use dcgan, or leave labels out")


def networks(
    spec: Mapping[str, Mapping[str, Any]], seed: int = 0
) -> tuple[nn.Module, nn.Module | dict[str, nn.Module]]:
    """(G, D) of a `network_settings`, on the CPU, with the first weights of `seed`; D by name where there are several.

    Raises InputError for settings that the networks do not have, such as those of a run of another version.
    """
    several = spec.get("discriminators")
    try:
        with borrowed(seed), torch.device("cpu"):
            G = _network(GENERATORS, dict(spec["generator"]))
            if several is not None:
                return G, {name: _network(DISCRIMINATORS, dict(own)) for name, own in several.items()}
            return G, _network(DISCRIMINATORS, dict(spec["discriminator"]))
    except TypeError as error:
        got = f"others ({error}): use the version that plan.json names, or train again"
        raise InputError(f"expected network settings of this version of steadygan, got {got}") from error


def _network(registry: Registry[Callable[..., nn.Module]], arguments: dict[str, Any]) -> nn.Module:
    spectral = arguments.pop("spectral", False)
    try:
        build = registry[arguments.pop("name")]
    except InputError as error:
        raise InputError(f"{error}{ADVICE}") from None
    made = build(**arguments)
    return spectral_norm(made) if spectral else made
