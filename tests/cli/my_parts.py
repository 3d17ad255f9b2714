"""A module of a user's: a loss, a penalty, a method, two networks, a data set and a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygan.config import Settings, override
from steadygan.config.values import Count, Positive
from steadygan.data import DATA, Source
from steadygan.losses import LOSSES, NonSaturating
from steadygan.methods import METHODS
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.penalties import PENALTIES
from steadygan.recipes import RECIPES, recipe
from steadygan.types import Batch, Critic, Method, Penalty, Scored, Term, Terms


@LOSSES.register("smoothed")
@dataclass(frozen=True)
class Smoothed(NonSaturating):
    s: float = 0.1

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        smooth = (1 - self.s) * F.softplus(-real) + self.s * F.softplus(real)
        return {"real": Term(smooth), "fake": Term(F.softplus(fake))}


@PENALTIES.register("drift")
@dataclass(frozen=True)
class Drift(Penalty):
    weight: Positive = 0.001
    name: str = "drift"

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        return Term(real.logits.square(), self.weight)


@METHODS.register("scaled")
@dataclass(frozen=True)
class Scaled(Method):
    by: float = 1.0
    how: Literal["times", "over"] = "times"
    now: Tensor | None = field(default=None, repr=False)  # put in by a step: no setting

    def present(self, batch: Batch) -> Batch:
        return Batch(batch.x * (self.by if self.how == "times" else 1 / self.by), batch.label)


@GENERATORS.register("straight")
def straight(latent_dim: int, shape: Sequence[int], classes: int | None = None, bias: bool = True) -> nn.Module:
    return nn.Linear(latent_dim, shape[0], bias=bias)


@DISCRIMINATORS.register("tiny")
def tiny(shape: Sequence[int], classes: int | None = None, widths: tuple[int, ...] = (8,), leak: float | None = None):
    layers: list[nn.Module] = []
    before = shape[0]
    for width in widths:
        layers += [nn.Linear(before, width), nn.LeakyReLU(leak or 0.2)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, 1), nn.Flatten(0))


def _square(n: int, generator: torch.Generator, scale: float) -> Tensor:
    return scale * (2.0 * torch.rand(n, 2, generator=generator, device=generator.device) - 1.0)


@DATA.register("square")
def square(scale: Positive = 1.0, copies: Count = 1) -> Source:
    return Source("square", (2,), None, sampler=partial(_square, scale=scale))


@recipe("square/smoothed", "a square, its labels smoothed", "salimans2016")
def square_smoothed() -> Settings:
    quick = ["evaluate.n=100", "log_every=10", "checkpoint_every=10", "compile=off"]
    return override(RECIPES["ring8/nsgan"](), ["data=square", "loss=smoothed", *quick])
