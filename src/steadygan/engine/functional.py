"""The functional executor: gradients by `torch.func` of flat weights, for K members at once, compiled or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.utils._pytree import tree_map

from ..types import Batch, Critic, Now, Opponent
from ..types.critic import Called, auxiliaries_of
from ..types.taps import tapped
from .compiler import Compiler
from .draws import Step
from .executor import Eager, Executor, in_chunks
from .members import (
    Flat,
    expose,
    fixed,
    functional_auxiliary,
    functional_forward,
    gather,
    leaf_of,
    lifted,
    member_of,
    share_buffers,
    stacked,
    within,
)
from .objective import d_objective, g_objective
from .optim import cloned

Tree = Any  # nested mappings of tensors


class Functional(Executor):
    """Trains K eager runs of equal networks in one program; their weights become views of the stacked tensors.

    The trained weights of a player are one tensor (K, numbers), so that one step of torch's own optimiser updates all
    members: each entry must be updated independently (see `obstacles`). K = 1 pays only when compiled.
    """

    def __init__(self, members: Sequence[Eager], compiler: Compiler) -> None:
        super().__init__()
        first = members[0]
        self._members, self.first, self.compiler = [*members], first, compiler
        self.opponents, self.rates = first.opponents, first.rates
        self.layouts = {player: Flat.of(first.trained(player)) for player in ("G", "D")}
        self.weights: dict[str, Tensor] = {}
        self.optimizers = {}
        for player, factory, rate in zip(("G", "D"), first.factories, self.rates, strict=True):
            flat = torch.stack([self.layouts[player].joined(m.trained(player)) for m in members])
            leaf = nn.Parameter(flat)
            self.weights[player] = leaf.detach()
            if leaf.numel():
                self.optimizers[player] = factory([leaf], rate)
        self.average: Tensor | None = None
        self._released: set[int] = set()
        self._taps = {
            name: taps for name, o in first.opponents.items() if (taps := tapped(first.networks[name], o.method.layers))
        }
        self._called = {name: Called(first.networks[name], o.call) for name, o in first.opponents.items()}
        self._steps: dict[int, Callable[..., Any]] = {}  # by the id of what acts, which the executor holds
        self.adopt()

    @property
    def members(self) -> Sequence[Eager]:
        return self._members

    @property
    def stacked(self) -> bool:
        return True

    def adopt(self) -> None:
        """Takes over the members' state; afterwards their weights are views of the stacked ones."""
        for player, layout in self.layouts.items():
            self.weights[player].copy_(torch.stack([layout.joined(m.trained(player)) for m in self.members]))
            for k, member in enumerate(self.members):
                layout.bind(member.trained(player), self.weights[player][k])
        for player, optimizer in self.optimizers.items():
            gather(optimizer, [member.optimizers[player] for member in self.members])
        averages = [member.average for member in self.members]
        if averages[0] is not None:
            layout = self.layouts["G"]
            own = [dict(average.network.named_parameters()) for average in averages if average is not None]
            self.average = torch.stack([layout.joined(parameters) for parameters in own])
            for k, parameters in enumerate(own):
                layout.bind(parameters, self.average[k])
        self.parts: Tree = stacked([member.parts for member in self.members])
        self._fixed = stacked([fixed(member) for member in self.members])
        for k, member in enumerate(self.members):
            share_buffers(member.networks, member_of(self._fixed, k))
        self._show_all()

    def _show_all(self) -> None:
        """Lets the members hold their part of everything anew."""
        for k, member in enumerate(self.members):
            if k not in self._released:
                member.parts = member_of(self.parts, k)
        self.settle()

    def settle(self) -> None:
        for player, optimizer in self.optimizers.items():
            own = [None if k in self._released else m.optimizers[player] for k, m in enumerate(self.members)]
            expose(optimizer, own, self.layouts[player])

    def release(self, member: int) -> None:
        self.settle()
        self._released.add(member)
        own = self.members[member]
        networks = [*own.networks.values()] + ([] if own.average is None else [own.average.network])
        for p in (p for network in networks for p in network.parameters()):
            p.data = p.data.clone()
        for network in networks:
            share_buffers({"": network}, {"": cloned(dict(network.named_buffers()))})
        own.parts = cloned(own.parts)
        for optimizer in own.optimizers.values():
            for key, state in optimizer.state.items():
                optimizer.state[key] = cloned(state)

    def d_step(
        self, acting: Mapping[str, Opponent], step: Step, number: Tensor, fake: Batch | None = None
    ) -> Mapping[str, Tensor]:
        arguments = (self.weights["D"], self.weights["G"], self._fixed, step, self.parts)
        with self._tapping():
            slopes, (terms, states) = self._step(acting, number)(number, *arguments)
        self._update("D", slopes)
        for name, state in states.items():  # in place: a recorded step finds it where it was
            for part, entries in state.items():
                for key, value in entries.items():
                    self.parts[name][part][key].copy_(value)
        self._constrain()
        return terms  # type: ignore[no-any-return]

    def g_step(self, step: Step, number: Tensor) -> Mapping[str, Tensor]:
        arguments = (self.weights["G"], self.weights["D"], self._fixed, step, self.parts)
        with self._tapping():
            slopes, terms = self._step(None, number)(number, *arguments)
        self._update("G", slopes)
        return terms  # type: ignore[no-any-return]

    def _constrain(self) -> None:
        if all(opponent.constraint is None for opponent in self.opponents.values()):
            return
        for k, member in enumerate(self.members):
            if k in self._released:
                continue
            member.constrain()
            first = next(iter(member.trained("D").values()))
            if first.data_ptr() != self.weights["D"][k].data_ptr():
                raise RuntimeError("a constraint replaced parameters instead of changing them in place")

    def update_average(self, number: int) -> None:
        average = self.first.average
        if average is not None and self.average is not None:
            self.average.lerp_(self.weights["G"], 1.0 - average.settings.at(number, self.first.sides.fake))

    def largest_weights(self) -> dict[str, Tensor]:
        return {f"{player}/weights": self.weights[player].abs().amax(1) for player in self.optimizers}

    def snapshot(self) -> Tree:
        states = {player: dict(o.state.get(leaf_of(o), {})) for player, o in self.optimizers.items()}
        return tuple(map(cloned, (self.weights, self.average, states, self.parts, self._fixed)))

    def go_back(self, snapshot: Tree) -> None:
        weights, average, optimizers, parts, still = snapshot
        for player, optimizer in self.optimizers.items():
            self.weights[player].copy_(weights[player])
            for k, member in enumerate(self.members):
                if k not in self._released:  # something may have replaced its parameters
                    self.layouts[player].bind(member.trained(player), self.weights[player][k])
            optimizer.state.clear()
            if optimizers[player]:
                optimizer.state[leaf_of(optimizer)] = cloned(optimizers[player])
        if self.average is not None:
            self.average.copy_(average)
        tree_map(lambda own, kept: own.copy_(kept), self._fixed, still)  # in place: buffers are views of them
        self.parts = cloned(parts)
        self._show_all()

    def _update(self, player: str, slopes: Tensor) -> None:
        optimizer = self.optimizers[player]
        leaf = leaf_of(optimizer)
        self.first.ranks.average([slopes])
        leaf.grad = slopes
        optimizer.step()
        leaf.grad = None

    def _tapping(self) -> AbstractContextManager[Any]:
        """Hooks on feature layers while a step runs; set inside of it, they would break a compiled one apart."""
        if not self._taps:
            return nullcontext()
        stack = ExitStack()
        for taps in self._taps.values():
            stack.enter_context(taps)
        return stack

    def _step(self, acting: Mapping[str, Opponent] | None, number: Tensor) -> Callable[..., Any]:
        """The D step of these opponents, or the G step: compiled once for all stacks of equal runs."""
        if id(acting) not in self._steps:
            k = len(self.members)
            name = "G" if acting is None else self._which(acting)
            self._steps[id(acting)] = self.compiler.once(
                (k, name), lambda: lifted(self._g() if acting is None else self._d(acting), k), number.device
            )
        return self._steps[id(acting)]

    def _which(self, acting: Mapping[str, Opponent]) -> tuple[tuple[int, ...], ...]:
        """Which penalties act, by their places: what another stack of equal runs would say, too."""
        return tuple(
            tuple(i for i, p in enumerate(o.penalties) if any(p is q for q in acting[name].penalties))
            for name, o in self.opponents.items()
        )

    def _d(self, acting: Mapping[str, Opponent]) -> Callable[..., Any]:
        first, layouts = self.first, self.layouts

        def objective(d: Tensor, number: Tensor, g: Tensor, fixed: Tree, step: Step, parts: Tree) -> Any:
            assert step.real is not None
            G = self._made(layouts["G"].views(g), fixed["G"])
            fake = first.precision.fakes(
                lambda z, asked: in_chunks(G, z, asked, first.chunk), step.z, step.asked, first.shown
            )
            critics = self._critics(layouts["D"].views(d), fixed)
            now = Now(number, parts, step.noise)
            return d_objective(acting, critics, step.real, fake._replace(x=fake.x.detach()), now, first.sides)

        return _slopes(objective)

    def _g(self) -> Callable[..., Any]:
        first, layouts = self.first, self.layouts

        def objective(g: Tensor, number: Tensor, d: Tensor, fixed: Tree, step: Step, parts: Tree) -> Any:
            fake = first.precision.made(self._made(layouts["G"].views(g), fixed["G"]), step.z, step.asked)
            critics = self._critics(layouts["D"].views(d), fixed)
            now = Now(number, parts, step.noise)
            return g_objective(first.bare, critics, step.real, fake, now, first.sides)

        return _slopes(objective)

    def _made(self, own: Mapping[str, Tensor], fixed: Mapping[str, Tensor]) -> Callable[..., Batch]:
        tensors, name = {**own, **fixed}, self.first.label

        def made(z: Tensor, asked: Tensor | None) -> Batch:
            named = {} if asked is None or name is None else {name: asked}
            return Batch(functional_call(self.first.G, tensors, (z,), named), asked)

        return made

    def _critics(self, own: Mapping[str, Tensor], fixed: Tree) -> dict[str, Critic]:
        made = {}
        for name in self.first.opponents:
            mine = within(own, name)
            network = self.first.networks[name]
            tensors = {**mine, **fixed[name]}
            critic = Critic(
                functional_forward(self._called[name], tensors, self.first.opponents[name].weigh, self._taps.get(name)),
                couples_samples=self.first.critics[name].couples_samples,
                functional=True,
                auxiliaries={
                    key: functional_auxiliary(part, within(tensors, key))
                    for key, part in auxiliaries_of(network).items()
                },
            )
            made[name] = self.first.precision.critic(critic, self.weights["D"].device.type)
        return made


def _slopes(objective: Callable[..., Any]) -> Callable[..., Any]:
    """(number, weights, others) -> the gradient of an objective in the weights, and what it tells."""
    slopes = grad_and_value(objective, has_aux=True)

    def one(number: Tensor, own: Tensor, others: Tensor, fixed: Tree, step: Step, parts: Tree) -> Any:
        found, (_, told) = slopes(own, number, others, fixed, step, parts)
        return found, told

    return one
