"""The figures of a run, drawn from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runs.folder import RunFolder
from .probes import scale_for

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import Source


def draw(
    folder: RunFolder,
    source: Source,
    real: Tensor,
    records: Sequence[Mapping[str, Any]],
    equilibrium: tuple[float | None, float | None],
    title: str,
) -> None:
    """Losses against equilibrium, gradient norms, metrics; then a strip, grids or a scatter matrix of samples."""
    from ..viz import curves, images, scatter

    figures = folder.figures
    figures.mkdir(exist_ok=True)
    records = list(records)
    curves.loss_curves(records, equilibrium, figures / "losses.png", title=title)
    curves.gradient_curves(records, figures / "gradients.png", title=title)
    curves.metric_curves(records, figures / "metrics.png", title=title)
    shots = [(int(path.stem), path) for path in sorted(folder.samples.glob("*.np[z]"))]
    if source.image:
        grids = [(int(path.stem), path) for path in sorted(folder.samples.glob("*.png")) if path.stem.isdigit()]
        if grids:
            (figures / "grid.png").write_bytes(grids[-1][1].read_bytes())
            images.image_evolution(grids, source.shape[1], scale_for(source.shape), figures / "evolution.png", title)
        return
    if not shots:
        return
    points = source.restore(real).float().cpu().numpy()
    if source.shape == (2,):
        strip = []
        for iteration, path in shots:
            with np.load(path) as arrays:
                strip.append((iteration, arrays["points"], arrays.get("surface"), arrays.get("extent")))
        scatter.evolution_strip(points, strip, figures / "evolution.png", title)
    else:
        with np.load(shots[-1][1]) as arrays:
            scatter.scatter_matrix(points, arrays["points"], figures / "samples.png", title)
