"""The Dirac-GAN: d(x) = psi x, one real at 0, one fake at theta; does training come to rest at (0, 0)?

The field of [mescheder2018] is (-dL_D/dpsi, -dL_G/dtheta), here read off the engine's own steps of D and of G.
"""

from __future__ import annotations

from cmath import sqrt as root
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import hypot, sqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Source
from ..engine.optim import OptimizerSettings
from ..losses import LOSSES
from ..penalties import PairDifference, WeightClipping, dragan, one_gp, r1, r2, zero_gp
from ..training.trainer import Trainer
from ..types import Constraint, Penalty
from ..viz.plot import Plot, Stroke
from .game import F64, Game
from .statement import Law, Reading, relative

PLAYED = (
    "nonsaturating", "minimax", "relativistic_pairing", "wasserstein", "hinge", "relativistic_average", "least_squares",
)  # fmt: skip
PENALISED: dict[str, Callable[[float], list[Penalty]]] = {
    "none": lambda _: [],
    "r1": lambda w: [r1(w)],
    "r2": lambda w: [r2(w)],
    "zero_gp": lambda w: [zero_gp(w)],
    "r1 + r2": lambda w: [r1(w), r2(w)],
    "r1 of the probability": lambda w: [r1(w, of="probability")],
    "zero_gp of the probability": lambda w: [zero_gp(w, of="probability")],
    "pair_difference": lambda w: [PairDifference(w, 1.0, 1.0)],
    "one_gp": lambda w: [one_gp(w)],
    "dragan": lambda w: [dragan(w)],
}
CENTRED = [name for name in PENALISED if name not in ("one_gp", "dragan")]
W, FIRM, RATE, CLIP = 0.3, 1.5, 0.2, 0.5
EVERY = 2  # iterations between two looks at a run
Matrix = NDArray[np.float64]


class DiracFake(nn.Module):
    """G(z) = theta, whatever z."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([[theta]], dtype=F64))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class DiracCritic(nn.Module):
    """d(v) = psi v, or psi v + b, which least squares needs: without it d(0) = 0 whatever the target."""

    def __init__(self, psi: float, bias: bool) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi, dtype=F64))
        self.b = nn.Parameter(torch.tensor(0.5, dtype=F64)) if bias else None

    def forward(self, v: Tensor) -> Tensor:
        d = self.psi * v.squeeze(1)
        return d if self.b is None else d + self.b


class DiracGame:
    """The two players; a state is (psi, theta), or (psi, theta, b) with a bias."""

    def __init__(
        self,
        loss: str,
        penalties: Sequence[Penalty] = (),
        constraint: Constraint | None = None,
        bias: bool | None = None,
        rate: float = 1.0,
    ) -> None:
        self.G, self.D, self.rate = (
            DiracFake(0.0),
            DiracCritic(0.0, loss == "least_squares" if bias is None else bias),
            rate,
        )
        at: Tensor = torch.zeros(1, 1, dtype=F64)
        parts: dict[str, Any] = {"loss": LOSSES[loss](), "penalties": [*penalties], "constraint": constraint}
        self.game = Game(self.G, self.D, at, at, (rate, rate), **parts)

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self.D.psi, self.G.theta, *([] if self.D.b is None else [self.D.b])]

    @property
    def state(self) -> Matrix:
        return np.array([float(p.detach()) for p in self.parameters])

    def put(self, state: Sequence[float] | Matrix) -> None:
        with torch.no_grad():
            for p, value in zip(self.parameters, state, strict=True):
                p.fill_(float(value))

    @property
    def rest(self) -> Matrix:
        """Where training should come to rest."""
        return np.array([0.0, 0.0] + ([] if self.D.b is None else [0.5]))

    def field(self, state: Sequence[float] | Matrix) -> Matrix:
        """The step of D and the step of G from the same place, over the rate."""
        moved = np.zeros(len(state))
        for step in (self.game.d_step, self.game.g_step):
            self.put(state)
            step()
            moved += self.state - np.asarray(state)
        return moved / self.rate

    def after(self, state: Sequence[float] | Matrix) -> Matrix:
        """The state after one iteration: D's step, then G's."""
        self.put(state)
        self.game.play()
        return self.state

    def path(self, state: Sequence[float] | Matrix, iterations: int) -> Matrix:
        """The states of so many iterations (iterations + 1, 2 or 3), the start among them."""
        self.put(state)
        rows = [self.state]
        for _ in range(iterations):
            self.game.play()
            rows.append(self.state)
        return np.stack(rows)


def slope(function: Callable[[Matrix], Matrix], at: Matrix, h: float = 1e-5) -> Matrix:
    """The Jacobian by central differences."""
    steps = h * np.eye(len(at))
    return np.stack([(function(at + step) - function(at - step)) / (2 * h) for step in steps], axis=1)


@cache
def linearised(loss: str, penalty: str, w: float, bias: bool | None = None) -> tuple[complex, ...]:
    """The measured eigenvalues of the field at rest, the slowest pair first."""
    game = DiracGame(loss, PENALISED[penalty](w), bias=bias)
    return ordered(np.linalg.eigvals(slope(game.field, game.rest)).tolist())


def ordered(values: Sequence[complex]) -> tuple[complex, ...]:
    """By real part, then imaginary part, the largest first, rounding apart."""
    return tuple(sorted((complex(v) for v in values), key=lambda v: (round(v.real, 6), round(v.imag, 6)), reverse=True))


def _pull(loss: str) -> float:
    """a in theta' = a psi, psi' = -a theta at rest: the slope of the losses at logits of 0, for least squares 1/2."""
    return 1.0 if loss in ("wasserstein", "hinge", "relativistic_average") else 0.5


def _damping(penalty: str, loss: str, w: float) -> float:
    """v in psi' = -2 v psi: w, 2 w for both sides, w (D (1 - D))^2 for the probability, that is w / 16 at D = 1/2."""
    half = 1 / (1 + np.exp(-0.5)) if loss == "least_squares" else 0.5  # there d = 1/2 at rest
    probability = float(half * (1 - half)) ** 2
    own = {"none": 0.0, "r1 + r2": 2.0, "pair_difference": probability}
    return w * own.get(penalty, probability if penalty.endswith("probability") else 1.0)


def _eigenvalues(loss: str, penalty: str, w: float) -> tuple[complex, ...]:
    """-v +- sqrt(v^2 - a^2); least squares' bias adds -2."""
    v, a = _damping(penalty, loss, w), _pull(loss)
    pair = [-v + sign * root(v * v - a * a) for sign in (1, -1)]
    return ordered([*pair, *([-2.0] if loss == "least_squares" else [])])


def parts_of(values: Sequence[complex]) -> list[float]:
    """Real and imaginary parts in turn."""
    return [part for value in values for part in (value.real, value.imag)]


def section_3_4(
    eigenvalues: Law = _eigenvalues,
    blind: Law = (0.0, -2 * W),
    same: Law = 1.0,
) -> Iterator[Reading]:
    """0-GP, section 3.4: eigenvalues of the Dirac-GAN's field at rest."""
    for penalty in CENTRED:
        for w in (W, FIRM) if penalty in ("r1", "zero_gp") else (W,):
            for loss in PLAYED:
                told = f"eigenvalues (re, im), {loss}, {penalty}" + (f", w = {w:g}" if penalty != "none" else "")
                predicted = parts_of(eigenvalues(loss, penalty, w))
                yield Reading(told, predicted, parts_of(linearised(loss, penalty, w)), 2e-6)
    for loss in PLAYED:
        told = f"slowest rate with zero_gp over that with r1, {loss}, w = {W:g}"
        ours, theirs = (linearised(loss, penalty, W)[0].real for penalty in ("zero_gp", "r1"))
        yield Reading(told, same, ours / theirs, 1e-6)
    found = [value.real for value in linearised("least_squares", "r1", W, bias=False)]
    yield Reading(
        f"eigenvalues, least_squares without a bias in D, r1, w = {W:g}: theta stays where it is", blind, found, 2e-6
    )


def _step_matrix(v: float, a: float, rate: float) -> Matrix:
    """D's step, then G's, at rest: psi <- (1 - 2 rate v) psi - rate a theta, theta <- theta + rate a psi."""
    left = 1 - 2 * rate * v
    return np.array([[left, -rate * a], [rate * a * left, 1 - (rate * a) ** 2]])


def _simultaneous(a: float, rate: float) -> float:
    """|1 + rate i a| = sqrt(1 + (rate a)^2), without a penalty."""
    return sqrt(1 + (rate * a) ** 2)


def _alternating(v: float, a: float, rate: float) -> float:
    """The largest |eigenvalue|: sqrt(1 - 2 rate v) where the two are complex."""
    return float(np.abs(np.linalg.eigvals(_step_matrix(v, a, rate))).max())


@cache
def contraction(loss: str, penalty: str, w: float, rate: float) -> tuple[float, float]:
    """The largest measured |eigenvalue| at rest of simultaneous steps, and of an iteration (D's step, then G's)."""
    game = DiracGame(loss, PENALISED[penalty](w), rate=rate)
    both = np.eye(len(game.rest)) + rate * slope(game.field, game.rest)
    largest = [float(np.abs(np.linalg.eigvals(matrix)).max()) for matrix in (both, slope(game.after, game.rest))]
    return largest[0], largest[1]


class Trajectory(NamedTuple):
    """Where a trained Dirac-GAN was at the start and after every `EVERY` iterations."""

    psi: tuple[float, ...]
    theta: tuple[float, ...]

    @property
    def distance(self) -> list[float]:
        """From (0, 0)."""
        return [hypot(*at) for at in zip(self.psi, self.theta, strict=True)]

    @property
    def late(self) -> list[float]:
        """The same in the second half of the run."""
        return self.distance[len(self.psi) // 2 :]


@cache
def trained(
    loss: str, penalty: str, w: float, theta: float, iterations: int, clip: float | None = None, rate: float = RATE
) -> Trajectory:
    """A run of `Trainer` from (psi, theta) = (0, theta), looked at every few iterations."""
    G, D = DiracFake(theta), DiracCritic(0.0, loss == "least_squares")
    seen = {0: (0.0, theta)}

    def look(_: object, iteration: int, __: object) -> None:
        seen[iteration] = float(D.psi.detach()), float(G.theta.detach())

    trainer = Trainer(
        G,
        D,
        Source("the real at 0", (1,), torch.zeros(1, 1, dtype=F64)),
        latent=lambda count, _: torch.zeros(count, 1, dtype=F64),
        loss=LOSSES[loss](),
        penalties=PENALISED[penalty](w),
        constraint=None if clip is None else WeightClipping(clip),
        batch_size=1,
        optimizer=OptimizerSettings("sgd"),
        lr_g=rate,
        ema=None,
        dtype=F64,
        device="cpu",
        threads=1,
        compile="off",
        evaluator=None,
        features=None,
        monitor=None,
        log_every=EVERY,
        callbacks=[look],
    )
    trainer.fit(iterations, progress=False)
    return Trajectory(*zip(*(seen[iteration] for iteration in range(0, iterations + 1, EVERY)), strict=True))


NEAR, LONG, FAR = 1e-3, 40, 120


def _end(loss: str, penalty: str, w: float, start: tuple[float, float], iterations: int) -> tuple[float, float]:
    """Where the linear steps lead from (psi, theta)."""
    matrix = _step_matrix(_damping(penalty, loss, w), _pull(loss), RATE)
    psi, theta = np.linalg.matrix_power(matrix, iterations) @ np.array(start)
    return float(psi), float(theta)


def section_3_4_rates(
    simultaneous: Law = _simultaneous,
    alternating: Law = _alternating,
    end: Law = _end,
    complex_pair: Law = lambda v: sqrt(1 - 2 * RATE * v),
    cycle: Law = 1.0,
    fading: Law = lambda time: 4 + time / 8,
) -> Iterator[Reading]:
    """0-GP, section 3.4: how fast the Dirac-GAN contracts, step by step and in runs of `Trainer`."""
    for loss in PLAYED:
        a = _pull(loss)
        both, turns = contraction(loss, "none", 0.0, RATE)
        told = f"|ev| of a step, {loss}, rate {RATE:g}"
        yield Reading(f"{told}, no penalty, simultaneous: diverges", simultaneous(a, RATE), both, 1e-7)
        yield Reading(f"{told}, no penalty, alternating: a cycle", alternating(0.0, a, RATE), turns, 1e-7)
        for penalty in ("r1", "zero_gp", "r1 + r2"):
            v, (_, turns) = _damping(penalty, loss, W), contraction(loss, penalty, W, RATE)
            yield Reading(f"{told}, {penalty}, alternating", alternating(v, a, RATE), turns, 1e-7)
            if v < a:
                yield Reading(f"{told}, {penalty}: sqrt(1 - 2 rate w)", complex_pair(v), turns, 2e-2 * RATE * v)
    for loss, penalty in (("nonsaturating", "zero_gp"), ("wasserstein", "r1"), ("relativistic_pairing", "r1 + r2")):
        course = trained(loss, penalty, W, NEAR, LONG)
        told = f"(psi, theta) after {LONG} iterations of Trainer from (0, {NEAR:g}), {loss}, {penalty}"
        yield relative(told, end(loss, penalty, W, (0.0, NEAR), LONG), (course.psi[-1], course.theta[-1]), 1e-3)
    for penalty in ("r1", "zero_gp"):
        far = trained("nonsaturating", penalty, W, 1.0, FAR)
        told = f"distance from (0, 0) after {FAR} iterations from (0, 1), {penalty}"
        yield Reading(f"{told}, below a hundredth", 0.01, far.distance[-1], relation="<")
        then = far.psi[-LONG // EVERY - 1], far.theta[-LONG // EVERY - 1]
        told = f"the last {LONG} of these iterations: linear steps"
        yield relative(told, end("nonsaturating", penalty, W, then, LONG), (far.psi[-1], far.theta[-1]), 0.01)
    for loss in ("minimax", "wasserstein"):
        around = trained(loss, "none", 0.0, 1.0, FAR)
        told = f"largest distance in the second half of a run over that in all of it, {loss}, no penalty: a cycle"
        yield Reading(told, cycle, max(around.late) / max(around.distance), 0.01)
    fading_run = trained("nonsaturating", "none", 0.0, 0.5, 2 * FAR)
    told = f"1/r^2 after {2 * FAR} iterations from r = 1/2, nonsaturating, no penalty: r' = -r^3 / 16"
    yield relative(told, fading(2 * FAR * RATE), 1 / fading_run.distance[-1] ** 2, 0.1)


def section_3_4_others(
    push: Law = lambda w: 2 * w,
    clipped: Law = CLIP,
) -> Iterator[Reading]:
    """0-GP, section 3.4 and [mescheder2018]: a target of 1, and clipping, do not come to rest at (0, 0)."""
    for name in ("one_gp", "dragan"):
        game = DiracGame("wasserstein", PENALISED[name](W))
        told = f"D's slope at (psi, theta) = (1e-7, 0), {name}, w = {W:g}: away from 0"
        yield Reading(told, push(W), float(game.field([1e-7, 0.0])[0]), 1e-5)
    for loss in ("nonsaturating", "wasserstein"):
        course = trained(loss, "one_gp", W, 1.0, FAR)
        told = f"least distance from (0, 0) in the second half of {FAR} iterations, {loss}, one_gp"
        yield Reading(told, 0.1, min(course.late), relation=">")
    course = trained("wasserstein", "none", 0.0, 1.0, FAR, clip=CLIP)
    told = f"largest distance in the second half of the run, wasserstein, clipped to {CLIP:g}: a circle of that radius"
    yield Reading(told, clipped, max(course.late), 0.05)


PORTRAITS = (
    ("none", 0.0, None, "No penalty: a cycle"),
    ("zero_gp", W, None, "0-GP: into the middle"),
    ("one_gp", W, None, "1-GP: around the middle"),
    ("none", 0.0, CLIP, f"Clipped to {CLIP:g}: around the middle"),
)


def portrait_plots() -> list[Plot]:
    """The field of (theta, psi) with a run of `Trainer` in it, for some penalties."""
    at = np.linspace(-1.5, 1.5, 13)
    grid = [(float(psi), float(theta)) for psi in at for theta in at]
    plots = []
    for penalty, w, clip, title in PORTRAITS:
        loss = "nonsaturating" if penalty != "none" else "minimax" if clip is None else "wasserstein"
        inside = [cell for cell in grid if clip is None or abs(cell[0]) <= clip]
        game = DiracGame(loss, PENALISED[penalty](w))
        field = [game.field(cell) for cell in inside]
        arrows = Stroke(
            [theta for _, theta in inside], [psi for psi, _ in inside], "", "arrows", None,
            [float(own[1]) for own in field], [float(own[0]) for own in field],
        )  # fmt: skip
        course = trained(loss, penalty, w, 1.0, FAR, clip)
        name = f"dirac-{penalty}" + ("" if clip is None else "-clipped")
        strokes = (arrows, Stroke(course.theta, course.psi, "a run", colour=0), Stroke([0.0], [0.0], "", "points", 1))
        note = (
            f"{loss}, rate {RATE:g}"
            + (f", weight {w:g}" if w else "")
            + f"; {FAR} iterations of Trainer from theta = 1."
        )
        plots.append(
            Plot(name, title, "theta (fake; the real is at 0)", "psi (slope of d)", strokes, "", note, square=True)
        )
    return plots
