"""Random numbers and real samples of a run, drawn outside the step in blocks of iterations.

The stream is defined once, whatever executes the steps: block number b is drawn in one go from the run's generator
(latents of the D steps, latents of the G step, the parts' noise by name, then the reals), and a run stopped inside a
block draws that block again from the generator's state at its start. That is what makes resuming exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from ..types import Batch, Draw, Opponent
from .objective import Sides

BLOCK = 100  # iterations

Latent: TypeAlias = Callable[[int, torch.Generator], Tensor]


class Stream(Protocol):
    """An endless stream of training samples."""

    def take(self, start: int, count: int, generator: torch.Generator) -> Batch:
        """Samples number start .. start + count - 1."""


class Step(NamedTuple):
    """What one step of one player needs."""

    real: Batch | None
    z: Tensor
    noise: Mapping[str, Any]


class Iteration(NamedTuple):
    """What one iteration needs: some D steps, then a G step."""

    number: Tensor  # (), int64
    d: tuple[Step, ...]
    g: Step


Noise: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Draw]]]  # opponent -> part -> name


@dataclass(frozen=True)
class Needs:
    """Samples drawn per step (before any packing) and the parts' noise."""

    real_d: int
    fake_d: int
    real_g: int
    fake_g: int
    d_steps: int
    shares_batch: bool
    noise_d: Noise
    noise_g: Noise

    @staticmethod
    def of(opponents: Mapping[str, Opponent], sides: Sides, shape: tuple[int, ...], d_steps: int) -> Needs:
        """What these opponents draw in all; several share the samples of the most demanding one."""
        d, g, wants_real = [], [], False
        noise_d: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        noise_g: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        for name, opponent in opponents.items():
            method = opponent.method
            d.append(tuple(map(method.raw, method.draws_d(*sides))))
            g.append(tuple(map(method.raw, method.draws_g(*sides))))
            wants_real = wants_real or opponent.needs_real()
            shown = shown_shape(opponent, shape)
            noise_d[name] = _noise(opponent, sides, shown)
            noise_g[name] = _noise(opponent.without_penalties(), sides, shown)
        real_g = max(real for real, _ in g) if wants_real else 0
        return Needs(
            max(real for real, _ in d),
            max(fake for _, fake in d),
            real_g,
            max(fake for _, fake in g),
            d_steps,
            any(part.shares_batch for opponent in opponents.values() for _, part in opponent.parts()),
            noise_d,
            noise_g,
        )


def _noise(opponent: Opponent, sides: Sides, shape: tuple[int, ...]) -> dict[str, Mapping[str, Draw]]:
    return {key: draws for key, part in opponent.parts() if (draws := part.noise(*sides, shape))}


def shown_shape(opponent: Opponent, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one sample as this critic is shown it (packing widens it)."""
    probe = torch.empty(opponent.method.raw(1), *shape, device="meta")
    return tuple(opponent.method.present(Batch(probe)).x.shape[1:])


class Draws:
    """Blocks of iterations, drawn from `generator`; `start` is its state at the current block's beginning."""

    def __init__(self, needs: Needs, stream: Stream, latent: Latent, generator: torch.Generator) -> None:
        self.needs, self.stream, self.latent, self.generator = needs, stream, latent, generator
        self.start = generator.get_state()
        self._current: tuple[int, list[Iteration]] | None = None

    def restore(self, start: Tensor) -> None:
        """Goes back to a block's beginning."""
        self.generator.set_state(start)
        self.start, self._current = start.clone(), None

    def beginning(self, number: int) -> Tensor:
        """The generator's state from which block `number`, the current or the next one, is drawn."""
        current = self._current is None or self._current[0] == number
        return self.start if current else self.generator.get_state()

    def block(self, number: int) -> list[Iteration]:
        """The iterations of block `number`; blocks are asked for in order, the current one as often as one likes."""
        if self._current is None or self._current[0] != number:
            self.start = self.generator.get_state()
            self._current = number, self._draw(number)
        return self._current[1]

    def _draw(self, number: int) -> list[Iteration]:
        needs, device = self.needs, self.generator.device
        steps = BLOCK * needs.d_steps
        z_d = _steps(self.latent(steps * needs.fake_d, self.generator), steps)
        z_g = _steps(self.latent(BLOCK * needs.fake_g, self.generator), BLOCK)
        noise_d = self._noise(needs.noise_d, steps, z_d[0].dtype)
        noise_g = self._noise(needs.noise_g, BLOCK, z_d[0].dtype)
        first = number * BLOCK * (needs.d_steps * needs.real_d + needs.real_g)
        real_d = _batches(self.stream.take(first, steps * needs.real_d, self.generator), steps)
        first += steps * needs.real_d
        real_g: list[Batch | None] = [None] * BLOCK
        if needs.real_g:
            real_g = [*_batches(self.stream.take(first, BLOCK * needs.real_g, self.generator), BLOCK)]
        numbers = torch.arange(number * BLOCK, (number + 1) * BLOCK, device=device).unbind()
        iterations = []
        for i in range(BLOCK):
            inside = range(i * needs.d_steps, (i + 1) * needs.d_steps)
            d = tuple(Step(real_d[j], z_d[j], noise_d[j]) for j in inside)
            g = Step(real_g[i], z_g[i], noise_g[i])
            if needs.shares_batch:
                last = d[-1]
                assert last.real is not None
                g = Step(last.real.first(needs.real_g or last.real.size), last.z[: needs.fake_g], noise_g[i])
            iterations.append(Iteration(numbers[i], d, g))
        return iterations

    def _noise(self, noise: Noise, steps: int, dtype: torch.dtype) -> list[Mapping[str, Any]]:
        """One nested mapping opponent -> part -> name -> tensor per step."""
        if not any(noise.values()):
            return [{}] * steps
        per_step: list[dict[str, Any]] = [{} for _ in range(steps)]
        for opponent, parts in noise.items():
            for part, draws in parts.items():
                for name, (shape, kind) in draws.items():
                    draw = torch.rand if kind == "uniform" else torch.randn
                    values = draw(
                        (steps, *shape), generator=self.generator, device=self.generator.device, dtype=dtype
                    ).unbind()
                    for step, value in zip(per_step, values, strict=True):
                        step.setdefault(opponent, {}).setdefault(part, {})[name] = value
        return [*per_step]


def normal_latent(dim: int, dtype: torch.dtype) -> Latent:
    """z ~ N(0, I), (n, dim)."""

    def latent(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, dim, generator=generator, device=generator.device, dtype=dtype)

    return latent


def _steps(x: Tensor, steps: int) -> tuple[Tensor, ...]:
    return x.view(steps, x.shape[0] // steps, *x.shape[1:]).unbind()


def _batches(batch: Batch, steps: int) -> list[Batch]:
    xs = _steps(batch.x, steps)
    if batch.label is None:
        return [Batch(x) for x in xs]
    return [Batch(x, label) for x, label in zip(xs, _steps(batch.label, steps), strict=True)]
