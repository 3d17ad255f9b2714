"""How often a run logs, measures and saves."""

from __future__ import annotations

from dataclasses import dataclass

from .draws import BLOCK


@dataclass(frozen=True)
class Rhythm:
    """How often what happens, in iterations."""

    log: int = 200
    evaluate: int = 1000
    checkpoint: int = 2000
    keep: int = 3  # checkpoints

    def due(self, iteration: int) -> bool:
        """Whether there is anything to look at or to write down here."""
        return any(iteration % every == 0 for every in (self.log, self.evaluate, self.checkpoint))

    def tells(self, iteration: int) -> bool:
        """Whether a record is written here."""
        return iteration % self.log == 0 or iteration % self.evaluate == 0

    def next_stop(self, iteration: int, until: int) -> int:
        """Where the iterations must pause next: the block's end, a tick, or the end of the run."""
        stops = (BLOCK, self.log, self.evaluate, self.checkpoint)
        return min(until, *((iteration // every + 1) * every for every in stops))
