"""What every executor does alike: D steps, a G step, the average; how gradients come about is its own affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..types import Batch, Opponent
from .draws import Iteration, Step

if TYPE_CHECKING:
    from .eager import Eager


class Executor(ABC):
    """Trains one or several runs of the same opponents, iteration by iteration."""

    opponents: Mapping[str, Opponent]  # of every member alike
    rates: tuple[float, float]  # of G, of D
    optimizers: Mapping[str, torch.optim.Optimizer]  # "G", "D"

    def __init__(self) -> None:
        self._acting: dict[tuple[bool, ...], dict[str, Opponent]] = {}
        self._factor = 1.0

    @property
    @abstractmethod
    def members(self) -> Sequence[Eager]:
        """The runs one by one, as they are seen from outside."""

    @property
    def stacked(self) -> bool:
        """Whether draws and statistics have a leading axis of members."""
        return False

    @abstractmethod
    def d_step(
        self, acting: Mapping[str, Opponent], step: Step, number: Tensor, fake: Batch | None
    ) -> Mapping[str, Tensor]:
        """One step of the discriminators, on `fake` where it is made already; the detached means of its terms."""

    def fakes_ahead(self, steps: Sequence[Step]) -> Sequence[Batch | None]:
        """The fakes of an iteration's D steps, between which G stays as it is; None where each step makes its own."""
        return [None] * len(steps)

    @abstractmethod
    def g_step(self, step: Step, number: Tensor) -> Mapping[str, Tensor]:
        """One step of the generator; the same of its terms."""

    @abstractmethod
    def update_average(self, number: int) -> None:
        """The generator's average after iteration `number`, where there is one."""

    @abstractmethod
    def largest_weights(self) -> dict[str, Tensor]:
        """The largest |weight| of each player: not finite when one of them is not."""

    @abstractmethod
    def snapshot(self) -> Any:
        """A copy of all that an iteration changes."""

    @abstractmethod
    def go_back(self, snapshot: Any) -> None:
        """Puts a snapshot back: the iterations after it can be repeated exactly."""

    def settle(self) -> None:  # noqa: B027 (an executor whose members are itself has nothing to do)
        """Makes the members' state what the executor's is, before one of them is looked at."""

    def release(self, member: int) -> None:  # noqa: B027 (a lone run has nobody to be released from)
        """Leaves a member as it is: the others go on without it."""

    def forget_gradients(self) -> None:
        """Gradients that others left on the modules do not count."""
        for member in self.members:
            for optimizer in member.optimizers.values():
                optimizer.zero_grad(set_to_none=True)

    def iteration(self, draw: Iteration, number: int, factor: float) -> dict[str, Tensor]:
        """One iteration: the D steps, the G step, the average; returns the detached means of its terms."""
        self._set_rates(factor)
        terms = self._steps_of(draw, self.acting(number, len(draw.d)))
        self.update_average(number)
        return terms

    def plainly(self, draw: Iteration, number: int, factor: float) -> dict[str, Tensor]:
        """The same iteration with every step taken one by one, for those who want to look at it."""
        return self.iteration(draw, number, factor)

    def acting(self, number: int, d_steps: int) -> list[dict[str, Opponent]]:
        """The opponents of each D step of iteration `number`, with the penalties that act there."""
        return [self._opponents(number * d_steps + index) for index in range(d_steps)]

    def _steps_of(self, draw: Iteration, acting: Sequence[Mapping[str, Opponent]]) -> dict[str, Tensor]:
        """The D steps and the G step of an iteration: all that happens on the device."""
        told: dict[str, list[Tensor]] = {}  # a list per term: one entry per D step in which it was evaluated
        for opponents, step, fake in zip(acting, draw.d, self.fakes_ahead(draw.d), strict=True):
            for key, value in self.d_step(opponents, step, draw.number, fake).items():
                told.setdefault(f"d/{key}", []).append(value)
        terms = self.g_step(draw.g, draw.number)
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
            for player, rate in zip(("G", "D"), self.rates, strict=True):
                for group in self.optimizers[player].param_groups:
                    if isinstance(group["lr"], Tensor):  # a captured step reads it from where it stands
                        group["lr"].fill_(rate * factor)
                    else:
                        group["lr"] = rate * factor
            self._factor = factor
