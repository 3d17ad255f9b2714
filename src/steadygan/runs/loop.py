"""The folder that a monitor writes for your own loop: records and samples, read like those of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import write_json, write_text
from .folder import RunFolder
from .records import append
from .samples import COLUMNS, image_samples, keep_real, point_samples

if TYPE_CHECKING:
    from torch import Tensor

    from ..types import Loss

APART = 1.05  # times the iteration of the samples kept last, at which the next ones are kept


class LoopFolder:
    """The folder `out` of a loop: its records look by look, and samples at some of them; without one nothing is kept.

    loss: what G minimises; horizon: where its rates have decayed, if they do. Nothing is written before the first
    look, which clears a folder that an earlier loop left. Raises InputError for a folder that holds anything else,
    a run say.
    """

    def __init__(self, out: str | Path | None, loss: Loss, horizon: int | None) -> None:
        self.folder = None if out is None else RunFolder(Path(out).expanduser())
        self.about = {"loss": loss.name, "equilibrium": [*loss.equilibrium], "horizon": horizon}
        self._open, self._kept = False, -1
        if self.folder is not None and self.folder.begun:
            raise InputError(f"expected a folder for the records of a loop, got the run {out}: choose another out")
        if self.folder is not None and not self.folder.loop.is_file():
            self.folder.check_free()

    def _begin(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.loop, self.about)
        self._open = True

    def go_on(self, records: Sequence[Mapping[str, Any]]) -> None:
        """These records and no others, and the samples up to the last of them."""
        if self.folder is None:
            return
        self._begin(self.folder)
        write_text(self.folder.metrics, "".join(json.dumps(finite(record)) + "\n" for record in records))
        last = int(records[-1]["iteration"]) if records else -1
        self.folder.cut_back(last)
        self._kept = max((int(path.stem) for path in self.folder.samples.glob("*")), default=-1)

    def add(self, record: Mapping[str, Any], real: Iterable[Tensor], fake: Iterable[Tensor]) -> None:
        """One look: its record, and its samples (n, *shape) where some time has passed; `real` ones show the scale."""
        if self.folder is None:
            return
        if not self._open:
            self._begin(self.folder)
            self.folder.clear()
        append(self.folder.metrics, finite(record))
        at = int(record["iteration"])
        if at < max(APART * self._kept, self._kept + 1):
            return
        self._kept = at
        known, made = (np.concatenate([part.detach().cpu().float().numpy() for part in each]) for each in (real, fake))
        if made.ndim == 2:
            keep_real(self.folder, known)
            point_samples(self.folder, at, made, known, {})()
        elif made.ndim == 4 and made.shape[1] in (1, 3):
            low, high = scale_of(known)
            image_samples(self.folder, at, 2.0 * (made[: COLUMNS**2] - low) / (high - low) - 1.0)()


def finite(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without numbers that JSON has no word for."""
    return {key: value for key, value in record.items() if isinstance(value, str) or isfinite(value)}


def scale_of(images: NDArray[Any]) -> tuple[float, float]:
    """What is black and white in images: 0 and 1, -1 and 1, or else the smallest and the largest number."""
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for black in (0.0, -1.0):
        if black <= low and high <= 1.0:
            return black, 1.0
    return low, high if high > low else low + 1.0
