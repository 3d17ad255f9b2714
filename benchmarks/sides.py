"""Our side of the speed table: whole runs of `Seeds`, with evaluation, logs and checkpoints as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from plain import BETAS, DECAY, Case, Plain

import steadygan as sg
from steadygan.engine.captured import Captured
from steadygan.engine.compiling import Compiler
from steadygan.engine.members import StackedBlocks
from steadygan.engine.optim import OptimizerSettings
from steadygan.runs.folder import RunFolder
from steadygan.training import figures
from steadygan.training.checks import work_of
from steadygan.training.loop import Loop, StopSignals
from steadygan.training.member import Order, start
from steadygan.training.obstacles import convolutional
from steadygan.training.plan import Plan, host, training
from steadygan.training.seeds import cut

HORIZON = 10**9  # schedules are constant here: the length is nobody's concern


@dataclass(frozen=True)
class Way:
    """How our side trains: how many seeds, compiled or not, in which precision."""

    name: str
    seeds: int = 1
    compiled: bool = False
    precision: str = "float32"
    candidates: str | None = None
    device: str = "cpu"
    graph: bool = False  # recorded as a CUDA graph, uncompiled


def trainer(case: Case, way: Way, seed: int, out: Path | None, dtype: torch.dtype = torch.float32) -> sg.Trainer:
    """A trainer as a user would write it; `out` None leaves evaluation out, too."""
    G, D = case.networks(seed, dtype)
    extra: dict[str, Any] = {"evaluator": None} if out is None else {}
    return sg.Trainer(
        G,
        D,
        case.images() if case.image else sg.data.DATA["ring8"](),
        latent_dim=case.latent,
        penalties=[sg.penalties.r1(case.weight)],
        method=sg.methods.FakeAsReal(case.count, case.factor),
        batch_size=case.batch,
        optimizer=OptimizerSettings(betas=BETAS),
        lr_g=case.lr,
        ema=DECAY,
        seed=seed,
        device=way.device,
        dtype=dtype,
        compile="on" if way.compiled else "off",
        precision=way.precision,
        candidates=way.candidates,
        out=None if out is None else out / f"seed-{seed}",
        **extra,
    )


class Ours:
    """The runs of some seeds, in stacks as `Seeds` makes them, each advanced in turn."""

    def __init__(self, trainers: list[sg.Trainer], way: Way, out: Path | None) -> None:
        self.trainers = trainers
        self.steps: dict[Any, Any] = {}  # compiled once for all stacks, as `Seeds` does it
        self.seeds, self.written, self.stack = way.seeds, out is not None, ExitStack()
        groups = cut(trainers) if way.device == "cpu" else [trainers]
        self.loops = [self._loop(way, together) for together in groups]

    def _loop(self, way: Way, together: Sequence[sg.Trainer]) -> Loop:
        setup = together[0].setup
        threads = torch.get_num_threads()
        plan = Plan.resolve(
            setup.device,
            setup.dtype,
            threads,
            work_of(setup),
            members=len(together),
            compiled="on" if way.compiled else "off",
            convolutional=any(convolutional(network) for network in setup.networks),
        )
        for each in together:
            for network in each.setup.networks:
                self.stack.enter_context(training(network))
        self.stack.enter_context(host(threads, 0, setup.device))
        orders = [Order(t.setup, None if t.out is None else RunFolder(t.out), lambda *_: None) for t in together]
        for order in orders:
            if order.folder is not None:
                order.folder.acquire()
                self.stack.callback(order.folder.release)
        loop, _ = start(orders, plan, HORIZON, False, steps=self.steps)
        if way.graph:
            loop.blocks = StackedBlocks([journal.draws for journal in loop.journals])
            loop.executor = Captured([journal.executor for journal in loop.journals], Compiler(on=False))
        for journal in loop.journals:
            self.stack.callback(journal.log.close)
        return loop

    def advance(self, iterations: int) -> None:
        """Everything that `fit` does; without a folder, what it does between two ticks."""
        for loop in self.loops:
            until = loop.iteration + iterations
            if self.written:
                loop.run(until)
            else:
                signals = StopSignals()
                while loop.iteration < until:
                    loop.segment(min(until, (loop.iteration // 100 + 1) * 100), signals)

    def draw(self) -> None:
        """What else a run does once it is done: its figures, here those of the first seed."""
        journal, case = self.loops[0].journals[0], self.trainers[0].setup
        assert journal.folder is not None
        figures.draw(journal.folder, case.source, journal.probes.real, journal.log.records, (None, None), "a run")

    def close(self) -> None:
        """Gives locks, threads and modes back."""
        self.stack.close()


@contextmanager
def ours(case: Case, way: Way, written: bool = True, dtype: torch.dtype = torch.float32) -> Iterator[Ours]:
    """Our side in a folder of its own that goes afterwards."""
    with TemporaryDirectory() as folder:
        out = Path(folder) if written else None
        made = Ours([trainer(case, way, seed, out, dtype) for seed in range(way.seeds)], way, out)
        try:
            yield made
        finally:
            made.close()


def check(case: Case, ways: Sequence[Way], iterations: int = 20) -> float:
    """The largest difference between the sides' weights after some iterations in float64, given the same draws."""
    worst = 0.0
    for way in ways:
        with ours(case, way, written=False, dtype=torch.float64) as mine:
            for loop in mine.loops:
                blocks = [journal.draws.block(0) for journal in loop.journals]
                theirs = []
                for journal, block in zip(loop.journals, blocks, strict=True):
                    draws = [(i.d[0].real.x.clone(), i.d[0].z, i.g.z) for i in block if i.d[0].real is not None]
                    theirs.append(Plain(case, iter(draws), seed=int(journal.settings["seed"])))
                if loop is mine.loops[0]:
                    mine.advance(iterations)
                for plain, journal in zip(theirs, loop.journals, strict=True):
                    plain.advance(iterations)
                    member = journal.executor
                    assert member.average is not None
                    pairs = (
                        (member.G, plain.G),
                        (member.networks["D"], plain.D),
                        (member.average.network, plain.average),
                    )
                    for a, b in pairs:
                        for p, q in zip(a.parameters(), b.parameters(), strict=True):
                            worst = max(worst, float((p - q).detach().abs().max()))
    if not worst <= 1e-10:
        raise SystemExit(f"the two sides do not compute the same: weights differ by {worst:.1e}")
    return worst
