"""Fake-as-real: FARGAN's remedy against exploding gradients near over-covered samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..config.parts import FakeAsRealSettings
from ..errors import InputError
from ..types import Batch, Critic, DBatch, Method, cat, critic
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

    def apply(self, D: Callable[..., Any], real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The two sides for anybody's own loop: real (N - count, *shape) and fake (M + factor * count, *shape) in,
        (N, *shape) and (M, *shape) out, the last factor * count fakes being the candidates.

        Raises InputError when there are no fakes beside the candidates.
        """
        if fake.shape[0] <= self.candidates:
            raise InputError(
                f"fake_as_real: {self.candidates} candidates beside the fake batch were expected, but only "
                f"{fake.shape[0]} fakes came: draw M + factor * count of them"
            )
        shown = self.edit(Batch(real), Batch(fake.detach()), critic(D))
        return shown.real.x, shown.fake.x
