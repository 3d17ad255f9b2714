"""The response to the monitor's alarms: none, a stop, or a roll-back to a good checkpoint, with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..diagnostics.monitor import Policy
from ..diagnostics.remedy import Change, Remedy
from ..diagnostics.states import is_good
from ..diagnostics.verdicts import Verdict
from ..engine.needs import Needs
from ..errors import CollapseError, InputError, NonFiniteError, check_whole
from ..files import beside
from ..methods.chain import added, parts_of
from ..runs.checkpoint import Stop
from ..runs.folder import RunFolder
from ..runs.interventions import Intervention
from ..types import Opponent, Penalty
from .opponents import ready
from .setup import Setup


class Action(NamedTuple):
    """What happens to a run: it ends for the reason `told`, or is rolled back as the intervention says."""

    told: str
    back: Intervention | None = None


@dataclass
class Response:
    """Decides what follows an alarm under the policy; `done` are the roll-backs so far, of at most `times`."""

    policy: Policy
    times: int
    remedy: Remedy
    done: list[Intervention] = field(default_factory=list)

    def stop(self, told: str) -> dict[str, Any]:
        """What a checkpoint records about a run that is stopped for the reason `told`."""
        return vars(Stop(told, self.policy, self.times))

    def stopped(self, before: Stop) -> CollapseError | None:
        """The error of a run that was stopped before; None if this policy lets it continue."""
        same = self.policy == before.policy == "rollback" and self.times <= before.times
        if not before.told or (self.policy != "stop" and not same):
            return None
        return CollapseError(f"{before.told}: a resumed run stays stopped; set another monitor.policy to continue")

    def on_verdict(
        self, verdict: Verdict, iteration: int, records: Sequence[Mapping[str, Any]], saved: Sequence[int]
    ) -> Action | None:
        """The action that an alarm requires, or None; saved: the iterations of the run's checkpoints, oldest first."""
        if not verdict.alarm or self.policy == "warn":
            return None
        told = f"iteration {iteration}: {verdict.told}"
        if self.policy == "stop":
            to = self.good(records, saved)
            kept = "" if to is None else f"; the last good checkpoint is at iteration {to}"
            return Action(f"{told}: stopped by the monitor{kept}")
        changed = verdict.change != Change() if self.remedy.own else self.remedy.told != ""
        if verdict.slow and not changed:
            return None  # it would end the same, and is nearly there
        return self.back(verdict, iteration, told, records, saved)

    def back(
        self, seen: Verdict, iteration: int, told: str, records: Sequence[Mapping[str, Any]], saved: Sequence[int]
    ) -> Action:
        """Rolls back to the newest checkpoint that was good before it; ends the run where there is none, or too often.

        A checkpoint that was the target of a roll-back before may contain the fault: an earlier one is taken, down to
        the earliest, from which new random numbers are drawn.
        """
        if len(self.done) >= self.times:
            return Action(f"{told}: given up after {len(self.done)} roll-back{'s' * (len(self.done) != 1)}")
        trusted = self.goods(records, saved, seen.since)
        if not trusted:
            return Action(f"{told}: stopped, because there is no good checkpoint to roll back to")
        to = untried(trusted, {each.to for each in self.done})
        own = self.remedy.own
        remedy = Remedy.of(seen.change).told if own else self.remedy.told_again if self.done else self.remedy.told
        done = Intervention(iteration, to, seen.state, seen.reason, remedy, seen.change.text if own else "")
        return Action(f"iteration {iteration}: {done.told} ({len(self.done) + 1} of {self.times})", done)

    def held(self, records: Sequence[Mapping[str, Any]], saved: Sequence[int]) -> list[int]:
        """Checkpoints kept however old: the newest good one and, for roll-backs, the one before it and the first.

        Earlier targets of a roll-back do not count as the one before, because none returns to them.
        """
        goods = self.goods(records, saved)
        if self.policy != "rollback":
            return goods[:1]
        gone = {each.to for each in self.done}
        return [*goods[:1], *[at for at in goods[1:] if at not in gone][:1], *goods[-1:]]

    def good(self, records: Sequence[Mapping[str, Any]], saved: Sequence[int]) -> int | None:
        """The newest checkpoint of an iteration whose verdict was good; None without one."""
        return next(iter(self.goods(records, saved)), None)

    def goods(self, records: Sequence[Mapping[str, Any]], saved: Sequence[int], before: int | None = None) -> list[int]:
        """The checkpoints whose verdict was good, newest first.

        before: the iteration at which a sign was first seen; nothing after the last look before it is trusted.
        """
        if self.policy == "warn":
            return []
        verdicts = {int(r["iteration"]): r["verdict"] for r in records if "verdict" in r}
        known = sorted(verdicts)
        trusted = None if before is None else last_before(known, before, 0)
        found = []
        for at in reversed(saved):
            seen = [iteration for iteration in known if iteration <= at]
            if (trusted is None or at <= trusted) and (not seen or is_good(verdicts[seen[-1]])):
                found.append(at)
        return found


def last_before(looks: Iterable[int], sign: int, start: int) -> int:
    """The last look before a sign was first seen, else `start`; what happened after it is not trusted."""
    return max((look for look in looks if look < sign), default=start)


def untried(good: Sequence[int], gone: Set[int]) -> int:
    """The first of these states, newest first, that no roll-back went to yet, else the earliest.

    One that was gone back to may contain the fault.
    """
    return next((at for at in good if at not in gone), good[-1])


class Kept(NamedTuple):
    """A state that was good: its iteration, and each object's state or the file that holds them."""

    iteration: int
    states: Mapping[str, Any] | Path


class Guard:
    """Roll-back for your own loop: saves the state of objects while the run is good, and restores it at an alarm.

    objects: networks, optimisers, schedulers, scalers and the monitor itself, by name: anything with `state_dict` and
    `load_state_dict`. times: the most roll-backs. keep: how many of the newest good states are kept besides the first.
    out: a folder for them, instead of memory. remedy: called as remedy(verdict, number of roll-backs) after each, for
    example to lower a learning rate. iteration: the iteration after which your loop starts, if it continues from a
    checkpoint, unless the guard's own state is loaded. `events` describes the roll-backs. Random state is not restored,
    so draws after a roll-back are new. Raises InputError for an object without these methods.
    """

    def __init__(
        self,
        objects: Mapping[str, Any],
        *,
        times: int = 3,
        keep: int = 2,
        out: str | Path | None = None,
        remedy: Callable[[Verdict, int], object] | None = None,
        iteration: int = 0,
    ) -> None:
        check_whole("times", times, 1)
        check_whole("keep", keep, 1)
        check_whole("iteration", iteration, 0)
        if not isinstance(objects, Mapping) or not objects:
            raise InputError(
                f"expected objects by name to guard, got {type(objects).__name__}: such as {{'G': G, 'opt_g': opt_g}}"
            )
        for name, each in objects.items():
            if not all(callable(getattr(each, own, None)) for own in ("state_dict", "load_state_dict")):
                raise InputError(
                    f"expected {name} to have state_dict and load_state_dict, got {type(each).__name__}: leave it out"
                )
        self.objects, self.times, self.keep, self.remedy = dict(objects), times, keep, remedy
        self.out = None if out is None else Path(out)
        self.events: list[str] = []
        self._kept: list[Kept] = []  # oldest first
        self._looks: list[int] = []
        self._gone: set[int] = set()  # states that were gone back to: what is wrong may be in them
        self._theirs = [] if self.out is None else sorted(path.name for path in self.out.glob("guard_*.pt"))
        if not self._theirs:
            self._save(iteration)

    def step(self, verdict: Verdict | None, iteration: int) -> int | None:
        """Acts on a verdict: returns None, or the iteration to whose state all objects were restored.

        verdict: from `CollapseMonitor.observe`, None between looks. It restores a state from before the first sign of
        failure, or an earlier one if that was restored before, down to the first. Raises NonFiniteError or
        CollapseError after `times` roll-backs, and InputError if `out` holds states of another guard.
        """
        if self._theirs:
            got = f"{self._theirs[0]}: load its state_dict, choose another out, or remove them"
            raise InputError(f"expected no states of another guard in {self.out}, got {got}")
        if verdict is None:
            return None
        if not verdict.alarm:
            self._looks.append(iteration)
            if is_good(verdict.state):
                self._save(iteration)
            return None
        told = f"iteration {iteration}: {verdict.told}"
        done = len(self.events)
        if done >= self.times:
            kind = NonFiniteError if verdict.state == "non_finite" else CollapseError
            raise kind(f"{told}: given up after {done} roll-back{'s' * (done != 1)}")
        trusted = last_before(self._looks, verdict.since, self._kept[0].iteration)
        able: dict[int, Kept] = {kept.iteration: kept for kept in reversed(self._kept) if kept.iteration <= trusted}
        target = able[untried([*able], self._gone)]
        self._put(target)
        self._gone.add(target.iteration)
        self._looks = [look for look in self._looks if look <= target.iteration]
        for kept in [kept for kept in self._kept if kept.iteration > target.iteration]:
            self._drop(kept)
        self.events.append(f"{told}: rolled back to iteration {target.iteration} ({done + 1} of {self.times})")
        if self.remedy is not None:
            self.remedy(verdict, done + 1)
        return target.iteration

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds in order to resume exactly: with an `out` only which states are there, else all."""
        kept = [(each.iteration, None if isinstance(each.states, Path) else each.states) for each in self._kept]
        return {"kept": kept, "looks": [*self._looks], "gone": sorted(self._gone), "events": [*self.events]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; raises InputError for anything else, or where `out` lacks one of its states."""
        if not isinstance(state, Mapping) or state.keys() != self.state_dict().keys():
            raise InputError(f"expected the state of a Guard ({', '.join(self.state_dict())}): pass its state_dict()")
        kept = [Kept(at, self._place(at) if states is None else deepcopy(states)) for at, states in state["kept"]]
        for each in kept:
            if isinstance(each.states, Path) and not each.states.is_file():
                raise InputError(f"expected {each.states}, kept by the guard, got no such file: restore it")
        for other in [] if self.out is None else self.out.glob("guard_*.pt"):
            if other not in [each.states for each in kept]:
                other.unlink()  # kept after the checkpoint
        self._kept, self._theirs, self.events = kept, [], [*state["events"]]
        self._looks, self._gone = [*state["looks"]], set(state["gone"])

    def _place(self, iteration: int) -> Path:
        if self.out is None:
            raise InputError("expected the out of the guard whose state this is, got none: pass out")
        return self.out / f"guard_{iteration:09d}.pt"

    def _save(self, iteration: int) -> None:
        states: Any = {name: each.state_dict() for name, each in self.objects.items()}
        if self.out is None:
            states = deepcopy(states)  # what is trained on changes in place
        else:
            path = self._place(iteration)
            with beside(path) as part:
                torch.save(states, part)
            states = path
        self._kept = [kept for kept in self._kept if kept.iteration != iteration]
        self._kept.append(Kept(iteration, states))
        self._gone.discard(iteration)
        for kept in self._kept[1 : -self.keep]:
            self._drop(kept)

    def _drop(self, kept: Kept) -> None:
        self._kept.remove(kept)
        if isinstance(kept.states, Path):
            kept.states.unlink(missing_ok=True)

    def _put(self, kept: Kept) -> None:
        states = torch.load(kept.states, weights_only=True) if isinstance(kept.states, Path) else deepcopy(kept.states)
        for name, each in self.objects.items():
            each.load_state_dict(states[name])


def healed(setup: Setup, *remedies: Remedy) -> Setup:
    """The setup after these remedies in turn; raises InputError where their parts do not fit the setup."""
    for remedy in remedies:
        if not remedy.told:
            continue
        opponents = {name: treated(opponent, remedy) for name, opponent in setup.opponents.items()}
        setup = replace(
            setup,
            opponents=opponents,
            needs=Needs.of(opponents, setup.sides, setup.source.shape, setup.needs.d_steps),
            rates=(setup.rates[0] * remedy.lr_g, setup.rates[1] * remedy.lr_d),
        )
    return setup


def taken(folder: RunFolder, done: Sequence[Intervention], remedy: Remedy) -> list[Remedy]:
    """The remedies that a run has applied; raises InputError if they differ from the one given now."""
    found = []
    for i, each in enumerate(done):
        own = Remedy.of(Change.read(each.change))
        given = own.told if remedy.own else remedy.told_again if i else remedy.told
        if each.remedy != given or bool(each.change) > remedy.own:
            raise InputError(
                f"{folder.path} was rolled back with the remedy '{each.remedy or 'none'}', but now "
                f"'{'own' if remedy.own else given or 'none'}' is given: resume with the same one, or choose another "
                "--out"
            )
        found.append(own if remedy.own else remedy)
    return found


def check_new(setup: Setup, remedy: Remedy) -> None:
    """Raises InputError if the remedy would switch on a part that every discriminator already has."""
    opponents = setup.opponents.values()
    for kind, parts in (("penalty", remedy.penalties), ("method", remedy.methods)):
        for part in parts:
            if all(part.name in names_of(opponent) for opponent in opponents):
                raise InputError(
                    f"expected a {kind} in the remedy that is not on yet, got {part.name}, which is: "
                    "choose another, or a factor on penalty weights"
                )


def names_of(opponent: Opponent) -> set[str]:
    """The names of its penalties and methods."""
    return {part.name for part in (*opponent.penalties, *parts_of(opponent.method))}


def treated(opponent: Opponent, remedy: Remedy) -> Opponent:
    """One opponent after a remedy."""
    factor = remedy.penalty_weights
    penalties: list[Penalty] = [  # one without a weight is left as it is
        replace(p, weight=p.weight * factor) if factor != 1.0 and is_dataclass(p) and hasattr(p, "weight") else p
        for p in opponent.penalties
    ]
    there = names_of(opponent)
    penalties += [penalty for penalty in remedy.penalties if penalty.name not in there]
    method = added(opponent.method, *remedy.methods)
    return ready(replace(opponent, penalties=tuple(penalties), method=method))


def fresh_draws(random: Mapping[str, Tensor], seed: int, done: Sequence[Intervention], at: int) -> Mapping[str, Tensor]:
    """The random state from which to continue at iteration `at`.

    The first roll-back to this iteration or a later one repeats the same draws exactly, since an outside disturbance
    may not recur. If that failed again, the draws are new. A checkpoint that is not the target of the last roll-back
    was written after it, and keeps its own state.
    """
    again = sum(each.to >= at for each in done)
    if again < 2 or done[-1].to != at:
        return random
    generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + at + again)
    return {**random, "run": generator.get_state()}
