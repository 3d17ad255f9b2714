"""`Seeds`: one GAN, several seeds, side by side where possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ..devices import borrowed, plain_modes
from ..display.watch import Watch, watching
from ..errors import InputError, check_whole
from ..quantities import span
from ..runs.folder import RunFolder
from ..runs.interventions import interventions
from ..runs.run import Run
from ..runs.settings import changed, check_settings
from .execution import CannotStackError
from .obstacles import obstacle
from .session import Session

if TYPE_CHECKING:
    from .trainer import Trainer

SIZES = (8, 10, 9, 7, 6, 5, 4)  # members of a stack on a CPU, the best first: more fall out of its caches


class Seeds:
    """Trains a GAN once per seed, all in one program: `Seeds(build, 8).fit(10_000)` returns eight runs.

    build(seed) -> Trainer must return the same networks and settings except for the seed; it is called with torch's
    global generator seeded with it. seeds: how many, counting from 0, or a list. Runs that cannot be stacked (`reason`
    says why) are trained one after the other. Raises InputError if the trainers differ in more than their seed.
    """

    @plain_modes()
    def __init__(self, build: Callable[[int], Trainer], seeds: int | Sequence[int]) -> None:
        if isinstance(seeds, int):
            check_whole("seeds", seeds, 1)
            seeds = range(seeds)
        if not seeds:
            raise InputError("expected at least one seed, got none: pass their number, or a list of them")
        for seed in seeds:
            check_whole("seed", seed, 0)
        self.trainers: list[Trainer] = []
        for seed in seeds:
            with borrowed(seed):
                self.trainers.append(build(seed))
        ranks = self.trainers[0].setup.ranks
        if not ranks.alone:
            raise ranks.refusal(
                f"expected one run that {ranks.world} processes train together, got {len(self.trainers)} seeds: leave "
                "out torchrun"
            )
        for trainer in self.trainers[1:]:
            _alike(self.trainers[0], trainer)
        _apart(self.trainers)
        self.reason = obstacle([trainer.setup for trainer in self.trainers]) if len(seeds) > 1 else None
        self._stacks: list[Session] = []
        self._groups: list[list[Trainer]] = []

    def fit(self, iterations: int, *, progress: bool | Watch | None = None) -> list[Run]:
        """Trains every seed until `iterations` are done; a run that stopped early has a `failure`, with a warning.

        progress: as in `Trainer.fit`; means over the seeds are shown. Raises Interrupted after SIGINT or SIGTERM, once
        checkpoints are written.
        """
        check_whole("iterations", iterations, 0)
        if not self._groups:  # a later fit keeps them: each goes on where it stopped
            for trainer in self.trainers:  # all folders now, and not when it is their turn
                if trainer.out is not None:
                    horizon = trainer.session.horizon or max(1, iterations)
                    check_settings(RunFolder(trainer.out), trainer.setup.saved_settings(horizon), trainer.resume)
            self._groups = self._grouped(iterations)
        runs: dict[int, Run] = {}
        with watching(progress, len(self.trainers)) as watch:
            self._say(watch, iterations)
            for together in self._groups:
                for trainer, run in zip(together, self._fit(together, iterations, watch), strict=True):
                    runs[id(trainer)] = run
                    if run.failure is not None:
                        watch.failed(run, run.failure)
        return [runs[id(trainer)] for trainer in self.trainers]

    def _say(self, watch: Watch, iterations: int) -> None:
        """Announces what is to be trained."""
        first = self.trainers[0]
        title = f"{first.name} seeds {span([trainer.setup.seed for trainer in self.trainers])}"
        where = "" if first.out is None else f", each in {first.out.parent}"
        watch.plan(title, iterations, first.setup.source.modes, f"{title}: {iterations:,} iterations{where}")

    def _fit(self, together: Sequence[Trainer], iterations: int, watch: Watch) -> list[Run]:
        if len(together) > 1 and self.reason is None:
            try:
                return self._stacked(together, iterations, watch)
            except CannotStackError as error:
                self.reason = str(error)
        runs = []
        for trainer in together:
            trainer.session.reason = self.reason
            runs += trainer.session.fit(iterations, watch)
        return runs

    def _stacked(self, together: Sequence[Trainer], iterations: int, watch: Watch) -> list[Run]:
        members = [trainer.member for trainer in together]
        session = next((s for s in self._stacks if s.members == members), None)
        if session is None:
            first = together[0].session
            session = Session(members, first.horizon, first.threads, first.compiled, first.resume)
            session.steps = self._stacks[0].steps if self._stacks else {}  # compiled once
            self._stacks.append(session)
        try:
            runs = [*session.fit(iterations, watch)]
        except CannotStackError:
            self._stacks.remove(session)
            raise
        for index in session.gone:  # they go on alone from the checkpoints that they went back to
            own = together[index].session
            own.resume, own.horizon = True, session.horizon
            (runs[index],) = own.fit(iterations, watch)
        return runs

    def _grouped(self, iterations: int) -> list[list[Trainer]]:
        """Which seeds train together: those at the same iteration, in stacks of a size that suits the device."""
        stacks = cut(self.trainers) if self.trainers[0].setup.device.type == "cpu" else [self.trainers]
        return [group for stack in stacks for group in standing(stack, iterations)]


def standing(trainers: Sequence[Trainer], iterations: int) -> list[list[Trainer]]:
    """Members of a stack grouped by where they resume: together if they share a checkpoint.

    Runs that were rolled back and left are alone, and so are finished ones, once all are measured.
    """
    kept = {id(trainer): trainer.member.saved if trainer.resume else [] for trainer in trainers}
    reached = {id(trainer): max(kept[id(trainer)], default=-1) for trainer in trainers}
    unfinished = {at for each in trainers if (at := reached[id(each)]) < iterations or not each.member.measured(at)}
    apart = [trainer for trainer in trainers if reached[id(trainer)] not in unfinished or _left(trainer)]
    others = [trainer for trainer in trainers if trainer not in apart]
    groups = [[trainer] for trainer in apart]
    if not others:
        return groups
    by_newest: dict[int, list[Trainer]] = {}
    for trainer in sorted(others, key=lambda each: reached[id(each)]):
        by_newest.setdefault(reached[id(trainer)], []).append(trainer)
    together: list[list[Trainer]] = []
    at = -1
    for newest, own in by_newest.items():
        begun = at == -1 and newest == 0
        if together and (begun or all(kept[id(trainer)][-2:] == [at, newest] for trainer in own)):
            together[-1] += own  # stopped while checkpoints were written: they go back by one
        else:
            together.append([*own])
            at = newest
    return groups + [sorted(each, key=trainers.index) for each in together]


def cut(trainers: Sequence[Trainer]) -> list[list[Trainer]]:
    """Splits a stack into equal sizes where that works well, so that one compiled step serves all of them."""
    n = len(trainers)
    if n <= max(SIZES):
        return [[*trainers]]
    size = next((size for size in SIZES if n % size == 0), None)
    parts = n // size if size else -(-n // SIZES[0])
    ends = [n * i // parts for i in range(parts + 1)]
    return [[*trainers[a:b]] for a, b in pairwise(ends)]


def _left(trainer: Trainer) -> bool:
    """Whether it was rolled back, and has another setup than the stack since."""
    folder = trainer.member.folder
    return trainer.resume and folder is not None and bool(interventions(folder.interventions))


def _alike(first: Trainer, other: Trainer) -> None:
    """Raises InputError for the first setting beside the seed in which two trainers differ."""
    if first.setup.seed == other.setup.seed:
        raise InputError(
            f"expected a different seed for each run, got {other.setup.seed} twice: pass seed=seed to Trainer"
        )
    told = [{**replace(trainer.setup, settings=None).saved_settings(1), "seed": 0} for trainer in (first, other)]
    for key, ours, theirs in changed(told[0], told[1]):
        raise InputError(
            f"expected trainers that differ only in their seed, got {key} {ours} and {theirs}: build them with the "
            "same settings"
        )
    of_session = [(name, first.session, other.session) for name in ("horizon", "compiled", "threads", "resume")]
    of_setup = [(name, first.setup, other.setup) for name in ("rhythm", "device", "evaluate_n")]
    for name, here, there in (*of_session, *of_setup):
        if (ours := getattr(here, name)) != (theirs := getattr(there, name)):
            raise InputError(f"expected one {name} for all seeds, got {ours} and {theirs}: build them alike")


def _apart(trainers: Sequence[Trainer]) -> None:
    """Raises InputError for a network or a folder that two seeds have in common."""
    networks: dict[int, int] = {}
    folders: dict[object, int] = {}
    for trainer in trainers:
        seed = trainer.setup.seed
        for name, network in trainer.setup.named_networks.items():
            for p in network.parameters():
                if networks.setdefault(id(p), seed) != seed:
                    raise InputError(
                        f"expected separate networks for each seed, got one {name} for seeds {networks[id(p)]} and "
                        f"{seed}: create them inside build(seed)"
                    )
        if trainer.out is not None and folders.setdefault(trainer.out.resolve(), seed) != seed:
            raise InputError(f"expected a folder for each seed, got {trainer.out} twice: make out depend on the seed")
    if 0 < len(folders) < len(trainers):
        raise InputError("expected a folder for each seed or for none, got some without: set out for all of them")
