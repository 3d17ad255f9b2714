"""Two discriminators on a finite space: their optima, the values of the game there, and which divergence G meets.

Notation of [zhang2018]: p the data's distribution, q the generator's. Data take five points in counts, and a critic
has a logit for each of them, so that nothing but the objective decides where the engine's steps end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import exp, log, log1p
from typing import NamedTuple

import torch
from torch import Tensor

from ..losses import D2GAN, Minimax, NonSaturating
from ..types import Loss, Opponent
from ..viz.plot import Plot, Stroke
from .game import F64, FixedFakes, Game, PointTable, Secant, numbers
from .statement import Law, Reading

REAL, FAKE = (1, 2, 3, 4, 10), (16, 10, 8, 4, 2)
NEARER = (2, 2, 3, 4, 9)  # fakes on the way to the data
ALPHA, BETA = 0.2, 0.1  # of D2GAN
NEAR, LOG2 = 1e-7, log(2)
Counts = tuple[int, ...]
Shares = Sequence[float]


def shares(counts: Counts) -> list[float]:
    """Counts over their sum."""
    return [count / sum(counts) for count in counts]


def kl(a: Shares, b: Shares) -> float:
    """KL(a || b)."""
    return sum(x * log(x / y) for x, y in zip(a, b, strict=True))


def js(a: Shares, b: Shares) -> float:
    """JS(a || b)."""
    middle = [(x + y) / 2 for x, y in zip(a, b, strict=True)]
    return (kl(a, middle) + kl(b, middle)) / 2


def mean(weights: Shares, values: Shares) -> float:
    """sum of weight * value."""
    return sum(w * v for w, v in zip(weights, values, strict=True))


def sigmoid(t: float) -> float:
    """s(t)."""
    return 1 / (1 + exp(-t))


GAMES: dict[str, tuple[Loss, Loss]] = {
    "eq. 5": (NonSaturating(), Minimax()),
    "eq. 6": (Minimax(), Minimax()),
    "D2GAN": (D2GAN(ALPHA, BETA), D2GAN(ALPHA, BETA, second=True)),
}


class Settled(NamedTuple):
    """The logits of both discriminators at each point, the second's too higher for real; and the objectives there."""

    d1: tuple[float, ...]
    d2: tuple[float, ...]
    d_value: float  # what both minimise
    g_values: tuple[float, float]  # G's loss against each
    g_each: tuple[float, ...]  # the same at each point, against both, D frozen


@cache
def settled(name: str, fake: Counts = FAKE) -> Settled:
    """A game of eq. 5, eq. 6 or D2GAN after the engine's steps of D, fakes as they are."""
    places = torch.arange(len(REAL), dtype=F64)
    at = places.unsqueeze(1)
    real, fakes = (places.repeat_interleave(torch.tensor(counts)).unsqueeze(1) for counts in (REAL, fake))
    opponents = {f"d{i}": Opponent(PointTable(at), loss) for i, loss in enumerate(GAMES[name], start=1)}
    game = Game(FixedFakes(fakes), opponents, real, numbers(len(fakes)), optimizer=Secant)
    game.settle(still=1e-11)
    tables = [opponent.critic.logits.detach() for opponent in game.opponents.values()]
    each = [_g_loss(loss, table) for loss, table in zip(GAMES[name], tables, strict=True)]
    values = tuple(mean(shares(fake), own.tolist()) for own in each)
    d1, d2 = (tuple(table.tolist()) for table in tables)
    return Settled(d1, d2, game.d_terms()["objective"], (values[0], values[1]), tuple((each[0] + each[1]).tolist()))


def _g_loss(loss: Loss, logits: Tensor) -> Tensor:
    """The generator's loss at each point, weights in."""
    total = torch.zeros_like(logits)
    for term in loss.g(logits).values():
        total = total + (1.0 if term.weight is None else term.weight) * term.value
    return total


def _share_of_data(p: float, q: float) -> float:
    """p / (p + q)."""
    return p / (p + q)


def proposition_1(d1: Law = _share_of_data, d2: Law = lambda p, q: q / (p + q)) -> Iterator[Reading]:
    """Dual discriminators, proposition 1."""
    for name in ("eq. 5", "eq. 6"):
        for fake in (FAKE, NEARER):
            found, pairs = settled(name, fake), [*zip(shares(REAL), shares(fake), strict=True)]
            yield Reading(
                f"D1*, {name}, counts of q {fake}", [d1(p, q) for p, q in pairs], [*map(sigmoid, found.d1)], NEAR
            )
            second = [sigmoid(-t) for t in found.d2]
            yield Reading(f"D2*, {name}, counts of q {fake}", [d2(p, q) for p, q in pairs], second, NEAR)


def theorem_2(
    value: Law = lambda p, q: -4 * log(2) + 4 * js(p, q),
    equilibrium: Law = -4 * LOG2,
    half: Law = 0.5,
) -> Iterator[Reading]:
    """Dual discriminators, theorem 2: the value of eq. 6."""
    p = shares(REAL)
    for fake in (FAKE, NEARER, REAL):
        told = f"value of eq. 6 at D1*, D2*, counts of q {fake}"
        yield Reading(told, value(p, shares(fake)), -settled("eq. 6", fake).d_value, NEAR)
    ours = settled("eq. 6", REAL)
    yield Reading("the same where q = p, -4 log 2", equilibrium, -ours.d_value, NEAR)
    yield Reading("D1* and D2* there", [half] * 10, [*map(sigmoid, ours.d1), *(sigmoid(-t) for t in ours.d2)], NEAR)
    yield Reading("value elsewhere, above it", equilibrium, -settled("eq. 6", NEARER).d_value, relation=">")


def _log_d1(fake: Counts) -> float:
    """E_p log D1* as measured."""
    return mean(shares(REAL), [-log1p(exp(-t)) for t in settled("eq. 5", fake).d1])


def equation_9(
    against_d1: Law = lambda p, q, log_d1: kl(q, p) - 2 * js(p, q) + 2 * log(2) + log_d1,
    against_both: Law = lambda p, q: kl(q, p),
    least: Law = -LOG2,
) -> Iterator[Reading]:
    """Dual discriminators, equation 9: what G minimises against each discriminator."""
    p = shares(REAL)
    for fake in (FAKE, NEARER):
        found, q = settled("eq. 5", fake), shares(fake)
        told = f"E_q[-log D1*], counts of q {fake}"
        yield Reading(told, against_d1(p, q, _log_d1(fake)), found.g_values[0], NEAR)
        yield Reading(f"G's whole loss, counts of q {fake}: KL(q || p)", against_both(p, q), sum(found.g_values), NEAR)
    yield Reading("E_p log D1* where q = p, its minimum", least, _log_d1(REAL), NEAR)
    yield Reading("the same of another q, above it", least, _log_d1(NEARER), relation=">")
    constant = [_log_d1(FAKE), _log_d1(NEARER)]
    yield Reading(
        "E_p log D1*, as printed a constant when G is optimised", constant[0], constant[1], 1e-3, printed=True
    )


def _whole(fake: Counts, second: str) -> float:
    """J at D*, from the settled logits: E_p log D1 + E_q[-log D1] + E_p[...] + E_q log D2."""
    found, p = settled("eq. 5", fake), shares(REAL)
    reals = [-log1p(exp(t)) if second == "-log D2" else -log1p(exp(-t)) for t in found.d2]  # log D2, log(1 - D2)
    item = mean(p, reals)
    return _log_d1(fake) + sum(found.g_values) + (-item if second == "-log D2" else item)


def theorem_3(
    value: Law = lambda p, q, log_d1: kl(q, p) + 2 * log_d1,
    equilibrium: Law = -2 * LOG2,
) -> Iterator[Reading]:
    """Dual discriminators, theorem 3 and equation 10."""
    p = shares(REAL)
    for fake in (FAKE, NEARER, REAL):
        told = f"J at D1*, D2*, the item of D2 on reals read as log(1 - D2), counts of q {fake}"
        yield Reading(told, value(p, shares(fake), _log_d1(fake)), _whole(fake, "log(1 - D2)"), NEAR)
    yield Reading("the same where q = p, 2 E_p log D1* = -2 log 2", equilibrium, _whole(REAL, "log(1 - D2)"), NEAR)
    yield Reading("J elsewhere, above it", equilibrium, _whole(NEARER, "log(1 - D2)"), relation=">")
    told = "J where q = p, that item read as -log D2 as equation 5 prints it"
    yield Reading(told, equilibrium, _whole(REAL, "-log D2"), NEAR, printed=True)


ONE, BROAD = (1, 1, 1, 1, 396), (80, 80, 80, 80, 80)  # fakes on one mode of two, and everywhere
MODES = (196, 4, 4, 4, 192)


@cache
def _against_modes(fake: Counts) -> float:
    """G's loss of eq. 5 where data have two modes, D1 and D2 at their optima."""
    places = torch.arange(5, dtype=F64)
    real, fakes = (places.repeat_interleave(torch.tensor(counts)).unsqueeze(1) for counts in (MODES, fake))
    opponents = {f"d{i}": Opponent(PointTable(places.unsqueeze(1)), loss) for i, loss in enumerate(GAMES["eq. 5"])}
    game = Game(FixedFakes(fakes), opponents, real, numbers(len(fakes)), optimizer=Secant)
    game.settle(still=1e-11)
    each = [_g_loss(o.loss, o.critic.logits.detach()).tolist() for o in game.opponents.values()]
    return sum(mean(shares(fake), own) for own in each)


def kl_direction(
    slope: Law = lambda p, q: log(q / p),
    loss: Law = lambda p, q: kl(q, p),
) -> Iterator[Reading]:
    """Dual discriminators: G's gradient is that of KL(q || p), which seeks one mode."""
    for fake in (FAKE, NEARER):
        pairs = zip(shares(REAL), shares(fake), strict=True)
        told = f"G's loss at each point, D frozen, counts of q {fake}: dKL(q || p)/dq less 1"
        yield Reading(told, [slope(p, q) for p, q in pairs], settled("eq. 5", fake).g_each, NEAR)
    p = shares(MODES)
    found = [_against_modes(fake) for fake in (ONE, BROAD)]
    predicted = [loss(p, shares(fake)) for fake in (ONE, BROAD)]
    yield Reading("G's loss where data have two modes: q on one of them, q everywhere", predicted, found, NEAR)
    yield Reading("the second over the first: one mode is enough for G", 1.0, found[1] / found[0], relation=">")
    forward = [kl(p, shares(fake)) for fake in (ONE, BROAD)]
    told = "KL(p || q) of the second over the first: it would punish the missing mode"
    yield Reading(told, 1.0, forward[1] / forward[0], relation="<")


def _constant() -> float:
    return ALPHA * (log(ALPHA) - 1) + BETA * (log(BETA) - 1)


def optimum(
    d1: Law = lambda p, q: ALPHA * p / q,
    d2: Law = lambda p, q: BETA * q / p,
    value: Law = lambda p, q: _constant() + ALPHA * kl(p, q) + BETA * kl(q, p),
    least: Law = _constant,
) -> Iterator[Reading]:
    """D2GAN's optimum [nguyen2017]."""
    p = shares(REAL)
    for fake in (FAKE, NEARER):
        found, q = settled("D2GAN", fake), shares(fake)
        pairs = [*zip(p, q, strict=True)]
        first, second = [log1p(exp(t)) for t in found.d1], [log1p(exp(-t)) for t in found.d2]
        yield Reading(f"D1*, counts of q {fake}", [d1(*pair) for pair in pairs], first, 1e-6)
        yield Reading(f"D2*, counts of q {fake}", [d2(*pair) for pair in pairs], second, 1e-6)
        yield Reading(f"the game's value there, counts of q {fake}", value(p, q), -found.d_value, NEAR)
    yield Reading("the game's value where q = p", least(), -settled("D2GAN", REAL).d_value, NEAR)
    yield Reading("the game's value elsewhere, above it", least(), -settled("D2GAN", NEARER).d_value, relation=">")


def equilibrium_plots() -> list[Plot]:
    """The optima on the finite space, and G's loss between q and p."""
    places = [1.0, 2.0, 3.0, 4.0, 5.0]
    p, q, found = shares(REAL), shares(FAKE), settled("eq. 5")
    strokes = (
        Stroke(places, [a / (a + b) for a, b in zip(p, q, strict=True)], "p / (p + q)", colour=0),
        Stroke(places, [*map(sigmoid, found.d1)], "D1, stepped", "points", 0),
        Stroke(places, [b / (a + b) for a, b in zip(p, q, strict=True)], "q / (p + q)", colour=1),
        Stroke(places, [sigmoid(-t) for t in found.d2], "D2, stepped", "points", 1),
        Stroke(places, p, "p", colour=3),
        Stroke(places, q, "q", colour=4),
    )
    mixed = [tuple(round(400 * ((1 - t) * b + t * a)) for a, b in zip(p, q, strict=True)) for t in MIXES]
    stepped = [settled("eq. 5", fake) for fake in mixed]
    smooth = [i / 50 for i in range(51)]
    between = [[(1 - t) * b + t * a for a, b in zip(p, q, strict=True)] for t in smooth]
    losses = (
        Stroke(smooth, [kl(own, p) for own in between], "KL(q || p)", colour=0),
        Stroke(MIXES, [sum(own.g_values) for own in stepped], "G's loss of eq. 5, stepped", "points", 0),
        Stroke(smooth, [js(p, own) for own in between], "JS(p || q)", colour=1),
    )
    return [
        Plot("dual-optima", "Two discriminators at their optima", "point of the space", "share", strokes),
        Plot("dual-losses", "Against both, G minimises KL(q || p)", "way from q to p", "loss of G", losses),
    ]


MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
