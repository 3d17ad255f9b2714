"""Real points to lie below the generated ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Settings
from ..config.groups import POINTS
from ..errors import InputError
from ..viz.marks import thin

SEED = 2


def real_points(settings: Settings | None, most: int) -> NDArray[Any] | None:
    """At most `most` real points (n, d) in the data's units; None where the data is not of points, or is not there."""
    if settings is None or not isinstance(settings.data, POINTS):
        return None
    import torch

    from ..recipes.build import source

    try:
        data = source(settings)
    except (InputError, OSError):  # a file that has moved
        return None
    generator = torch.Generator().manual_seed(SEED)
    points = data.some(most) if data.sampler is None else data.fresh(most, generator)
    if points is None or points.ndim != 2:
        return None
    return thin(np.asarray(data.restore(points).double()), most)
