"""The networks of spectral normalisation's paper: residual ones, and plain convolutions; the norm is a constraint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

from torch import Tensor, nn

from ..config.block import taking
from ..config.networks import (
    NormedGenerator,
    OneSizeDiscriminator,
    Sngan32CnnDiscriminator,
    Sngan32CnnGenerator,
    Sngan32Discriminator,
    Sngan32Generator,
    Sngan64CnnDiscriminator,
    Sngan64CnnGenerator,
    Sngan64Discriminator,
    Sngan64Generator,
)
from ..errors import check_whole
from ..types.output import widened
from . import heads
from .build import DISCRIMINATORS, GENERATORS
from .layers import Blocks, Summed, channels_of, normed, start

BASE = 4  # the side of G's smallest maps, and of those of a D of plain convolutions
# Channels in units of `width`: G's from the first map on, D's behind each block, of which the first so many halve.
SMALL, HALVED = (1, 1, 1, 1), 2
LARGE = (1, 2, 4, 8, 16)


class SumPool(nn.Module):
    """The sum over positions, in float32 at least: (n, c, h, h) -> (n, c, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return widened(x).sum((2, 3), keepdim=True)


@GENERATORS.register("sngan32")
@taking(Sngan32Generator)
def sngan32_generator(
    own: Sngan32Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > w x 4 x 4 > three blocks that double the side > norm > ReLU > convolution > tanh [miyato2018].

    (n, latent_dim) -> (n, c, 32, 32) in [-1, 1], w = `width` in every layer; a block is conv(relu(norm(conv(up(relu(
    norm(x))))))) + up(1x1 conv(x)), convolutions 3/1/1, nearest up-sampling. With latent_dim 128, 3 channels and width
    256 it has 4,276,739 parameters. classes: as in `dcgan_generator`.
    Weights start as U(-b, b) of Glorot, those inside of blocks sqrt(2) times wider; biases at 0.
    Raises InputError for other shapes and sizes below 1.
    """
    return _residual_generator(own, latent_dim, shape, classes, SMALL)


@DISCRIMINATORS.register("sngan32")
@taking(Sngan32Discriminator)
def sngan32_discriminator(own: Sngan32Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """four blocks, of which two halve the side > ReLU > sum over positions > linear > one logit [miyato2018].

    (n, c, 32, 32) -> (n,), w = `width` in every layer; a block is conv(relu(conv(relu(x)))) + x, the mean of 2 x 2
    behind each summand where it halves, a 1x1 convolution on x there; the first has no ReLU in front. With 3 channels
    and width 128 it has 1,053,825 parameters, with the constraint `spectral_norm` as many. minibatch_discrimination,
    embedding, denoiser and classes: as in `dcgan_discriminator`. Weights start as in `sngan32_generator`.
    Raises InputError for other shapes, sizes that are too small, and classes beside an embedding or a denoiser.
    """
    return start(residual(own, shape, classes, SMALL, HALVED), _glorot)


@GENERATORS.register("sngan64")
@taking(Sngan64Generator)
def sngan64_generator(
    own: Sngan64Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > 16w x 4 x 4 > four blocks, to 8w, 4w, 2w, w > norm > ReLU > convolution > tanh [miyato2018].

    (n, latent_dim) -> (n, c, 64, 64), all else as `sngan32_generator`.
    """
    return _residual_generator(own, latent_dim, shape, classes, LARGE[::-1])


@DISCRIMINATORS.register("sngan64")
@taking(Sngan64Discriminator)
def sngan64_discriminator(own: Sngan64Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """five blocks that halve the side, to w, 2w, 4w, 8w, 16w > ReLU > sum over positions > linear [miyato2018].

    (n, c, 64, 64) -> (n,), all else as `sngan32_discriminator`.
    """
    return start(residual(own, shape, classes, LARGE, len(LARGE)), _glorot)


@GENERATORS.register("sngan32_cnn")
@taking(Sngan32CnnGenerator)
def sngan32_cnn_generator(
    own: Sngan32CnnGenerator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > 8w x 4 x 4 > transposed convolutions 4/2/1 to 4w, 2w, w > convolution 3/1/1 > tanh [miyato2018].

    (n, latent_dim) -> (n, c, 32, 32) in [-1, 1], w = `width`: norm and ReLU behind each transposed convolution. With
    latent_dim 128, 3 channels and width 64 it has 3,812,355 parameters. classes: as in `dcgan_generator`.
    Weights start as N(0, 0.02^2), biases at 0. Raises InputError for other shapes and sizes below 1.
    """
    return _plain_generator(own, latent_dim, shape, classes, LARGE[:4])


@DISCRIMINATORS.register("sngan32_cnn")
@taking(Sngan32CnnDiscriminator)
def sngan32_cnn_discriminator(
    own: Sngan32CnnDiscriminator, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """convolutions 3/1/1 and 4/2/1 by turns, w w 2w 2w 4w 4w 8w > linear > one logit [miyato2018].

    (n, c, 32, 32) -> (n,), w = `width`: the last one 3/1/1, leaky ReLU 0.1 behind each, no norm. With 3 channels and
    width 64 it has 2,935,873 parameters, with the constraint `spectral_norm` as many. minibatch_discrimination,
    embedding, denoiser and classes: as in `dcgan_discriminator`. Weights start as N(0, 0.02^2), biases at 0.
    Raises InputError for other shapes, sizes that are too small, and classes beside an embedding or a denoiser.
    """
    return _plain_discriminator(own, shape, classes, LARGE[:4])


@GENERATORS.register("sngan64_cnn")
@taking(Sngan64CnnGenerator)
def sngan64_cnn_generator(
    own: Sngan64CnnGenerator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """`sngan32_cnn_generator` with one more transposed convolution: linear > 16w x 4 x 4 > 8w, 4w, 2w, w [miyato2018].

    (n, latent_dim) -> (n, c, 64, 64).
    """
    return _plain_generator(own, latent_dim, shape, classes, LARGE)


@DISCRIMINATORS.register("sngan64_cnn")
@taking(Sngan64CnnDiscriminator)
def sngan64_cnn_discriminator(
    own: Sngan64CnnDiscriminator, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """`sngan32_cnn_discriminator` with two more convolutions: w w 2w 2w 4w 4w 8w 8w 16w > linear [miyato2018].

    (n, c, 64, 64) -> (n,).
    """
    return _plain_discriminator(own, shape, classes, LARGE)


def _residual_generator(
    own: NormedGenerator, latent_dim: int, shape: Sequence[int], classes: int | None, units: Sequence[int]
) -> nn.Module:
    channels, (first, *_, last) = channels_of(own, shape), [own.width * each for each in units]

    def block(before: int, after: int) -> nn.Module:
        inner = nn.Sequential(
            *[*normed(own.norm, before), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, 1, 1)],
            *[*normed(own.norm, after), nn.ReLU(), nn.Conv2d(after, after, 3, 1, 1)],
        )
        return Summed(inner, nn.Sequential(nn.Conv2d(before, after, 1), nn.Upsample(scale_factor=2)))

    def body(inputs: int) -> nn.Module:
        blocks = [block(own.width * before, own.width * after) for before, after in pairwise(units)]
        pixels = [*normed(own.norm, last), nn.ReLU(), nn.Conv2d(last, channels, 3, 1, 1), nn.Tanh()]
        return start(nn.Sequential(*unfolded(inputs, first), *blocks, *pixels), _glorot)

    return heads.told(latent_dim, classes, body)


def unfolded(inputs: int, channels: int) -> list[nn.Module]:
    """A linear layer to maps: (n, inputs) -> (n, channels, 4, 4)."""
    check_whole("latent_dim", inputs, 1)
    return [nn.Linear(inputs, channels * BASE**2), nn.Unflatten(1, (channels, BASE, BASE))]


def residual(
    own: OneSizeDiscriminator,
    shape: Sequence[int],
    classes: int | None,
    units: Sequence[int],
    halved: int,
    bias: bool = True,
) -> nn.Module:
    """The blocks of `sngan32_discriminator` of so many times `width` channels, the first `halved` of which halve.

    bias: of the last layer.
    """
    widths = [channels_of(own, shape), *(own.width * each for each in units)]

    def block(i: int, before: int, after: int) -> nn.Module:
        first: list[nn.Module] = [nn.ReLU()] if i else []
        pool: list[nn.Module] = [nn.AvgPool2d(2)] if i < halved else []
        hidden = before if i else after
        inner = [nn.Conv2d(before, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, after, 3, 1, 1)]
        skip = nn.Sequential(*pool, nn.Conv2d(before, after, 1)) if pool or before != after else None
        return Summed(nn.Sequential(*first, *inner, *pool), skip)

    blocks = [[block(i, before, after)] for i, (before, after) in enumerate(pairwise(widths))]
    return heads.judging(own, Blocks.of(blocks, [nn.ReLU(), SumPool()]), widths[-1], 1, classes, bias)


def _glorot(layer: Any, inner: bool) -> None:
    """Weights from U(-b, b), b = g sqrt(6 / (fan-in + fan-out)), g = sqrt(2) inside of blocks."""
    nn.init.xavier_uniform_(layer.weight, sqrt(2) if inner else 1.0)


def _plain_generator(
    own: NormedGenerator, latent_dim: int, shape: Sequence[int], classes: int | None, units: Sequence[int]
) -> nn.Module:
    channels, widths = channels_of(own, shape), [own.width * each for each in reversed(units)]

    def body(inputs: int) -> nn.Module:
        layers = unfolded(inputs, widths[0])
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), *normed(own.norm, after), nn.ReLU()]
        return start(nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 3, 1, 1), nn.Tanh()))

    return heads.told(latent_dim, classes, body)


def _plain_discriminator(
    own: OneSizeDiscriminator, shape: Sequence[int], classes: int | None, units: Sequence[int]
) -> nn.Module:
    widths = [channels_of(own, shape), *(own.width * each for each in units)]
    blocks: list[list[nn.Module]] = []
    for before, after in pairwise(widths):
        same, halving = nn.Conv2d(before, after, 3, 1, 1), nn.Conv2d(after, after, 4, 2, 1)
        blocks += [[same, nn.LeakyReLU(0.1)], [halving, nn.LeakyReLU(0.1)]]
    return start(heads.judging(own, Blocks.of(blocks[:-1]), widths[-1], BASE, classes))
