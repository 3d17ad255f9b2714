"""Adversarial losses: per-sample terms on logits, for both players, each with its value at equilibrium.

`sp(t) = log(1 + e^t)`, so `-log sigmoid(t) = sp(-t)`: written with softplus, no loss saturates or overflows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from .config.parts import LOSS, BeganSettings, D2GANSettings, LeastSquaresSettings
from .registry import Registry
from .types import Loss, Now, Term, Terms

LOSSES: Registry[type[Loss]] = Registry(LOSS)
FAR = -37.0  # from there on log sp(t) = t - e^t / 2 + ... is t itself in double precision


@dataclass(frozen=True)
class Nothing(Loss):
    """No terms: for a method that defines the whole objective; not registered, as it trains nothing by itself."""

    name = "nothing"
    empty = True

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {}


@LOSSES.register("nonsaturating")
@dataclass(frozen=True)
class NonSaturating(Loss):
    """D: E sp(-d(x)) + E sp(d(y)); G: E sp(-d(y)); equilibrium 2 log 2 / log 2 [goodfellow2014]."""

    equilibrium = (2 * log(2), log(2))
    odds = True

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term(F.softplus(-real)), "fake": Term(F.softplus(fake))}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term(F.softplus(-fake))}


@LOSSES.register("minimax")
@dataclass(frozen=True)
class Minimax(NonSaturating):
    """D as in NonSaturating; G: -E sp(d(y)) = E log(1 - D(y)); equilibrium 2 log 2 / -log 2 [goodfellow2014]."""

    equilibrium = (2 * log(2), -log(2))

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term(-F.softplus(fake))}


@LOSSES.register("wasserstein")
@dataclass(frozen=True)
class Wasserstein(Loss):
    """D: E d(y) - E d(x); G: -E d(y); equilibrium 0 / free [arjovsky2017]."""

    equilibrium = (0.0, None)

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term(-real), "fake": Term(fake)}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term(-fake)}


@LOSSES.register("hinge")
@dataclass(frozen=True)
class Hinge(Wasserstein):
    """D: E relu(1 - d(x)) + E relu(1 + d(y)); G: -E d(y); equilibrium 2 / free [lim2017]."""

    equilibrium = (2.0, None)

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term(F.relu(1.0 - real)), "fake": Term(F.relu(1.0 + fake))}


@LOSSES.register("least_squares")
@dataclass(frozen=True)
class LeastSquares(LeastSquaresSettings, Loss):
    """D: 1/2 E (d(x) - b)^2 + 1/2 E (d(y) - a)^2; G: 1/2 E (d(y) - c)^2 [mao2017].

    Targets (a, b, c) = (0, 1, 1); (-1, 1, 0) is the Pearson coding. At equilibrium d = (a + b) / 2:
    D (b - a)^2 / 4 and G ((a + b) / 2 - c)^2 / 2, that is 1/4 / 1/8.
    """

    bounded = True

    @property
    def equilibrium(self) -> tuple[float | None, float | None]:  # type: ignore[override]
        return (self.b - self.a) ** 2 / 4, ((self.a + self.b) / 2 - self.c) ** 2 / 2

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {"real": Term((real - self.b).square(), 0.5), "fake": Term((fake - self.a).square(), 0.5)}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term((fake - self.c).square(), 0.5)}


@LOSSES.register("relativistic_pairing")
@dataclass(frozen=True)
class RelativisticPairing(Loss):
    """D: E sp(d(y_i) - d(x_i)); G: E sp(d(x_i) - d(y_i)); equilibrium log 2 / log 2 [jolicoeur2018, huang2024].

    Sample i is paired with sample i; where the counts differ, the smaller side is repeated cyclically.
    """

    needs_real = True
    equilibrium = (log(2), log(2))

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        real, fake = paired(real, fake)
        return {"pair": Term(F.softplus(fake - real))}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        real, fake = paired(required(real), fake)
        return {"pair": Term(F.softplus(real - fake))}


@LOSSES.register("relativistic_average")
@dataclass(frozen=True)
class RelativisticAverage(Loss):
    """RaSGAN [jolicoeur2018]; equilibrium 2 log 2 / 2 log 2.

    D: E sp(-(d(x) - mean d(y))) + E sp(d(y) - mean d(x)); G: the same with x and y exchanged. Gradients flow through
    the batch means; the two items are summed, not averaged. For a map, each of its k logits has its own mean.
    """

    needs_real = True
    compares_samples = True
    equilibrium = (2 * log(2), 2 * log(2))

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        return {
            "real": Term(F.softplus(averaged(fake) - real)),
            "fake": Term(F.softplus(fake - averaged(real))),
        }

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        real = required(real)
        return {
            "real": Term(F.softplus(real - averaged(fake))),
            "fake": Term(F.softplus(averaged(real) - fake)),
        }


@LOSSES.register("d2gan")
@dataclass(frozen=True)
class D2GAN(D2GANSettings, Loss):
    """One of D2GAN's two discriminators, whose positive outputs are the softplus of a logit [nguyen2017].

    The first, D1 = sp(d), is high on reals. D: -alpha E log D1(x) + E D1(y); G: -E D1(y); equilibrium alpha - alpha log
    alpha / -alpha, at D1 = alpha. The second, D2 = sp(-d), is high on fakes, so a higher d means more real there as
    well. D: E D2(x) - beta E log D2(y); G: beta E log D2(y); equilibrium beta - beta log beta / beta log beta, at D2 =
    beta. For data density p and fake density q, the optimal outputs are D1 = alpha p / q and D2 = beta q / p.
    """

    @property
    def equilibrium(self) -> tuple[float | None, float | None]:  # type: ignore[override]
        if self.second:
            return self.beta - self.beta * log(self.beta), self.beta * log(self.beta)
        return self.alpha - self.alpha * log(self.alpha), -self.alpha

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        if self.second:
            return {"real": Term(F.softplus(-real)), "fake": Term(-log_softplus(-fake), self.beta)}
        return {"real": Term(-log_softplus(real), self.alpha), "fake": Term(F.softplus(fake))}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        if self.second:
            return {"fake": Term(log_softplus(-fake), self.beta)}
        return {"fake": Term(-F.softplus(fake))}


@LOSSES.register("began")
@dataclass(frozen=True)
class Began(BeganSettings, Loss):
    """Reconstruction errors, where a factor k on the fakes' error is controlled by their balance [berthelot2017].

    The logits are d = -e, where e(v) = mean |v - AE(v)| is the error of an autoencoder AE. D: E e(x) - k E e(y); G: E
    e(y), on the D step's fakes. After each D step, k <- clip(k + rate (gamma E e(x) - E e(y)), 0, 1), starting from k =
    0, which pulls E e(y) towards gamma E e(x). Also logged: k, and the convergence measure E e(x) + |gamma E e(x) - E
    e(y)|. The errors at equilibrium depend on AE.
    """

    k: float | Tensor = field(default=0.0, repr=False)  # at this step

    shares_batch = True

    def initial_state(self) -> dict[str, Tensor]:
        return {"k": torch.tensor(0.0)}

    def at(self, now: Now) -> Self:
        return replace(self, k=now.state["k"])

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        k = state["k"] + self.rate * (self.gamma * means["real"] - means["fake"])
        return {"k": k.clamp(0.0, 1.0).to(state["k"].dtype)}

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        on_real, on_fake = -real.detach().mean(), -fake.detach().mean()
        measure = on_real + (self.gamma * on_real - on_fake).abs()
        return {
            "real": Term(-real),
            "fake": Term(-fake, -self.k),
            "k": Term(torch.ones_like(real) * self.k, None),
            "convergence": Term(measure.expand_as(real), None),
        }

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        return {"fake": Term(-fake)}


def log_softplus(t: Tensor) -> Tensor:
    """log sp(t), which tends to t where e^t underflows."""
    return torch.where(t <= FAR, t, F.softplus(t.clamp_min(FAR)).log())


def averaged(logits: Tensor) -> Tensor:
    """The mean over a batch: () of logits (n,), (k,) of a map (n, k)."""
    return logits.mean() if logits.ndim == 1 else logits.mean(0)


def paired(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides at the length of the longer one, the shorter repeated cyclically along axis 0."""
    n = max(a.shape[0], b.shape[0])
    return cycled(a, n), cycled(b, n)


def cycled(a: Tensor, n: int) -> Tensor:
    """The rows of `a` repeated cyclically, n in all."""
    return a if a.shape[0] == n else a[torch.arange(n, device=a.device) % a.shape[0]]


def required(real: Tensor | None) -> Tensor:
    """The real logits of a relativistic generator loss."""
    if real is None:
        raise TypeError("a relativistic loss needs real logits in the generator step: g(fake, real)")
    return real
