"""The best discriminator of two known densities, and how far another one is from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..data import Source
from ..metrics import Protocol
from ..metrics.protocol import together
from ..types import Batch, Critic, Opponent
from ..types.critic import looks_coupled


def log_odds(real: Source, fake: Source) -> Callable[[Tensor], Tensor] | None:
    """x (n, *shape) -> log p_real(x) - log p_fake(x) (n,), the best D's logit [goodfellow2014].

    D*(x) = p_real(x) / (p_real(x) + p_fake(x)) is its sigmoid. None where a density is not known.
    """
    ours, theirs = real.log_density, fake.log_density
    if ours is None or theirs is None:
        return None
    return lambda x: ours(x) - theirs(x)


@dataclass(frozen=True)
class KnownOptimum:
    """Samples x (n, *shape), and what the best D says there: a probability each, (n,)."""

    x: Tensor
    value: Tensor
    protocols: Mapping[str, Protocol] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """How it is measured, in one line."""
        return together(self.protocols)

    @staticmethod
    def at(x: Tensor, odds: Callable[[Tensor], Tensor]) -> KnownOptimum:
        """The best D of these `log_odds` at x."""
        return KnownOptimum(x, torch.sigmoid(odds(x.double())))

    def said(self, critic: Critic) -> Tensor:
        """What another D says there: sigmoid(d(x)), (n,)."""
        return torch.sigmoid(critic.constant(Batch(self.x)).logits.double())

    def distance(self, critic: Critic) -> float:
        """The mean of |sigmoid(d(x)) - D*(x)|, from 0 to 1."""
        return float((self.said(critic) - self.value).abs().mean())


def optimum_of(real: Source, fake: Source, opponent: Opponent, n: int, seed: int) -> KnownOptimum | None:
    """The optimum at n fresh samples of each side; None where it is not known.

    It is known of densities that are, for a loss that asks for their odds and a D that judges single samples.
    """
    odds = log_odds(real, fake)
    if odds is None or not opponent.loss.odds or opponent.method.raw(1) != 1 or looks_coupled(opponent.critic):
        return None
    generator = torch.Generator(real.device).manual_seed(seed)
    x = torch.cat([side.fresh(n, generator) for side in (real, fake)])
    how = Protocol(
        "mean of |sigmoid(d) - p_real / (p_real + p_fake)|",
        n,
        n,
        real=f"{real.name}, drawn anew, and {fake.name}",
        weights="live",
        seeds="samples: the run's + 4",
        versions=f"torch {torch.__version__}",
    )
    return replace(KnownOptimum.at(x, odds), protocols={"optimum_distance": how})
