"""DCGAN: strided convolutions down to a logit, and transposed ones up from the noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from ..config.block import taking
from ..config.networks import DcganDiscriminator, DcganGenerator
from ..errors import check_whole
from . import heads
from .build import DISCRIMINATORS, GENERATORS
from .layers import Blocks, normed, stages
from .layers import activation as activation_named


@GENERATORS.register("dcgan")
@taking(DcganGenerator)
def dcgan_generator(
    own: DcganGenerator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > width 2^(k-1) x s x s > k transposed convolutions 4/2/1, the channels halved, > tanh [radford2016].

    (n, latent_dim) -> (n, c, h, h) in [-1, 1], ReLU between. k halvings take h to s: 32 to 4 by three, 28 to 7 and 8
    to 2 by two. With latent_dim 128 and shape (3, 32, 32) it has 1,187,011 parameters.
    norm: "batch" after each layer but the last, without that layer's bias. classes: the label is embedded in
    min(latent_dim, 32) numbers beside z. Weights start as torch starts them.
    Raises InputError for other shapes, an unknown norm, and sizes below 1.
    """
    channels, halved, base = stages("dcgan", shape)
    check_whole("latent_dim", latent_dim, 1)
    widths = [own.width * 2**i for i in reversed(range(halved))]
    return heads.told(
        latent_dim, classes, lambda inputs: nn.Sequential(*upward(inputs, widths, base, channels, own.norm))
    )


@DISCRIMINATORS.register("dcgan")
@taking(DcganDiscriminator)
def dcgan_discriminator(own: DcganDiscriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """k convolutions 4/2/1 with width 2^i channels, leaky ReLU 0.2, > linear > one logit [radford2016].

    (n, c, h, h) -> (n,). k halvings reduce h to a side of 2..7, as in `dcgan_generator`; with shape (3, 32, 32) it has
    662,977 parameters. norm: "batch" after each convolution but the first, replacing that layer's bias.
    minibatch_discrimination: the number of kernels, of 5 numbers each, that compare the samples of a batch, 0 for none
    [salimans2016]. embedding: the size of h, where the logit is -||h||, 0 for none; see `Embedded` [bellemare2017].
    denoiser: the width of a network of `denoiser_depth` layers on the last feature map, 0 for none; see `Denoised` and
    `denoiser` in `heads` [wardefarley2017]. classes: a projection of the last feature map is added to the logit
    [miyato2018b]. Weights are initialised as in torch. Raises InputError for other shapes, an unknown norm, sizes that
    are too small, and for combining an embedding, a denoiser or classes.
    """
    channels, halved, base = stages("dcgan", shape)
    widths = [own.width * 2**i for i in range(halved)]
    return heads.judging(own, Blocks.of(downward(channels, widths, own.norm)), widths[-1], base, classes)


def downward(
    channels: int, widths: Sequence[int], norm: str = "none", activation: str = "leaky_relu"
) -> list[list[nn.Module]]:
    """Convolutions 4/2/1 of these widths, each with the activation: (n, channels, h, h) -> (n, widths[-1], s, s).

    norm: after each but the first, replacing its bias.
    """
    blocks: list[list[nn.Module]] = [[nn.Conv2d(channels, widths[0], 4, 2, 1), activation_named(activation)]]
    for before, after in pairwise(widths):
        convolution = nn.Conv2d(before, after, 4, 2, 1, bias=norm == "none")
        blocks.append([convolution, *normed(norm, after), activation_named(activation)])
    return blocks


def upward(
    inputs: int, widths: Sequence[int], base: int, channels: int, norm: str = "none", activation: str = "relu"
) -> list[nn.Module]:
    """linear > widths[0] x base x base > transposed convolutions 4/2/1, > tanh: (n, inputs) -> (n, channels, h, h).

    norm: after each layer but the last, replacing its bias.
    """
    layers: list[nn.Module] = [
        nn.Linear(inputs, widths[0] * base**2, bias=norm == "none"),
        nn.Unflatten(1, (widths[0], base, base)),
        *normed(norm, widths[0]),
        activation_named(activation),
    ]
    for before, after in pairwise(widths):
        layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=norm == "none"))
        layers += [*normed(norm, after), activation_named(activation)]
    return [*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
