"""A run at Weights & Biases: its curves, samples and alarms."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..quantities import tagged, tone, words
from ..runs.run import Callback, Run

LATEST = "figures/latest.png"  # a run's newest samples as a picture


def wandb(project: str, **init: Any) -> Callback:
    """Sends a run to Weights & Biases while it trains; `init` goes to `wandb.init`, one callback for each run.

    Every tick's numbers stand under the folders of `quantities.tagged`, the verdict in words beside them; samples are
    the run's `figures/latest.png` whenever that is new. A verdict that turns into an alarm is an alert. The run there
    begins at the first tick, and is finished when `fit` ends, as failed where the run stopped at something; a further
    `fit` goes on with it. Raises InputError when the extra is not installed.
    """
    try:
        import wandb as client
    except ImportError:
        raise InputError('Weights & Biases is not installed: pip install "steadygan[wandb]"') from None
    return _Wandb(client, project, init)


class _Wandb:
    """One run's session, from the first tick to the end of `fit`."""

    def __init__(self, client: Any, project: str, init: dict[str, Any]) -> None:
        self.client, self.init = client, {"project": project, **init}
        self.session: Any = None
        self.shown = 0  # the picture that was sent last, by the time it was written at
        self.alarm = ""  # the state that was told last

    def __call__(self, run: Run, iteration: int, record: dict[str, Any]) -> None:
        """One tick."""
        if self.session is None:
            self.session = self.client.init(config=run.settings, **self.init)
            self.init |= {"id": self.session.id, "resume": "allow"}
        told: dict[str, Any] = dict(tagged(record))
        told |= {f"verdict/{key}": record[key] for key in ("causes", "reason") if key in record}
        told |= {"verdict/state": record["verdict"]} if "verdict" in record else {}
        picture = None if run.path is None else run.path / LATEST
        if picture is not None and picture.is_file() and picture.stat().st_mtime_ns != self.shown:
            self.shown = picture.stat().st_mtime_ns
            told["samples"] = self.client.Image(str(picture), caption=f"iteration {iteration:,}")
        self.session.log(told, step=iteration, commit=True)  # else it would be shown a tick later
        if "verdict" in record:
            self._alert(iteration, record)

    def _alert(self, iteration: int, record: dict[str, Any]) -> None:
        """Tells of an alarm once; of another, or the same after a better time, again."""
        state = record["verdict"] if tone(record["verdict"]) == "bad" else ""
        if state and state != self.alarm:
            title = words(state, record.get("causes", ""))
            self.session.alert(
                title=title, text=f"iteration {iteration:,}: {record.get('reason', title)}", level="ERROR"
            )
        self.alarm = state

    def finish(self, run: Run) -> None:
        """The end of a call of `fit`."""
        if self.session is not None:
            session, self.session = self.session, None
            session.finish(exit_code=0 if run.failure is None else 1)
