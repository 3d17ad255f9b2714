"""Figures from arrays and records to files; matplotlib is imported only when one is drawn."""

from .clouds import Snapshot
from .curves import comparison, gradient_curves, loss_curves, metric_curves
from .images import image_evolution, image_grid
from .scatter import evolution_strip, scatter_matrix

__all__ = [
    "Snapshot",
    "comparison",
    "evolution_strip",
    "gradient_curves",
    "image_evolution",
    "image_grid",
    "loss_curves",
    "metric_curves",
    "scatter_matrix",
]
