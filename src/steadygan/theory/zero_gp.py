"""0-GP on a linear game that its discriminator cannot win, and on what a penalty between samples does to gradients.

Notation of [thanhtung2019]: real x, fake y, and epsilon, by which an epsilon-optimal D tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import pi, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..engine.optim import OptimizerSettings
from ..losses import Wasserstein
from ..penalties import PairDifference, one_gp, r1, r2, zero_gp
from ..types import Batch, Penalty
from ..viz.plot import Plot, Stroke
from .game import F64, FixedFakes, Game, Secant, numbers
from .statement import Law, Reading, relative, trend

GAP, Z = 0.5, (1.0, 1.0)  # of proposition 2: epsilon, and z with z^2 = 2
Z2 = sum(z * z for z in Z)
REAL = (1.0, 0.5)
NEAR = (1.0, 0.5, 0.25, 0.2)  # r, the distance of fake and real
RATE, RATE_FROM_0 = 1e-4, 2e-2


class LinearPair:
    """D(v) = theta_D v against G(z) = theta_G z with one z, Wasserstein's loss and one rate; fake at distance r."""

    def __init__(self, r: float, rate: float, optimal: bool = True) -> None:
        self.D, self.G = nn.Linear(2, 1, bias=False, dtype=F64), nn.Linear(2, 2, bias=False, dtype=F64)
        direction = torch.tensor([0.6, 0.8], dtype=F64)
        x, z = torch.tensor([REAL], dtype=F64), torch.tensor([Z], dtype=F64)
        with torch.no_grad():
            self.D.weight.copy_(GAP / r * direction if optimal else torch.zeros(2))
            self.G.weight.copy_((x[0] - r * direction)[:, None] * z / Z2)
        self.game = Game(self.G, self.D, x, z, (rate, rate), loss=Wasserstein())
        self.rate, self.x, self.z = rate, x, z

    @property
    def apart(self) -> float:
        """D(x) - D(y)."""
        with torch.no_grad():
            return float(self.D(self.x) - self.D(self.G(self.z)))

    def steps(self) -> int:
        """D's steps until it is epsilon-optimal."""
        count = 0
        while self.apart < GAP * (1 - 1e-12):
            self.game.d_step()
            count += 1
        return count

    def slopes(self) -> tuple[float, float]:
        """The norms of the gradients of D's step and of G's, at the same place."""
        found = []
        for network, step in ((self.D, self.game.d_step), (self.G, self.game.g_step)):
            before = network.weight.detach().clone()
            step()
            found.append(float((network.weight.detach() - before).norm()) / self.rate)
            with torch.no_grad():
                network.weight.copy_(before)
        return found[0], found[1]


@cache
def steps_needed() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """D's steps to the next epsilon-optimal state after a step of G, and from theta_D = 0, for each distance."""
    after = []
    for r in NEAR:
        pair = LinearPair(r, RATE)
        pair.game.g_step()
        after.append(pair.steps())
    return tuple(after), tuple(LinearPair(r, RATE_FROM_0, optimal=False).steps() for r in NEAR[:3])


def _next_steps(r: float) -> float:
    """epsilon^2 z^2 / (r^2 r'^2), r' = r - eta epsilon z^2 / r."""
    return GAP**2 * Z2 / (r * (r - RATE * GAP * Z2 / r)) ** 2


def _first_steps(r: float) -> float:
    """epsilon / (eta r^2)."""
    return GAP / (RATE_FROM_0 * r * r)


def _kept(r: float) -> float:
    """D(x) - D(y) after a step of D and one of G, from an epsilon-optimal state."""
    slope = GAP / r + RATE * r
    return slope * (r - RATE * Z2 * slope)


@cache
def ratios() -> tuple[float, ...]:
    """|dL/dtheta_D| / |dL/dtheta_G| for each distance."""
    return tuple(d / g for d, g in (LinearPair(r, RATE).slopes() for r in NEAR))


@cache
def kept(r: float, iterations: int) -> float:
    """D(x) - D(y) after so many alternating iterations from an epsilon-optimal state."""
    pair = LinearPair(r, RATE)
    pair.game.play(iterations)
    return pair.apart


def proposition_2(
    ratio: Law = lambda r: r**2 / (GAP * sqrt(Z2)),
    after: Law = _next_steps,
    first: Law = _first_steps,
    optimality: Law = _kept,
    with_r: Law = 1.0,
) -> Iterator[Reading]:
    """0-GP, proposition 2, for the linear case of appendix B."""
    told = ", ".join(f"{r:g}" for r in NEAR)
    yield relative(f"|dL/dtheta_D| / |dL/dtheta_G| at r = {told}", [ratio(r) for r in NEAR], ratios(), 1e-9)
    yield Reading("the same as r rises: 1 rises, and falls as fakes approach", with_r, trend(reversed(ratios())))
    needed = steps_needed()
    for r, count in zip(NEAR, needed[0], strict=True):
        yield Reading(
            f"D's steps back to epsilon after one of G, r = {r:g} (below the next whole number)", after(r), count, 1.0
        )
    for r, count in zip(NEAR, needed[1], strict=False):
        yield Reading(
            f"D's steps from theta_D = 0 to epsilon, r = {r:g} (below the next whole number)", first(r), count, 1.0
        )
    for r in NEAR:
        yield relative(
            f"D(x) - D(y) after one iteration from epsilon = {GAP}, r = {r:g}", optimality(r), kept(r, 1), 1e-9
        )
    yield Reading(
        f"the same after 50 iterations from r = {NEAR[2]:g}: optimality is lost", GAP, kept(NEAR[2], 50), relation="<"
    )


def steps_plot() -> list[Plot]:
    """How many steps D needs as points approach."""
    smooth = [0.18 * (1 / 0.18) ** (i / 60) for i in range(61)]
    needed = steps_needed()
    strokes = (
        Stroke(smooth, [_next_steps(r) for r in smooth], "after a step of G", colour=0),
        Stroke(NEAR, [*map(float, needed[0])], "", "points", 0),
        Stroke(smooth, [_first_steps(r) for r in smooth], "from theta_D = 0", colour=1),
        Stroke(NEAR[:3], [*map(float, needed[1])], "", "points", 1),
    )
    title, x, y = "D needs more steps as fakes approach", "distance r of fake and real", "steps of D to epsilon"
    note = "Lines: predicted. Points: the engine's steps, counted."
    return [Plot("zero-gp-steps", title, x, y, strokes, "xy", note)]


class Ripple(nn.Module):
    """d(v) = height sin^2(pi t), t the share of the way from y (0) to x (1): flat and equal at both ends."""

    def __init__(self, x: Tensor, y: Tensor, height: float) -> None:
        super().__init__()
        self.height = nn.Parameter(torch.tensor(height, dtype=F64))
        self.y, self.way = y, (x - y) / (x - y).square().sum()

    def forward(self, v: Tensor) -> Tensor:
        return self.height * torch.sin(pi * ((v - self.y) @ self.way)).square()


PAIRS = 64  # points of the way, evenly spread


def even(names: Sequence[str]) -> dict[str, Any]:
    """Evenly spread a of x~ = a x + (1 - a) y for these penalties, in place of random ones."""
    mix = (torch.arange(PAIRS, dtype=F64) + 0.5) / PAIRS
    return {"D": {f"penalty/{name}": {"mix": mix} for name in names}}


@cache
def measures(kind: str, distance: float, height: float = 1.0) -> Mapping[str, float]:
    """The penalties' values on a critic between a real and a fake, without their weights, and (D(x) - D(y))^2."""
    y = torch.zeros(2, dtype=F64)
    x = y + distance * torch.tensor([0.6, 0.8], dtype=F64)
    D: nn.Module = Ripple(x, y, height)
    if kind != "ripple":
        D = nn.Linear(2, 1, dtype=F64)
        with torch.no_grad():
            D.weight.copy_((x - y if kind == "steep" else torch.tensor([1.5, 0.25]))[None])
    penalties: list[Penalty] = [zero_gp(1.0), r1(1.0), r2(1.0), PairDifference(1.0, 1.0, 1.0)]
    real, fake = x.expand(PAIRS, 2).clone(), y.expand(PAIRS, 2).clone()
    game = Game(FixedFakes(fake), D, real, numbers(PAIRS), penalties=penalties, noise=even(["zero_gp"]))
    terms = game.d_terms()
    with torch.no_grad():
        rise = (D(x[None]) - D(y[None])).reshape(())
    return {p.name: terms[f"D/penalty/{p.name}"] for p in penalties} | {"difference": float(rise.square())}


def section_3_2(
    between: Law = lambda distance: (pi / distance) ** 2 / 2,
    at_samples: Law = 0.0,
    straight: Law = 1.0,
    oblique: Law = (1.5 * 0.6 + 0.25 * 0.8) ** 2 / (1.5**2 + 0.25**2),
    equal: Law = 0.0,
) -> Iterator[Reading]:
    """0-GP, section 3.2: why it is the way between samples that is penalised."""
    for distance in (1.0, 0.1, 0.01):
        found = measures("ripple", distance)
        told = f"x and y {distance:g} apart"
        yield Reading(
            f"lambda_1 and lambda_2 terms of a D with equal ends, {told}", at_samples, found["pair_difference"], 1e-9
        )
        ends = (found["r1"], found["r2"])
        yield Reading(f"r1 and r2 of it, {told}", [at_samples] * 2, ends, 1e-9)
        yield relative(f"zero_gp of it: the explosion between them, {told}", between(distance), found["zero_gp"], 1e-6)
    for distance in (1.0, 0.1):
        linear = measures("linear", distance)
        share = linear["difference"] / (distance**2 * linear["zero_gp"])
        told = f"(d(x) - d(y))^2 / (||x - y||^2 zero_gp), at most 1, {distance:g} apart"
        yield Reading(f"{told}: d = w.v, w across x - y, cos^2 of the angle", oblique, share, 1e-9)
        steep = measures("steep", distance)
        yield Reading(f"{told}: w along x - y", straight, steep["difference"] / (distance**2 * steep["zero_gp"]), 1e-9)
        ripple = measures("ripple", distance)
        share = ripple["difference"] / (distance**2 * ripple["zero_gp"])
        yield Reading(f"{told}: the D with equal ends", equal, share, 1e-9)


LENGTH, SLOPES, WEIGHT = 2.0, 16, 2.0  # of section 3.5


class Stairs(nn.Module):
    """d(v) on [0, LENGTH] with a slope of its own on each of equal stretches."""

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.slopes = nn.Parameter(slopes.clone())

    def forward(self, v: Tensor) -> Tensor:
        width = LENGTH / len(self.slopes)
        starts = width * torch.arange(len(self.slopes), dtype=F64)
        return (v - starts).clamp(0.0, width) @ self.slopes


def uneven() -> Tensor:
    """Slopes that differ, from 0.3 to 1.7 with a mean of 1."""
    return 1.0 + 0.7 * torch.cos(torch.arange(SLOPES, dtype=F64) * pi / (SLOPES - 1))


def _on_stairs(D: nn.Module, penalty: Penalty) -> Game:
    real, fake = torch.full((PAIRS, 1), LENGTH, dtype=F64), torch.zeros(PAIRS, 1, dtype=F64)
    own: dict[str, Any] = {"loss": Wasserstein(), "penalties": [penalty], "noise": even([penalty.name])}
    return Game(FixedFakes(fake), D, real, numbers(PAIRS), optimizer=Secant, **own)


@cache
def settled_slopes(kind: str) -> tuple[float, ...]:
    """The slopes between one fake and one real under Wasserstein's loss and a penalty, at D's optimum."""
    D = Stairs(uneven())
    _on_stairs(D, (zero_gp if kind == "zero_gp" else one_gp)(WEIGHT)).settle(still=1e-12)
    return tuple(D.slopes.tolist())


def spread(norms: Tensor) -> float:
    """The coefficient of variation: standard deviation over mean."""
    return float(norms.std(correction=0) / norms.mean())


class Shares(NamedTuple):
    """Two critics of equal 1-GP: half of the gradients above 1 and half below, and all above."""

    penalties: tuple[float, float]
    means: tuple[float, float]


@cache
def equal_one_gp(off: float = 0.5) -> Shares:
    """Measured by the engine's `one_gp` and by the gradients that it measures."""
    mixed = torch.where(torch.arange(SLOPES) % 2 == 0, 1 + off, 1 - off).double()
    found, means = [], []
    for slopes in (mixed, torch.full((SLOPES,), 1 + off, dtype=F64)):
        game = _on_stairs(Stairs(slopes), one_gp(1.0))
        found.append(game.d_terms()["D/penalty/one_gp"])
        means.append(float(gradient_norms(game).mean()))
    return Shares((found[0], found[1]), (means[0], means[1]))


def gradient_norms(game: Game, each: int = 32) -> Tensor:
    """||grad d|| on the ways between all fakes and reals, `each` points of every way."""
    real, fake = (torch.unique(x, dim=0) for x in (game.real, game.executor.fakes(game.z).x))
    a = ((torch.arange(each, dtype=F64) + 0.5) / each)[:, None, None, None]
    between = (a * real[:, None] + (1 - a) * fake).reshape(-1, fake.shape[1])
    gradient = game.executor.critics["D"].score(Batch(between)).input_gradient().detach()
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=1)
    return norms


RING, HIDDEN, D_STEPS = 8, 16, 80


@cache
def variation(kind: str) -> float:
    """The coefficient of variation of ||grad d|| after D's steps on a ring of reals and fakes that sit on one mode."""
    generator = torch.Generator().manual_seed(0)
    angle = 2 * pi * torch.arange(RING, dtype=F64) / RING
    ring = 2.0 * torch.stack([angle.cos(), angle.sin()], 1)
    fakes = ring[0] + 0.3 * torch.randn(RING, 2, dtype=F64, generator=generator)
    D = nn.Sequential(
        nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1)
    ).double()
    with torch.no_grad():
        for p in D.parameters():
            p.copy_(torch.randn(p.shape, dtype=F64, generator=generator) / sqrt(p.shape[-1]))
    penalties = [] if kind == "none" else [(zero_gp if kind == "zero_gp" else one_gp)(1.0)]
    own: dict[str, Any] = {"penalties": penalties, "optimizer": OptimizerSettings("adam")}
    game = Game(FixedFakes(fakes), D, ring, numbers(RING), (0.01, 0.01), **own)
    game.d_step(D_STEPS)
    return spread(gradient_norms(game))


def section_3_5(
    zero: Law = LENGTH / (2 * WEIGHT),
    one: Law = 1 + LENGTH / (2 * WEIGHT),
    mean: Law = (1.0, 1.5),
) -> Iterator[Reading]:
    """0-GP, section 3.5: gradients of one size."""
    yield Reading("slopes at D's optimum with 0-GP: all alike", [zero] * SLOPES, settled_slopes("zero_gp"), 1e-6)
    yield Reading("slopes at D's optimum with 1-GP: also all alike", [one] * SLOPES, settled_slopes("one_gp"), 1e-6)
    start, end = spread(uneven()), spread(torch.tensor(settled_slopes("zero_gp")))
    yield Reading(
        "coefficient of variation of these slopes, with 0-GP, below those at the start", start, end, relation="<"
    )
    shares = equal_one_gp()
    told = "mean ||grad D|| at equal 1-GP: half above 1 and half below; all above"
    yield Reading(told, mean, shares.means, 1e-9)
    yield Reading("their 1-GP", shares.penalties[0], shares.penalties[1], 1e-9)
    yield Reading("as printed: both have the same mean", shares.means[0], shares.means[1], 1e-9, printed=True)
    shares_of = [variation(kind) / variation("none") for kind in ("zero_gp", "one_gp")]
    told = "coefficient of variation of ||grad d|| over that without a penalty, fakes on one mode of a ring: 0-GP, 1-GP"
    yield Reading(told, (1.0, 1.0), shares_of, relation="<")


def slopes_plot() -> list[Plot]:
    """The gradients between one fake and one real, before and after."""
    at = [LENGTH * (i + 0.5) / SLOPES for i in range(SLOPES)]
    strokes = (
        Stroke(at, uneven().tolist(), "start", colour=0),
        Stroke(at, settled_slopes("zero_gp"), "0-GP's optimum", colour=1),
        Stroke(at, settled_slopes("one_gp"), "1-GP's optimum", colour=2),
    )
    title, x, y = "Either penalty evens gradients out", "way from the fake to the real", "||grad d||"
    return [Plot("zero-gp-slopes", title, x, y, strokes)]
