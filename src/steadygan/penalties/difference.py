"""Penalties on differences of the critic's values between real and fake samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config.parts import ClosePairDifferenceSettings, ClosePairFakeAsRealSettings, PairDifferenceSettings
from ..losses import cycled
from ..types import Critic, Penalty, Scored, Term
from ..types.output import widened
from .gradient import PENALTIES


def close_pairs(x: Tensor, y: Tensor, delta: float) -> Tensor:
    """(n, m) bool: whether fake y_i is within delta of real x_s and x_s is its nearest real [tao2020, def. 1]."""
    x, y = widened(x.flatten(1)), widened(y.flatten(1))
    distance = (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2)
    nearest = distance.argmin(0)  # (m,): a fake belongs to one real only
    owner = torch.arange(x.shape[0], device=x.device).unsqueeze(1) == nearest.unsqueeze(0)
    return owner & (distance <= delta**2)


@PENALTIES.register("close_pair_difference")
@dataclass(frozen=True)
class ClosePairDifference(ClosePairDifferenceSettings, Penalty):
    """sum_s weight / m_s sum_i (d(x_s) - d(y_i))^2 over the m_s fakes within delta of real x_s [tao2020, eq. 6].

    The paper's difference penalization in its theoretical form: a sum over sources, so that the per-sample value
    carries the factor n. delta must be far below the smallest distance between two reals. Memory is (n, m, dim): use it
    in low dimensions.
    """

    name: str = "close_pair_difference"

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        close = close_pairs(real.batch.x.detach(), fake.batch.x.detach(), self.delta)
        squared = (real.logits.unsqueeze(1) - fake.logits.unsqueeze(0)).square()
        value = torch.where(close, squared, 0.0).sum(1) / close.sum(1).clamp_min(1)
        return Term(value * real.batch.size, self.weight)


@PENALTIES.register("close_pair_fake_as_real")
@dataclass(frozen=True)
class ClosePairFakeAsReal(ClosePairFakeAsRealSettings, Penalty):
    """weight * sum over close fakes of sp(-d(y_i)): fakes close to a real count as real [tao2020, eq. 8]."""

    name: str = "close_pair_fake_as_real"

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        close = close_pairs(real.batch.x.detach(), fake.batch.x.detach(), self.delta).any(0)
        value = torch.where(close, F.softplus(-fake.logits), 0.0)
        return Term(value * fake.batch.size, self.weight)


@PENALTIES.register("pair_difference")
@dataclass(frozen=True)
class PairDifference(PairDifferenceSettings, Penalty):
    """weight * [gradient E_v ||grad D(v)||^2 + difference E (D(x) - D(y))^2] [thanhtung2019, 3.2].

    Proposed and rejected in the paper; a baseline. v covers reals and fakes in equal shares, D is the probability,
    pairs are independent. Where the counts differ, the smaller side is repeated cyclically.
    """

    name: str = "pair_difference"

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        n = max(real.batch.size, fake.batch.size)
        slopes = [cycled(s.input_gradient("probability").square().sum(1), n) for s in (real, fake)]
        values = [cycled(torch.sigmoid(s.logits), n) for s in (real, fake)]
        slope = (slopes[0] + slopes[1]) / 2
        return Term(self.gradient * slope + self.difference * (values[0] - values[1]).square(), self.weight)
