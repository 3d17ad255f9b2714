"""Points that the harness makes itself: other shares of the ring's modes, other units, classes, data that change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from monitored_faults import coin
from torch import Tensor

from steadygan.data import Source, from_user
from steadygan.data.build import built


@cache
def ring() -> Source:
    """Eight Gaussians without end."""
    return built("ring8")


def halved(x: Tensor) -> Tensor:
    """Points of the ring's last four modes moved to its first four."""
    centres = ring().centres
    assert centres is not None
    mode = torch.cdist(x, centres).argmin(1)
    return x - centres[mode] + centres[mode % 4]


def doubled(position: Tensor, x: Tensor) -> Tensor:
    """Half of the points of the ring's first four modes moved to its last four."""
    centres = ring().centres
    assert centres is not None
    mode = torch.cdist(x, centres).argmin(1)
    return torch.where((coin(position) < 0.5)[:, None], x - centres[mode] + centres[mode + 4], x)


@cache
def half_ring() -> Source:
    """The ring's first four modes."""
    whole = ring()
    assert whole.centres is not None
    return sampled(lambda n, generator: halved(whole.fresh(n, generator)), whole.centres[:4], "half_ring")


def sampled(sampler: Callable[[int, torch.Generator], Tensor], centres: Tensor, name: str) -> Source:
    """Unlimited points with the ring's noise."""
    return Source(name, (2,), sampler=sampler, centres=centres, std=ring().std)


def uneven(*shares: float) -> Source:
    """The ring with modes of these shares."""
    centres, std = ring().centres, ring().std
    assert centres is not None
    assert std is not None
    upto = torch.tensor(shares).cumsum(0)

    def sampler(n: int, generator: torch.Generator) -> Tensor:
        mode = torch.searchsorted(upto, torch.rand(n, generator=generator)).clamp_max(7)
        return centres[mode] + std * torch.randn(n, 2, generator=generator)

    return sampled(sampler, centres, "uneven")


def larger(factor: float) -> Source:
    """The ring in other units."""
    whole = ring()
    assert whole.centres is not None
    assert whole.std is not None
    scaled = sampled(lambda n, generator: factor * whole.fresh(n, generator), factor * whole.centres, "larger")
    return replace(scaled, std=factor * whole.std)


def with_outliers(share: float, far: float) -> Source:
    """The ring, this share of it thrown so far out."""
    whole = ring()
    assert whole.centres is not None

    def sampler(n: int, generator: torch.Generator) -> Tensor:
        x = whole.fresh(n, generator)
        out = torch.rand(n, 1, generator=generator) < share
        return torch.where(out, far * x / x.norm(dim=1, keepdim=True), x)

    return sampled(sampler, whole.centres, "outliers")


@cache
def repeated() -> Source:
    """Twenty-five points of the ring, each forty times, and nothing else."""
    return from_user(ring().fresh(25, torch.Generator().manual_seed(0)).repeat(40, 1))


@cache
def with_classes(shuffled: bool = False) -> Source:
    """8,000 points of the ring with their modes as classes, or with those of others."""
    whole, generator = ring(), torch.Generator().manual_seed(0)
    assert whole.centres is not None
    x = whole.fresh(8000, generator)
    label = torch.cdist(x, whole.centres).argmin(1)
    if shuffled:
        label = label[torch.randperm(len(label), generator=generator)]
    return replace(whole, train=x, label=label, name="ring8 with classes")


@cache
def correlated() -> Source:
    """The 5,000 points in three dimensions of the README's example, and further ones to tell the truth by."""
    mix = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.3], [0.0, 0.0, 1.0]])
    source = from_user(torch.randn(5000, 3, generator=torch.Generator().manual_seed(0)) @ mix)
    return replace(source, sampler=lambda n, generator: torch.randn(n, 3, generator=generator) @ mix)


def standardised() -> tuple[Source, ...]:
    """What is true of them, in the unit that they are trained in."""
    source = replace(correlated(), sampler=None).standardised()
    offset, scale, whole = source.offset, source.scale, correlated()
    assert offset is not None
    assert scale is not None
    return (replace(source, sampler=lambda n, generator: (whole.fresh(n, generator) - offset) / scale),)
