"""One sitting: folders locked, host borrowed, one run or the members of a stack trained, figures drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..devices import global_states, kept, restore_global_states
from ..engine.compiling import first_line
from ..errors import InputError, Interrupted
from ..files import writing
from ..runs.folder import RunFolder
from ..runs.run import Run
from . import figures
from .checks import work_of
from .journal import Journal
from .loop import Loop
from .member import Order, start
from .obstacles import convolutional
from .plan import Plan, host, training

if TYPE_CHECKING:
    from .trainer import Trainer


class Session:
    """Trains the runs of some trainers together; each `fit` goes on where the one before it stopped."""

    def __init__(
        self, trainers: Sequence[Trainer], horizon: int | None, threads: int | None, compiled: str, resume: bool
    ) -> None:
        self.trainers, self.horizon, self.threads = trainers, horizon, threads
        self.compiled, self.resume = compiled, resume
        self.reason: str | None = None  # why the run is trained alone, though others were to come with it
        self.loop: Loop | None = None
        self.runs: list[Run] = []
        self.steps: dict[Hashable, Callable[..., Any]] = {}  # compiled, for stacks of equal runs
        self.events: list[str] = []  # of the run before it was rolled back
        self._work: int | None = None  # multiply-adds of a forward
        self._random: Mapping[str, Tensor] | None = None  # torch's global generators between two fits

    def fit(self, iterations: int) -> list[Run]:
        """Trains all runs until `iterations` are done; a run that stopped before has a `failure`.

        A lone run that is rolled back goes on from its checkpoint. Raises Interrupted after SIGINT or SIGTERM, the
        checkpoints written.
        """
        runs = self._sit(iterations)
        while self.loop is not None and len(self.loop.journals) == 1 and self.loop.journals[0].left:
            self.events = self.loop.journals[0].log.events
            self.loop, self.resume, self._random = None, True, None
            runs = self._sit(iterations)
        return runs

    def _sit(self, iterations: int) -> list[Run]:
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 0:
            raise InputError(f"iterations must be a whole number of 0 or more, not {iterations!r}")
        self.horizon = self.horizon or max(1, iterations)
        setup = self.trainers[0].setup
        folders = [None if trainer.out is None else RunFolder(trainer.out) for trainer in self.trainers]
        with ExitStack() as stack:
            for folder in folders:
                if folder is not None:
                    folder.acquire()
                    stack.callback(folder.release)
            for trainer in self.trainers:
                for network in trainer.setup.networks:
                    stack.enter_context(training(network))
            if self._work is None:
                self._work = work_of(setup)
            plan = Plan.resolve(
                setup.device,
                setup.dtype,
                self.threads,
                self._work,
                len(self.trainers),
                self.compiled,
                any(convolutional(network) for network in setup.networks),
            )
            stack.enter_context(host(plan.threads, setup.seed, setup.device))
            if self.loop is not None and self.loop.opened and iterations > self.loop.iteration:
                self.loop, self.resume = None, True  # now there is something to do
            if self.loop is None:
                orders = [
                    Order(trainer.setup, folder, partial(self._on_tick, index))
                    for index, (trainer, folder) in enumerate(zip(self.trainers, folders, strict=True))
                ]
                with mendable(len(self.trainers)):
                    self.loop, self.runs = start(
                        orders, plan, self.horizon, self.resume, iterations, self.reason, self.steps
                    )
            loop = self.loop
            loop.journals[0].log.events[:0], self.events = self.events, []
            for journal in loop.journals:
                stack.callback(journal.log.close)
                stack.callback(journal.draws.close)
            if loop.opened:
                self._random = global_states(setup.device)
                for index, _ in enumerate(self.runs):
                    self._tell(index)
                return self.runs
            self._go_on(loop)
            try:
                with mendable(len(self.trainers)):
                    loop.run(iterations)
            except Interrupted:
                self._draw_figures(loop)
                raise
            finally:
                self._random = global_states(setup.device)
                for index, _ in enumerate(self.runs):
                    self._tell(index)
            self._draw_figures(loop)
        return self.runs

    def _go_on(self, loop: Loop) -> None:
        """torch's global generators as the last `fit` left them, and its closing records forgotten."""
        if self._random is None:
            return
        restore_global_states(self._random, self.trainers[0].setup.device)
        for journal in loop.going:
            if journal.log.records and journal.log.records[-1].get("final"):
                journal.log.records.pop()
                journal.reconsider(journal.log.records)
                if journal.folder is not None:
                    journal.folder.cut_back(journal.iteration)

    def _on_tick(self, index: int, iteration: int, record: dict[str, float]) -> None:
        self._tell(index)
        with kept(self.trainers[index].setup.device):  # whatever they draw, the run is the same
            for callback in self.trainers[index].callbacks:
                callback(self.runs[index], iteration, record)

    def _tell(self, index: int) -> None:
        assert self.loop is not None
        journal, run = self.loop.journals[index], self.runs[index]
        run.beside = max(1, len(self.loop.going))
        run.iteration, run.wall_time = journal.iteration, journal.seconds
        run.iterations_per_second, run.failure = journal.iterations_per_second, journal.failure

    def _draw_figures(self, loop: Loop) -> None:
        for trainer, journal, run in zip(self.trainers, loop.journals, self.runs, strict=True):
            draw(journal, run, trainer)


@contextmanager
def mendable(members: int) -> Iterator[None]:
    """Turns those of torch's errors that a user can mend into one line."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        line = first_line(error)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in line:
            fewer = f"fewer than {members} seeds side by side, " if members > 1 else ""
            raise InputError(
                f"expected memory enough for the networks and their batches, got none left ({line}): use {fewer}a "
                "smaller batch_size or narrower networks"
            ) from error
        if line.startswith("DataLoader worker"):  # torch tells of a dead reader wherever the main thread happens to be
            raise InputError(
                f"expected the processes that read the data to live, got: {line} lower workers or free memory, and go "
                "on with --resume"
            ) from error
        raise


def draw(journal: Journal, run: Run, trainer: Trainer) -> None:
    """A run's figures, where there is anything to see."""
    folder = journal.folder
    if folder is not None and len(journal.log.records) > 1:
        title = str(run.settings.get("recipe", folder.path.name))
        with writing(folder.figures):
            figures.draw(folder, trainer.setup.source, journal.probes.real, journal.log.records, run.equilibrium, title)
