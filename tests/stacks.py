"""The same runs alone and as members of a stack, from draws of their own, compared entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from enrolled import SIDES, shown
from known import F64, generator, normal
from steadygan.data import Source
from steadygan.engine.compiler import Compiler
from steadygan.engine.draws import Draws
from steadygan.engine.executor import Eager
from steadygan.engine.functional import Functional
from steadygan.engine.members import StackedBlocks
from steadygan.engine.needs import BLOCK, Needs
from steadygan.engine.optim import Ema, OptimizerSettings
from steadygan.latents import normal_latent
from steadygan.models import mlp
from steadygan.types import Batch, Opponent
from tiny import assert_same, built, leaves, points

PLAIN = Opponent(None, sg.losses.NonSaturating())
OFF = Compiler(on=False)
ADAM, AVERAGE = OptimizerSettings(), Ema(0.9)
ITERATIONS = 8
Rows = list[dict[str, Tensor]]


def leaky(features: int, out: int) -> nn.Module:
    return mlp(features, out, 6, 2, "leaky_relu")


def tanh(features: int, out: int) -> nn.Module:
    return mlp(features, out, 6, 2, "tanh")


@dataclass(frozen=True)
class Case:
    """What the members of a stack have in common."""

    opponents: Mapping[str, Opponent] = field(default_factory=lambda: {"D": PLAIN})  # their critics are built here
    g: Callable[[], nn.Module] = lambda: leaky(2, 2)
    d: Callable[[int], nn.Module] = lambda features: leaky(features, 1)
    optimizer: Any = ADAM
    ema: Ema | None = AVERAGE
    d_steps: int = 1
    labels: bool = False
    factor: Callable[[int], float] = lambda _: 1.0
    dtype: torch.dtype = F64

    def member(self, seed: int) -> tuple[Eager, Draws]:
        """One run as the trainer prepares it, networks and draws by its seed."""
        critics = [lambda o=o: self.d(prod(shown(o))) for o in self.opponents.values()]
        G, *ds = (network.to(self.dtype) for network in built(seed, self.g, *critics))
        pairs = zip(self.opponents.items(), ds, strict=True)
        opponents = {name: replace(o, critic=critic) for (name, o), critic in pairs}
        made = Eager(G, opponents, SIDES, (self.optimizer, self.optimizer), (1e-2, 2e-2), self.ema)
        for network in made.networks.values():
            network.requires_grad_(False)
        label = torch.arange(50) % 3 if self.labels else None
        source = Source("tiny", (2,), train=points(), label=label).to("cpu", self.dtype)
        needs = Needs.of(opponents, SIDES, (2,), self.d_steps)
        latent = normal_latent(2, self.dtype)
        raw = max(o.method.raw(8) for o in opponents.values())
        real, z = (normal(number, raw, 2, dtype=self.dtype) for number in (1, 2))
        told = None if label is None else label[:raw]
        made.probe(Batch(real, told), z, told)
        return made, Draws(needs, source.stream(seed), latent, generator(seed), label)

    def alone(self, seed: int, iterations: int) -> tuple[Eager, Rows]:
        """One run by the eager executor, and its terms."""
        made, draws = self.member(seed)
        return made, rows(made, draws.block, iterations, self.factor)

    def stack(self, members: int, compiler: Compiler = OFF) -> tuple[Functional, StackedBlocks]:
        """The runs of seeds 0 .. members-1 side by side, before their first iteration."""
        made, draws = zip(*(self.member(seed) for seed in range(members)), strict=True)
        return Functional(made, compiler), StackedBlocks(draws)

    def together(self, members: int, iterations: int, compiler: Compiler = OFF) -> tuple[Functional, Rows]:
        """The same runs after some iterations, and their terms, a row of members each."""
        stack, blocks = self.stack(members, compiler)
        told = rows(stack, blocks, iterations, self.factor)
        stack.settle()
        return stack, told


def rows(executor: Any, blocks: Any, iterations: int, factor: Callable[[int], float], first: int = 0) -> Rows:
    """What each iteration's terms are."""
    return [executor.iteration(blocks(i // BLOCK)[i % BLOCK], i, factor(i)) for i in range(first, first + iterations)]


def assert_members_are_lone_runs(
    case: Case, members: int, iterations: int = ITERATIONS, within: float = 1e-10, compiler: Compiler = OFF
) -> Functional:
    """Weights, averages, optimisers, parts' state and terms of every member are those of its seed alone."""
    stack, told = case.together(members, iterations, compiler)
    lone = [case.alone(seed, iterations) for seed in range(members)]
    starts = [case.member(seed)[0] for seed in range(members)]
    for k, (expected, terms) in enumerate(lone):
        assert_near(stack.members[k].held(), expected.held(), within)
        assert len(told) == len(terms)
        for here, there in zip(told, terms, strict=True):
            assert_near({key: value.view(-1)[k] for key, value in here.items()}, there, within)
        for name, weights in trained(expected).items():  # a comparison of what stands still would say little
            assert (weights - trained(starts[k])[name]).abs().max() > 1e3 * within, name
    for name in trained(lone[0][0]):
        assert len({tuple(trained(run)[name].tolist()) for run, _ in lone}) == members, name
    return stack


def trained(run: Eager) -> dict[str, Tensor]:
    """All trained weights of each player in one vector."""
    return {player: torch.cat([p.detach().flatten() for p in run.trained(player).values()]) for player in ("G", "D")}


def assert_near(found: Any, expected: Any, within: float) -> None:
    """The same places, types and shapes; numbers within `within`, those of whole numbers exactly."""
    here, there = dict(leaves(found)), dict(leaves(expected))
    assert here.keys() == there.keys()
    for path, value in there.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            assert_close(here[path].detach(), value.detach(), rtol=0, atol=within, msg=lambda m, p=path: f"{p}: {m}")
        else:
            assert_same(here[path], value)
