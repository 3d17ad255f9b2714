"""`LightningCallback`: what Lightning's hooks hand to a `Loop`; importing it imports Lightning."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..diagnostics.monitor import CollapseMonitor
from ..diagnostics.verdicts import Verdict
from ..errors import CollapseError, InputError, NonFiniteError, warn
from ..quantities import tagged
from .loop import Loop, check_watch

PACKAGES = ("lightning.pytorch", "pytorch_lightning")  # one framework under two names, each with its own classes
WHOLE, SHARDED = {"SingleDeviceStrategy", "DDPStrategy"}, {"DeepSpeedStrategy"}  # what each process has of the weights
TAKEN = {*inspect.signature(CollapseMonitor.observe).parameters} - {"self", "D", "G", "iteration"}


def bases() -> tuple[type, ...]:
    """The class of callbacks of each Lightning in use, else of the one that is installed."""
    used = [sys.modules[name] for name in PACKAGES if hasattr(sys.modules.get(name), "Callback")]
    for name in () if used else PACKAGES:
        try:
            used = [import_module(name)]
            break
        except ImportError:
            continue
    if not used:
        raise InputError("Lightning is not installed: pip install lightning")
    return tuple(package.Callback for package in used)


if TYPE_CHECKING:

    class _Base:
        def _generate_state_key(self, **kwargs: Any) -> str: ...
else:
    _Base = type("_Base", bases(), {})


class LightningCallback(_Base):
    """What `callbacks.Lightning` makes; `loop` is there once training begins, and `stopped` says why it was ended."""

    def __init__(
        self,
        monitor: CollapseMonitor,
        *,
        D: str | Callable[[Any], Any],
        G: str | Callable[[Any], Any] | None,
        step: Callable[[Any, Any], Mapping[str, Any]] | None,
        remedy: Callable[[Verdict, int], object] | None,
        keep: int,
        out: str | Path | None,
    ) -> None:
        check_watch(monitor, remedy)
        self.monitor, self.D, self.G, self.seen = monitor, D, G, step
        self.kept: dict[str, Any] = {"remedy": remedy, "keep": keep, "out": out}
        self.loop: Loop | None = None
        self.stopped = ""
        self._state: Mapping[str, Any] | None = None  # of a checkpoint, before training begins

    @property
    def state_key(self) -> str:
        """Its place in a checkpoint: one for each D."""
        return self._generate_state_key(D=self.D if isinstance(self.D, str) else "function")

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Before anything is trained: refuses what could not be watched."""
        self._networks(pl_module)
        kinds = [kind.__name__ for kind in type(trainer.strategy).__mro__]
        if WHOLE.isdisjoint(kinds) or not SHARDED.isdisjoint(kinds):
            raise InputError(
                f"expected every device to hold all weights, got the strategy {kinds[0]}: train on one device or with "
                "strategy='ddp'"
            )

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """After checks and checkpoints: the state from which it trains is the first one to roll back to."""
        before = self.state_dict()
        objects = {"module": pl_module, "precision": trainer.precision_plugin}
        objects |= {f"optimizer_{i}": each for i, each in enumerate(trainer.optimizers)}
        objects |= {f"scheduler_{i}": each.scheduler for i, each in enumerate(trainer.lr_scheduler_configs)}

        def log(figures: Mapping[str, float], step: int) -> None:
            for logger in trainer.loggers:
                logger.log_metrics(figures, step=step)

        self.loop = Loop(self.monitor, objects, log=log, **self.kept)
        self._state, self.stopped = None, ""
        if before:
            self.loop.load_state_dict(before)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """One iteration."""
        assert self.loop is not None
        given = outputs if self.seen is None else self.seen(pl_module, batch)
        if not isinstance(given, Mapping) or not {"real", "fake"} <= {*given}:
            got = f"keys {', '.join(given) or 'none'}" if isinstance(given, Mapping) else type(given).__name__
            where = "training_step" if self.seen is None else "step"
            raise InputError(
                f"expected {where} to return a mapping with real and fake, the step's samples, got {got}: add them"
                + (", or pass step=, a function of (module, batch) that does" if self.seen is None else "")
            )
        D, G = self._networks(pl_module)
        try:
            verdict = self.loop.step(D=D, G=G, **{key: value for key, value in given.items() if key in TAKEN})
        except (CollapseError, NonFiniteError) as error:
            self.stopped, trainer.should_stop = str(error), True
            warn(self.stopped)
            verdict = self.monitor.verdict
        if verdict is not None:  # without the loggers, which have them, whatever their rhythm
            pl_module.log_dict(tagged(self.loop.record), logger=False)

    def _networks(self, module: Any) -> list[Any]:
        found = []
        for name, where in (("D", self.D), ("G", self.G)):
            try:
                found.append(attrgetter(where)(module) if isinstance(where, str) else where and where(module))
            except AttributeError:
                known = ", ".join(key for key, _ in module.named_children()) or "no networks"
                raise InputError(
                    f"expected the module to have {where}, got {type(module).__name__} with {known}: pass {name}="
                ) from None
        return found

    def state_dict(self) -> dict[str, Any]:
        """For Lightning's checkpoints."""
        if self._state is None and self.loop is not None:
            return self.loop.state_dict()
        return dict(self._state or {})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """From a checkpoint; it is used once training begins."""
        self._state = state_dict
