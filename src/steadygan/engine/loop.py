"""The loop: iterations in blocks; between them statistics, probes, checkpoints and signals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import Interrupted, NonFiniteError
from . import checkpoint
from .draws import BLOCK, Block, Draws
from .eager import Eager
from .folder import RunFolder, writing
from .log import Log
from .nonfinite import dump, first_bad
from .plan import Plan
from .probes import Probes
from .schedule import Schedule
from .signals import StopSignals
from .state import TrainState, collect


@dataclass(frozen=True)
class Rhythm:
    """How often what happens, in iterations."""

    log: int = 200
    evaluate: int = 1000
    checkpoint: int = 2000
    keep: int = 3  # checkpoints

    def next_stop(self, iteration: int, until: int) -> int:
        """Where the iterations must pause next: the block's end, a tick, or the end of the run."""
        stops = (BLOCK, self.log, self.evaluate, self.checkpoint)
        return min(until, *((iteration // every + 1) * every for every in stops))


@dataclass
class Loop:
    """Everything one run needs while it trains."""

    executor: Eager
    draws: Draws
    probes: Probes
    plan: Plan
    schedule: Schedule
    horizon: int
    rhythm: Rhythm
    log: Log
    folder: RunFolder | None
    settings: Mapping[str, Any]
    extras: Mapping[str, Any]  # stored in checkpoints beside the state
    on_tick: Callable[[int, dict[str, float]], None]
    iteration: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    seconds: float = 0.0
    iterations_per_second: float = 0.0

    def run(self, until: int) -> None:
        """Trains until `until` iterations are done; raises Interrupted after a signal, NonFiniteError on a bad term."""
        began, done = time.perf_counter(), self.iteration
        before_seconds = self.seconds
        self.executor.forget_gradients()
        with StopSignals() as signals:
            if self.iteration == 0 and not self.log.records:
                self._tick(closing=False)
                self._save()
            while self.iteration < until and not signals.asked:
                self._segment(self.rhythm.next_stop(self.iteration, until), signals)
                self.seconds = before_seconds + time.perf_counter() - began
                self.iterations_per_second = (self.iteration - done) / max(1e-9, self.seconds - before_seconds)
                if self.iteration % self.rhythm.log == 0 or self.iteration % self.rhythm.evaluate == 0:
                    self._tick(closing=False)
                if self.iteration % self.rhythm.checkpoint == 0:
                    self._save()
            if self.iteration % self.rhythm.checkpoint:
                self._save()
            if signals.asked and self.iteration < until:
                self.log.event(f"iteration {self.iteration}: interrupted, checkpoint saved")
                raise Interrupted(self.iteration, None if self.folder is None else str(self.folder.path))
            if self.iteration % self.rhythm.evaluate:
                self._tick(closing=True)
            self.seconds = before_seconds + time.perf_counter() - began
            self.log.say(f"stopped at iteration {self.iteration} after {self.seconds:.1f} s of training")

    def _segment(self, stop: int, signals: StopSignals) -> None:
        """Iterations up to `stop` within one block, then one look at their statistics."""
        block = self.draws.block(self.iteration // BLOCK)
        before = self.state().clone()
        done: list[tuple[int, float]] = []
        rows: list[dict[str, Tensor]] = []
        while self.iteration < stop and not signals.asked:
            number = self.iteration
            factor = self.schedule.factor(number, self.horizon)
            rows.append(self.executor.iteration(block[number % BLOCK], number, factor))
            done.append((number, factor))
            self.iteration += 1
        if done:
            *terms, weights = _on_host([*rows, self.executor.largest_weights()])
            checked = [*terms[:-1], {**terms[-1], **weights}]  # a checkpoint must hold nothing that is not finite
            bad = first_bad(checked)
            if bad is not None:
                self._stop_non_finite(*bad, checked, block, done, before)
            self._add(terms)

    def _add(self, rows: list[Mapping[str, float]]) -> None:
        """Adds statistics one by one, so that the sums do not depend on where the segments were cut."""
        sums = {key: value.tolist() for key, value in self.sums.items()}
        for row in rows:
            for key, value in row.items():
                total, count = sums.get(key, (0.0, 0.0))
                sums[key] = [total + value, count + 1.0]
        self.sums = {key: torch.tensor(value, dtype=torch.float64) for key, value in sums.items()}

    def _tick(self, closing: bool) -> None:
        """One record: losses since the last tick, gradients now, and an evaluation when it is due."""
        record: dict[str, Any] = {"iteration": self.iteration, **self._losses()}
        if closing and self.log.records and self.log.records[-1]["iteration"] == self.iteration:
            record = self.log.records[-1] | record  # no iterations since: the losses are those of the tick just told
        gradients, dead = self.probes.look()
        record |= gradients
        began, picture = time.perf_counter(), None
        if closing or self.iteration % self.rhythm.evaluate == 0:
            record |= self.probes.metrics()
            if self.folder is not None:
                with writing(self.folder.samples):
                    picture = self.probes.snapshot(self.folder.samples, self.iteration)
        took = time.perf_counter() - began
        for key in [key for key, value in record.items() if not math.isfinite(value)]:  # JSON has no word for it
            self.log.event(f"iteration {self.iteration}: {key} was {record.pop(key)}")
        if closing:
            record["final"] = True
        else:
            self.sums = {}
        self._name_dead(dead)
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

    def _losses(self) -> dict[str, float]:
        """Means since the last tick: d_loss and g_loss without penalties, then every other term by its name."""
        means = {key: float(value[0] / value[1]) for key, value in self.sums.items()}
        losses: dict[str, float] = {}
        for player, key in (("d", "d_loss"), ("g", "g_loss")):
            own = {name: means.pop(f"{player}/{name}/loss", None) for name in self.executor.opponents}
            weighted = [o.weight * value for n, o in self.executor.opponents.items() if (value := own[n]) is not None]
            if weighted:
                losses[key] = sum(weighted)
        lone = len(self.executor.opponents) == 1
        return losses | {(_of_a_lone_one(key) if lone else key): value for key, value in means.items()}

    def _name_dead(self, found: Mapping[str, str]) -> None:
        for name in found.keys() - self.dead:
            self.log.event(f"iteration {self.iteration}: {found[name]} ({name})")
        for name in self.dead - found.keys():
            self.log.event(f"iteration {self.iteration}: the discriminator {name} is alive again")
        self.dead = set(found)

    def state(self) -> TrainState:
        """The run's state as it is, by reference."""
        return collect(self.iteration, self.executor, self.draws, self.sums)

    def _save(self) -> None:
        if self.folder is not None:
            meta = {"settings": dict(self.settings), "plan": asdict(self.plan), **self.extras}
            checkpoint.write(self.folder.checkpoints, self.state(), meta, self.rhythm.keep)

    def _stop_non_finite(
        self,
        index: int,
        term: str,
        rows: list[Mapping[str, float]],
        block: Block,
        done: list[tuple[int, float]],
        before: TrainState,
    ) -> None:
        number = done[index][0]
        path = None if self.folder is None else self.folder.path / f"non_finite_{number:09d}.pt"
        norms, _ = dump(path, self.executor, self.draws, before, block, done[: index + 1], rows[: index + 1], term)
        last = None if self.folder is None else checkpoint.latest(self.folder.checkpoints)
        message = f"term {term} was {rows[index][term]} at iteration {number} ({norms})"
        message += f"; batch and networks are in {path}" if path is not None and path.exists() else ""
        message += "" if last is None else f"; last good checkpoint: {last}"
        self.log.event(message)
        raise NonFiniteError(message + "; lower the learning rates or raise the penalty")


def _on_host(rows: list[dict[str, Tensor]]) -> list[Mapping[str, float]]:
    """The segment's statistics as numbers, with one transfer."""
    keys = [(index, key) for index, row in enumerate(rows) for key in row]
    result: list[dict[str, float]] = [{} for _ in rows]
    if keys:
        values = torch.stack([rows[index][key] for index, key in keys]).tolist()
        for (index, key), value in zip(keys, values, strict=True):
            result[index][key] = value
    return [*result]


def _of_a_lone_one(key: str) -> str:
    """`d/D/penalty/r1` as `penalty/r1`, `g/D/method/x` as `g/method/x`: a method may name both players' terms alike."""
    player, _, term = key.split("/", 2)
    return term if player == "d" else f"g/{term}"
