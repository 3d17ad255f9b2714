"""The loop: iterations in blocks; between them statistics, probes, checkpoints and signals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

import torch
from torch import Tensor

from ..engine.draws import BLOCK, Block
from ..engine.executor import Executor
from ..engine.optim import Schedule
from ..errors import Interrupted, NonFiniteError
from .journal import Journal
from .nonfinite import Evidence, first_bad
from .setup import Rhythm


@dataclass
class Loop:
    """An executor and the runs that it trains: one, or the members of a stack side by side."""

    executor: Executor
    journals: Sequence[Journal]
    blocks: Callable[[int], Block]  # number -> the iterations of a block, stacked as the executor wants them
    schedule: Schedule
    horizon: int
    rhythm: Rhythm
    iteration: int = 0
    looks: bool = True  # whether gradients are measured before each tick
    opened: bool = False  # to be looked at: the runs were done before

    @property
    def going(self) -> list[Journal]:
        """The runs that have not stopped."""
        return [journal for journal in self.journals if journal.going]

    def run(self, until: int) -> None:
        """Trains until `until` iterations are done; raises Interrupted after a signal.

        A run that comes upon a bad term stops there, with its `failure`; the others go on.
        """
        began, done = time.perf_counter(), self.iteration
        before = max((journal.seconds for journal in self.going), default=0.0)
        self.executor.forget_gradients()

        def clock() -> None:
            seconds = time.perf_counter() - began
            for journal in self.going:
                journal.seconds = before + seconds
                journal.iterations_per_second = (self.iteration - done) / max(1e-9, seconds)

        with StopSignals() as signals:
            self._each(Journal.begin)
            while self.iteration < until and self.going and not signals.asked:
                self.segment(self.rhythm.next_stop(self.iteration, until), signals)
                clock()
                if self.rhythm.due(self.iteration):
                    self.executor.settle()
                    self._each(Journal.pause)
            self.executor.settle()
            for journal in self.going:
                if self.iteration % self.rhythm.checkpoint:
                    journal.save()
            if signals.asked and self.iteration < until:
                for journal in self.going:
                    journal.log.event(f"iteration {self.iteration}: interrupted, checkpoint saved")
                raise Interrupted(self.iteration, where(self.journals))
            self._each(Journal.end)
            clock()
            for journal in self.going:
                journal.log.say(f"stopped at iteration {self.iteration} after {journal.seconds:.1f} s of training")

    def _each(self, look: Callable[[Journal], None]) -> None:
        """Lets every run that is going look at itself; one that must not go on is released."""
        for member, journal in enumerate(self.journals):
            if not journal.going:
                continue
            try:
                look(journal)
            except NonFiniteError as error:  # of samples that an evaluator cannot measure
                journal.stop(f"iteration {self.iteration}: {error}", None)
            if not journal.going:
                self.executor.release(member)

    def segment(self, stop: int, signals: StopSignals) -> None:
        """Iterations up to `stop` within one block, then one look at their statistics."""
        block = self.blocks(self.iteration // BLOCK)
        before = self.executor.snapshot()
        done: list[tuple[int, float]] = []
        rows: list[dict[str, Tensor]] = []
        norms: dict[str, Tensor] = {}
        while self.iteration < stop and not signals.asked:
            number = self.iteration
            factor = self.schedule.factor(number, self.horizon)
            if number + 1 == stop and self.looks and self.rhythm.tells(stop):
                with gradient_norms(self.executor) as norms:
                    rows.append(self.executor.plainly(block[number % BLOCK], number, factor))
            else:
                rows.append(self.executor.iteration(block[number % BLOCK], number, factor))
            done.append((number, factor))
            self.iteration += 1
        if not done:
            return
        numbers = on_host([*rows, norms, self.executor.largest_weights()], len(self.journals))
        for member, (journal, (*terms, seen, weights)) in enumerate(zip(self.journals, numbers, strict=True)):
            if not journal.going:
                continue
            journal.iteration = self.iteration
            checked = [*terms[:-1], {**terms[-1], **weights}]  # a checkpoint must hold nothing that is not finite
            bad = first_bad(checked)
            if bad is not None:
                evidence = Evidence(self.executor, member, before, block, done, checked)
                journal.stop(*evidence.written(journal.folder, *bad))
                self.executor.release(member)
            else:
                journal.add([*terms[:-1], {**terms[-1], **seen}])  # what is merely seen stops no run


def where(journals: Sequence[Journal]) -> str | None:
    """The folder of a run, or the one that holds those of several."""
    folder = journals[0].folder
    if folder is None:
        return None
    return str(folder.path if len(journals) == 1 else folder.path.parent)


def on_host(rows: Sequence[Mapping[str, Tensor]], members: int) -> list[list[Mapping[str, float]]]:
    """The segment's statistics as numbers, a list of rows per member, with one transfer."""
    keys = [(index, key) for index, row in enumerate(rows) for key in row]
    result: list[list[dict[str, float]]] = [[{} for _ in rows] for _ in range(members)]
    if keys:
        values = torch.stack([rows[index][key] for index, key in keys]).view(len(keys), members).T.tolist()
        for own, column in zip(result, values, strict=True):
            for (index, key), value in zip(keys, column, strict=True):
                own[index][key] = value
    return [[*own] for own in result]


class StopSignals:
    """Inside the context, the first SIGINT or SIGTERM sets `asked`; the second acts as it did before."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._put_back()


@contextmanager
def gradient_norms(executor: Executor) -> Iterator[dict[str, Tensor]]:
    """Fills in `G/gradients` and `D/gradients` while optimisers step: () or, of a stack, (members,), in float64.

    A player none of whose parameters holds a gradient is left out.
    """
    found: dict[str, Tensor] = {}

    def look(player: str, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if executor.stacked:
            norms = [torch.linalg.vector_norm(g, dim=1, dtype=torch.float64) for g in gradients]
        else:
            norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients]
        if norms:
            found[f"{player}/gradients"] = torch.linalg.vector_norm(torch.stack(norms), dim=0)

    handles = [
        optimizer.register_step_pre_hook(lambda opt, *_, player=player: look(player, opt))
        for player, optimizer in executor.optimizers.items()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
