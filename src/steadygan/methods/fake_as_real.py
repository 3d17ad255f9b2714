"""Fake-as-real: FARGAN's remedy against exploding gradients near over-covered samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..config.parts import FakeAsRealSettings
from ..errors import InputError
from ..types import Batch, Critic, DBatch, Method, cat, critic
from ..types.critic import written_over
from .plain import METHODS


@METHODS.register("fake_as_real")
@dataclass(frozen=True)
class FakeAsReal(FakeAsRealSettings, Method):
    """Counts the `count` fakes that D rates lowest, of `factor * count` candidates, as real in a D step [tao2020].

    Algorithm 1, with N0 = count and f = factor: real side = {x_1 .. x_(N - N0)} + {the N0 of f N0 candidates with the
    lowest d}, fake side = {y_1 .. y_M}. A low d marks places that already hold too many fakes [tao2020,
    footnote 1]; factor = 1 selects at random.
    """

    @property
    def candidates(self) -> int:
        """How many further fakes a D step draws: factor * count."""
        return self.factor * self.count

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        if self.count > real:
            got = f"{self.count}: lower count or raise batch_size"
            raise InputError(f"fake_as_real: count must be at most the real batch of {real}, not {got}")
        return real - self.count, fake + self.candidates

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        if self.count == 0:
            return DBatch(real, fake)
        fake, candidates = fake.split(fake.size - self.candidates, self.candidates)
        lowest = critic.rank(candidates, chunk=fake.size).topk(self.count, largest=False).indices
        return DBatch(cat(real, candidates.take(lowest)), fake)

    def apply(
        self,
        D: Callable[..., Any],
        real: Tensor,
        fake: Tensor,
        candidates: Callable[[int], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The two sides for anybody's own loop: `x_d, y_d = far.apply(D, x, y, candidates=lambda n: G(noise(n)))`.

        real (N, *shape) and fake (M, *shape) in, sides of the same sizes out; `candidates(n)` makes n further fakes,
        at most M at a time, so that batch norm in G sees what it is used to, and without a gradient. Without it, real
        holds N - count samples and fake M + factor * count, the last of which are the candidates.
        Raises InputError for no real sample beside the fakes, other numbers than these, and a D that writes over its
        input.
        """
        n, m = real.shape[0], fake.shape[0]
        if candidates is None:
            m -= self.candidates
            if m <= 0:
                raise InputError(
                    f"fake_as_real: {self.candidates} candidates beside the fake batch were expected, but only "
                    f"{fake.shape[0]} fakes came: draw M + factor * count of them"
                )
            if n == m and self.count:
                raise InputError(
                    f"expected N - count = {n - self.count} reals beside {m} fakes, got {n}: pass x[far.count:], or "
                    "all of x with candidates=lambda n: G(noise(n))"
                )
        else:
            n -= self.count
            parts = [min(m, self.candidates - i) for i in range(0, self.candidates, max(1, m))]
            with torch.no_grad():
                fake = torch.cat([fake.detach(), *(_made(candidates, size, fake) for size in parts)])
            real = real[: max(0, n)]
        if n <= 0:
            raise InputError(
                f"expected more reals than the {self.count} that fakes stand for, got none beside them: leave a "
                "smaller last batch out (drop_last=True)"
            )
        version = fake._version
        shown = self.edit(Batch(real), Batch(fake.detach()), critic(D))
        if fake._version != version:
            raise written_over()
        return shown.real.x, shown.fake.x


def _made(candidates: Callable[[int], Tensor], n: int, like: Tensor) -> Tensor:
    """n of them, of the shape of other fakes."""
    found = candidates(n)
    if not isinstance(found, Tensor) or found.shape != (n, *like.shape[1:]):
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"expected candidates({n}) of shape {(n, *like.shape[1:])}, got {got}: return G of n latents")
    return found.detach()
