"""What is judged: a run, files of images or points that any generator made, or an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import Source, from_user
from ..errors import InputError, NonFiniteError
from ..pixels import to_pixels, to_values
from ..runs.run import Run, load
from ..training.evaluators import batch_norm
from .reals import from_file


@dataclass(frozen=True, eq=False)
class Fakes:
    """Generated samples (n, *shape): uint8 images, or points; with what belongs to their protocol."""

    name: str
    samples: Tensor
    image: bool
    weights: str = ""
    batch_norm: str = ""
    seeds: str = ""
    lossy: int = 0  # files compressed with loss
    settings: Mapping[str, Any] | None = None  # of a run

    @property
    def n(self) -> int:
        return self.samples.shape[0]

    def values(self) -> Tensor:
        """As numbers, images in [-1, 1]."""
        return to_values(self.samples) if self.image else self.samples


def of_run(run: Run, n: int, seed: int, weights: Literal["ema", "live"]) -> Fakes:
    """n samples of a run, images as a saved file holds them; raises NonFiniteError where they are not finite."""
    image = bool(run.data.get("image"))
    parts, broken = [], 0
    for batch in run.stream(n, seed, weights):
        broken += int((~batch.x.flatten(1).isfinite().all(1)).sum())
        parts.append(to_pixels(batch.x).cpu() if image else batch.x.cpu().float())
    if broken:
        raise NonFiniteError(f"{broken:,} of {n:,} generated samples are not finite: nothing to measure")
    averaged = weights == "ema" and run.G is not run.G_live
    return Fakes(
        name=str(run.path or "the run"),
        samples=torch.cat(parts),
        image=image,
        weights="EMA" if averaged else "live",
        batch_norm=batch_norm(run.G),
        seeds=f"fakes {seed}",
        settings=run.settings if "recipe" in run.settings else None,
    )


def of_path(path: Path, n: int | None, seed: int, weights: Literal["ema", "live"], drawn: int) -> Fakes:
    """The run, the images or the points at `path`; of files the first n, or all; of a run n samples, or `drawn`.

    Raises InputError for whatever cannot be read.
    """
    if (path / "settings.json").is_file():
        run = load(path)
        return of_run(run, n or drawn, seed, weights)
    if not path.exists():
        raise InputError(f"expected a run, images or points at {str(path)!r}, found nothing there: check the path")
    return of_source(from_file(path), n)


def of_source(source: Source, n: int | None) -> Fakes:
    """The first n samples of a source, or all, held-out ones among them."""
    assert source.size is not None
    count = source.size if n is None else min(n, source.size)
    raw = source.read(torch.arange(count))
    if source.held_out is not None and (n is None or n > count):
        raw = torch.cat([raw, source.held_out[: None if n is None else n - count].to(raw)])
    if n is not None and len(raw) < n:
        raise InputError(f"expected {n:,} fakes in {source.name}, got {len(raw):,}: lower -n, or generate more")
    if source.image:
        pixels = raw if raw.dtype == torch.uint8 else to_pixels(raw)
        return Fakes(source.name, pixels, True, lossy=source.lossy)
    return Fakes(source.name, raw.float(), False)


def of_anything(what: Any, n: int | None, seed: int, weights: Literal["ema", "live"], drawn: int) -> Fakes:
    """A run, a path, or samples as `data.from_user` takes them; drawn: how many samples of a run, where n is None."""
    if isinstance(what, Run):
        return of_run(what, n or drawn, seed, weights)
    if isinstance(what, str | Path):
        return of_path(Path(what).expanduser(), n, seed, weights, drawn)
    return of_source(from_user(what), n)
