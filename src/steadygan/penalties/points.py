"""Where a gradient penalty measures the critic: on reals, on fakes, between them, or around the reals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from ..config.parts import DraganSettings
from ..losses import cycled
from ..types import Batch, Critic, Draw, Now, Scored


class Points:
    """Chooses the points at which the input gradient is taken."""

    needs_fake: ClassVar[bool] = True

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {}

    def at(self, now: Now) -> Self:
        return self

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        raise NotImplementedError


@dataclass(frozen=True)
class OnReal(Points):
    """The real side, as the loss scored it: no further forward."""

    needs_fake = False

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return real


@dataclass(frozen=True)
class OnFake(Points):
    """The fake side, as the loss scored it: no further forward."""

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        return fake


@dataclass(frozen=True)
class Interpolated(Points):
    """x~ = a x + (1 - a) y with one a ~ U(0, 1) per sample [gulrajani2017, thanhtung2019].

    Where the counts differ, the smaller side is shuffled and repeated cyclically.
    """

    mix: Tensor | None = None  # (max(n, m),), a
    order: Tensor | None = None  # (min(n, m),), its ranks are the shuffle

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        draws = {"mix": Draw((max(real, fake),))}
        return draws if real == fake else draws | {"order": Draw((min(real, fake),))}

    def at(self, now: Now) -> Self:
        return replace(self, mix=now.noise["mix"], order=now.noise.get("order"))

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        n, m = real.batch.size, fake.batch.size
        x, y = real.batch, fake.batch
        if n != m:
            order = torch.rand(min(n, m), device=x.x.device) if self.order is None else self.order
            index = cycled(order.argsort(), max(n, m))
            x, y = (x.take(index), y) if n < m else (x, y.take(index))
        a = torch.rand(max(n, m), dtype=x.x.dtype, device=x.x.device) if self.mix is None else self.mix
        a = a.view(-1, *[1] * (x.x.ndim - 1))
        return critic.score(Batch((a * x.x + (1.0 - a) * y.x).detach(), x.label))


@dataclass(frozen=True)
class AroundReal(Points):
    """x' = x + scale * std_batch(x) * u, u ~ U(0, 1) per coordinate, std per coordinate over the batch (ddof 0)."""

    needs_fake = False

    scale: float = DraganSettings.scale
    u: Tensor | None = None  # (n, *shape)

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((real, *shape))}

    def at(self, now: Now) -> Self:
        return replace(self, u=now.noise["u"])

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Scored:
        x = real.batch.x.detach()
        u = torch.rand_like(x) if self.u is None else self.u
        return critic.score(Batch(x + self.scale * x.std(0, correction=0) * u, real.batch.label))
