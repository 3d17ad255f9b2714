"""The networks of the dual discriminators, and of the methods to which they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

from torch import Tensor, nn

from ..config.block import taking
from ..config.networks import DualDiscriminator, DualGenerator
from ..errors import check_whole
from .build import DISCRIMINATORS, GENERATORS, refuse_classes
from .heads import judging
from .layers import Blocks, normed, stages, start
from .layers import activation as activation_named


class ResidualBlock(nn.Module):
    """act(skip(x) + norm(conv(act(norm(conv(x)))))), convolutions 3/1/1: (n, a, h, h) -> (n, b, h, h) [he2016].

    skip is the identity, or a 1x1 convolution without a bias where a != b. With a norm the convolutions have no bias.
    """

    def __init__(self, before: int, after: int, norm: str, activation: str) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(before, after, norm), activation_named(activation), *_convolution(after, after, norm)
        )
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1, bias=False)
        self.activation = activation_named(activation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.skip(x) + self.residual(x))
        return out


@GENERATORS.register("dual")
@taking(DualGenerator)
def dual_generator(
    own: DualGenerator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Sequential:
    """z > linear > width 2^k x s x s > k transposed convolutions 4/2/1, > convolution 3/1/1 > tanh [pfnet2017].

    (n, latent_dim) -> (n, c, h, h) in [-1, 1]: each transposed convolution halves the channels, ReLU between. k
    halvings take h to s, 32 to 4 by three: 512, 256, 128, 64 channels there [zhang2018].
    norm: "batch" after each layer but the last, without that layer's bias; every number of the first layer has its own
    statistics. Weights start as N(0, 0.02^2), biases at 0.
    Raises InputError for other shapes, an unknown norm, sizes below 1, and classes: there is no conditional form.
    """
    refuse_classes("dual", classes)
    channels, halved, base = stages("dual", shape)
    width, norm = own.width, own.norm
    check_whole("latent_dim", latent_dim, 1)
    widths = [width * 2**i for i in reversed(range(halved + 1))]
    first = widths[0] * base**2
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, first, bias=norm == "none"),
        *normed(norm, first),
        nn.ReLU(),
        nn.Unflatten(1, (widths[0], base, base)),
    ]
    for before, after in pairwise(widths):
        layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=norm == "none"))
        layers += [*normed(norm, after), nn.ReLU()]
    G = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh())
    return start(G)


@DISCRIMINATORS.register("dual")
@taking(DualDiscriminator)
def dual_discriminator(own: DualDiscriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """convolution 3/1/1 > k times (convolution 4/2/1, the channels doubled, > 3/1/1) > linear > one logit [pfnet2017].

    (n, c, h, h) -> (n,), k as in `dual_generator`: width, 2 width, 2 width, ..., 2^k width, 2^k width channels; 64,
    128, 128, 256, 256, 512, 512 for 32 x 32 pixels.
    norm: "batch" after each layer but the first and the last, without that layer's bias. activation: "leaky_relu"
    (0.2), or "selu", which takes the place of batch norm and needs norm="none" [klambauer2017]. residual: a
    `ResidualBlock` in place of each convolution 3/1/1. minibatch_discrimination, embedding and denoiser as in
    `dcgan_discriminator`. In the pair, the first D is residual with 100 kernels and the second one has SELU
    [zhang2018].
    Weights start as N(0, 0.02^2), with SELU as N(0, 1 / fan-in); biases at 0; a denoiser as torch starts it.
    Raises InputError for other shapes, unknown names, sizes that are too small, SELU with a norm, and classes: there
    is no conditional form.
    """
    refuse_classes("dual", classes)
    channels, halved, base = stages("dual", shape)
    width, norm, activation = own.width, own.norm, own.activation

    def same(before: int, after: int, norm: str) -> list[nn.Module]:
        if own.residual:
            return [ResidualBlock(before, after, norm, activation)]
        return [*_convolution(before, after, norm), activation_named(activation)]

    blocks = [same(channels, width, "none")]
    for before, after in pairwise(width * 2**i for i in range(halved + 1)):
        smaller = nn.Conv2d(before, after, 4, 2, 1, bias=norm == "none")
        blocks += [[smaller, *normed(norm, after), activation_named(activation)], same(after, after, norm)]
    D = judging(own, Blocks.of(blocks), width * 2**halved, base, None)
    return start(D, _lecun if activation == "selu" else None)


def _lecun(layer: Any, _: bool) -> None:
    """Weights from N(0, 1 / inputs) of each output [klambauer2017]."""
    nn.init.normal_(layer.weight, std=1 / sqrt(layer.weight[0].numel()))


def _convolution(before: int, after: int, norm: str) -> list[nn.Module]:
    """A convolution 3/1/1 and its norm, which has a shift and makes a bias idle."""
    return [nn.Conv2d(before, after, 3, 1, 1, bias=norm == "none"), *normed(norm, after)]
