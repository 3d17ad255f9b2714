"""The eager executor as the trainer prepares it, with draws of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64, generator, normal
from steadygan.engine.draws import Draws
from steadygan.engine.executor import Eager
from steadygan.engine.needs import Needs
from steadygan.engine.objective import Sides
from steadygan.engine.optim import Ema, OptimizerSettings
from steadygan.latents import normal_latent
from steadygan.types import Batch, Opponent
from tiny import N, points

SIDES = Sides(N, N)
SGD = OptimizerSettings("sgd")
PLAIN = sg.losses.NonSaturating()


def draws(opponents: Mapping[str, Opponent], d_steps: int = 1, dtype: torch.dtype = F64) -> Draws:
    source = sg.data.from_user(points()).to("cpu", dtype)
    wanted = Needs.of(opponents, SIDES, (2,), d_steps)
    return Draws(wanted, source.stream(3), normal_latent(2, dtype), generator(3))


def executor(
    G: nn.Module,
    D: nn.Module,
    optimizer: Any = SGD,
    rates: tuple[float, float] = (0.1, 0.1),
    ema: Ema | None = None,
    **parts: Any,
) -> Eager:
    """As the trainer prepares it: everything frozen, couplings known."""
    made = Eager(G, {"D": Opponent(D, parts.pop("loss", PLAIN), **parts)}, SIDES, (optimizer, optimizer), rates, ema)
    G.requires_grad_(False)
    D.requires_grad_(False)
    dtype = next(G.parameters()).dtype
    shown = normal(1, 2 * N, 2, dtype=dtype)
    made.probe(Batch(shown), normal(2, N, 2, dtype=dtype))
    return made


def run(made: Eager, iterations: int, d_steps: int = 1, factor: float = 1.0) -> list[dict[str, Tensor]]:
    dtype = next(made.G.parameters()).dtype
    block = draws(made.opponents, d_steps, dtype).block(0)
    return [made.iteration(block[i], i, factor) for i in range(iterations)]
