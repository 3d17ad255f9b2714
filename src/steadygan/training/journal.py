"""What one run writes while it trains: its sums, ticks, checkpoints, and how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..devices import global_states, restore_global_states
from ..diagnostics.equilibrium import off_equilibrium
from ..diagnostics.rules import MILDER
from ..diagnostics.verdicts import Judge, Verdict
from ..engine.draws import BLOCK, Draws
from ..engine.executor import Eager
from ..engine.state import State
from ..errors import CollapseError, InputError, NonFiniteError
from ..files import writing
from ..runs import checkpoint
from ..runs.checkpoint import TrainState, check_network
from ..runs.folder import RunFolder
from ..runs.log import Log
from .plan import Plan
from .probes import Probes
from .rollback import Guard
from .setup import Rhythm


@dataclass
class Journal:
    """One run as it is written down, lone or member of a stack."""

    executor: Eager  # the run as it is seen from outside
    draws: Draws
    probes: Probes
    plan: Plan
    rhythm: Rhythm
    log: Log
    folder: RunFolder | None
    settings: Mapping[str, Any]
    equilibrium: tuple[float | None, float | None]  # of both losses
    extras: Mapping[str, Any]  # stored in checkpoints beside the state
    on_tick: Callable[[int, dict[str, float]], None]
    iteration: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    seconds: float = 0.0
    iterations_per_second: float = 0.0
    failure: NonFiniteError | CollapseError | None = None
    left: bool = False  # what trained it, to go on alone from an earlier checkpoint
    judge: Judge | None = None
    guard: Guard | None = None

    @property
    def going(self) -> bool:
        """Whether the run still counts: nothing more is written of one that stopped."""
        return self.failure is None and not self.left

    def begin(self) -> None:
        """The tick and the checkpoint before the first iteration."""
        if self.iteration == 0 and not self.log.records:
            self.tick(closing=False)
            self.save()

    def pause(self) -> None:
        """What is due at this iteration: a tick, a checkpoint."""
        if self.rhythm.tells(self.iteration):
            self.tick(closing=False)
        if self.going and self.iteration % self.rhythm.checkpoint == 0:  # whoever looked may have made it leave
            self.save()

    def end(self) -> None:
        """The closing measurement, where none was due just now."""
        if self.iteration % self.rhythm.evaluate:
            self.tick(closing=True)

    def add(self, rows: list[Mapping[str, float]]) -> None:
        """Adds statistics one by one, so that the sums do not depend on where the segments were cut."""
        sums = {key: value.tolist() for key, value in self.sums.items()}
        for row in rows:
            for key, value in (row if self.judge is None else {**row, **self._squared(row)}).items():
                total, count = sums.get(key, (0.0, 0.0))
                sums[key] = [total + value, count + 1.0]
        self.sums = {key: torch.tensor(value, dtype=torch.float64) for key, value in sums.items()}

    def _weighted(self, terms: Mapping[str, float]) -> dict[str, float]:
        """Each player's loss without penalties, the weighted sum over the opponents."""
        losses = {}
        for player, key in (("d", "d_loss"), ("g", "g_loss")):
            known = ((o.weight, terms.get(f"{player}/{name}/loss")) for name, o in self.executor.opponents.items())
            weighted = [weight * value for weight, value in known if value is not None]
            if weighted:
                losses[key] = sum(weighted)
        return losses

    def _squared(self, row: Mapping[str, float]) -> dict[str, float]:
        """The squares of an iteration's losses: their means tell how much they go up and down."""
        return {f"{key} squared": value * value for key, value in self._weighted(row).items()}

    def tick(self, closing: bool) -> None:
        """One record: losses since the last tick, gradients now, and an evaluation when it is due."""
        record: dict[str, Any] = {"iteration": self.iteration, **self._losses()}
        again = closing and bool(self.log.records) and self.log.records[-1]["iteration"] == self.iteration
        if again:
            record = self.log.records[-1] | record  # no iterations since: the losses are those of the tick just told
            self.reconsider(self.log.records[:-1])
        gradients, dead = self.probes.look(self.iteration)
        record |= gradients
        began, picture = time.perf_counter(), None
        if closing or self.iteration % self.rhythm.evaluate == 0:
            record |= self.probes.metrics()
            if self.folder is not None:
                with writing(self.folder.samples):
                    picture = self.probes.snapshot(self.folder.samples, self.iteration)
        took = time.perf_counter() - began
        for key in [
            key for key, value in record.items() if not (isinstance(value, str) or math.isfinite(value))
        ]:  # JSON has no word for it
            self.log.event(f"iteration {self.iteration}: {key} was {record.pop(key)}")
        if closing:
            record["final"] = True
        else:
            self.sums = {}
        told = self._name_dead(dead)
        verdict = self._judged(record, told, again)
        self.log.record(record)
        if picture is not None:
            self.log.picture(picture, self.iteration)
        self.log.timing(
            {
                "iteration": self.iteration,
                "seconds": round(self.seconds, 3),
                "iterations_per_second": round(self.iterations_per_second, 2),
                "evaluation_seconds": round(took, 4),
            }
        )
        self.on_tick(self.iteration, record)
        if verdict is not None and verdict.alarm and self.guard is not None and not closing:
            self.guard.act(self, verdict)

    def _judged(self, record: dict[str, Any], told: bool, again: bool) -> Verdict | None:
        """What is to be thought of the run now, written into the record; told when it changes, unless it was."""
        if self.judge is None:
            return None
        before = self.judge.verdict
        verdict = self.judge.update(record)
        record["verdict"] = verdict.verdict
        record.pop("reason", None)
        if verdict.reason:
            record["reason"] = verdict.reason
        told = again or (told and "dead_discriminator" in (verdict.verdict, before.verdict))
        if verdict.verdict != before.verdict and not told:
            if verdict.alarm:
                self.log.event(f"iteration {self.iteration}: {verdict.told}")
            elif before.alarm:
                self.log.event(f"iteration {self.iteration}: {verdict.verdict} again")
        return verdict

    def reconsider(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Lets the judge know these records and no others."""
        if self.judge is not None:
            self.judge = Judge(self.judge.thresholds, self.judge.free)
            for record in records:
                self.judge.update(record)

    def _losses(self) -> dict[str, float]:
        """Means since the last tick: d_loss and g_loss without penalties, then every other term by its name."""
        means = {key: float(value[0] / value[1]) for key, value in self.sums.items()}
        losses = self._weighted(means)
        for key, equilibrium in zip(("d", "g"), self.equilibrium, strict=True):
            mean, square = losses.get(f"{key}_loss"), means.pop(f"{key}_loss squared", None)
            if mean is not None and square is not None:
                losses[f"{key}_loss_std"] = math.sqrt(max(0.0, square - mean * mean))
            off = off_equilibrium(mean, equilibrium)
            if off is not None:
                losses[f"{key}_off"] = off
            norm = means.pop(f"{key.upper()}/gradients", None)
            if norm is not None:
                losses[f"gradient_norm_{key}"] = norm
            for name in self.executor.opponents:
                means.pop(f"{key}/{name}/loss", None)
        lone = len(self.executor.opponents) == 1
        return losses | {(_of_a_lone_one(key) if lone else key): value for key, value in means.items()}

    def _name_dead(self, found: Mapping[str, str]) -> bool:
        """Tells of opponents that died or live again; whether there was any."""
        before = self.dead
        for name in found.keys() - self.dead:
            self.log.event(f"iteration {self.iteration}: {found[name]} ({name})")
        for name in self.dead - found.keys():
            self.log.event(f"iteration {self.iteration}: the discriminator {name} is alive again")
        self.dead = set(found)
        return self.dead != before

    def state(self) -> TrainState:
        """The run's state as it is, by reference."""
        return collect(self.iteration, self.executor, self.draws, self.sums)

    def save(self) -> None:
        """Writes a checkpoint, where there is a folder."""
        if self.folder is not None:
            meta = {"settings": dict(self.settings), "plan": asdict(self.plan), **self.extras}
            held = None if self.guard is None else self.guard.healthy(self)
            checkpoint.write(self.folder.checkpoints, self.state(), meta, self.rhythm.keep, held)

    def leave(self, at: int) -> None:
        """Leaves what trains it: the run goes on alone from its checkpoint of iteration `at`; newer ones give way.

        Raises InputError without a folder, or without that checkpoint.
        """
        if self.folder is None or at not in {int(path.stem) for path in checkpoint.listed(self.folder.checkpoints)}:
            raise InputError(f"expected a checkpoint of iteration {at} to go back to, got none: keep more of them")
        self.log.say(f"iteration {self.iteration}: goes on from iteration {at}")
        self.left = True
        self.folder.cut_back(at)

    def halt(self, told: str) -> None:
        """Ends the run for what the monitor saw, a checkpoint written."""
        self.save()
        self.log.event(told)
        self.failure = CollapseError(told)

    def stop(self, told: str, path: Path | None) -> None:
        """Ends the run at a term that was not finite; `path` holds what led to it."""
        last = None if self.folder is None else checkpoint.latest(self.folder.checkpoints)
        message = f"{told}; batch and networks are in {path}" if path is not None and path.exists() else told
        message += "" if last is None else f"; last good checkpoint: {last}"
        if self.guard is not None and self.guard.policy == "rollback":
            self.guard.roll_back(self, "non_finite", told, self.iteration, f"{message}; {MILDER}")
            return
        self.log.event(message)
        self.failure = NonFiniteError(f"{message}; {MILDER}")


def _of_a_lone_one(key: str) -> str:
    """`d/D/penalty/r1` as `penalty/r1`, `g/D/method/x` as `g/method/x`: a method may name both players' terms alike."""
    player, _, term = key.split("/", 2)
    return term if player == "d" else f"g/{term}"


def collect(iteration: int, executor: Eager, draws: Draws, sums: Mapping[str, Tensor]) -> TrainState:
    """The state as it is, tensors by reference."""
    device = draws.generator.device
    networks, ema, optimizers, parts = executor.held()
    random = {"run": draws.beginning(iteration // BLOCK), **global_states(device)}
    return TrainState(torch.tensor(iteration), networks, ema, optimizers, parts, random, sums)


def restore(state: TrainState, executor: Eager, draws: Draws) -> None:
    """Puts a state back in place; raises InputError when it is of another model."""
    wanted = [(network, state.networks.get(name, {}), name) for name, network in executor.networks.items()]
    if executor.average is not None:
        wanted.append((executor.average.network, state.ema, "the average of G"))
    for network, saved, name in wanted:  # all of them first, so that a refused state changes nothing
        check_network(network, saved, name)
    executor.put(State(state.networks, state.ema, state.optimizers, state.parts, {}))
    draws.restore(state.random["run"].cpu())
    restore_global_states(state.random, draws.generator.device)
