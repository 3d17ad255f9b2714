"""Who can be named as a generator or a discriminator, and how each is called."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..errors import InputError
from ..registry import Registry

# generator(latent_dim, shape, classes=None, **settings): z (n, latent_dim) -> samples (n, *shape)
# discriminator(shape, classes=None, **settings): samples (n, *shape) -> logits (n,)
# With a number of classes, forward takes a second argument `label` (n,) int64 of 0..classes-1; without, it has none.
GENERATORS: Registry[Callable[..., nn.Module]] = Registry("generator")
DISCRIMINATORS: Registry[Callable[..., nn.Module]] = Registry("discriminator")


def refuse_classes(name: str, classes: int | None) -> None:
    """Raises InputError for a network without a conditional form that was given a number of classes."""
    if classes is not None:
        raise InputError(f"{name} has no conditional form, but got classes={classes}: use dcgan, or leave labels out")
