"""A run while it is trained, alone or beside others: its parts, its progress, and what is written about it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..devices import global_states, kept, restore_global_states
from ..diagnostics.causes import MILDER
from ..diagnostics.remedy import Remedy
from ..diagnostics.verdicts import Judge, Verdict
from ..display.watch import Watch
from ..engine.draws import Draws
from ..engine.executor import Eager, State
from ..engine.needs import BLOCK
from ..engine.optim import check_alike
from ..errors import CollapseError, InputError, NonFiniteError, calling
from ..evaluation.evaluator import evaluator_beside
from ..files import write_json, writing
from ..runs import checkpoint
from ..runs.checkpoint import TrainState
from ..runs.folder import RunFolder
from ..runs.interventions import interventions, note
from ..runs.log import NON_FINITE, STOPPED, TRAINING, Log
from ..runs.records import read_records, times, unreadable
from ..runs.run import Callback, Run, meta_of
from .checks import check_networks
from .guard import Action, Response, fresh_draws, healed, taken
from .plan import Plan, training
from .probes import Probes, Sums
from .setup import Setup, run_of, setting_of


class Member:
    """A run that is being trained; `build` prepares it, and rebuilds it after a roll-back."""

    executor: Eager  # the run as it is seen from outside, whoever trains it
    draws: Draws
    probes: Probes
    sums: Sums
    plan: Plan
    run: Run
    log: Log
    watch: Watch  # of the fit that goes on
    judge: Judge | None = None
    guard: Response | None = None

    def __init__(self, setup: Setup, out: Path | None, callbacks: Sequence[Callback] = ()) -> None:
        self.setup, self.callbacks = setup, [*callbacks]
        self.folder = None if out is None else RunFolder(out)
        self.rhythm = setup.rhythm
        self.resumed: dict[str, Any] | None = None  # the checkpoint that it goes on from
        self.left = False  # what trained it, to go on alone from an earlier checkpoint
        self.events: list[str] = []  # of the run before it was rolled back
        self.missing = ""  # what it cannot be measured with, in words
        self._dead: set[str] = set()
        self._startled = False
        self._said: tuple[Any, ...] = ()  # the last alarm or warning that was told
        self.seen: Tensor | None = None  # the newest reals of its D, where these may change

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return self.run.iteration

    @iteration.setter
    def iteration(self, done: int) -> None:
        self.run.iteration = done

    @property
    def going(self) -> bool:
        """Whether the run continues; nothing more is written for one that stopped."""
        return self.run.failure is None and not self.left

    @property
    def saved(self) -> list[int]:
        """The iterations of its checkpoints, oldest first."""
        return [] if self.folder is None else self.folder.saved

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, the folder is locked for this process and the networks are in train mode."""
        with ExitStack() as stack:
            if self.folder is not None:
                self.folder.acquire()
                stack.callback(self.folder.release)
            for network in self.setup.networks:
                stack.enter_context(training(network))
            yield

    def build(self, plan: Plan, settings: dict[str, Any], at: int | None) -> None:
        """Builds the whole run in the state of its checkpoint at iteration `at`, changing no file.

        Raises InputError if networks and data do not fit together, or the checkpoint does not fit them.
        """
        setup, folder = self.setup, self.folder
        told, remedy = setup.ranks.told, Remedy() if setup.monitor is None else setup.monitor.remedy
        done = told(lambda: [] if at is None or folder is None else interventions(folder.interventions))
        if done:
            setup = healed(setup, *told(lambda: [] if folder is None else taken(folder, done, remedy)))
        self.resumed = told(lambda: None if at is None or folder is None else checkpoint.read(folder.checkpoint(at)))
        for network in setup.networks:
            network.to(setup.device, setup.dtype)
            if plan.layout == "channels_last":
                network.to(memory_format=torch.channels_last)
        generator = torch.Generator(setup.device).manual_seed(setup.seed)
        self.plan, self.left, self._dead, self._startled = plan, False, set(), False
        stream, share, ranks = setup.source.stream(setup.seed), setup.share, setup.ranks
        self.draws = Draws(setup.needs, stream, setup.latent, generator, setup.prior, share.cut)
        ranks.align(tensor for network in setup.networks for tensor in (*network.parameters(), *network.buffers()))
        optimizers, how = (setup.optimizer, setup.optimizer), (setup.ema, setup.precision, setup.conditions, ranks)
        self.executor = Eager(setup.G, share.opponents, share.sides, optimizers, setup.rates, *how)
        for network in setup.networks:  # whoever trains opens what it needs
            network.requires_grad_(False)
        self.notes = check_networks(setup, self.executor)
        evaluate, self.missing = setup.evaluator, ""
        if evaluate == "auto":
            averaged = setup.ema is not None
            evaluate, self.missing = evaluator_beside(
                setup.source, setup.features, setup.evaluate_n, setup.G, averaged, setup.device
            )
        self.run = run_of(setup, self.executor.average, None if folder is None else folder.path, settings, evaluate)
        self.probes = Probes(self.executor, setup, evaluate)
        self.log = Log(folder)
        self.log.events[:], self.events = self.events, []
        self.run.metrics, self.run.events = self.log.records, self.log.events
        self.sums, self.judge, self.guard = Sums(self.executor.opponents, setup.monitor is not None), None, None
        if setup.monitor is not None:
            self.judge = setup.monitor.judge(setting_of(setup, self.run.equilibrium[0], settings.get("horizon")))
            self.guard = Response(setup.monitor.policy, setup.monitor.times, setup.monitor.remedy, done)
        if self.resumed is not None:
            self._go_on_from(self.resumed, done)

    def _go_on_from(self, saved: dict[str, Any], done: Sequence[Any]) -> None:
        """Restores the checkpoint's state; raises InputError if it was made with other data."""
        if saved.get("data") != self.run.data["digest"]:
            assert self.folder is not None
            raise InputError(
                f"{self.folder.path} was trained on other data: resume with the same data, or choose another --out"
            )
        stopped = saved["meta"].stopped
        self.run.failure = None if self.guard is None else self.guard.stopped(stopped)
        state: TrainState = saved["state"]
        at = int(state.iteration)
        if done:
            state = state._replace(random=fresh_draws(state.random, self.setup.seed, done, at))
        self.restore(state)
        self.setup.ranks.part_ways()
        self._startled = bool(saved.get("startled"))
        if saved.get("standard"):
            self.probes.standard.restore(saved["standard"])
        self.iteration, self.sums.state = at, dict(state.sums)
        self.resumed = {"plan": saved.get("plan", {}), "stopped": stopped.told}  # the rest was put back

    def done(self, until: int) -> bool:
        """Whether the run was trained and measured up to `until` before, or stopped; it is then only read."""
        there = self.run.failure is not None or (self.iteration >= until and self.measured(self.iteration))
        if self.resumed is None or self.folder is None or not there:
            return False
        self._read_back(read_records(self.folder.metrics))
        return True

    def measured(self, iteration: int) -> bool:
        """Whether the last record is an evaluation of this iteration."""
        records = [] if self.folder is None else read_records(self.folder.metrics)
        last = records[-1] if records else {"iteration": -1}
        return last["iteration"] == iteration and (iteration % self.rhythm.evaluate == 0 or bool(last.get("final")))

    def _read_back(self, records: Sequence[dict[str, Any]]) -> None:
        """The records and times of the run so far."""
        assert self.folder is not None
        self.log.records[:] = records
        self.run.wall_time, _ = times(self.folder.timing)

    def write_down(self, plan: Plan, told: Sequence[str], logged: Sequence[str]) -> None:
        """Writes settings and plan, once the run is known to start, and cuts its logs back to its iteration."""
        self.plan, folder, saved = plan, self.folder, self.resumed
        if folder is not None:
            if saved is None:
                folder.clear()
            else:
                if lost := unreadable(folder.metrics):
                    self.log.event(f"{lost:,} broken lines of {folder.metrics} are dropped", self.iteration)
                folder.cut_back(self.iteration)
                self._read_back(read_records(folder.metrics))
            write_json(folder.settings, self.run.settings)
            self.probes.keep_real(folder)
            write_json(folder.plan, asdict(plan))
            began = f"{'resumed at' if saved else 'started at'} iteration {self.iteration}: {plan.told()}"
            self.log.say(began, self.iteration, TRAINING if self.going else "")
            for line in (*self.setup.source.notes, *told, *logged):
                self.log.say(line, self.iteration)
        if saved and saved["stopped"] and self.going:
            self.log.event(f"resumes from where it was stopped: {saved['stopped']}", self.iteration)
        if saved and (differing := plan.differences(saved["plan"])):
            self.log.event(f"not bit-identical: {'; '.join(differing)}", self.iteration)
        if saved:  # processes that have no folder are told
            self.log.records[:] = self.setup.ranks.told(lambda: self.log.records)
            self.reconsider(self.log.records)
        self.run.notes = [*told]

    def begin(self) -> None:
        """The tick and the checkpoint before the first iteration."""
        if self.iteration == 0 and not self.log.records:
            self.tick(closing=False)
            self.save()

    def startled(self, terms: Sequence[Mapping[str, float]]) -> bool:
        """Whether the last iteration's losses are so unusual that a look is due; remembered until the next tick."""
        if self.judge is not None and not self._startled:
            self._startled = any(self.judge.startled(self.sums.weighted(row)) for row in terms)
        return self._startled

    def pause(self) -> None:
        """What is due at this iteration: a tick, a checkpoint."""
        if self.rhythm.tells(self.iteration) or (self._startled and self.rhythm.rests(self.iteration)):
            self.tick(closing=False)
        if self.going and self.iteration % self.rhythm.checkpoint == 0:  # whoever looked may have made it leave
            self.save()

    def end(self) -> None:
        """The closing evaluation, if none was due just now."""
        if self.iteration % self.rhythm.evaluate:
            self.tick(closing=True)

    def reopen(self) -> None:
        """Removes the closing record, as the run continues."""
        if self.log.records and self.log.records[-1].get("final"):
            self.log.records.pop()
            self.reconsider(self.log.records)
            if self.folder is not None:
                self.folder.cut_back(self.iteration)

    def tick(self, closing: bool) -> None:
        """One record: losses since the last tick, gradients now, and an evaluation when one is due."""
        record: dict[str, Any] = {"iteration": self.iteration, **self.sums.losses(self.run.equilibrium)}
        again = closing and bool(self.log.records) and self.log.records[-1]["iteration"] == self.iteration
        if again:
            record = self.log.records[-1] | record  # no iterations since: the losses are those of the tick just told
            self.reconsider(self.log.records[:-1])
        self._startled = self._startled and closing  # a run that goes on knows no closing record
        figures, dead = self.probes.look(self.iteration, self.seen)
        record |= figures
        began, draw = time.perf_counter(), None
        if closing or self.iteration % self.rhythm.evaluate == 0:
            record |= self.probes.metrics()
            if self.folder is not None:
                with self.log.lenient("no samples were kept", self.iteration), writing(self.folder.samples):
                    draw = self.probes.snapshot(self.folder, self.iteration)
        took = time.perf_counter() - began
        for key, value in [*record.items()]:
            if not isinstance(value, str) and not math.isfinite(value):  # JSON has no word for it
                self.log.event(f"iteration {self.iteration}: {key} was {record.pop(key)}", self.iteration)
        if closing:
            record["final"] = True
        else:
            self.sums.state = {}
        verdict = self._judged(record, self._name_dead(dead), again)
        self.log.record(record)
        with self.log.lenient("no picture was drawn", self.iteration, InputError):  # the next one is another chance
            self.log.picture(draw and draw(), self.iteration)
        self.log.timing(self.iteration, self.run.wall_time, self.run.iterations_per_second, took)
        self._tell(record)
        if verdict is not None and self.guard is not None and not closing:
            decide, at = self.guard.on_verdict, self.iteration
            self.obey(self.setup.ranks.told(lambda: decide(verdict, at, self.log.records, self.saved)))

    def _tell(self, record: dict[str, Any]) -> None:
        self.watch.tick(self.run, self.iteration, record, self.probes.glimpse)
        with kept(self.setup.device):  # whatever they draw, the run is the same
            for callback in self.callbacks:
                callback(self.run, self.iteration, record)

    def _judged(self, record: dict[str, Any], told: bool, again: bool) -> Verdict | None:
        """The verdict on the run now, written into the record; reported when it changes."""
        if self.judge is None:
            return None
        before = self.judge.verdict
        verdict = self.judge.update(record)
        for key in ("causes", "reason"):
            record.pop(key, None)
        record |= verdict.record()
        told = again or (told and "d_dead" in (*verdict.causes, *before.causes))
        news = (verdict.state, verdict.causes[:1]) if verdict.alarm else verdict.causes[:1]
        if verdict.alarm < before.alarm:
            self._said = ()
            if not told:
                self.log.event(f"iteration {self.iteration}: {verdict.state} again", self.iteration)
        if (verdict.alarm or verdict.warning) and news != self._said:  # a warning that comes again is no news
            self._said = news
            why = f"warning: {verdict.reason}" if verdict.warning else verdict.told
            if not told:
                self.log.event(f"iteration {self.iteration}: {why}", self.iteration)
        return verdict

    def reconsider(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Rebuilds the judge from these records alone."""
        if self.judge is not None:
            self.judge = self.judge.anew(records)

    def _name_dead(self, found: Mapping[str, str]) -> bool:
        """Reports opponents that died or recovered; returns whether there were any."""
        before = self._dead
        for name in found.keys() - before:
            self.log.event(f"iteration {self.iteration}: {found[name]} ({name})", self.iteration)
        for name in before - found.keys():
            self.log.event(f"iteration {self.iteration}: the discriminator {name} works again", self.iteration)
        self._dead = set(found)
        return self._dead != before

    def state(self) -> TrainState:
        """The run's state as it is, tensors by reference."""
        draws = self.draws
        random = {"run": draws.beginning(self.iteration // BLOCK), **global_states(draws.generator.device)}
        networks, ema, optimizers, parts = self.executor.held()
        return TrainState(torch.tensor(self.iteration), networks, ema, optimizers, parts, random, self.sums.state)

    def restore(self, state: TrainState) -> None:
        """Restores a state; raises InputError when it belongs to another model."""
        executor, average = self.executor, self.executor.average
        state = state.fitting(executor.networks, None if average is None else average.network, executor.names)
        check_alike("the statistics", state.sums, dict.fromkeys(state.sums, torch.zeros(2)))
        executor.check(state.optimizers, state.parts)
        with calling("the checkpoint does not fit the run", checkpoint.REMOVE):
            self.draws.restore(state.random["run"].cpu())
            restore_global_states(state.random, self.draws.generator.device)
            executor.put(State(state.networks, state.ema, state.optimizers, state.parts, {}))

    def save(self, **more: Any) -> None:
        """Writes a checkpoint if there is a folder: the state, and everything that `load` needs."""
        if self.folder is not None:
            meta = {"settings": dict(self.run.settings), "plan": asdict(self.plan), **meta_of(self.run), **more}
            meta["standard"] = self.probes.standard.state() if self.setup.watches_data else {}  # if it was rebuilt
            checkpoint.write(self.folder.checkpoints, self.state(), meta | {"startled": self._startled})
        self.setup.ranks.part_ways()  # from a state that the checkpoint holds

    def prune(self) -> None:
        """Removes old checkpoints, once all members of the stack have written their new ones."""
        if self.folder is not None and not self.left:
            held = [] if self.guard is None else self.guard.held(self.log.records, self.saved[:-1])
            checkpoint.prune(self.folder.checkpoints, self.rhythm.keep, held)

    def obey(self, action: Action | None, finite: bool = True) -> None:
        """Carries out what the guard decided: nothing, an end with a finite checkpoint, or a roll-back."""
        if action is None:
            return
        if action.back is None or self.guard is None:
            if finite:
                self.save(stopped=self.guard and self.guard.stop(action.told))
            self.log.event(action.told, self.iteration, STOPPED)
            self.run.failure = CollapseError(action.told)
            return
        self.guard.done.append(action.back)
        begun = replace(action.back, begun=True)  # on the disk, the target decides from here on
        if self.folder is not None:
            note(self.folder.interventions, [*self.guard.done[:-1], begun])
        self.log.event(action.told, self.iteration)
        self.leave(action.back.to)

    def leave(self, at: int) -> None:
        """Leaves its stack: the run continues alone from its checkpoint of iteration `at`; newer ones are removed.

        Raises InputError without a folder, or without that checkpoint.
        """
        if self.setup.ranks.first and at not in self.saved:
            raise InputError(f"expected a checkpoint of iteration {at} to go back to, got none: keep more of them")
        self.log.say(f"iteration {self.iteration}: continues from iteration {at}", self.iteration)
        self.left, self.events = True, self.log.events
        if self.folder is not None:
            self.folder.cut_back(at)

    def fail(self, told: str, path: Path | None) -> None:
        """Ends the run at a term that is not finite, or rolls back if the policy says so; `path`: the evidence."""
        newest = self.folder and self.folder.newest
        message = f"{told}; batch and networks are in {path}" if path is not None and path.exists() else told
        message += "" if newest is None else f"; last good checkpoint: {newest}"
        if self.guard is not None and self.guard.policy == "rollback":
            at, seen = self.iteration, Verdict("non_finite", told, since=self.iteration)
            decide, why = self.guard.back, f"{message}; {MILDER}"
            self.obey(self.setup.ranks.told(lambda: decide(seen, at, why, self.log.records, self.saved)), finite=False)
            return
        self.log.event(message, self.iteration, NON_FINITE)
        self.run.failure = NonFiniteError(f"{message}; {MILDER}")

    def close(self) -> None:
        """Flushes files, stops the processes that read ahead, and tells callbacks that the run has ended."""
        for callback in self.callbacks if "run" in vars(self) and not self.left else ():
            getattr(callback, "finish", lambda _: None)(self.run)
        for name in ("log", "draws"):
            if name in vars(self):  # else it was not built
                vars(self)[name].close()
