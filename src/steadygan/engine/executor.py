"""An iteration: D steps, a G step, the average; `Eager` computes their gradients with in-place autograd."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..devices import global_states, restore_global_states
from ..types import Batch, Critic, Now, Opponent, cat
from ..types import critic as wrapped
from ..types.batch import in_parts
from ..types.critic import auxiliaries_of, kept_buffers, looks_coupled, probe_coupling
from ..types.labels import Conditions, label_parameter
from .draws import AT_ONCE, Iteration, Step
from .objective import Sides, d_objective, g_objective
from .optim import Average, Ema, OptimizerFactory, check_alike, check_packed, cloned, pack, unpack
from .precision import Precision
from .ranks import ALONE, Ranks


class State(NamedTuple):
    """Everything that an iteration changes, as nested mappings of tensors."""

    networks: Mapping[str, Mapping[str, Tensor]]  # parameters and buffers by network
    ema: Mapping[str, Tensor]  # the generator's average; {} when off
    optimizers: Mapping[str, Mapping[str, Mapping[str, Any]]]  # player -> parameter -> entry
    parts: Mapping[str, Any]  # opponent -> part -> entry
    random: Mapping[str, Tensor]  # torch's global generators, "cpu" and "cuda", which layers may draw from


class Executor(ABC):
    """Trains one or several runs of the same opponents, iteration by iteration."""

    opponents: Mapping[str, Opponent]  # of every member alike
    rates: tuple[float, float]  # of G, of D
    optimizers: Mapping[str, torch.optim.Optimizer]  # "G", "D": of each player that has something to train

    def __init__(self) -> None:
        self._acting: dict[tuple[bool, ...], dict[str, Opponent]] = {}
        self._factor = 1.0

    @property
    @abstractmethod
    def members(self) -> Sequence[Eager]:
        """The runs one by one, as seen from outside."""

    @property
    def stacked(self) -> bool:
        """Whether draws and statistics have a leading axis of members."""
        return False

    @abstractmethod
    def d_step(
        self, acting: Mapping[str, Opponent], step: Step, number: Tensor, fake: Batch | None
    ) -> Mapping[str, Tensor]:
        """One step of the discriminators, on `fake` if given; returns the detached means of its terms."""

    def fakes_ahead(self, steps: Sequence[Step]) -> Sequence[Batch | None]:
        """The fakes of an iteration's D steps, between which G does not change; None where each step makes its own."""
        return [None] * len(steps)

    @abstractmethod
    def g_step(self, step: Step, number: Tensor) -> Mapping[str, Tensor]:
        """One step of the generator; returns the detached means of its terms."""

    @abstractmethod
    def update_average(self, number: int) -> None:
        """Updates the generator's average after iteration `number`, where there is one."""

    @abstractmethod
    def largest_weights(self) -> dict[str, Tensor]:
        """The largest |weight| of each player; not finite when any weight is not."""

    @abstractmethod
    def snapshot(self) -> Any:
        """A copy of everything that an iteration changes."""

    @abstractmethod
    def go_back(self, snapshot: Any) -> None:
        """Restores a snapshot; the iterations after it can be repeated exactly."""

    def settle(self) -> None:  # noqa: B027 (an executor whose members are itself has nothing to do)
        """Brings the members' state up to date with the executor's, before one of them is inspected."""

    def release(self, member: int) -> None:  # noqa: B027 (a lone run has nobody to be released from)
        """Drops a member with its current state; the others continue without it."""

    def forget_gradients(self) -> None:
        """Clears gradients that other code left on the modules."""
        for member in self.members:
            for optimizer in member.optimizers.values():
                optimizer.zero_grad(set_to_none=True)

    def iteration(
        self, draw: Iteration, number: int, factor: float, norms: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """One iteration: the D steps, the G step, the average; returns the detached means of its terms.

        norms: filled with the gradient norms of the iteration's last steps; the steps are then taken one by one.
        """
        self._set_rates(factor)
        with nullcontext() if norms is None else self._measuring(norms):
            terms = self._steps_of(draw, self.acting(number, len(draw.d)))
        self.update_average(number)
        return terms

    @contextmanager
    def _measuring(self, norms: dict[str, Tensor]) -> Iterator[None]:
        """Fills in `G/gradients` and `D/gradients` while optimisers step: () or, of a stack, (members,), in float64.

        A player none of whose parameters holds a gradient is left out.
        """

        def look(player: str, optimizer: torch.optim.Optimizer) -> None:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            axis = 1 if self.stacked else None
            each = [torch.linalg.vector_norm(g, dim=axis, dtype=torch.float64) for g in gradients]
            if each:
                norms[f"{player}/gradients"] = torch.linalg.vector_norm(torch.stack(each), dim=0)

        handles = [
            optimizer.register_step_pre_hook(lambda opt, *_, player=player: look(player, opt))
            for player, optimizer in self.optimizers.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def acting(self, number: int, d_steps: int) -> list[dict[str, Opponent]]:
        """The opponents of each D step of iteration `number`, with the penalties that act there."""
        return [self._opponents(number * d_steps + index) for index in range(d_steps)]

    def _steps_of(self, draw: Iteration, acting: Sequence[Mapping[str, Opponent]]) -> dict[str, Tensor]:
        """The D steps of an iteration, and the G step where G has weights: all that happens on the device."""
        told: dict[str, list[Tensor]] = {}  # a list per term: one entry per D step in which it was evaluated
        for opponents, step, fake in zip(acting, draw.d, self.fakes_ahead(draw.d), strict=True):
            for key, value in self.d_step(opponents, step, draw.number, fake).items():
                told.setdefault(f"d/{key}", []).append(value)
        terms = self.g_step(draw.g, draw.number) if "G" in self.optimizers else {}
        means = {key: values[0] if len(values) == 1 else torch.stack(values).mean(0) for key, values in told.items()}
        return means | {f"g/{key}": value for key, value in terms.items()}

    def _opponents(self, step: int) -> dict[str, Opponent]:
        """The opponents with the penalties that act in this D step; one mapping per set of active parts."""
        key = tuple(p.active(step) for o in self.opponents.values() for p in o.penalties)
        if key not in self._acting:
            self._acting[key] = {name: o.active(step) for name, o in self.opponents.items()}
        return self._acting[key]

    def _set_rates(self, factor: float) -> None:
        if factor != self._factor:
            for player, optimizer in self.optimizers.items():
                rate = self.rates[("G", "D").index(player)]
                for group in optimizer.param_groups:
                    if isinstance(group["lr"], Tensor):  # a captured step reads it from where it stands
                        group["lr"].fill_(rate * factor)
                    else:
                        group["lr"] = rate * factor
            self._factor = factor


@contextmanager
def trained(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Enables gradients for these parameters; everything else stays frozen."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)


class Eager(Executor):
    """Trains G against its opponents, step by step; parameters that were frozen stay frozen."""

    def __init__(
        self,
        G: nn.Module,
        opponents: Mapping[str, Opponent],
        sides: Sides,
        optimizers: tuple[OptimizerFactory, OptimizerFactory],  # for G, for D
        rates: tuple[float, float],
        ema: Ema | None,
        precision: Precision | None = None,
        conditions: Conditions | None = None,  # of which rows are then asked
        ranks: Ranks = ALONE,  # whose parts of each batch are computed elsewhere
    ) -> None:
        super().__init__()
        self.ranks = ranks
        self.G, self.opponents, self.sides, self.rates, self.conditions = G, dict(opponents), sides, rates, conditions
        self.bare = {name: o.without_penalties() for name, o in opponents.items()}  # as a G step sees them
        self.networks: dict[str, nn.Module] = {"G": G} | {name: o.critic for name, o in opponents.items()}
        named = {
            name: {key: p for key, p in network.named_parameters() if p.requires_grad}
            for name, network in self.networks.items()
        }
        self.names = {"G": [*named["G"]], "D": [f"{name}.{key}" for name in opponents for key in named[name]]}
        self.g_parameters = [*named.pop("G").values()]
        self.d_parameters = {name: [*own.values()] for name, own in named.items()}
        aside = {
            id(p)
            for name in opponents
            for part in auxiliaries_of(self.networks[name]).values()
            for p in part.parameters()
        }
        self.constrained = {name: [p for p in own if id(p) not in aside] for name, own in self.d_parameters.items()}
        self._d_parameters = [p for parameters in self.d_parameters.values() for p in parameters]
        self.factories = optimizers
        each = zip(("G", "D"), optimizers, (self.g_parameters, self._d_parameters), rates, strict=True)
        self.optimizers = {player: factory(own, rate) for player, factory, own, rate in each if own}
        self.precision = precision or Precision()
        self._as_made = self.precision.plain  # forwards need no context of their own
        self.critics = {name: self._critic(name) for name in self.opponents}
        self.average = None if ema is None else Average(G, ema)
        device = self._d_parameters[0].device
        self.parts: dict[str, Any] = {
            name: {
                key: {entry: value.to(device) for entry, value in state.items()}
                for key, state in o.initial_states(*sides).items()
            }
            for name, o in opponents.items()
        }
        self.label = label_parameter(G)  # which parameter takes the classes
        self._keeps_buffers = any(True for _ in G.buffers())
        # which follow the samples, as batch norm's do: after each step they are those of all processes
        self._moving = [b for network in self.networks.values() for b in network.buffers() if b.is_floating_point()]
        self.sample_size = 0  # numbers of one sample, once it is known
        self.chunk = 0  # of latents, where one fake depends on the others

    @property
    def members(self) -> Sequence[Eager]:
        return [self]

    def probe(self, real: Batch, z: Tensor, asked: Tensor | None = None) -> None:
        """Finds out, before the first step, which networks let one sample depend on the others."""
        with torch.no_grad(), kept_buffers(self.G):
            tried = z.shape[0] > 1 and z.numel() > 0  # conditions are not changed
            coupled = looks_coupled(self.G) or (tried and probe_coupling(lambda x: self._plain(x, asked).x, z))
            self.chunk = self.sides.fake if coupled else 0
        self.sample_size = real.x[0].numel()
        for name, opponent in self.opponents.items():
            shown = opponent.method.present(real)
            # bound below; unrounded: bf16 would hide a weak coupling
            quiet = wrapped(self.networks[name], call=opponent.call, weigh=opponent.weigh).constant

            def logits(x: Tensor, quiet: Any = quiet, shown: Batch = shown) -> Tensor:
                return quiet(shown._replace(x=x)).logits  # type: ignore[no-any-return]

            # What a network says of itself counts beside what is seen: first weights may hide it.
            couples = looks_coupled(self.networks[name]) or (shown.size > 1 and probe_coupling(logits, shown.x))
            self.critics[name] = self._critic(name, couples)

    def _critic(self, name: str, couples: bool | None = None) -> Critic:
        network, own = self.networks[name], self.opponents[name]
        critic = wrapped(network, couples, own.method.layers, call=own.call, weigh=own.weigh)
        return self.precision.critic(critic, next(network.parameters()).device.type)

    @property
    def shown(self) -> int:
        """Fakes that a D step shows as such, before the candidates."""
        return max(o.method.raw(self.sides.fake) for o in self.opponents.values())

    def trained(self, player: str) -> dict[str, nn.Parameter]:
        """The parameters that a player's optimiser holds, by name and in its order."""
        parameters = self.g_parameters if player == "G" else self._d_parameters
        return dict(zip(self.names[player], parameters, strict=True))

    def fakes_ahead(self, steps: Sequence[Step]) -> Sequence[Batch | None]:
        """One forward for all D steps of an iteration, where samples are small and do not depend on each other."""
        n, m = len(steps), self.shown
        extra = steps[0].z.shape[0] - m
        size = sum(step.z.shape[0] for step in steps) * self.sample_size
        if n == 1 or self.chunk or not 0 < size <= AT_ONCE or extra < 0:
            return [None] * n
        z = torch.cat([*(step.z[:m] for step in steps), *(step.z[m:] for step in steps)])
        own = [step.asked for step in steps if step.asked is not None]
        asked = torch.cat([*(each[:m] for each in own), *(each[m:] for each in own)]) if own else None
        shown, rest = self.fakes(z, asked, m * n).split(m * n, extra * n)
        pairs = zip(shown.split(*[m] * n), rest.split(*[extra] * n), strict=True)
        return [cat(a, b) if extra else a for a, b in pairs]

    def d_step(
        self, acting: Mapping[str, Opponent], step: Step, number: Tensor, fake: Batch | None = None
    ) -> Mapping[str, Tensor]:
        assert step.real is not None
        fake = self.fakes(step.z, step.asked) if fake is None else fake
        now = Now(number, self.parts, step.noise)
        with trained(self._d_parameters):
            objective, (terms, states) = d_objective(acting, self.critics, step.real, fake, now, self.sides, self.ranks)
            torch.autograd.backward(objective, inputs=self._d_parameters)
        self._step("D", self._d_parameters)
        for name, state in states.items():
            self.parts[name] |= state
        self.constrain()
        return terms

    def g_step(self, step: Step, number: Tensor) -> Mapping[str, Tensor]:
        with trained(self.g_parameters):
            fake = self.made(step.z, step.asked)
            now = Now(number, self.parts, step.noise)
            objective, terms = g_objective(self.bare, self.critics, step.real, fake, now, self.sides, self.ranks)
            torch.autograd.backward(objective, inputs=self.g_parameters)
        self._step("G", self.g_parameters)
        return terms

    def update_average(self, number: int) -> None:
        if self.average is not None:
            self.average.update(number, self.sides.fake)

    def constrain(self) -> None:
        """What is done to the discriminators after each of their steps."""
        for name, opponent in self.opponents.items():
            if opponent.constraint is not None:
                opponent.constraint.after_d_step(self.networks[name], self.constrained[name])

    def _step(self, player: str, parameters: Sequence[nn.Parameter]) -> None:
        if not self.ranks.alone:
            self.ranks.average([p.grad for p in parameters if p.grad is not None] + self._moving)
        self.optimizers[player].step()
        for parameter in parameters:  # what `zero_grad` does, without its bookkeeping
            parameter.grad = None

    def largest_weights(self) -> dict[str, Tensor]:
        players: dict[str, list[Tensor]] = {player: [*self.trained(player).values()] for player in self.optimizers}
        with torch.no_grad():
            return {
                f"{player}/weights": torch.stack(torch._foreach_norm(parameters, torch.inf)).amax()
                for player, parameters in players.items()
            }

    def snapshot(self) -> State:
        networks, ema, optimizers, parts = map(cloned, self.held())
        return State(networks, ema, optimizers, parts, global_states(self._d_parameters[0].device))

    def go_back(self, snapshot: State) -> None:
        self.put(snapshot)
        restore_global_states(snapshot.random, self._d_parameters[0].device)

    def held(self) -> tuple[Mapping[str, Any], ...]:
        """Networks, the average, optimisers and parts as named tensors, by reference."""
        return (
            {name: dict(network.state_dict()) for name, network in self.networks.items()},
            {} if self.average is None else dict(self.average.network.state_dict()),
            {player: pack(optimizer, self.names[player]) for player, optimizer in self.optimizers.items()},
            self.parts,
        )

    def check(self, optimizers: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
        """Raises InputError where what optimisers and parts held is not of these; networks are `check_network`'s."""
        check_alike("the state of parts", parts, self.parts)
        for player, optimizer in self.optimizers.items():
            check_packed(optimizer, self.names[player], optimizers.get(player, {}))

    def put(self, held: State) -> None:
        """Puts named tensors back in place; those of another model are refused before (see `Member.restore`)."""
        for name, network in self.networks.items():
            network.load_state_dict(dict(held.networks[name]))
        if self.average is not None:
            self.average.network.load_state_dict(dict(held.ema))
        for player, optimizer in self.optimizers.items():
            unpack(optimizer, self.names[player], held.optimizers[player])
        self.parts = cloned(held.parts, self._d_parameters[0].device)

    def made(self, z: Tensor, asked: Tensor | None) -> Batch:
        """G(z), with `asked` as classes where G takes them, or as rows of the conditions."""
        return self._plain(z, asked) if self._as_made else self.precision.made(self._plain, z, asked)

    def _plain(self, z: Tensor, asked: Tensor | None) -> Batch:
        if self.conditions is not None and asked is not None:
            return self.conditions.made(self.G, z, asked)
        name = None if asked is None else self.label
        return Batch(self.G(z) if name is None else self.G(z, **{name: asked}), asked)

    def fakes(self, z: Tensor, asked: Tensor | None = None, shown: int | None = None) -> Batch:
        """The fakes of a D step, `shown` of them and then candidates: not trained through, no buffer moved."""
        shown = self.shown if shown is None else shown
        with torch.no_grad(), kept_buffers(self.G) if self._keeps_buffers else nullcontext():
            return self._generate(z, asked, shown)

    def _generate(self, z: Tensor, asked: Tensor | None, shown: int) -> Batch:
        if self._as_made:
            return in_chunks(self._plain, z, asked, self.chunk)
        return self.precision.fakes(lambda z, asked: in_chunks(self._plain, z, asked, self.chunk), z, asked, shown)


def in_chunks(made: Callable[[Tensor, Tensor | None], Batch], z: Tensor, asked: Tensor | None, chunk: int) -> Batch:
    """Coupled samples go through in the usual batches, so that candidates do not change what G sees; 0: all at once."""
    if not chunk or z.shape[0] <= chunk:
        return made(z, asked)
    return cat(*(made(part.x, part.label) for part in in_parts(Batch(z, asked), chunk)))
