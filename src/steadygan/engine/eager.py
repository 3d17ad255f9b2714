"""The eager executor: autograd in place, one backward pass per player and step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..critics import kept_buffers, looks_coupled, probe_coupling, wrap_model
from ..types import Batch, Now, Opponent, cat
from .draws import Iteration
from .ema import Average, Ema
from .objective import Sides, d_objective, g_objective
from .optim import OptimizerFactory


@contextmanager
def trained(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Opens parameters for gradients; everything else stays frozen."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)


class Eager:
    """Trains G against its opponents, step by step; parameters that came frozen stay so."""

    def __init__(
        self,
        G: nn.Module,
        opponents: Mapping[str, Opponent],
        sides: Sides,
        optimizers: tuple[OptimizerFactory, OptimizerFactory],  # for G, for D
        rates: tuple[float, float],
        ema: Ema | None,
    ) -> None:
        self.G, self.opponents, self.sides, self.rates = G, dict(opponents), sides, rates
        self.networks: dict[str, nn.Module] = {"G": G} | {name: o.critic for name, o in opponents.items()}
        self.g_parameters = [p for p in G.parameters() if p.requires_grad]
        self.d_parameters = {
            name: [p for p in self.networks[name].parameters() if p.requires_grad] for name in opponents
        }
        self._d_parameters = [p for parameters in self.d_parameters.values() for p in parameters]
        self.optimizers = {
            "G": optimizers[0](self.g_parameters, rates[0]),
            "D": optimizers[1](self._d_parameters, rates[1]),
        }
        self.critics = {name: wrap_model(network) for name, network in self.networks.items() if name != "G"}
        self.average = None if ema is None else Average(G, ema)
        device = self.g_parameters[0].device
        self.parts: dict[str, Any] = {
            name: {
                key: {entry: value.to(device) for entry, value in state.items()}
                for key, part in o.parts()
                if (state := part.initial_state())
            }
            for name, o in opponents.items()
        }
        self.names = {"G": _names(G, self.g_parameters, "")} | {
            "D": [n for d in opponents for n in _names(self.networks[d], self.d_parameters[d], f"{d}.")]
        }
        self._keeps_buffers = any(True for _ in G.buffers())
        self._chunk = 0  # of latents, where one fake depends on the others
        self._acting: dict[tuple[bool, ...], dict[str, Opponent]] = {}
        self._factor = 1.0

    def probe(self, real: Batch, z: Tensor, label: Tensor | None = None) -> None:
        """Finds out, before the first step, which networks let one sample depend on the others."""
        with torch.no_grad(), kept_buffers(self.G):
            coupled = looks_coupled(self.G) or (z.shape[0] > 1 and probe_coupling(lambda x: self.made(x, label).x, z))
            self._chunk = self.sides.fake if coupled else 0
        for name, opponent in self.opponents.items():
            shown = opponent.method.present(real)
            quiet = self.critics[name].constant  # bound below: the critic as it was, buffers kept

            def logits(x: Tensor, quiet: Any = quiet, label: Tensor | None = shown.label) -> Tensor:
                found: Tensor = quiet(Batch(x, label)).logits
                return found

            # What a network says of itself counts beside what is seen: first weights may hide it.
            couples = looks_coupled(self.networks[name]) or (shown.size > 1 and probe_coupling(logits, shown.x))
            self.critics[name] = wrap_model(self.networks[name], couples)

    def forget_gradients(self) -> None:
        """Gradients that others left on the modules do not count."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def iteration(self, draw: Iteration, number: int, factor: float) -> dict[str, Tensor]:
        """One iteration: the D steps, the G step, the average; returns the detached means of its terms."""
        self._set_rates(factor)
        told: dict[str, list[Tensor]] = {}  # a list per term: one entry per D step in which it was evaluated
        for index, step in enumerate(draw.d):
            acting = self._opponents(number * len(draw.d) + index)
            real = step.real
            assert real is not None
            fake = self.fakes(step.z, step.label)
            now = Now(draw.number, self.parts, step.noise)
            with trained(self._d_parameters):
                objective, (terms, states) = d_objective(acting, self.critics, real, fake, now, self.sides)
                torch.autograd.backward(objective, inputs=self._d_parameters)
            self._step("D", self._d_parameters)
            for name, state in states.items():
                self.parts[name] |= state
            for name, opponent in self.opponents.items():
                if opponent.constraint is not None:
                    opponent.constraint.after_d_step(self.d_parameters[name])
            for key, value in terms.items():
                told.setdefault(f"d/{key}", []).append(value)

        with trained(self.g_parameters):
            fake = self.made(draw.g.z, draw.g.label)
            now = Now(draw.number, self.parts, draw.g.noise)
            objective, terms = g_objective(self.opponents, self.critics, draw.g.real, fake, now, self.sides)
            torch.autograd.backward(objective, inputs=self.g_parameters)
        self._step("G", self.g_parameters)
        if self.average is not None:
            self.average.update(number, self.sides.fake)
        means = {key: values[0] if len(values) == 1 else torch.stack(values).mean() for key, values in told.items()}
        return means | {f"g/{key}": value for key, value in terms.items()}

    def _step(self, player: str, parameters: Sequence[nn.Parameter]) -> None:
        self.optimizers[player].step()
        for parameter in parameters:  # what `zero_grad` does, without its bookkeeping
            parameter.grad = None

    def largest_weights(self) -> dict[str, Tensor]:
        """The largest |weight| of each player: not finite when one of them is not."""
        players: dict[str, list[Tensor]] = {"G": [*self.g_parameters], "D": [*self._d_parameters]}
        with torch.no_grad():
            return {
                f"{player}/weights": torch.stack(torch._foreach_norm(parameters, torch.inf)).amax()
                for player, parameters in players.items()
            }

    def made(self, z: Tensor, label: Tensor | None) -> Batch:
        """G(z), or G(z, label) for a generator that takes labels."""
        return Batch(self.G(z) if label is None else self.G(z, label=label), label)

    def fakes(self, z: Tensor, label: Tensor | None = None) -> Batch:
        """The fakes of a D step: not trained through, so without a graph and without moving a buffer."""
        with torch.no_grad():
            if self._keeps_buffers:
                with kept_buffers(self.G):
                    return self._generate(z, label)
            return self._generate(z, label)

    def _generate(self, z: Tensor, label: Tensor | None) -> Batch:
        """Coupled samples go through in the usual batches, so that candidates do not change what G sees."""
        if not self._chunk or z.shape[0] <= self._chunk:
            return self.made(z, label)
        labels = [None] * -(-z.shape[0] // self._chunk) if label is None else torch.split(label, self._chunk)
        return cat(*(self.made(*part) for part in zip(torch.split(z, self._chunk), labels, strict=True)))

    def _opponents(self, step: int) -> dict[str, Opponent]:
        """The opponents with the penalties that act in this D step; one mapping per set of active parts."""
        key = tuple(p.active(step) for o in self.opponents.values() for p in o.penalties)
        if key not in self._acting:
            self._acting[key] = {name: o.active(step) for name, o in self.opponents.items()}
        return self._acting[key]

    def _set_rates(self, factor: float) -> None:
        if factor != self._factor:
            for player, rate in zip(("G", "D"), self.rates, strict=True):
                for group in self.optimizers[player].param_groups:
                    group["lr"] = rate * factor
            self._factor = factor


def _names(network: nn.Module, parameters: Sequence[nn.Parameter], prefix: str) -> list[str]:
    """Names of the trained parameters, in the order in which an optimiser holds them."""
    trainable = {id(p) for p in parameters}
    return [f"{prefix}{name}" for name, p in network.named_parameters() if id(p) in trainable]
