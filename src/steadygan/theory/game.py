"""A small game run by the engine: the same samples in every step, plain gradient steps, double precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Source
from ..engine.draws import Draws, Iteration
from ..engine.executor import Eager
from ..engine.needs import BLOCK, Needs
from ..engine.objective import Sides, d_objective
from ..engine.optim import OptimizerFactory, OptimizerSettings
from ..training.opponents import opponents_of
from ..types import Batch, Now, Opponent

F64 = torch.float64
SGD = OptimizerSettings("sgd")


class Game:
    """G against D or several opponents, with all of the fixed real samples (n, dim) and latents (m, dim) in every step.

    Steps are the engine's own; `parts` (loss, penalties, method, constraint) are those of a `Trainer`. rates: of G, D.
    noise: opponent -> part -> name -> the numbers of every D step, instead of those that parts would draw.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module | Mapping[str, Opponent],
        real: Tensor,
        z: Tensor,
        rates: tuple[float, float] = (1.0, 1.0),
        optimizer: OptimizerFactory = SGD,
        noise: Mapping[str, Any] | None = None,
        **parts: Any,
    ) -> None:
        parts = {"loss": None, "penalties": (), "method": None, "constraint": None} | parts
        self.opponents = opponents_of(D, **parts)
        self.sides = Sides(real.shape[0], z.shape[0])
        self.real, self.z, self.rates, self.noise = real, z, rates, noise
        self.executor = Eager(G, self.opponents, self.sides, (optimizer, optimizer), rates, None)
        for network in self.executor.networks.values():
            network.requires_grad_(False)
        source = Source("a game's", tuple(real.shape[1:]), real).to("cpu", F64)
        needs = Needs.of(self.opponents, self.sides, tuple(real.shape[1:]), 1)
        generator = torch.Generator().manual_seed(0)
        self.draws = Draws(
            needs, source.stream(0), lambda count, _: z.repeat(-(-count // len(z)), 1)[:count], generator
        )
        self.executor.probe(Batch(real), z)
        self.done = 0

    def play(self, iterations: int = 1) -> None:
        """This many iterations: D's step, then G's."""
        for _ in range(iterations):
            self.executor.iteration(self._drawn(), self.done, 1.0)
            self.done += 1

    def d_step(self, count: int = 1) -> None:
        """D's step alone, this many times."""
        for _ in range(count):
            draw = self._drawn()
            self.executor.d_step(self.executor.acting(self.done, 1)[0], draw.d[0], draw.number, None)
            self.done += 1

    def g_step(self) -> None:
        """G's step alone."""
        draw = self._drawn()
        self.executor.g_step(draw.g, draw.number)
        self.done += 1

    def _drawn(self) -> Iteration:
        block, index = divmod(self.done, BLOCK)
        draw = self.draws.block(block)[index]
        if self.noise is None:
            return draw
        return draw._replace(d=tuple(step._replace(noise=self.noise) for step in draw.d))

    def d_terms(self) -> dict[str, float]:
        """The terms of D's objective in its next step: name -> weight * mean, and `objective`, their sum."""
        step = self._drawn().d[0]
        assert step.real is not None
        now = Now(torch.tensor(self.done), self.executor.parts, step.noise)
        fake, critics = self.executor.fakes(step.z), self.executor.critics
        value, (terms, _) = d_objective(self.opponents, critics, step.real, fake, now, self.sides)
        return {key: float(term) for key, term in terms.items()} | {"objective": float(value.detach())}

    def settle(self, most: int = 3000, still: float = 1e-10) -> int:
        """D's steps until no gradient is larger than `still`; returns how many. Raises ArithmeticError after `most`."""
        sizes: list[float] = []

        def look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            sizes.append(max(float(p.grad.abs().max()) for g in optimizer.param_groups for p in g["params"]))

        handle = self.executor.optimizers["D"].register_step_pre_hook(look)
        try:
            for done in range(most):
                self.d_step()
                if sizes[-1] <= still:
                    return done + 1
        finally:
            handle.remove()
        raise ArithmeticError(f"D's gradient is still {sizes[-1]:.1e} after {most} steps")


class FixedFakes(nn.Module):
    """A generator whose parameters `x` (k, dim) are its samples: z holds row numbers of x."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x.clone())

    def forward(self, z: Tensor) -> Tensor:
        return self.x[z.squeeze(1).long() % self.x.shape[0]]


def numbers(count: int) -> Tensor:
    """Latents (count, 1) that select the samples of `FixedFakes` in order."""
    return torch.arange(count, dtype=F64).unsqueeze(1)


class PointTable(nn.Module):
    """A critic with a separate logit for each of some points (k, dim), so that only the objective determines it."""

    def __init__(self, at: Tensor) -> None:
        super().__init__()
        self.at = at
        self.logits = nn.Parameter(torch.zeros(at.shape[0], dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[torch.cdist(x, self.at).argmin(1)]


class Secant(torch.optim.Optimizer):
    """Gradient steps of length s.s / s.g, s the last step and g the gradient's change, per tensor [barzilai1988].

    It reaches the optimum of a convex objective to full precision in a few hundred steps. The first step has length
    `lr`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state, length = self.state[p], group["lr"]
                if state:
                    moved, changed = p - state["p"], p.grad - state["grad"]
                    curvature = float((moved * changed).sum())
                    length = float((moved * moved).sum()) / curvature if curvature > 0.0 else state["length"]
                state.update(p=p.clone(), grad=p.grad.clone(), length=length)
                p.sub_(length * p.grad)


def column(values: Sequence[float]) -> Tensor:
    """Numbers as a column (n, 1) in double precision."""
    return torch.tensor([*values], dtype=F64).unsqueeze(1)
