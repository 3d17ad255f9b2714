"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from ..config.block import taking
from ..config.networks import Mlp, MlpDiscriminator
from . import heads
from .build import DISCRIMINATORS, GENERATORS, refuse_classes
from .layers import Blocks
from .layers import activation as activation_named


@taking(Mlp, activation="relu")
def mlp(own: Mlp, in_features: int, out_features: int) -> nn.Sequential:
    """in > width x depth > out with `activation` between: (n, in) -> (n, out); `depth` counts hidden layers.

    mlp(2, 2) has 8,642 parameters and mlp(2, 1) 8,577 [tao2020, supplement]. `output` ("tanh") is the activation of the
    output. Raises InputError for an unknown activation.
    """
    layers = Blocks.of(hidden(in_features, own.width, own.depth, own.activation))
    layers.append(nn.Linear(own.width if own.depth else in_features, out_features))
    return nn.Sequential(*layers, *closing(own.output))


def hidden(in_features: int, width: int, depth: int, activation: str) -> list[list[nn.Module]]:
    """The hidden layers of an `mlp`, each with its activation."""
    sizes = [in_features, *[width] * depth]
    return [[nn.Linear(before, after), activation_named(activation)] for before, after in pairwise(sizes)]


def closing(output: str | None) -> list[nn.Module]:
    """The activation of the output, if there is one."""
    return [] if output is None else [activation_named(output)]


@GENERATORS.register("mlp")
@taking(Mlp, activation="relu")
def mlp_generator(own: Mlp, latent_dim: int, shape: Sequence[int], classes: int | None = None) -> nn.Sequential:
    """`mlp` from z to a sample of any shape: (n, latent_dim) -> (n, *shape) [tao2020, supplement].

    Raises InputError for an unknown activation, and for classes, as there is no conditional form.
    """
    refuse_classes("mlp", classes)
    net = mlp(latent_dim, prod(shape), own.width, own.depth, own.activation, own.output)
    return net if len(shape) == 1 else net.append(nn.Unflatten(1, tuple(shape)))


@DISCRIMINATORS.register("mlp")
@taking(MlpDiscriminator, activation="relu")
def mlp_discriminator(own: MlpDiscriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """`mlp` from the numbers of a sample to its logit: (n, *shape) -> (n,) [tao2020, supplement].

    minibatch_discrimination: the number of kernels, of 5 numbers each, that compare the samples of a batch before the
    last layer, 0 for none [salimans2016]. embedding: the size of h, where the logit is -||h||, 0 for none; see
    `Embedded` [bellemare2017]. denoiser: the width of a network of `denoiser_depth` layers on the last layer's input, 0
    for none; see `Denoised` and `denoiser` in `heads` [wardefarley2017]. Raises InputError for an unknown activation or
    norm, for sizes that are too small, for an embedding together with a denoiser, and for classes, as there is no
    conditional form.
    """
    refuse_classes("mlp", classes)
    flat: list[nn.Module] = [] if len(shape) == 1 else [nn.Flatten()]
    first, *more = hidden(prod(shape), own.width, own.depth, own.activation) or [[]]
    blocks = [[*flat, *first], *more]
    count = own.width if own.depth else prod(shape)
    last = [*heads.last_layers(count, own.embedding or 1, own.minibatch_discrimination), *closing(own.output)]
    if own.embedding:
        return heads.Embedded(Blocks.of(blocks, last))
    if own.denoiser:
        restored = heads.denoiser(count, own.denoiser, own.denoiser_depth, own.denoiser_norm)
        return heads.Denoised(Blocks.of(blocks), nn.Sequential(*last, nn.Flatten(0)), restored, count)
    return Blocks.of(blocks, [*last, nn.Flatten(0)])
