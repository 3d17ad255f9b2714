"""Callbacks for `Trainer(callbacks=[...])`: called as (run, iteration, record) at every tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import InputError

if TYPE_CHECKING:
    from .runs.run import Run

# One with a function `notice(line)` is told what will take its time before the first iteration.
Callback: TypeAlias = Callable[["Run", int, dict[str, Any]], None]


def wandb(project: str, **init: Any) -> Callback:
    """Sends every tick's record to Weights & Biases, under the run's settings; `init` goes to `wandb.init`.

    The run there begins at the first tick. Raises InputError when the extra is not installed.
    """
    try:
        import wandb as client
    except ImportError:
        raise InputError('Weights & Biases is not installed: pip install "steadygan[wandb]"') from None
    session: Any = None

    def callback(run: Run, iteration: int, record: dict[str, Any]) -> None:
        nonlocal session
        if session is None:
            session = client.init(project=project, config=run.settings, **init)
        session.log({key: value for key, value in record.items() if key != "iteration"}, step=iteration)

    return callback
