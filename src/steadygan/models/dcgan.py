"""DCGAN: strided convolutions down to a logit, and transposed ones up from the noise."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from ..config.networks import SIDES, halvings
from ..errors import InputError, check_whole, unknown
from .conditional import LabelledGenerator, ProjectionDiscriminator
from .layers import BatchNorm, MinibatchDiscrimination, Unrounded
from .registry import DISCRIMINATORS, GENERATORS

NORMS = ("none", "batch")
EMBEDDING = 32  # numbers that tell G the class, or latent_dim if that is less


@GENERATORS.register("dcgan")
def dcgan_generator(
    latent_dim: int, shape: Sequence[int], classes: int | None = None, width: int = 64, norm: str = "none"
) -> nn.Module:
    """z > linear > width 2^(k-1) x s x s > k transposed convolutions 4/2/1, the channels halved, > tanh [radford2016].

    (n, latent_dim) -> (n, c, h, h) in [-1, 1], ReLU between. k halvings take h to s: 32 to 4 by three, 28 to 7 and 8
    to 2 by two. With latent_dim 128 and shape (3, 32, 32) it has 1,187,011 parameters.
    norm: "batch" after each layer but the last, without that layer's bias. classes: the label is embedded in
    min(latent_dim, 32) numbers beside z. Weights start as torch starts them.
    Raises InputError for other shapes, an unknown norm, and sizes below 1.
    """
    channels, stages, base = _checked(shape, classes, width, norm)
    check_whole("latent_dim", latent_dim, 1)
    widths = [width * 2**i for i in reversed(range(stages))]
    told = 0 if classes is None else min(latent_dim, EMBEDDING)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim + told, widths[0] * base**2, bias=norm == "none"),
        nn.Unflatten(1, (widths[0], base, base)),
        *_norm(norm, widths[0]),
        nn.ReLU(),
    ]
    for before, after in pairwise(widths):
        layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=norm == "none"))
        layers += [*_norm(norm, after), nn.ReLU()]
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
    body = nn.Sequential(*layers)
    return body if classes is None else LabelledGenerator(body, classes, told)


@DISCRIMINATORS.register("dcgan")
def dcgan_discriminator(
    shape: Sequence[int],
    classes: int | None = None,
    width: int = 64,
    norm: str = "none",
    minibatch_discrimination: int = 0,
) -> nn.Module:
    """k convolutions 4/2/1 with width 2^i channels, leaky ReLU 0.2, > linear > one logit [radford2016].

    (n, c, h, h) -> (n,). k halvings take h to a side of 2..7, as in `dcgan_generator`; with shape (3, 32, 32) it has
    662,977 parameters. norm: "batch" after each convolution but the first, without that layer's bias.
    minibatch_discrimination: kernels of 5 numbers each that compare the samples of a batch, 0 for none [salimans2016].
    classes: a projection of the last feature map is added to the logit [miyato2018b]. Weights start as torch starts
    them. Raises InputError for other shapes, an unknown norm, and sizes that are too small.
    """
    channels, stages, base = _checked(shape, classes, width, norm)
    check_whole("minibatch_discrimination", minibatch_discrimination, 0)
    widths = [width * 2**i for i in range(stages)]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after in pairwise(widths):
        layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=norm == "none"))
        layers += [*_norm(norm, after), nn.LeakyReLU(0.2)]
    features = nn.Sequential(*layers)

    last: list[nn.Module] = [nn.Flatten()]
    count = widths[-1] * base**2
    if minibatch_discrimination:
        last.append(MinibatchDiscrimination(count, minibatch_discrimination))
    last += [nn.Linear(count + minibatch_discrimination, 1), nn.Flatten(0)]
    head = Unrounded(*last)
    if classes is not None:
        return ProjectionDiscriminator(features, head, classes, widths[-1], base)
    return nn.Sequential(OrderedDict(features=features, head=head))


def _checked(shape: Sequence[int], classes: int | None, width: int, norm: str) -> tuple[int, int, int]:
    """(channels, halvings, side of the smallest map)."""
    check_whole("width", width, 1)
    if classes is not None:
        check_whole("classes", classes, 1)
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    found = halvings(shape[1]) if len(shape) == 3 and shape[0] >= 1 and shape[1] == shape[2] else None
    if found is None:
        raise InputError(
            f"dcgan expects square images (c, h, h) with h {SIDES} (32, 64, ...), got shape {tuple(shape)}: "
            "resize them, or use mlp"
        )
    return shape[0], *found


def _norm(norm: str, channels: int) -> list[nn.Module]:
    return [BatchNorm(channels)] if norm == "batch" else []
