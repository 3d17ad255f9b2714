"""Going back to where a run was healthy: what was done is kept beside the run, and done again when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..diagnostics.monitor import Policy
from ..diagnostics.remedy import Remedy
from ..diagnostics.verdicts import GOOD, Verdict
from ..engine.needs import Needs
from ..errors import InputError
from ..methods.chain import added, parts_of
from ..runs import checkpoint
from ..runs.folder import RunFolder
from ..runs.interventions import Intervention, note
from ..types import Opponent, Penalty
from .setup import Setup, ready

if TYPE_CHECKING:
    from .journal import Journal


def healed(setup: Setup, remedy: Remedy, times: int = 1) -> Setup:
    """The setup with the remedy taken so many times; raises InputError where its parts do not fit what is there."""
    for _ in range(times if remedy.told else 0):
        opponents = {name: treated(opponent, remedy) for name, opponent in setup.opponents.items()}
        setup = replace(
            setup,
            opponents=opponents,
            needs=Needs.of(opponents, setup.sides, setup.source.shape, setup.needs.d_steps),
            rates=(setup.rates[0] * remedy.lr_g, setup.rates[1] * remedy.lr_d),
        )
    return setup


def taken(folder: RunFolder, done: Sequence[Intervention], remedy: Remedy) -> int:
    """How often a run has taken its remedy; raises InputError where that was another one than is given now."""
    for i, each in enumerate(done):
        given = remedy.told_again if i else remedy.told
        if each.remedy != given:
            raise InputError(
                f"{folder.path} was rolled back with the remedy '{each.remedy or 'none'}', and now "
                f"'{given or 'none'}' is given: resume with the same one, or choose another --out"
            )
    return len(done)


def check_new(setup: Setup, remedy: Remedy) -> None:
    """Raises InputError where the remedy would switch on what every discriminator has."""
    opponents = setup.opponents.values()
    for kind, parts in (("penalty", remedy.penalties), ("method", remedy.methods)):
        for part in parts:
            if all(part.name in names_of(opponent) for opponent in opponents):
                raise InputError(
                    f"expected a {kind} in the remedy that is not there yet, got {part.name}, which is on already: "
                    "choose another, or a factor on penalty weights"
                )


def names_of(opponent: Opponent) -> set[str]:
    """Its penalties and methods."""
    return {part.name for part in (*opponent.penalties, *parts_of(opponent.method))}


def treated(opponent: Opponent, remedy: Remedy) -> Opponent:
    """One opponent after a remedy."""
    penalties = [heavier(penalty, remedy.penalty_weights) for penalty in opponent.penalties]
    there = names_of(opponent)
    penalties += [penalty for penalty in remedy.penalties if penalty.name not in there]
    method = added(opponent.method, *remedy.methods)
    return ready(replace(opponent, penalties=tuple(penalties), method=method))


def heavier(penalty: Penalty, factor: float) -> Penalty:
    """A penalty whose weight is `factor` times as large; one without a weight is left as it is."""
    if factor == 1.0 or not is_dataclass(penalty) or not hasattr(penalty, "weight"):
        return penalty
    return replace(penalty, weight=penalty.weight * factor)


def fresh_draws(random: Mapping[str, Tensor], seed: int, done: Sequence[Intervention], at: int) -> Mapping[str, Tensor]:
    """The random state to go on with at iteration `at`.

    The first roll-back to a checkpoint repeats what was drawn, exactly: what disturbed the run may not come again.
    Where that ended as before, the draws are new ones.
    """
    again = sum(each.to == at for each in done)
    if again < 2:
        return random
    generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + at + again)
    return {**random, "run": generator.get_state()}


GENTLE = ("drifting",)  # is told, and not acted upon


@dataclass
class Guard:
    """Acts on alarms as the policy says, at most `times` times; `done` are the roll-backs so far."""

    policy: Policy
    times: int
    remedy: Remedy
    done: list[Intervention] = field(default_factory=list)

    def act(self, journal: Journal, verdict: Verdict) -> None:
        """Stops the run or sends it back, where the policy and the verdict ask for it."""
        if self.policy == "warn" or verdict.verdict in GENTLE:
            return
        told = f"iteration {journal.iteration}: {verdict.told}"
        if self.policy == "stop":
            to = self.healthy(journal)
            kept = "" if to is None else f"; the last healthy checkpoint is that of iteration {to}"
            journal.halt(f"{told}: stopped by the monitor{kept}")
            return
        self.roll_back(journal, verdict.verdict, verdict.reason, verdict.since, told)

    def roll_back(self, journal: Journal, verdict: str, reason: str, since: int, told: str) -> None:
        """Back to the newest checkpoint that was healthy before `since`; gives up when there is none, or too often."""
        if len(self.done) >= self.times:
            journal.halt(f"{told}: given up after {len(self.done)} roll-back{'s' * (len(self.done) != 1)}")
            return
        to = self.healthy(journal, since)
        if to is None or journal.folder is None:
            journal.halt(f"{told}: stopped, as there is no healthy checkpoint to go back to")
            return
        remedy = self.remedy.told_again if self.done else self.remedy.told
        done = Intervention(journal.iteration, to, verdict, reason, remedy)
        self.done.append(done)
        note(journal.folder, self.done)
        journal.log.event(f"iteration {journal.iteration}: {done.told} ({len(self.done)} of {self.times})")
        journal.leave(to)

    def healthy(self, journal: Journal, before: int | None = None) -> int | None:
        """The newest checkpoint of an iteration whose verdict was good, before `before`; None without one."""
        if self.policy == "warn" or journal.folder is None:
            return None
        verdicts = {int(r["iteration"]): r["verdict"] for r in journal.log.records if "verdict" in r}
        known = sorted(verdicts)
        for path in reversed(checkpoint.listed(journal.folder.checkpoints)):
            at = int(path.stem)
            seen = [iteration for iteration in known if iteration <= at]
            if (before is None or at < before or at == 0) and (not seen or verdicts[seen[-1]] in GOOD):
                return at
        return None
