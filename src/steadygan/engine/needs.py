"""What a run's opponents draw for each step: samples and random numbers, known before the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

from ..types import Batch, Draw, Opponent
from .objective import Sides

Noise: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Draw]]]  # opponent -> part -> name


@dataclass(frozen=True)
class Needs:
    """Samples drawn per step (before any packing) and the parts' noise."""

    real_d: int
    fake_d: int
    real_g: int
    fake_g: int
    d_steps: int
    shares_batch: bool
    noise_d: Noise
    noise_g: Noise

    @staticmethod
    def of(opponents: Mapping[str, Opponent], sides: Sides, shape: tuple[int, ...], d_steps: int) -> Needs:
        """What these opponents draw in all; several share the samples of the most demanding one."""
        d, g, wants_real = [], [], False
        noise_d: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        noise_g: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        for name, opponent in opponents.items():
            method = opponent.method
            d.append(tuple(map(method.raw, method.draws_d(*sides))))
            g.append(tuple(map(method.raw, method.draws_g(*sides))))
            wants_real = wants_real or opponent.needs_real()
            shown = shown_shape(opponent, shape)
            noise_d[name] = noise_of(opponent, sides, shown)
            noise_g[name] = noise_of(opponent.without_penalties(), sides, shown)
        real_g = max(real for real, _ in g) if wants_real else 0
        real_d, fake_d, fake_g = max(real for real, _ in d), max(fake for _, fake in d), max(fake for _, fake in g)
        shares = any(part.shares_batch for opponent in opponents.values() for _, part in opponent.parts())
        if shares:  # what the G step shares is drawn for the D step, which may show fewer (fake-as-real)
            real_d, fake_d = max(real_d, real_g), max(fake_d, fake_g)
        return Needs(real_d, fake_d, real_g, fake_g, d_steps, shares, noise_d, noise_g)


def noise_of(opponent: Opponent, sides: Sides, shape: tuple[int, ...]) -> dict[str, Mapping[str, Draw]]:
    """The random numbers that each part of an opponent wants for a step."""
    return {key: draws for key, part in opponent.parts() if (draws := part.noise(*sides, shape))}


def shown_shape(opponent: Opponent, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one sample as this critic is shown it (packing widens it)."""
    probe = torch.empty(opponent.method.raw(1), *shape, device="meta")
    return tuple(opponent.method.present(Batch(probe)).x.shape[1:])
