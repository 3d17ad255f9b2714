"""The discriminators that the papers construct: one that separates a close pair, and one that separates all samples."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import cos, inf, log, log1p, pi, sin
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..viz.plot import Plot, Stroke
from .game import F64, FixedFakes, Game, numbers
from .statement import Law, Reading, relative

PAIR_DIM, PAIR_REALS, PAIR_FAKES, GAP = 8, 6, 7, 0.5  # FARGAN's: dimensions, n, m, epsilon
EPSILON, A = 0.2, 0.1  # 0-GP's
DIM, REALS, FAKES = 6, 5, 9


class PairDiscriminator(nn.Module):
    """D(v) = W3' s(k2 W2 s(k1 (W1 v - b))) of supplement A, as the logit of that number: no sigmoid ends it."""

    def __init__(self, x0: Tensor, y0: Tensor, b: float, k1: float, k2: float, gap: float) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.stack([x0, y0]))
        self.b = nn.Parameter(torch.full((2,), b, dtype=F64))
        self.w2 = nn.Parameter(torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=F64))
        self.w3 = nn.Parameter(torch.tensor([0.5 + gap / 2, 0.5 - gap / 2], dtype=F64))
        self.k1, self.k2 = k1, k2

    def probability(self, v: Tensor) -> Tensor:
        """D(v), (n,)."""
        first = torch.sigmoid(self.k1 * (v @ self.w1.T - self.b))
        return torch.sigmoid(self.k2 * first @ self.w2.T) @ self.w3

    def forward(self, v: Tensor) -> Tensor:
        return torch.logit(self.probability(v))


class ClosePair(NamedTuple):
    """A close pair x0 = reals[0], y0 = fakes[0] among unit vectors, the discriminator for it, and its objective."""

    D: PairDiscriminator
    reals: Tensor
    fakes: Tensor
    objective: float


@cache
def constructed_pair(angle: float = 0.1, sharpness: float = 40.0) -> ClosePair:
    """The construction for samples `angle` apart, scored by the engine's own loss; sharpness: k1 (1 - b)."""
    generator = torch.Generator().manual_seed(0)
    v = nn.functional.normalize(torch.randn(PAIR_REALS + PAIR_FAKES, PAIR_DIM, dtype=F64, generator=generator), dim=1)
    across = nn.functional.normalize(v[1] - (v[1] @ v[0]) * v[0], dim=0)
    v[PAIR_REALS] = cos(angle) * v[0] + sin(angle) * across
    inner = v @ v[[0, PAIR_REALS]].T
    inner[[0, PAIR_REALS], [0, 1]] = -inf
    b = (1.0 + float(inner.max())) / 2
    D = PairDiscriminator(v[0], v[PAIR_REALS], b, sharpness / (1.0 - b), 60.0, GAP)
    game = Game(FixedFakes(v[PAIR_REALS:]), D, v[:PAIR_REALS], numbers(PAIR_FAKES))
    return ClosePair(D, v[:PAIR_REALS], v[PAIR_REALS:], -game.d_terms()["D/loss"])


def _pair_objective(n: int, m: int, gap: float) -> float:
    return 2 * log(0.5) + (1 / n + 1 / m) * log1p(gap)


def pair_proposition(
    outputs: Law = (0.5 + GAP / 2, 0.5 - GAP / 2),
    elsewhere: Law = 0.5,
    parameters: Law = 2 * PAIR_DIM + 8,
    objective: Law = _pair_objective,
    slope: Law = lambda distance: GAP / distance,
) -> Iterator[Reading]:
    """FARGAN, proposition 1 and its use in equations 3 and 4."""
    found = constructed_pair()
    with torch.no_grad():
        real, fake = found.D.probability(found.reals).tolist(), found.D.probability(found.fakes).tolist()
    yield Reading("D(x0) and D(y0)", outputs, (real[0], fake[0]), 1e-9)
    rest = [*real[1:], *fake[1:]]
    yield Reading("D at the other samples", [elsewhere] * len(rest), rest, 1e-9)
    yield Reading("parameters of D, 2 dim(x) + 8", parameters, sum(p.numel() for p in found.D.parameters()))
    yield Reading(
        "objective of D, which an optimum of 1/2 leaves at 2 log 1/2",
        objective(PAIR_REALS, PAIR_FAKES, GAP),
        found.objective,
        1e-9,
    )
    yield Reading("objective of D above 2 log 1/2", 2 * log(0.5), found.objective, relation=">")
    for angle in (0.3, 0.1, 0.03):
        pair = constructed_pair(angle)
        distance = float((pair.reals[0] - pair.fakes[0]).norm())
        with torch.no_grad():
            ends = pair.D.probability(torch.stack([pair.reals[0], pair.fakes[0]]))
        rise = float(ends[0] - ends[1]) / distance
        yield relative(f"mean slope of D between them, {distance:.3f} apart", slope(distance), rise, 1e-9)
    with torch.no_grad():
        dull = constructed_pair(sharpness=0.01).D.probability(found.reals)
    yield Reading("D(x0) where b tends to 1 faster than 1/k1", outputs[0], float(dull[0]), 1e-9, printed=True)


def pair_plot() -> list[Plot]:
    """D of proposition 1 along the circle through x0 and y0."""
    found = constructed_pair()
    x0, y0 = found.reals[0], found.fakes[0]
    across = nn.functional.normalize(y0 - (y0 @ x0) * x0, dim=0)
    angle = torch.linspace(-0.3, 0.4, 281, dtype=F64)
    circle = torch.cos(angle)[:, None] * x0 + torch.sin(angle)[:, None] * across
    with torch.no_grad():
        along = found.D.probability(circle).tolist()
        ends = found.D.probability(torch.stack([x0, y0])).tolist()
    strokes = (Stroke(angle.tolist(), along), Stroke([0.0, 0.1], ends, "x0 (real) and y0 (fake)", "points", 1))
    title = "Two hidden units tell one close pair apart"
    return [Plot("fargan-construction", title, "angle from x0 towards y0 (rad)", "D(v)", strokes)]


class SoftmaxDiscriminator(nn.Module):
    """D(v) = W2' softmax(k V v) of appendix A, V the rows of all samples, as the logit of that number."""

    def __init__(self, samples: Tensor, reals: int, k: float, epsilon: float = EPSILON, a: float = A) -> None:
        super().__init__()
        side = torch.where(torch.arange(len(samples)) < reals, 1.0, -1.0).double()
        self.w1 = nn.Parameter(k * samples)
        self.w2 = nn.Parameter(0.5 + side * (epsilon / 2 + a))

    def probability(self, v: Tensor) -> Tensor:
        """D(v), (n,)."""
        return torch.softmax(v @ self.w1.T, 1) @ self.w2

    def forward(self, v: Tensor) -> Tensor:
        return torch.logit(self.probability(v))


@cache
def unit_samples() -> Tensor:
    """Reals, then fakes, of length 1 in all directions (n + m, dim)."""
    generator = torch.Generator().manual_seed(1)
    return nn.functional.normalize(torch.randn(REALS + FAKES, DIM, dtype=F64, generator=generator), dim=1)


def equal_samples(count: int, inner: float) -> Tensor:
    """`count` vectors of length 1 whose inner products are all `inner`."""
    eye = torch.eye(count, dtype=F64)
    found: Tensor = torch.linalg.cholesky((1 - inner) * eye + inner)
    return found


def margin(samples: Tensor, reals: int, k: float) -> float:
    """How far D is on the right side of 1/2 +- epsilon/2 at the worst sample; below 0 it is not epsilon-optimal."""
    with torch.no_grad():
        found = SoftmaxDiscriminator(samples, reals, k).probability(samples)
    side = torch.where(torch.arange(len(samples)) < reals, 1.0, -1.0).double()
    return float((side * (found - 0.5) - EPSILON / 2).min())


@cache
def least_k(reals: int, fakes: int, inner: float | None = None) -> float:
    """The smallest k with an epsilon-optimal D, by bisection; for `unit_samples`, or for equal inner products."""
    samples = unit_samples() if inner is None else equal_samples(reals + fakes, inner)
    low, high = 0.0, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if margin(samples, reals, middle) < 0 else (low, middle)
    return high


def _enough(count: int, inner: float) -> float:
    """k >= log((n + m - 1)(epsilon + 2 a) / a) / (1 - max <v_i, v_j>)."""
    return log((count - 1) * (EPSILON + 2 * A) / A) / (1 - inner)


def _exact(reals: int, fakes: int, inner: float) -> float:
    """The same where all inner products are equal, without slack."""
    return log(max(reals, fakes) * (EPSILON + 2 * A) / A - (reals + fakes - 1)) / (1 - inner)


def softmax_proposition(
    parameters: Law = DIM * (REALS + FAKES) + REALS + FAKES,
    exact: Law = _exact,
    limit: Law = (0.5 + EPSILON / 2 + A, 0.5 - EPSILON / 2 - A),
) -> Iterator[Reading]:
    """0-GP, proposition 1."""
    samples, count = unit_samples(), REALS + FAKES
    inner = float((samples @ samples.T - 2 * torch.eye(count, dtype=F64)).max())
    k = _enough(count, inner)
    D = SoftmaxDiscriminator(samples, REALS, k)
    yield Reading("parameters of D, dim (m + n) + (m + n)", parameters, sum(p.numel() for p in D.parameters()))
    yield Reading(
        f"worst sample's distance to the right side, k = {k:.1f}", 0.0, margin(samples, REALS, k), relation=">"
    )
    yield Reading("smallest sufficient k, below the bound", k, least_k(REALS, FAKES), relation="<")
    game = Game(FixedFakes(samples[REALS:]), D, samples[:REALS], numbers(FAKES))
    objective = -game.d_terms()["D/loss"]
    yield Reading("objective of D, above 2 log(1/2 + epsilon/2)", 2 * log(0.5 + EPSILON / 2), objective, relation=">")
    for reals, fakes, inner in ((1, 9, 0.5), (5, 9, 0.9), (12, 3, -0.05)):
        told = f"smallest k for n = {reals}, m = {fakes}, all inner products {inner:g}"
        yield relative(told, exact(reals, fakes, inner), least_k(reals, fakes, inner), 1e-9)
    with torch.no_grad():
        ends = SoftmaxDiscriminator(samples, REALS, 1e4).probability(samples)[[0, -1]].tolist()
    yield Reading("D(x) and D(y) as k grows", limit, ends, 1e-9)


def softmax_plot() -> list[Plot]:
    """D of proposition 1 on a circle of samples, for a k that is too small and one that is enough."""
    angle = torch.linspace(0, 2 * pi, 11, dtype=F64)[:-1]
    circle = torch.stack([angle.cos(), angle.sin()], 1)[[0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]
    inner = float((circle @ circle.T - 2 * torch.eye(10, dtype=F64)).max())
    at = torch.linspace(0, 2 * pi, 361, dtype=F64)
    around = torch.stack([at.cos(), at.sin()], 1)
    strokes = []
    for i, k in enumerate((3.0, _enough(10, inner))):
        with torch.no_grad():
            along = SoftmaxDiscriminator(circle, 5, k).probability(around)
        strokes.append(Stroke(at.tolist(), along.tolist(), f"k = {k:.1f}", colour=i))
    turn = [0.0, 2 * pi]
    strokes += [Stroke(turn, [0.5 + s * EPSILON / 2] * 2, "", colour=None) for s in (1, -1)]
    title = "One hidden layer tells all samples apart"
    note = "Reals and fakes take turns on the circle; grey: 1/2 +- epsilon/2."
    return [Plot("zero-gp-construction", title, "angle (rad)", "D(v)", (*strokes,), note=note)]
