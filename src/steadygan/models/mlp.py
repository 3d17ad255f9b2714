"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from .activations import activation as activation_named
from .registry import DISCRIMINATORS, GENERATORS, refuse_classes


def mlp(
    in_features: int,
    out_features: int,
    width: int = 64,
    depth: int = 3,
    activation: str = "relu",
    output: str | None = None,
) -> nn.Sequential:
    """in > width x depth > out with `activation` between: (n, in) -> (n, out); `depth` counts hidden layers.

    mlp(2, 2) has 8,642 parameters and mlp(2, 1) 8,577 [tao2020, supplement]. `output` ("tanh") closes the network.
    Raises InputError for an unknown activation.
    """
    sizes = [in_features, *[width] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), activation_named(activation)]
    layers.append(nn.Linear(sizes[-1], out_features))
    if output is not None:
        layers.append(activation_named(output))
    return nn.Sequential(*layers)


@GENERATORS.register("mlp")
def mlp_generator(
    latent_dim: int,
    shape: Sequence[int],
    classes: int | None = None,
    width: int = 64,
    depth: int = 3,
    activation: str = "relu",
    output: str | None = None,
) -> nn.Sequential:
    """`mlp` from z to a sample of any shape: (n, latent_dim) -> (n, *shape) [tao2020, supplement].

    Raises InputError for an unknown activation, and for classes: there is no conditional form.
    """
    refuse_classes("mlp", classes)
    net = mlp(latent_dim, prod(shape), width, depth, activation, output)
    return net if len(shape) == 1 else net.append(nn.Unflatten(1, tuple(shape)))


@DISCRIMINATORS.register("mlp")
def mlp_discriminator(
    shape: Sequence[int],
    classes: int | None = None,
    width: int = 64,
    depth: int = 3,
    activation: str = "relu",
    output: str | None = None,
) -> nn.Sequential:
    """`mlp` from the numbers of a sample to its logit: (n, *shape) -> (n,) [tao2020, supplement].

    Raises InputError for an unknown activation, and for classes: there is no conditional form.
    """
    refuse_classes("mlp", classes)
    net = mlp(prod(shape), 1, width, depth, activation, output).append(nn.Flatten(0))
    return net if len(shape) == 1 else net.insert(0, nn.Flatten())
