"""The fakes to evaluate: from a run, from files of images or points, or from an array."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import Source
from ..data.user import to_judge
from ..errors import InputError, NonFiniteError
from ..metrics.protocol import Protocol
from ..pixels import to_pixels
from ..runs.folder import RunFolder
from ..runs.run import Run, load
from .evaluator import batch_norm
from .reals import from_file


@dataclass(frozen=True, eq=False)
class Fakes:
    """Generated samples (n, *shape), uint8 images or points, and what they add to the protocol of a figure."""

    name: str
    samples: Tensor
    image: bool
    about: Protocol = field(default_factory=lambda: Protocol(""))
    lossy: int = 0  # files compressed with loss
    span: tuple[float, float] | None = None  # as a `Source` has it
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return self.samples.shape[0]


def run_of(what: Any) -> Run | None:
    """The run that `what` is, or that lies at this path; None for anything else."""
    if isinstance(what, str | Path) and RunFolder(Path(what).expanduser()).begun:
        return load(Path(what).expanduser())
    return what if isinstance(what, Run) else None


def fakes_of(
    what: Any, n: int | None, seed: int, weights: Literal["ema", "live"], drawn: int, image: bool | None = None
) -> Fakes:
    """Samples of a run (n, or `drawn`), the first n or all of a path's or of samples as `data.to_judge` takes them.

    Raises InputError for whatever cannot be read, and NonFiniteError for a run whose samples are not finite.
    """
    if isinstance(what, Run):
        return _of_run(what, n or drawn, seed, weights)
    if isinstance(what, str | Path):
        path = Path(what).expanduser()
        if not path.exists():
            raise InputError(f"expected a run, images or points at {str(path)!r}, found nothing there: check the path")
        what = from_file(path, image=image)
    return _of_source(to_judge(what, image), n)


def _of_run(run: Run, n: int, seed: int, weights: Literal["ema", "live"]) -> Fakes:
    """Images as a saved file holds them."""
    image = bool(run.data.get("image"))
    parts, broken = [], 0
    for batch in run.stream(n, seed, weights):
        broken += int((~batch.x.flatten(1).isfinite().all(1)).sum())
        parts.append(to_pixels(batch.x).cpu() if image else batch.x.cpu())
    if broken:
        raise NonFiniteError(f"{broken:,} of {n:,} generated samples are not finite: nothing to measure")
    averaged = weights == "ema" and run.G is not run.G_live
    about = Protocol("", weights="EMA" if averaged else "live", batch_norm=batch_norm(run.G), seeds=f"fakes {seed}")
    columns = tuple(run.data.get("columns", ()))
    return Fakes(str(run.path or "the run"), torch.cat(parts), image, about, columns=columns)


def _of_source(source: Source, n: int | None) -> Fakes:
    """Held-out samples come last."""
    assert source.size is not None
    count = source.size if n is None else min(n, source.size)
    raw = source.read(torch.arange(count))
    if source.held_out is not None and (n is None or n > count):
        raw = torch.cat([raw, source.held_out[: None if n is None else n - count].to(raw)])
    if n is not None and len(raw) < n:
        raise InputError(f"expected {n:,} fakes in {source.name}, got {len(raw):,}: lower -n, or generate more")
    if source.image:
        raw = raw if raw.dtype == torch.uint8 else to_pixels(raw)
        return Fakes(source.name, raw, True, lossy=source.lossy, span=source.span, notes=source.notes)
    return Fakes(source.name, source.restore(raw), False, columns=source.columns, notes=source.notes)
