"""Networks that are told the class: what makes a conditional generator or discriminator of an unconditional one."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from ..errors import check_whole
from ..types.critic import widened


class LabelledGenerator(nn.Module):
    """G(z, label) = body([z, e(label)]): (n, latent_dim), (n,) -> samples; e embeds a class in `dim` numbers.

    e starts as N(0, 1), the law of z. Raises InputError for less than one class.
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
