"""Parts of the kind that later methods will be: with state, with schedules, with a shared batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from steadygan.types import Draw, Loss, Method, Now, Scored, Term, Terms


@dataclass(frozen=True)
class Balanced(Loss):
    """A loss with BEGAN's k_t, which follows the balance of D's own terms.

    D: E (d(x) - 1)^2 + k E d(y)^2; G: E (d(y) - 1)^2; k <- clamp(k + rate (gamma E (d(x) - 1)^2 - E d(y)^2), 0, 1).
    """

    k: Tensor | float = 0.0
    gamma: float = 0.5
    rate: float = 0.005

    name = "balanced"
    shares_batch: ClassVar[bool] = True

    def initial_state(self) -> dict[str, Tensor]:
        return {"k": torch.tensor(0.25, dtype=torch.float64)}

    def at(self, now: Now) -> Self:
        return replace(self, k=now.state["k"])

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        step = self.rate * (self.gamma * means["real"] - means["fake"])
        return {"k": (state["k"] + step).clamp(0.0, 1.0)}

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term((real - 1.0).square()), "fake": Term(fake.square(), self.k)}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term((fake - 1.0).square())}


@dataclass(frozen=True)
class Pulled(Method):
    """A method with a term of the same name for each player, noise of its own, and a weight that grows with time."""

    weight: Tensor | float = 0.1
    noise_now: Tensor | None = None

    name = "pulled"
    needs_real: ClassVar[bool] = True

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((fake,), "normal")}

    def at(self, now: Now) -> Self:
        return replace(self, weight=self.weight * now.iteration / 100.0, noise_now=now.noise["u"])

    def d_terms(self, critic, real: Scored, fake: Scored) -> Terms:
        return {"pull": Term((fake.logits - self.noise_now).square(), self.weight)}

    def g_terms(self, critic, real: Scored | None, fake: Scored) -> Terms:
        assert real is not None
        return {"pull": Term((fake.logits + self.noise_now - real.logits.mean()).square(), self.weight)}
