"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from . import heads
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
    layers = hidden(in_features, width, depth, activation)
    layers.append(nn.Linear(width if depth else in_features, out_features))
    return nn.Sequential(*layers, *closing(output))


def hidden(in_features: int, width: int, depth: int, activation: str) -> list[nn.Module]:
    """The hidden layers of an `mlp`, each with its activation."""
    layers: list[nn.Module] = []
    for before, after in pairwise([in_features, *[width] * depth]):
        layers += [nn.Linear(before, after), activation_named(activation)]
    return layers


def closing(output: str | None) -> list[nn.Module]:
    """The activation of an output, where it has one."""
    return [] if output is None else [activation_named(output)]


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
    minibatch_discrimination: int = 0,
    embedding: int = 0,
    denoiser: int = 0,
    denoiser_depth: int = 10,
    denoiser_norm: str = "none",
) -> nn.Module:
    """`mlp` from the numbers of a sample to its logit: (n, *shape) -> (n,) [tao2020, supplement].

    minibatch_discrimination: kernels of 5 numbers each that compare the samples of a batch before the last layer, 0
    for none [salimans2016]. embedding: numbers h in place of the logit, which is then -||h||, 0 for none; see
    `Embedded` [bellemare2017]. denoiser: width of a network of `denoiser_depth` layers on what the last layer sees, 0
    for none; see `Denoised` and `denoiser` in `heads` [wardefarley2017].
    Raises InputError for an unknown activation or norm, for sizes that are too small, for an embedding beside a
    denoiser, and for classes: there is no conditional form.
    """
    refuse_classes("mlp", classes)
    heads.check_ends("mlp", classes, minibatch_discrimination, embedding, denoiser)
    flat: list[nn.Module] = [] if len(shape) == 1 else [nn.Flatten()]
    body = [*flat, *hidden(prod(shape), width, depth, activation)]
    count = width if depth else prod(shape)
    last = [*heads.last_layers(count, embedding or 1, minibatch_discrimination), *closing(output)]
    if embedding:
        return heads.Embedded(nn.Sequential(*body, *last))
    if denoiser:
        restored = heads.denoiser(count, denoiser, denoiser_depth, denoiser_norm)
        return heads.Denoised(nn.Sequential(*body), nn.Sequential(*last, nn.Flatten(0)), restored, count)
    return nn.Sequential(*body, *last, nn.Flatten(0))
