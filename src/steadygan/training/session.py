"""One call of `fit`: members are prepared, trained together, measured in between, and drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from ..devices import global_states, plain_modes, restore_global_states
from ..diagnostics.norms import parameter_norm
from ..diagnostics.yardstick import RECENT
from ..display.watch import Watch
from ..engine.draws import Iterations
from ..engine.executor import Executor
from ..engine.members import StackedBlocks
from ..engine.needs import BLOCK
from ..errors import InputError, Interrupted, NonFiniteError
from ..files import writing
from ..processes import StopSignals
from ..runs.run import Run
from ..runs.settings import check_settings
from .checks import work_of
from .evidence import Evidence, first_bad
from .execution import execution
from .member import Member
from .obstacles import convolutional
from .opponents import division, notes_of
from .plan import Plan, host, mendable

ASKED = 10  # iterations after which several processes ask each other whether to stop


class Session:
    """Trains members together; each `fit` continues where the last one stopped."""

    executor: Executor
    blocks: Callable[[int], Iterations]  # number -> the iterations of a block
    watch: Watch  # of this fit

    def __init__(
        self, members: Sequence[Member], horizon: int | None, threads: int | None, compiled: str, resume: bool
    ) -> None:
        self.members, self.horizon, self.threads = [*members], horizon, threads
        self.ranks = members[0].setup.ranks
        self.compiled, self.resume = compiled, resume
        self.iteration = 0
        self.reason: str | None = None  # why the run is trained alone, though others were to come with it
        self.ready = False  # members are built, and stand at `iteration`
        self.opened = False  # they were done before: they are read, and nothing is written
        self.gone: set[int] = set()  # which members left, to go on alone
        self.steps: dict[Hashable, Callable[..., Any]] = {}  # compiled, for stacks of equal runs
        self._began = time.perf_counter(), 0, 0.0  # of this call, at which iteration, after how many earlier seconds
        self._work: int | None = None  # multiply-adds of a forward
        self._random: Mapping[str, Tensor] | None = None  # torch's global generators between two fits
        self._segment: Segment | None = None  # whose iterations are being done

    @property
    def going(self) -> list[Member]:
        """The members that have not stopped."""
        return [member for i, member in enumerate(self.members) if member.going and i not in self.gone]

    @property
    def reached(self) -> int:
        """Iterations done, including those since the last stop."""
        return self.iteration if self._segment is None else max(self.iteration, self._segment.reached)

    @plain_modes()
    def fit(self, until: int, watch: Watch) -> list[Run]:
        """Trains all members until `until` iterations are done; a run that stopped early has a `failure`.

        A single run that is rolled back continues from its checkpoint. Raises Interrupted after SIGINT or SIGTERM, once
        checkpoints are written.
        """
        self.horizon = self.horizon or max(1, until)
        training, self.watch = True, watch
        for member in self.members:
            member.watch = watch
        while training:
            watch.follow(lambda: self.reached, self.members[0].rhythm.evaluate)
            with self._running(until) as signals:
                stopped = False
                while self.iteration < until and self.going and not (stopped or (self.ranks.alone and signals.asked)):
                    self._segment = segment = Segment(self, until)
                    with self._whole(segment):
                        for number in segment.numbers:
                            segment.add(self.executor.iteration(*segment.given(number)))
                            watch.beat()
                            stopped = self._stops(signals, number)
                            if stopped:
                                break
                    self._look(segment)
            training = self._gone_back()
        return [member.run for member in self.members]

    def _stops(self, signals: StopSignals, number: int) -> bool:
        """Whether the run is asked to stop after an iteration; several processes agree on it every now and then."""
        if self.ranks.alone:
            return signals.asked > 0
        return number % ASKED == 0 and self.ranks.any(signals.asked > 0)

    @contextmanager
    def _running(self, until: int) -> Iterator[StopSignals]:
        """Locks folders and prepares the host; begins members before the iterations and ends them afterwards."""
        first = self.members[0].setup
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member.held())
            plan = self._plan()
            stack.enter_context(host(plan.threads, first.seed, first.device))
            stack.enter_context(mendable(len(self.members), self.ranks.world))
            if self.opened and until > self.iteration:
                self.ready, self.resume = False, True  # now there is something to do
            for member in self.members:
                stack.callback(member.close)
            if not self.ready:
                self._make_ready(plan, until)
            signals = StopSignals()
            if self.opened:  # as many iterations are done as are asked for
                self._random = global_states(first.device)
                yield signals
                self._draw(again=False)  # a kill may have come first
                return
            self._go_on()
            try:
                with signals:
                    self._begin()
                    yield signals
                    self._end(until, self.ranks.any(signals.asked > 0))
            except Interrupted:
                self._draw()
                raise
            finally:
                self._random = global_states(first.device)
            self._draw()

    @contextmanager
    def _whole(self, segment: Segment) -> Iterator[None]:
        """Undoes iterations that an exception interrupted, so that a further `fit` starts before them."""
        try:
            yield
        except BaseException:
            self.executor.go_back(segment.before)
            raise
        finally:
            self._segment = None

    def _plan(self) -> Plan:
        setup, members = self.members[0].setup, len(self.members)
        if self._work is None:
            self._work = work_of(setup)
        convolutions = any(convolutional(network) for network in setup.networks)
        device, dtype = setup.device, setup.dtype
        how = self.threads, self._work, members, self.compiled, convolutions, self.ranks.world
        return Plan.resolve(device, dtype, *how)

    def _make_ready(self, plan: Plan, until: int) -> None:
        """Builds the members, checks them against their folders, and chooses the executor.

        Several members must have a checkpoint at a common iteration, or none. Runs that are done and measured at
        `until` are only opened: nothing is written.
        """
        assert self.horizon is not None
        settings = [member.setup.saved_settings(self.horizon) for member in self.members]
        for member in self.members:
            member.setup.trainable  # noqa: B018 (known now, before everything is frozen)
        for member, own in zip(self.members, settings, strict=True):
            if member.folder is not None:
                check_settings(member.folder, own, self.resume)
        first = self.members[0]
        self.ranks.check_equal({"settings": settings[0], "data": first.setup.about["digest"], "iterations": until})
        at = self.ranks.told(lambda: common(self.members) if self.resume else None)
        for member, own in zip(self.members, settings, strict=True):
            member.build(plan, own, at)
            member.run.behind = member.setup.source.restore(member.probes.real)
        self.iteration = first.iteration
        self.opened = self.ranks.told(lambda: all(member.done(until) for member in self.members))
        if self.opened:
            self.executor, self.ready = first.executor, True
            return
        chosen = execution(self.members, plan, min(self.horizon, until), self.steps, self._notice)
        self.executor, self.blocks = chosen.executor, chosen.blocks
        alone = [] if self.reason is None else [f"one seed after the other: {self.reason}"]
        missing = [first.missing] if first.missing else []
        said = [
            *first.setup.class_notes,
            *first.notes,
            *notes_of(first.setup.opponents, first.executor.critics, first.setup.conditions is not None),
            *division(first.setup, first.executor),
        ]
        told = [*said, *missing, *alone, *chosen.told]
        for index, member in enumerate(self.members):
            member.write_down(chosen.plan, told, chosen.logged)
            if not member.going:  # the monitor had stopped it
                self._release(index)
        self.ready = True

    def _notice(self, line: str) -> None:
        """Announces slow work to the watch."""
        self.watch.notice(line)
        for callback in self.members[0].callbacks:
            notice = getattr(callback, "notice", None)
            if notice is not None:
                notice(line)

    def _go_on(self) -> None:
        """Restores torch's global generators as the last `fit` left them, and removes its closing records."""
        if self._random is not None:
            restore_global_states(self._random, self.members[0].setup.device)
            for member in self.going:
                member.reopen()

    def _begin(self) -> None:
        self._began = time.perf_counter(), self.iteration, max((m.run.wall_time for m in self.going), default=0.0)
        self.executor.forget_gradients()
        self._each(Member.begin)

    def _look(self, segment: Segment) -> None:
        """The statistics of a segment, with one transfer; then what is due at this iteration."""
        self.iteration, startled = segment.done[-1][0] + 1, False
        for index, (member, (*terms, norms, weights)) in enumerate(zip(self.members, segment.told(), strict=True)):
            if member not in self.going:
                continue
            member.iteration = self.iteration
            checked = [*terms[:-1], {**terms[-1], **weights}]  # a checkpoint must hold nothing that is not finite
            bad = first_bad(checked)
            if bad is None:
                member.sums.add([*terms[:-1], {**terms[-1], **norms}])  # what is merely seen stops no run
                startled = member.startled(terms) or startled
            else:
                evidence = Evidence(self.executor, index, segment.before, segment.block, segment.done, checked)
                member.fail(*evidence.written(member.folder, *bad))
                self._release(index)
        self._tell_time()
        if startled or self.members[0].rhythm.due(self.iteration):
            self.executor.settle()
            for index, member in enumerate(self.members):
                if member in self.going and member.setup.watches_data:
                    member.seen = segment.reals(index)
                    member.seen = member.seen if member.seen is None else self.ranks.gathered(member.seen)
            if not self.ranks.alone:
                networks = self.members[0].executor.networks.items()
                self.ranks.check_same({name: parameter_norm(network) for name, network in networks}, "weights")
            self._each(Member.pause)
            self._prune()

    def _end(self, until: int, asked: bool) -> None:
        """The last checkpoint, then the closing evaluation; raises Interrupted where a signal ended the run early."""
        self.executor.settle()
        for member in self.going:
            if self.iteration % member.rhythm.checkpoint:
                member.save()
        self._prune()
        if asked and self.iteration < until:
            for member in self.going:
                member.log.event(f"iteration {self.iteration}: interrupted, checkpoint saved", self.iteration)
            path, lone = self.members[0].run.path, len(self.members) == 1
            raise Interrupted(self.iteration, None if path is None else str(path if lone else path.parent))
        self._each(Member.end)
        self._tell_time()
        for member in self.going:
            seconds = member.run.wall_time
            member.log.say(f"stopped at iteration {self.iteration} after {seconds:.1f} s of training", self.iteration)

    def _tell_time(self) -> None:
        """Seconds of training in all, and iterations per second of this call, to the running members."""
        began, first, before = self._began
        seconds = time.perf_counter() - began
        for member in self.going:
            member.run.wall_time = before + seconds
            member.run.iterations_per_second = (self.iteration - first) / max(1e-9, seconds)

    def _prune(self) -> None:
        """Removes old checkpoints once all new ones exist, so that a stack killed in between has some in common."""
        for member in self.members:
            member.prune()

    def _each(self, look: Callable[[Member], None]) -> None:
        """Lets every run that is going look at itself; one that must not go on is released."""
        for index, member in enumerate(self.members):
            if member not in self.going:
                continue
            member.run.beside = len(self.going)
            try:
                look(member)
            except NonFiniteError as error:  # of samples that an evaluator cannot measure
                member.fail(f"iteration {self.iteration}: {error}", None)
            if not member.going:
                self._release(index)

    def _release(self, index: int) -> None:
        """Drops a member as it is; one that continues alone is no longer a member of this session."""
        self.executor.release(index)
        if self.members[index].left:
            self.gone.add(index)

    def _gone_back(self) -> bool:
        """Whether a single run was rolled back to an earlier checkpoint, from which it must continue."""
        if len(self.members) > 1 or not self.members[0].left:
            return False
        self.ready, self.resume, self._random = False, True, None
        self.gone.clear()
        return True

    def _draw(self, again: bool = True) -> None:
        """Draws the figures of the runs, where there is anything to see; again: also those that exist."""
        for member in self.members:
            run, folder = member.run, member.folder
            run.beside = max(1, len(self.going))
            if folder is not None and len(run.metrics) > 1 and (again or not member.probes.drawn(folder)):
                title = str(run.settings.get("recipe", folder.path.name))
                told = "no figures were drawn"
                self.watch.doing("drawing the figures")
                with member.log.lenient(told, self.iteration, InputError), writing(folder.figures):
                    member.probes.draw(folder, run.metrics, run.equilibrium, title)
                self.watch.doing("")


class Segment:
    """Iterations within one block, up to the next stop, with their inputs and results."""

    def __init__(self, session: Session, until: int) -> None:
        rhythm, first = session.members[0].rhythm, session.iteration
        stop = rhythm.next_stop(first, until)
        self.numbers, self.block = range(first, stop), session.blocks(first // BLOCK)
        self.executor, self.members, self.ranks = session.executor, len(session.members), session.ranks
        self.stacked = isinstance(session.blocks, StackedBlocks)
        self.schedule, self.horizon = session.members[0].setup.schedule, session.horizon or 1
        self.before = self.executor.snapshot()
        looks = session.members[0].setup.monitor is not None and rhythm.tells(stop)
        self.looked = stop - 1 if looks else -1  # the iteration whose gradients are measured
        self.done: list[tuple[int, float]] = []  # number, factor on the rates
        self.rows: list[Mapping[str, Tensor]] = []
        self.norms: dict[str, Tensor] = {}

    @property
    def reached(self) -> int:
        """Iterations done with the newest of these."""
        return self.done[-1][0] + 1 if self.done else 0

    def given(self, number: int) -> tuple[Any, int, float, dict[str, Tensor] | None]:
        """What the executor is given for this iteration."""
        factor = self.schedule.factor(number, self.horizon)
        self.done.append((number, factor))
        return self.block[number % BLOCK], number, factor, self.norms if number == self.looked else None

    def reals(self, index: int) -> Tensor | None:
        """The newest reals of a member's D steps; None where these have none."""
        steps = [step for number, _ in reversed(self.done) for step in reversed(self.block[number % BLOCK].d)]
        found = [step.real.x[index] if self.stacked else step.real.x for step in steps if step.real is not None]
        if not found or len(found[0]) == 0:  # fake-as-real may leave no place for any
            return None
        return torch.cat(found[: -(-RECENT // len(found[0]))])[:RECENT]

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Keeps the terms of an iteration."""
        self.rows.append(terms)

    def told(self) -> list[list[Mapping[str, float]]]:
        """Of each member the terms of every iteration, the norms of its gradients and its largest weights.

        Numbers on the host, with one transfer.
        """
        rows = [*self.rows, self.norms, self.executor.largest_weights()]
        keys = [(index, key) for index, row in enumerate(rows) for key in row]
        found: list[list[dict[str, float]]] = [[{} for _ in rows] for _ in range(self.members)]
        stacked = torch.stack([rows[index][key] for index, key in keys])
        self.ranks.average([stacked])
        values = stacked.view(len(keys), self.members).T.tolist()
        for own, column in zip(found, values, strict=True):
            for (index, key), value in zip(keys, column, strict=True):
                own[index][key] = value
        return [[*own] for own in found]


def common(members: Sequence[Member]) -> int | None:
    """The newest iteration of which every member has a checkpoint; None if none has any, or only its first weights.

    Raises InputError when checkpoints exist, but not of a common iteration.
    """
    kept = [set(member.saved) for member in members]
    if not all(kept) and set.union(*kept) <= {0}:  # killed while the first ones were written: all begin again
        return None
    shared = set.intersection(*kept)
    if not shared:
        pairs = zip(members, kept, strict=True)
        told = ", ".join(f"{member.folder.path} {max(own, default=0)}" for member, own in pairs if member.folder)
        raise InputError(f"expected checkpoints at a common iteration to resume from, got {told}: resume each alone")
    return max(shared)
