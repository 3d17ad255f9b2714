"""The networks of R3GAN at small size: residual blocks of grouped convolutions without any norm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from ..config.block import taking
from ..config.networks import (
    EXPANSION,
    Modern28Discriminator,
    Modern28Generator,
    Modern32Discriminator,
    Modern32Generator,
    ModernDiscriminator,
    ModernGenerator,
)
from ..errors import check_whole
from ..types.output import widened
from . import heads
from .build import DISCRIMINATORS, GENERATORS
from .layers import Blocks, Summed, activation, channels_of, start

UNITS = (16, 16, 4, 1)  # channels in units of `width`, from maps of 4 x 4 on; those of 7 x 7 begin one stage later
GAIN = sqrt(2 / (1 + 0.2**2))  # of leaky ReLU 0.2: what it leaves of a variance is made up for [he2015]


class GenerativeBasis(nn.Module):
    """y_c = (A z)_c B_c: maps B, (channels, side, side), learned and each times a linear form of z [huang2024].

    (n, inputs) -> (n, channels, side, side). B starts as N(0, 1), A as N(0, 1/inputs): each y has variance 1.
    """

    def __init__(self, inputs: int, channels: int, side: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(channels, side, side))
        self.linear = nn.Linear(inputs, channels, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        weights: Tensor = self.linear(z)
        return weights[:, :, None, None] * self.maps


class DiscriminativeBasis(nn.Module):
    """y_c = sum over i, j of B_c,i,j x_c,i,j, a convolution of each channel with a map of its size [huang2024].

    (n, channels, side, side) -> (n, channels, 1, 1), in float32 at least. B starts as N(0, 1/side^2).
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(channels, side, side) / side)

    def forward(self, x: Tensor) -> Tensor:
        return (widened(x) * self.maps).sum((2, 3), keepdim=True)


@GENERATORS.register("modern28")
@taking(Modern28Generator)
def modern28_generator(
    own: Modern28Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > basis 16w x 7 x 7 > blocks > x2 to 4w > blocks > x2 to w > blocks > 1x1 convolution > tanh [huang2024].

    (n, latent_dim) -> (n, c, 28, 28) in [-1, 1], w = `width`. A block is x + conv1(act(conv3(act(conv1(x))))), twice as
    many channels inside, conv3 in groups of `group` channels, leaky ReLU 0.2, no norm; `blocks` of them a stage. x2
    is bilinear, behind a 1x1 convolution where channels change; no bias but in front of an activation. With latent_dim
    64, 1 channel and width 16 it has 424,016 parameters. classes: as in `dcgan_generator`.

    Weights start as N(0, 1/fan-in) outside of blocks; inside with the gain of the activation times L^(-1/4), L the
    number of all blocks, and 0 in the last convolution, so that a block starts as the identity [zhang2019]. Unlike the
    paper's, it has a tanh, maps of 7 x 7 as the smallest, and as many numbers at each size: with the paper's equal
    widths a CPU spends nearly all its time at full size. Groups of 16 suit its vectors: those of 8 take as long, of 32
    a third longer, one group two to four times as long; two plain 3x3 convolutions of as many parameters as a block
    take two thirds of its time, but see half as many channels or fewer.
    Raises InputError for other shapes, sizes below 1, and a `group` that 2w is no multiple of.
    """
    return _generator(own, latent_dim, shape, classes, UNITS[1:])


@DISCRIMINATORS.register("modern28")
@taking(Modern28Discriminator)
def modern28_discriminator(own: Modern28Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """1x1 convolution to w > blocks > mean of 2 x 2, 4w > blocks > 2 x 2, 16w > blocks > basis > linear [huang2024].

    (n, c, 28, 28) -> (n,), w = `width`: the mirror image of `modern28_generator`, bilinear halving is the mean of
    2 x 2; the basis is a sum of each channel's 7 x 7 with weights of its own, the linear layer has no bias. With 1
    channel and width 16 it has 407,888 parameters. minibatch_discrimination, embedding, denoiser and classes: as in
    `dcgan_discriminator`. Weights start as there.
    Raises InputError for other shapes, sizes that are too small, a `group` that 2w is no multiple of, and classes
    beside an embedding or a denoiser.
    """
    return _discriminator(own, shape, classes, UNITS[1:])


@GENERATORS.register("modern32")
@taking(Modern32Generator)
def modern32_generator(
    own: Modern32Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """`modern28_generator` with one stage more: basis 16w x 4 x 4, then x2 to 16w, 4w, w [huang2024].

    (n, latent_dim) -> (n, c, 32, 32). The paper has 768 channels at every size, 2 blocks a stage and 96 groups.
    """
    return _generator(own, latent_dim, shape, classes, UNITS)


@DISCRIMINATORS.register("modern32")
@taking(Modern32Discriminator)
def modern32_discriminator(own: Modern32Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """`modern28_discriminator` with one stage more: w, 4w, 16w, 16w, then the basis of 4 x 4 [huang2024].

    (n, c, 32, 32) -> (n,).
    """
    return _discriminator(own, shape, classes, UNITS)


def _generator(
    own: ModernGenerator, latent_dim: int, shape: Sequence[int], classes: int | None, units: Sequence[int]
) -> nn.Module:
    channels, widths = channels_of(own, shape), [own.width * each for each in units]
    check_whole("latent_dim", latent_dim, 1)

    def body(inputs: int) -> nn.Module:
        layers: list[nn.Module] = [GenerativeBasis(inputs, widths[0], _base(own, units)), *_blocks(own, widths[0])]
        for before, after in pairwise(widths):
            layers += [*_changed(before, after), nn.Upsample(scale_factor=2, mode="bilinear"), *_blocks(own, after)]
        return _started(nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 1, bias=False), nn.Tanh()))

    return heads.told(latent_dim, classes, body)


def _discriminator(
    own: ModernDiscriminator, shape: Sequence[int], classes: int | None, units: Sequence[int]
) -> nn.Module:
    widths = [own.width * each for each in reversed(units)]
    before: list[nn.Module] = [nn.Conv2d(channels_of(own, shape), widths[0], 1, bias=False)]
    ends: list[list[nn.Module]] = []
    for i, width in enumerate(widths):
        if i:
            before = [nn.AvgPool2d(2), *_changed(widths[i - 1], width)]
        for block in _blocks(own, width):
            ends.append([*before, block])
            before = []
    basis = DiscriminativeBasis(widths[-1], _base(own, units))
    return _started(heads.judging(own, Blocks.of(ends, [basis]), widths[-1], 1, classes, bias=False))


def _base(own: ModernGenerator, units: Sequence[int]) -> int:
    """The side of the smallest maps."""
    side: int = own.side // 2 ** (len(units) - 1)
    return side


def _changed(before: int, after: int) -> list[nn.Module]:
    """A 1x1 convolution where the number of channels changes."""
    return [] if before == after else [nn.Conv2d(before, after, 1, bias=False)]


def _blocks(own: ModernGenerator, channels: int) -> list[nn.Module]:
    inner, act = EXPANSION * channels, partial(activation, "leaky_relu")

    def block() -> nn.Module:
        first, last = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1, bias=False)
        grouped = nn.Conv2d(inner, inner, 3, 1, 1, groups=inner // own.group)
        return Summed(nn.Sequential(first, act(), grouped, act(), last))

    return [block() for _ in range(own.blocks)]


def _started(network: nn.Module) -> nn.Module:
    """The network with the first weights of `modern28_generator`."""
    blocks = sum(isinstance(part, Summed) for part in network.modules())

    def law(layer: Any, inner: bool) -> None:
        fan_in = layer.weight[0].numel()
        if inner and layer.bias is None:  # the last one of a block
            nn.init.zeros_(layer.weight)
        else:
            nn.init.normal_(layer.weight, std=(GAIN * blocks**-0.25 if inner else 1.0) / sqrt(fan_in))

    return start(network, law)
