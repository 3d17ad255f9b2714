"""The residual networks of FARGAN's supplement, and its conventional one: the same stages of plain convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from ..config.block import taking
from ..config.networks import (
    Conventional32Discriminator,
    Conventional32Generator,
    OneSize,
    OneSizeDiscriminator,
    Resnet32Discriminator,
    Resnet32Generator,
    Resnet64Discriminator,
    Resnet64Generator,
)
from ..errors import check_whole
from . import heads
from .build import DISCRIMINATORS, GENERATORS
from .layers import Blocks, Summed, activation, channels_of

BASE = 4  # the side of the smallest maps
RESIDUAL = 0.1  # what counts of a block's residual [mescheder2018]
# Channels in units of `width`: a stage is a chain of blocks at one size, from one number to the next.
SMALL_UP, SMALL_DOWN = ((8, 4), (4, 2), (2, 1), (1, 1)), ((1, 2), (2, 4), (4, 8), (8,))
LARGE_UP = ((16, 16, 16), (16, 8, 8), (8, 4, 4), (4, 2, 2), (2, 1, 1))
LARGE_DOWN = ((1, 1, 2), (2, 2, 4), (4, 4, 8), (8, 8, 16), (16, 16, 16))
PLAIN_UP, PLAIN_DOWN = ((8, 8), (8, 4, 4), (4, 2, 2), (2, 1, 1)), ((1, 1, 2), (2, 2, 4), (4, 4, 8), (8, 8, 8))

Block = Callable[[int, int], list[nn.Module]]


@GENERATORS.register("resnet32")
@taking(Resnet32Generator)
def resnet32_generator(
    own: Resnet32Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > 8w x 4 x 4 > a block to 4w, 2w, w, w with x2 between them > act > convolution > tanh [tao2020].

    (n, latent_dim) -> (n, c, 32, 32) in [-1, 1], w = `width`; a block is skip(x) + 0.1 conv(act(conv(act(x)))),
    convolutions 3/1/1, leaky ReLU 0.2, its skip a 1x1 convolution without bias where channels change [mescheder2018].
    With latent_dim 128, 3 channels and width 64 it has 3,627,715 parameters. classes: as in `dcgan_generator`.
    Weights start as torch starts them. Raises InputError for other shapes and sizes below 1.
    """
    return _generator(own, latent_dim, shape, classes, SMALL_UP)


@DISCRIMINATORS.register("resnet32")
@taking(Resnet32Discriminator)
def resnet32_discriminator(own: Resnet32Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """convolution to w > a block to 2w, 4w, 8w, each with a pool behind it > act > linear > one logit [tao2020].

    (n, c, 32, 32) -> (n,), w = `width`, blocks as in `resnet32_generator`, average pools 3/2/1. With 3 channels and
    width 64 it has 2,505,793 parameters. minibatch_discrimination, embedding, denoiser and classes: as in
    `dcgan_discriminator`. Weights start as torch starts them.
    Raises InputError for other shapes, sizes that are too small, and classes beside an embedding or a denoiser.
    """
    return _discriminator(own, shape, classes, SMALL_DOWN)


@GENERATORS.register("resnet64")
@taking(Resnet64Generator)
def resnet64_generator(
    own: Resnet64Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > 16w x 4 x 4 > two blocks at each size, to 16w, 8w, 4w, 2w, w > act > convolution > tanh [tao2020].

    (n, latent_dim) -> (n, c, 64, 64), all else as `resnet32_generator`. With latent_dim 256, 3 channels and width 64
    it has 58,332,611 parameters.
    """
    return _generator(own, latent_dim, shape, classes, LARGE_UP)


@DISCRIMINATORS.register("resnet64")
@taking(Resnet64Discriminator)
def resnet64_discriminator(own: Resnet64Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """convolution to w > two blocks at each size, to 2w, 4w, 8w, 16w, 16w > act > linear > one logit [tao2020].

    (n, c, 64, 64) -> (n,), all else as `resnet32_discriminator`. With 3 channels and width 64 it has 54,139,329
    parameters.
    """
    return _discriminator(own, shape, classes, LARGE_DOWN)


@GENERATORS.register("conventional32")
@taking(Conventional32Generator)
def conventional32_generator(
    own: Conventional32Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > 8w > transposed convolution 4/1/0 > convolutions 8w, 4w 4w, 2w 2w, w w, c > tanh [tao2020].

    (n, latent_dim) -> (n, c, 32, 32) in [-1, 1], w = `width`: convolutions 3/1/1, x2 where the channels halve, leaky
    ReLU 0.2 behind each layer but the last, no norm. With latent_dim 128, 3 channels and width 64 it has 8,945,731
    parameters. All else as `resnet32_generator`.
    """
    return _generator(own, latent_dim, shape, classes, PLAIN_UP, plain=True)


@DISCRIMINATORS.register("conventional32")
@taking(Conventional32Discriminator)
def conventional32_discriminator(
    own: Conventional32Discriminator, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """convolutions w w 2w, pool, 2w 4w, pool, 4w 8w, pool, 8w 8w > linear > one logit [tao2020].

    (n, c, 32, 32) -> (n,), w = `width`: convolutions 3/1/1, each with a leaky ReLU 0.2, average pools 3/2/1, no norm.
    With 3 channels and width 64 it has 7,053,377 parameters. All else as `resnet32_discriminator`.
    """
    return _discriminator(own, shape, classes, PLAIN_DOWN, plain=True)


def _generator(
    own: OneSize,
    latent_dim: int,
    shape: Sequence[int],
    classes: int | None,
    stages: Sequence[Sequence[int]],
    plain: bool = False,
) -> nn.Module:
    channels, most = channels_of(own, shape), stages[0][0] * own.width
    check_whole("latent_dim", latent_dim, 1)

    def body(inputs: int) -> nn.Module:
        side = 1 if plain else BASE
        layers: list[nn.Module] = [nn.Linear(inputs, most * side**2), nn.Unflatten(1, (most, side, side))]
        if plain:
            layers += [_act(), nn.ConvTranspose2d(most, most, BASE), _act()]
        for i, stage in enumerate(stages):
            layers += [nn.Upsample(scale_factor=2)] if i else []
            for block in _blocks(own, stage, plain):
                layers += block
        layers += [] if plain else [_act()]
        return nn.Sequential(*layers, nn.Conv2d(own.width, channels, 3, 1, 1), nn.Tanh())

    return heads.told(latent_dim, classes, body)


def _discriminator(
    own: OneSizeDiscriminator,
    shape: Sequence[int],
    classes: int | None,
    stages: Sequence[Sequence[int]],
    plain: bool = False,
) -> nn.Module:
    before: list[nn.Module] = [nn.Conv2d(channels_of(own, shape), own.width, 3, 1, 1)]
    blocks: list[list[nn.Module]] = [[*before, _act()]] if plain else []
    before = [] if plain else before  # what stands in front of the next block
    for i, stage in enumerate(stages):
        before += [nn.AvgPool2d(3, 2, 1)] if i else []
        for block in _blocks(own, stage, plain):
            blocks.append([*before, *block])
            before = []
    rest = before if plain else [*before, _act()]
    return heads.judging(own, Blocks.of(blocks, rest), stages[-1][-1] * own.width, BASE, classes)


def _blocks(own: OneSize, stage: Sequence[int], plain: bool) -> list[list[nn.Module]]:
    """A stage's blocks, residual ones or convolutions with their activation."""
    block = _convolution if plain else _residual
    return [block(before, after) for before, after in pairwise(own.width * each for each in stage)]


def _residual(before: int, after: int) -> list[nn.Module]:
    """skip(x) + 0.1 conv(act(conv(act(x)))) with min(before, after) channels between [mescheder2018]."""
    hidden = min(before, after)
    inner = nn.Sequential(_act(), nn.Conv2d(before, hidden, 3, 1, 1), _act(), nn.Conv2d(hidden, after, 3, 1, 1))
    skip = None if before == after else nn.Conv2d(before, after, 1, bias=False)
    return [Summed(inner, skip, RESIDUAL)]


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, 1, 1), _act()]


def _act() -> nn.Module:
    return activation("leaky_relu")
