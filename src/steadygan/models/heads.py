"""The ends of networks: a label beside z; a logit, an embedding or a denoiser after the features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from ..config.networks import DcganDiscriminator, Ends, Norm
from ..errors import InputError, check_whole
from ..types.output import widened
from .layers import MinibatchDiscrimination, Unrounded, normed, safe_sqrt

EMBEDDING = 32  # numbers that tell G the class, or latent_dim if that is less


class Embedded(nn.Module):
    """D(x) = (-||h||, {"h": h}), h = body(x): (n, *shape) -> (n,) and (n, e), for Cramer GAN [bellemare2017].

    The slope of the norm at h = 0 is 0.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = widened(self.body(x))
        return -safe_sqrt(h.square().sum(1)), {"h": h}


class Denoised(nn.Module):
    """D(x) = (head(h), {"h": h}), h = body(x), flat: (n, *shape) -> (n,) and (n, features) [wardefarley2017].

    Its `denoiser`, (n, features) -> (n, features), is trained with it but takes no part in its forward.
    """

    auxiliaries = ("denoiser",)

    def __init__(self, body: nn.Module, head: nn.Module, denoiser: nn.Module, features: int) -> None:
        super().__init__()
        self.body, self.head, self.denoiser, self.features = body, head, denoiser, features

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x).flatten(1)
        return self.head(h), {"h": h}


def denoiser(
    features: int,
    width: int,
    depth: int = DcganDiscriminator.denoiser_depth,
    norm: Norm = DcganDiscriminator.denoiser_norm,
) -> nn.Sequential:
    """`depth` linear layers, features > width > ... > width > features: (n, features) -> (n, features).

    Leaky ReLU 0.2 between them, before it batch norm in place of the bias with norm="batch" [wardefarley2017].
    Raises InputError for an unknown norm and for sizes below 1.
    """
    check_whole("denoiser", width, 1)
    Ends(denoiser_depth=depth, denoiser_norm=norm)  # checks them
    *inner, last = pairwise([features, *[width] * (depth - 1), features])
    layers: list[nn.Module] = []
    for before, after in inner:
        layers += [nn.Linear(before, after, bias=norm == "none"), *normed(norm, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(*last))


def last_layers(features: int, outputs: int, kernels: int = 0, bias: bool = True) -> list[nn.Module]:
    """A linear layer after minibatch discrimination with so many kernels of 5 numbers: (n, features) -> (n, outputs).

    kernels 0: samples are not compared [salimans2016].
    """
    compared: list[nn.Module] = [MinibatchDiscrimination(features, kernels)] if kernels else []
    return [*compared, nn.Linear(features + kernels, outputs, bias)]


class LabelledGenerator(nn.Module):
    """G(z, label) = body([z, e(label)]): (n, latent_dim), (n,) -> samples; e embeds a class in `dim` numbers.

    e is initialised as N(0, 1), the distribution of z. Raises InputError for fewer than one class.
    """

    def __init__(self, body: nn.Module, classes: int, dim: int) -> None:
        check_whole("classes", classes, 1)
        super().__init__()
        self.embed, self.body = nn.Embedding(classes, dim), body

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        samples: Tensor = self.body(torch.cat([z, self.embed(label)], 1))
        return samples


class ProjectionDiscriminator(nn.Module):
    """d(x, label) = head(f(x)) + <e(label), sum of f(x) over space>: (n, *shape), (n,) -> (n,) [miyato2018b].

    features: x -> f(x), (n, channels, side, side). head: f(x) -> (n,). e starts as U(-b, b) with
    b = 1 / sqrt(channels side^2), torch's bound for a linear layer on the same features: torch's N(0, 1) for
    embeddings would drown the head. Raises InputError for less than one class.
    """

    def __init__(self, features: nn.Module, head: nn.Module, classes: int, channels: int, side: int) -> None:
        check_whole("classes", classes, 1)
        super().__init__()
        self.features, self.head = features, head
        self.embed = nn.Embedding(classes, channels)
        bound = 1 / sqrt(channels * side**2)
        nn.init.uniform_(self.embed.weight, -bound, bound)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        maps = widened(self.features(x))  # of bf16: sums over space and the projection are not rounded
        logits: Tensor = self.head(maps) + (self.embed(label) * maps.sum((2, 3))).sum(1)
        return logits


def told(latent_dim: int, classes: int | None, build: Callable[[int], nn.Module]) -> nn.Module:
    """The generator that `build` makes for this many inputs, plus the label's embedding where there are classes."""
    dim = 0 if classes is None else min(latent_dim, EMBEDDING)
    body = build(latent_dim + dim)
    return body if classes is None else LabelledGenerator(body, classes, dim)


def judging(
    own: Ends, features: nn.Module, channels: int, side: int, classes: int | None, bias: bool = True
) -> nn.Module:
    """A discriminator of feature maps (n, channels, side, side) with the end chosen by `own`; bias: of its last layer.

    Raises InputError for classes together with an embedding or a denoiser.
    """
    for setting, size in {"embedding": own.embedding, "denoiser": own.denoiser}.items():
        if size and classes is not None:
            got = f"{own.name}: expected no classes with {setting}={size}, got classes={classes}"
            raise InputError(f"{got}: set {setting}=0, or leave out labels")
    count = channels * side**2
    last = [nn.Flatten(), *last_layers(count, own.embedding or 1, own.minibatch_discrimination, bias)]
    if own.embedding:
        return Embedded(nn.Sequential(OrderedDict(features=features, head=Unrounded(*last))))
    head = Unrounded(*last, nn.Flatten(0))
    if own.denoiser:
        restored = denoiser(count, own.denoiser, own.denoiser_depth, own.denoiser_norm)
        return Denoised(features, head, restored, count)
    if classes is not None:
        return ProjectionDiscriminator(features, head, classes, channels, side)
    return nn.Sequential(OrderedDict(features=features, head=head))
