"""`Loop`: a training loop of your own, in one process or several, whose monitor acts as it does in a `Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch.distributed

from ..diagnostics.monitor import CollapseMonitor
from ..diagnostics.remedy import Remedy
from ..diagnostics.verdicts import Verdict
from ..errors import CollapseError, InputError, NonFiniteError, warn
from ..quantities import tagged
from ..training.guard import Guard

Log = Callable[..., object]  # (figures by name, step=iteration)


class Loop:
    """A training loop of your own that is watched: one call of `step` in each iteration, by every process.

    monitor: its policy acts as in a `Trainer`: "warn" warns, "stop" raises CollapseError, "rollback" restores the
    objects as a `Guard` does, at most `times` times. objects: what is restored, by name: networks, optimisers,
    schedulers. log: called at each look as log(figures, step=iteration), with names in groups such as
    `quality/covered`; so are `fabric.log_dict`, `accelerator.log` and the `log` of a run at W&B. remedy: called as
    remedy(verdict, number of roll-backs) after each. keep, out: as of a `Guard`. Raises InputError for what a
    `Guard` refuses, and for a monitor with a `Remedy`, whose parts only a `Trainer` can change.

    Where `torch.distributed` is initialised, the first process alone observes, logs and warns, on its share of the
    samples; its verdict reaches all, and all act on it. Checkpoints hold `state_dict()`; after `load_state_dict` the
    records are those of a loop that was never interrupted.
    """

    def __init__(
        self,
        monitor: CollapseMonitor,
        objects: Mapping[str, Any] | None = None,
        *,
        log: Log | None = None,
        remedy: Callable[[Verdict, int], object] | None = None,
        keep: int = 2,
        out: str | Path | None = None,
    ) -> None:
        check_watch(monitor, remedy)
        self.monitor, self.log, self.remedy = monitor, log, remedy
        self.iteration = 0
        self.record: dict[str, Any] = {}  # of the last look, in every process
        self._said: list[str] = []  # the alarm and the cause that were told last
        self.guard: Guard | None = None
        if monitor.policy == "rollback":
            guarded = {**(objects or {}), "monitor": monitor} if objects else {}
            if out is not None and processes() > 1:  # each process keeps its own
                out = Path(out) / f"process_{torch.distributed.get_rank()}"
            self.guard = Guard(guarded, times=monitor.times, keep=keep, out=out, remedy=remedy)
        self._watches()

    def step(self, *, iteration: int | None = None, **observed: Any) -> Verdict | None:
        """One iteration, told by the arguments of `CollapseMonitor.observe`; returns a `Verdict` at every look.

        iteration: by default the number of the call. Raises CollapseError, or NonFiniteError, in every process where
        the policy ends the training, and InputError as `observe` does.
        """
        self.iteration = self.iteration + 1 if iteration is None else iteration
        verdict = self._seen(observed)
        if verdict is None:
            return None
        if self._watches() and self.log is not None:
            self.log(tagged(self.record), step=self.iteration)
        if not self._acted(verdict) and self._watches():
            self._tell(verdict)
        return verdict

    def _seen(self, observed: Mapping[str, Any]) -> Verdict | None:
        """The verdict of the first process, in all of them."""
        verdict = None
        if self._watches():
            verdict = self.monitor.observe(iteration=self.iteration, **observed)
        else:
            self.monitor.calls += 1
        if self.monitor.asked and processes() > 1:
            seen = [(verdict, None if verdict is None else self.monitor.records[-1])]
            torch.distributed.broadcast_object_list(seen, src=0)
            verdict, record = seen[0]
        else:
            record = None if verdict is None else self.monitor.records[-1]
        self.record = self.record if record is None else dict(record)
        return verdict

    def _acted(self, verdict: Verdict) -> bool:
        """Does what the policy says; returns whether anything was rolled back."""
        if self.monitor.policy == "stop" and verdict.alarm:
            kind = NonFiniteError if verdict.state == "non_finite" else CollapseError
            raise kind(f"iteration {self.iteration:,}: {verdict.told}: stopped by the monitor")
        if self.guard is None or (verdict.slow and self.remedy is None):
            return False  # what is only slow would end the same
        if self.guard.step(verdict, self.iteration) is None:
            return False
        self._said = []
        if self._watches():
            warn(self.guard.events[-1])
        return True

    def _tell(self, verdict: Verdict) -> None:
        """Warns of what is new: of an alarm once for each cause, and again after a better time."""
        news = [verdict.state if verdict.alarm else "", *verdict.causes[:1]]
        if any(self._said[:1]) and not verdict.alarm:
            self._said = []
        if (verdict.alarm or verdict.warning) and news != self._said:
            self._said = news
            warn(f"iteration {self.iteration:,}: {f'warning: {verdict.reason}' if verdict.warning else verdict.told}")

    def _watches(self) -> bool:
        """Whether this process observes; the others write nothing."""
        first = processes() == 1 or torch.distributed.get_rank() == 0
        if not first:
            self.monitor.out.folder = None
        return first

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds: the monitor's state, the guard's, and the count of iterations."""
        guard = None if self.guard is None else self.guard.state_dict()
        said = [*self._said]
        return {"iteration": self.iteration, "said": said, "monitor": self.monitor.state_dict(), "guard": guard}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; a guard that it lacks begins with the state of now. Raises InputError for others."""
        wanted = "iteration", "said", "monitor", "guard"
        if not isinstance(state, Mapping) or {*state} != {*wanted}:
            raise InputError(f"expected the state of a Loop ({', '.join(wanted)}): pass its state_dict()")
        self._watches()
        self.iteration, self._said = int(state["iteration"]), [*state["said"]]
        self.monitor.load_state_dict(state["monitor"])
        self.record = dict(self.monitor.records[-1]) if self.monitor.records else {}
        if self.guard is not None and state["guard"] is not None:
            self.guard.load_state_dict(state["guard"])


def check_watch(monitor: CollapseMonitor, remedy: Callable[[Verdict, int], object] | None) -> None:
    """Raises InputError for what is no monitor, and for a remedy that only a `Trainer` can apply."""
    if not isinstance(monitor, CollapseMonitor):
        raise InputError(f"expected a sg.CollapseMonitor, got {type(monitor).__name__}: create one")
    if monitor.remedy != Remedy():
        raise InputError(
            f"expected a monitor without a remedy, got {monitor.remedy.told or 'own'}: pass remedy= here, a function "
            "of (verdict, number of roll-backs) that changes your own rates and terms"
        )
    if remedy is not None and monitor.policy != "rollback":
        raise InputError(f"expected a remedy only with policy='rollback', got policy={monitor.policy!r}: leave it out")
    if remedy is not None and not callable(remedy):
        raise InputError(f"expected remedy as a function of (verdict, number), got {type(remedy).__name__}: pass one")


def processes() -> int:
    """How many processes train together."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1
