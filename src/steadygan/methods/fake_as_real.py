"""Fake-as-real: FARGAN's remedy for exploding gradients near over-covered samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from ..config.parts import FakeAsRealSettings
from ..errors import InputError
from ..types import Batch, Critic, DBatch, Method, cat, critic
from ..types.batch import as_batch, check_alike
from ..types.critic import written_over
from ..types.parts import Processes
from .plain import METHODS

Samples = TypeVar("Samples", Tensor, Batch)


@METHODS.register("fake_as_real")
@dataclass(frozen=True)
class FakeAsReal(FakeAsRealSettings, Method):
    """Counts the `count` fakes that D rates lowest, of `factor * count` candidates, as real in a D step [tao2020].

    Algorithm 1, with N0 = count and f = factor: real side = {x_1 .. x_(N - N0)} + {the N0 of f N0 candidates with the
    lowest d}, fake side = {y_1 .. y_M}. A low d marks regions that already hold too many fakes [tao2020, footnote 1];
    factor = 1 selects at random. scope: of several processes, each with its part of N0, "all" chooses among the
    candidates of all of them, "own" among those of each.
    """

    whole: int | None = field(default=None, repr=False)  # N0 of the processes that choose together, if not count
    processes: Processes = field(default=Processes(), repr=False, compare=False)  # who choose together

    @property
    def candidates(self) -> int:
        """Number of extra fakes that a D step draws: factor * count."""
        return self.factor * self.count

    @property
    def compares_samples(self) -> bool:  # type: ignore[override]
        return self.scope == "own"

    @property
    def exchanges(self) -> bool:  # type: ignore[override]
        return self.scope == "all" and self.count > 0

    def among(self, processes: Processes) -> Self:
        part = replace(self, count=processes.own(self.count))
        return part if self.scope == "own" else replace(part, whole=self.count, processes=processes)

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        if self.count > real:
            got = f"{self.count}: lower count or raise batch_size"
            raise InputError(f"fake_as_real: count must be at most the real batch of {real}, not {got}")
        return real - self.count, fake + self.candidates

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        whole = self.count if self.whole is None else self.whole
        if whole == 0:
            return DBatch(real, fake)
        fake, candidates = fake.split(fake.size - self.candidates, self.candidates)
        scores = critic.rank(candidates, chunk=fake.size)
        return DBatch(cat(real, self.processes.lowest(scores, candidates, whole)), fake)

    def apply(
        self,
        D: Callable[..., Any],
        real: Samples,
        fake: Samples,
        candidates: Callable[[int], Samples] | None = None,
    ) -> tuple[Samples, Samples]:
        """The two sides for your own loop: `x_d, y_d = far.apply(D, x, y, candidates=lambda n: G(noise(n)))`.

        Takes real (N, *shape) and fake (M, *shape) and returns sides of the same sizes: tensors, or `types.Batch` with
        classes or conditions. `candidates(n)` makes n further fakes; it is called without gradients and for at most M
        at a time, so that batch norm in G sees its usual batch size. Without it, pass N - count reals and M + factor *
        count fakes, the last of which are the candidates. For a D with packing, all counts are in packs. Raises
        InputError for other numbers of samples, where no real sample would be left, where only one side has labels or
        conditions, and for a D that overwrites its input.
        """
        judge = critic(D)
        plain, unit = isinstance(real, Tensor), judge.pack
        x, y = as_batch(real), as_batch(fake)
        check_alike(x.check(), y.check(), "reals")
        n, m = x.size, y.size
        count, extra = self.count * unit, self.candidates * unit
        if candidates is None:
            m -= extra
            if m <= 0:
                raise InputError(
                    f"fake_as_real: expected {extra} candidates after the fake batch, got {y.size} fakes in all: draw "
                    "M + factor * count"
                )
            if n == m and self.count:
                raise InputError(
                    f"expected N - count = {n - count} real samples with {m} fakes, got {n}: pass x[far.count:], or "
                    "all of x with candidates=lambda n: G(noise(n))"
                )
        else:
            n -= count
            parts = [min(m, extra - i) for i in range(0, extra, max(1, m))]
            with torch.no_grad():
                y = cat(y.each(Tensor.detach), *(_made(candidates, size, y) for size in parts))
            x = x.each(lambda tensor: tensor[: max(0, n)])
        if n <= 0:
            raise InputError(
                f"expected more real samples than the {count} that fakes replace, got too few: drop the "
                "smaller last batch (drop_last=True)"
            )
        version = y.x._version
        y = y.each(Tensor.detach)
        edited = self.edit(judge.shown(x), judge.shown(y), judge)
        if y.x._version != version:
            raise written_over()
        shown = [side if unit == 1 else side.each(lambda tensor: tensor.flatten(0, 1)) for side in edited[:2]]
        first, second = shown
        return (first.x, second.x) if plain else (first, second)  # type: ignore[return-value]


def _made(candidates: Callable[[int], Tensor | Batch], n: int, like: Batch) -> Batch:
    """n candidates with the shape of the other fakes."""
    found = candidates(n)
    made = found if isinstance(found, Batch) else Batch(found)
    if not isinstance(made.x, Tensor) or made.x.shape != (n, *like.x.shape[1:]):
        got = tuple(made.x.shape) if isinstance(made.x, Tensor) else type(found).__name__
        raise InputError(
            f"expected candidates({n}) of shape {(n, *like.x.shape[1:])}, got {got}: return G(z) for n latents"
        )
    check_alike(made.check(), like, "candidates")
    return made.each(Tensor.detach)
