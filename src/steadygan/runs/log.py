"""What a run writes during training: records, timings, a text log, its events as JSON lines, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, one_line
from ..files import writing
from ..quantities import number, tagged, words
from .folder import RunFolder
from .records import append, append_text, objects

TRAINING, STOPPED, NON_FINITE = "training", "stopped", "non_finite"  # states of a run


class Ending(NamedTuple):
    """How a run ended before its length: `STOPPED` by the monitor, or `NON_FINITE`; and its words."""

    state: str
    told: str
    iteration: int


def ending(folder: RunFolder) -> Ending | None:
    """How the run in a folder ended early, as it wrote itself; None for one that did not, or was continued."""
    lines = [line for line in objects(folder.timeline) if line is not None and "state" in line]
    if not lines or lines[-1]["state"] not in (STOPPED, NON_FINITE):
        return None
    last, at = lines[-1], number(lines[-1].get("iteration"))
    return Ending(last["state"], str(last.get("message", "")), int(at) if at is not None and isfinite(at) else 0)


class Log:
    """Appends to the run's files; without a folder it keeps records in memory only."""

    def __init__(self, folder: RunFolder | None) -> None:
        self.folder = folder
        self.records: list[dict[str, Any]] = []
        self.events: list[str] = []
        self._writer: Any = None

    def record(self, record: dict[str, Any]) -> None:
        """Keeps one tick's numbers, all of them finite: JSON has no word for others."""
        since = self.records[-1]["iteration"] if self.records else 0
        self.records.append(record)
        if self.folder is None:
            return
        append(self.folder.metrics, record)
        with writing(self.folder.events):
            self._show(record, since)

    def _show(self, record: Mapping[str, Any], since: int) -> None:
        """Sends a record to TensorBoard; a run that goes on drops what stood there after its last kept record."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        shown = [record]
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            assert self.folder is not None
            self._writer = SummaryWriter(str(self.folder.events), purge_step=since)
            shown = [each for each in self.records if each["iteration"] >= since]
        for each in shown:
            if "verdict" in each:
                told = filter(None, (words(each["verdict"], each.get("causes", "")), each.get("reason")))
                self._writer.add_text("verdict/state", ": ".join(told), each["iteration"])
            # in one event: `add_scalar` makes one of each, and takes twenty times as long
            scalars = [Summary.Value(tag=key, simple_value=value) for key, value in tagged(each).items()]
            self._writer.file_writer.add_summary(Summary(value=scalars), each["iteration"])

    def picture(self, path: Path | None, iteration: int) -> None:
        """Shows a PNG file, where there is one, in TensorBoard beside the curves, its bytes as they are."""
        if path is not None and self._writer is not None and self.folder is not None:
            from PIL import Image
            from tensorboard.compat.proto.summary_pb2 import Summary

            with writing(self.folder.events), Image.open(path) as image:
                size = {"width": image.width, "height": image.height, "colorspace": len(image.getbands())}
                shown = Summary.Image(encoded_image_string=path.read_bytes(), **size)
                summary = Summary(value=[Summary.Value(tag="samples", image=shown)])
                self._writer.file_writer.add_summary(summary, iteration)

    def timing(self, iteration: int, seconds: float, pace: float, evaluation: float) -> None:
        """Wall times have a file of their own: they are no part of what a run computes. pace: iterations per second."""
        if self.folder is not None:
            record = {
                "iteration": iteration,
                "seconds": round(seconds, 3),
                "iterations_per_second": round(pace, 2),
                "evaluation_seconds": round(evaluation, 4),
            }
            append(self.folder.timing, record)

    def say(self, message: str, iteration: int | None = None, state: str = "") -> None:
        """One line in log.txt, with the time; iteration: where the run stood, for those who draw a timeline.

        state: see `ending`; "" where it is what it was.
        """
        self._write("note", message, iteration, state)

    def event(self, message: str, iteration: int | None = None, state: str = "") -> None:
        """Something the user should hear of."""
        self.events.append(message)
        self._write("event", message, iteration, state)

    def _write(self, kind: str, message: str, iteration: int | None, state: str) -> None:
        if self.folder is not None:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            append_text(self.folder.log, f"{now} {message}\n")
            line = {"iteration": iteration, "time": now, "kind": kind, "message": message}
            append(self.folder.timeline, line | ({"state": state} if state else {}))

    @contextmanager
    def lenient(self, told: str, iteration: int, *more: type[Exception]) -> Iterator[None]:
        """A picture that fails does not end the run, and one line says so; an InputError outside `more` does end it."""
        try:
            yield
        except Exception as error:
            if isinstance(error, InputError) and not isinstance(error, more):
                raise
            self.event(f"{told}: {one_line(error)}", iteration)

    def close(self) -> None:
        """Flushes the TensorBoard events."""
        writer, self._writer = self._writer, None
        if writer is not None and self.folder is not None:
            with writing(self.folder.events):
                writer.close()
