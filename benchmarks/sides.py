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
from steadygan.engine.compiler import Compiler
from steadygan.engine.members import StackedBlocks
from steadygan.engine.optim import OptimizerSettings
from steadygan.training.plan import host
from steadygan.training.seeds import cut
from steadygan.training.session import Segment, Session

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
    quiet = {"evaluator": None, "log_every": HORIZON, "evaluate_every": HORIZON, "checkpoint_every": HORIZON}
    extra: dict[str, Any] = quiet if out is None else {}
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
        self.sessions = [self._session(way, together) for together in groups]

    def _session(self, way: Way, together: Sequence[sg.Trainer]) -> Session:
        """Ready to train, inside the host that `fit` would borrow for it."""
        setup, threads = together[0].setup, torch.get_num_threads()
        members = [each.member for each in together]
        session = Session(members, HORIZON, threads, "on" if way.compiled else "off", resume=False)
        session.steps = self.steps
        for member in members:
            self.stack.enter_context(member.held())
        self.stack.enter_context(host(threads, 0, setup.device))
        session._make_ready(session._plan(), HORIZON)
        if way.graph:
            session.blocks = StackedBlocks([member.draws for member in members])
            session.executor = Captured([member.executor for member in members], Compiler(on=False))
        for member in members:
            self.stack.callback(member.close)
        return session

    def advance(self, iterations: int) -> None:
        """Everything that `fit` does but its figures; without a folder, what it does between two ticks."""
        for session in self.sessions:
            until = session.iteration + iterations
            if self.written:
                session._begin()
            while session.iteration < until:
                segment = Segment(session, until)
                for number in segment.numbers:
                    segment.add(session.executor.iteration(*segment.given(number)))
                session._look(segment)
            if self.written:
                session._end(until, asked=False)

    def draw(self) -> None:
        """What else a run does once it is done: its figures, here those of the first seed."""
        session = self.sessions[0]
        session.members, members = session.members[:1], session.members
        session._draw()
        session.members = members

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
            for session in mine.sessions:
                blocks = [member.draws.block(0) for member in session.members]
                theirs = []
                for member, block in zip(session.members, blocks, strict=True):
                    own = (block[n] for n in range(len(block)))
                    draws = [(i.d[0].real.x.clone(), i.d[0].z, i.g.z) for i in own if i.d[0].real is not None]
                    theirs.append(Plain(case, iter(draws), seed=member.setup.seed))
                if session is mine.sessions[0]:
                    mine.advance(iterations)
                for plain, member in zip(theirs, session.members, strict=True):
                    plain.advance(iterations)
                    executor = member.executor
                    assert executor.average is not None
                    averages = executor.average.network, plain.average
                    pairs = ((executor.G, plain.G), (executor.networks["D"], plain.D), averages)
                    for a, b in pairs:
                        for p, q in zip(a.parameters(), b.parameters(), strict=True):
                            worst = max(worst, float((p - q).detach().abs().max()))
    if not worst <= 1e-10:
        raise SystemExit(f"the two sides do not compute the same: weights differ by {worst:.1e}")
    return worst
