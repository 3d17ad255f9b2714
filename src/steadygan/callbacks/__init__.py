"""Where others' training meets the monitor: `wandb` for a `Trainer`, `Loop` and `Lightning` for the rest.

`Loop` is the one seam: it takes what a step made, whoever runs it, and acts on the verdict. `Lightning` hands it a
module's step. Fabric and Accelerate leave the loop to you, so `Loop` is all they need. No framework is imported before
its callback is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..diagnostics.monitor import CollapseMonitor
from ..diagnostics.verdicts import Verdict
from ..runs.run import Callback
from .loop import Loop
from .wandb import wandb

__all__ = ["Callback", "Lightning", "Loop", "wandb"]


def Lightning(  # noqa: N802 (Lightning's own callbacks are classes, and so is what this makes)
    monitor: CollapseMonitor,
    *,
    D: str | Callable[[Any], Any] = "D",
    G: str | Callable[[Any], Any] | None = "G",
    step: Callable[[Any, Any], Mapping[str, Any]] | None = None,
    remedy: Callable[[Verdict, int], object] | None = None,
    keep: int = 2,
    out: str | Path | None = None,
) -> Any:
    """A callback of Lightning (`lightning` or `pytorch_lightning`) that watches a GAN's module with a `Loop`.

    D, G: the networks, as names of the module's attributes or functions of the module; G=None leaves G's norms out. A
    step's samples are what `training_step` returns: a mapping with `real` and `fake`, and whatever else
    `CollapseMonitor.observe` takes, such as `d_loss`. step: where it returns something else, called after each batch as
    step(module, batch) for that mapping. The other arguments are those of `Loop`, which restores the module, its
    optimisers and its schedulers.

    At each look, figures go to the trainer's loggers, and to the metrics that other callbacks monitor. Policy "stop"
    ends the training as early stopping does; `stopped` says why. Everything is in Lightning's checkpoints. Raises
    InputError without Lightning, for a module without these attributes, and for a step without these samples.
    """
    from .lightning import LightningCallback

    return LightningCallback(monitor, D=D, G=G, step=step, remedy=remedy, keep=keep, out=out)
