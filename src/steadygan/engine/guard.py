"""What is done when the monitor raises an alarm: nothing, a stop, or a step back to where the run was healthy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..diagnostics.monitor import Policy
from ..diagnostics.remedy import Remedy
from ..diagnostics.verdicts import GOOD, Verdict
from . import checkpoint
from .healing import Intervention, note

if TYPE_CHECKING:
    from .journal import Journal

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
