"""FARGAN's propositions: a small discriminator that explodes, and what differences and fakes as real do about it.

Notation of [tao2020]: n reals, m fakes, m0 of them close to one real; xi0 and xi are the logits there, s the sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import exp, log
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..losses import NonSaturating
from ..methods import FakeAsReal
from ..penalties import ClosePairDifference, ClosePairFakeAsReal, r1
from ..types import Batch, Critic, Opponent, Penalty, Scored, Term, cat, critic
from ..viz.plot import Plot, Stroke
from .game import F64, FixedFakes, Game, PointTable, Secant, column, numbers
from .statement import Law, Reading, relative, trend

CLOSE = (1, 2, 3, 5, 8)  # m0 of each real of propositions 2 and 3
N, M = len(CLOSE), sum(CLOSE)
K = (0.01, 0.05, 0.25, 1.0, 5.0)
LAMBDA = (0.02, 0.1, 0.5, 4.0, 32.0)
K_OF_LAMBDA = 0.3
DELTA = 0.1


def sigmoid(t: float) -> float:
    """s(t)."""
    return 1.0 / (1.0 + exp(-t)) if t >= 0 else exp(t) / (1.0 + exp(t))


class Optimum(NamedTuple):
    """The logits at one real and at its m0 close fakes, when D's objective is at its optimum."""

    xi0: float
    xi: tuple[float, ...]

    @property
    def factor(self) -> float:
        """s(-xi) (xi0 - xi), to which the gradient that G receives is proportional."""
        return sigmoid(-self.xi[0]) * (self.xi0 - self.xi[0])


def _places() -> tuple[Tensor, Tensor]:
    """Reals 10 apart, m0 fakes near each of them."""
    real = column([10.0 * s for s in range(N)])
    return real, column([10.0 * s + 0.001 * (i + 1) for s, m0 in enumerate(CLOSE) for i in range(m0)])


def _settled(penalties: Sequence[tuple[Penalty, ...]]) -> list[PointTable]:
    """A table critic for each set of penalties, stepped by the engine until nothing moves."""
    real, fake = _places()
    at = torch.cat([real, fake])
    opponents = {f"d{i}": Opponent(PointTable(at), NonSaturating(), own) for i, own in enumerate(penalties)}
    game = Game(FixedFakes(fake), opponents, real, numbers(M), optimizer=Secant)
    game.settle(still=1e-9)
    return [opponent.critic for opponent in game.opponents.values()]


def _optima(critic: PointTable) -> list[Optimum]:
    logits = critic.logits.tolist()
    starts = [N + sum(CLOSE[:s]) for s in range(N)]
    return [Optimum(logits[s], tuple(logits[a : a + m0])) for s, (a, m0) in enumerate(zip(starts, CLOSE, strict=True))]


@cache
def difference_tables() -> list[PointTable]:
    """Equation 6 at its optimum, for each k."""
    return _settled([(ClosePairDifference(k, DELTA),) for k in K])


@cache
def fake_as_real_tables() -> list[PointTable]:
    """Equation 8 at its optimum, for each lambda."""
    difference = ClosePairDifference(K_OF_LAMBDA, DELTA)
    return _settled([(difference, ClosePairFakeAsReal(weight, DELTA)) for weight in LAMBDA])


def lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0, by bisection."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2


def _xi(s0: float, m0: int) -> float:
    """Equation 15: xi = -ln(n m0 / (m s(-xi0)) - 1)."""
    return -log(N * m0 / (M * s0) - 1)


def _apart(s0: float, k: float) -> float:
    """Equation 18: xi0 - xi = s(-xi0) / (2 n k)."""
    return s0 / (2 * N * k)


def _factor(k: float, m0: int) -> float:
    """s(-xi) (xi0 - xi) where equation 16 is 0: s(-xi0) = 2 n k (xi0 + ln(n m0 / (m s(-xi0)) - 1))."""
    most = min(1.0, N * m0 / M) * (1 - 1e-15)
    s0 = lowest(lambda s: s - 2 * N * k * (log((1 - s) / s) + log(N * m0 / (M * s) - 1)), 1e-15, most)
    return sigmoid(-_xi(s0, m0)) * _apart(s0, k)


def proposition_2(
    factor: Law = _factor,
    xi: Law = _xi,
    apart: Law = _apart,
    with_k: Law = -1.0,
    with_m0: Law = 1.0,
) -> Iterator[Reading]:
    """FARGAN, proposition 2."""
    found = [_optima(table) for table in difference_tables()]
    for k, row in zip(K, found, strict=True):
        s0 = [sigmoid(-each.xi0) for each in row]
        told = f"k = {k:g}, m0 = {', '.join(map(str, CLOSE))}"
        yield relative(
            f"s(-xi)(xi0 - xi), {told}", [factor(k, m0) for m0 in CLOSE], [each.factor for each in row], 1e-6
        )
        yield relative(f"xi by eq. 15, {told}", [*map(xi, s0, CLOSE)], [each.xi[0] for each in row], 1e-6)
        yield relative(f"xi0 - xi by eq. 18, {told}", [apart(s, k) for s in s0], [e.xi0 - e.xi[0] for e in row], 1e-6)
    for j, m0 in enumerate(CLOSE):
        yield Reading(
            f"s(-xi)(xi0 - xi) as k rises, m0 = {m0}: -1 falls, 1 rises", with_k, trend(row[j].factor for row in found)
        )
    for k, row in zip(K, found, strict=True):
        yield Reading(f"s(-xi)(xi0 - xi) as m0 rises, k = {k:g}", with_m0, trend(each.factor for each in row))


def factor_plots() -> list[Plot]:
    """The gradient factor against k, m0 and lambda: predicted lines, measured points."""
    found = [_optima(table) for table in difference_tables()]
    smooth = [K[0] * (K[-1] / K[0]) ** (i / 60) for i in range(61)]
    by_k = [Stroke(smooth, [_factor(k, m0) for k in smooth], f"m0 = {m0}", colour=j) for j, m0 in enumerate(CLOSE)]
    by_k += [Stroke(K, [row[j].factor for row in found], "", "points", j) for j in range(N)]
    by_m0 = [Stroke(CLOSE, [_factor(k, m0) for m0 in CLOSE], f"k = {k:g}", colour=i) for i, k in enumerate(K)]
    by_m0 += [Stroke(CLOSE, [each.factor for each in row], "", "points", i) for i, row in enumerate(found)]
    rows = [_optima(table) for table in fake_as_real_tables()]
    wide = [LAMBDA[0] * (LAMBDA[-1] / LAMBDA[0]) ** (i / 60) for i in range(61)]
    by_lambda = [Stroke(wide, [_far_factor(w, m0) for w in wide], f"m0 = {m0}", colour=j) for j, m0 in enumerate(CLOSE)]
    by_lambda += [Stroke(LAMBDA, [row[j].factor for row in rows], "", "points", j) for j in range(N)]
    y = "s(-xi) (xi0 - xi)"
    note = "Lines: predicted. Points: the engine's optimum."
    return [
        Plot("fargan-factor-k", "A larger k weakens the gradient at a close pair", "k", y, (*by_k,), "xy", note),
        Plot("fargan-factor-m0", "More close fakes strengthen it", "m0", y, (*by_m0,), "y", note),
        Plot(
            "fargan-factor-lambda",
            f"Fakes as real weaken it, k = {K_OF_LAMBDA}",
            "lambda",
            y,
            (*by_lambda,),
            "xy",
            note,
        ),
    ]


CANDIDATES = 8  # from each real's neighbourhood


def _chosen(table: PointTable) -> float:
    """The share of what `FakeAsReal` takes for real, out of as many candidates near each real, near the last real."""
    real, fake = _places()
    each = [fake[sum(CLOSE[:s]) : sum(CLOSE[: s + 1])] for s in range(N)]
    candidates = torch.cat([own[torch.arange(CANDIDATES) % len(own)] for own in each])
    shown = FakeAsReal(CANDIDATES, N).edit(Batch(real), cat(Batch(fake), Batch(candidates)), critic(table)).real.x[N:]
    return float((shown > 10.0 * (N - 1) - 5.0).double().mean())


def footnote_1(xi: Law = -1.0, xi0: Law = -1.0, chosen: Law = 1.0) -> Iterator[Reading]:
    """FARGAN, footnote 1: why the lowest logits mark over-covered places."""
    for k, table in zip(K, difference_tables(), strict=True):
        found = _optima(table)
        yield Reading(f"xi as m0 rises, k = {k:g}: -1 falls, 1 rises", xi, trend(each.xi[0] for each in found))
        yield Reading(f"xi0 as m0 rises, k = {k:g}", xi0, trend(each.xi0 for each in found))
        told = f"share of the fakes counted as real that lie where m0 = {CLOSE[-1]}, k = {k:g} (1/{N} by chance)"
        yield Reading(told, chosen, _chosen(table))


def _lambda(xi0: float, m0: int, k: float, power: float = 1.0) -> float:
    """Supplement, equation 19, with the product raised to `power`: 1 is right, 2 n k is printed."""
    s0 = sigmoid(-xi0)
    product = exp(xi0 - s0 / (2 * N * k)) * (N * m0 / (M * s0) - 1)
    return float(s0 / (N * m0) * (product**power - 1))


def _far_factor(weight: float, m0: int, k: float = K_OF_LAMBDA) -> float:
    """s(-xi) (xi0 - xi) where `_lambda` is the weight."""
    most = log(1e15)
    least = lowest(lambda xi0: N * m0 / (M * sigmoid(-xi0)) - 1, -most, most) if m0 * N < M else -most
    xi0 = lowest(lambda t: _lambda(t, m0, k) - weight, least + 1e-12, most)
    apart = _apart(sigmoid(-xi0), k)
    return sigmoid(apart - xi0) * apart


def proposition_3(
    weight: Law = _lambda,
    factor: Law = _far_factor,
    apart: Law = _apart,
    with_lambda: Law = -1.0,
    last: Law = lambda weight: 1 / (2 * N * K_OF_LAMBDA * (weight * M) ** 2),
) -> Iterator[Reading]:
    """FARGAN, proposition 3."""
    found = [_optima(table) for table in fake_as_real_tables()]
    k = K_OF_LAMBDA
    for given, row in zip(LAMBDA, found, strict=True):
        told = f"lambda = {given:g}, m0 = {', '.join(map(str, CLOSE))}"
        yield relative(f"s(-xi)(xi0 - xi), {told}", [factor(given, m0) for m0 in CLOSE], [e.factor for e in row], 1e-6)
        s0 = [sigmoid(-each.xi0) for each in row]
        yield relative(f"xi0 - xi by eq. 20, {told}", [apart(s, k) for s in s0], [e.xi0 - e.xi[0] for e in row], 1e-6)
        at = [(each.xi0, m0, k) for each, m0 in zip(row, CLOSE, strict=True)]
        yield relative(f"lambda by eq. 19 without the power, {told}", [weight(*each) for each in at], [given] * N, 1e-5)
        yield relative(
            f"lambda by eq. 19 as printed, {told}", [_lambda(*each, 2 * N * k) for each in at], [given] * N, 1e-5, True
        )
    for j, m0 in enumerate(CLOSE):
        yield Reading(
            f"s(-xi)(xi0 - xi) as lambda rises, m0 = {m0}", with_lambda, trend(row[j].factor for row in found)
        )
    tail = found[-1][-1].factor
    yield relative(
        f"s(-xi)(xi0 - xi) at lambda = {LAMBDA[-1]:g} by its limit 1 / (2 n k (lambda m)^2)",
        last(LAMBDA[-1]),
        tail,
        0.02,
    )


class Rewarded(Penalty):
    """r1 as equation 11 prints it: added to what D maximises, which makes it a reward."""

    name = "rewarded"

    def __init__(self, weight: float) -> None:
        self.penalty = r1(weight)

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        value, weight = self.penalty(critic, real, fake)
        return Term(value, -(weight or 0.0))


RATE, WEIGHT, STEPS = 0.01, 10.0, 40


@cache
def slopes(printed: bool) -> tuple[float, ...]:
    """||grad d||^2 of d = w v on reals and fakes at -1 and 1, step after step of D."""
    D = nn.Linear(1, 1, bias=False, dtype=F64)
    with torch.no_grad():
        D.weight.fill_(0.01)
    penalty = Rewarded(WEIGHT) if printed else r1(WEIGHT)
    ends = column([-1.0, 1.0])
    game = Game(FixedFakes(ends), D, ends, numbers(2), (RATE, RATE), penalties=[penalty])
    found = []
    for _ in range(STEPS):
        found.append(abs(game.d_terms()[f"D/penalty/{penalty.name}"]) / WEIGHT)
        game.d_step()
    return tuple(found)


class Bowl(nn.Module):
    """d(v) = w ||v||^2 / 2, with gradient w v."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=F64))

    def forward(self, v: Tensor) -> Tensor:
        return self.w * v.square().sum(1) / 2


@cache
def covered() -> float:
    """E ||grad d||^2 of d = -v^2 / 2 beside `FakeAsReal`: 6 reals at -1 and 1, and the 2 lowest of 4 fakes, at 3."""
    reals, fakes = column([-1.0, 1.0] * 4), column([3.0, 3.0] + 6 * [0.5])
    game = Game(FixedFakes(fakes), Bowl(-1.0), reals, numbers(8), penalties=[r1(WEIGHT)], method=FakeAsReal(2, 2))
    return game.d_terms()["D/penalty/r1"] / WEIGHT


def equation_11(
    change: Law = lambda: (1 - RATE * (0.5 + 2 * WEIGHT)) ** 2,
    over: Law = (6 * 1.0 + 2 * 9.0) / 8,
    course: Law = -1.0,
) -> Iterator[Reading]:
    """FARGAN, equation 11: the sign of the gradient penalty, and the N samples that it covers."""
    own, printed = slopes(False), slopes(True)
    yield relative("||grad d||^2 over its value one step before, minimised with +k", change(), own[1] / own[0], 1e-4)
    yield Reading("mean ||grad d||^2 over the N of c, fakes counted as real among them", over, covered(), 1e-9)
    yield Reading("||grad d||^2 over the steps, minimised with +k: -1 falls, 1 rises", course, trend(own))
    yield Reading("||grad d||^2 over the steps, as printed: maximised with +k", course, trend(printed), printed=True)


def sign_plot() -> list[Plot]:
    """What equation 11's sign does."""
    at = [*range(STEPS)]
    strokes = (
        Stroke(at, slopes(False), "a penalty, as in the experiments"),
        Stroke(at, slopes(True), "as printed", colour=1),
    )
    return [
        Plot(
            "fargan-sign",
            "The penalty of equation 11 with either sign",
            "step of D",
            "mean of ||grad d||^2",
            strokes,
            "y",
        )
    ]
