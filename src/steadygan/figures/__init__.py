"""The papers' figures, each drawn by one command from the runs that it shows."""

from . import dual, fargan, sdp, zero_gp
from .figure import FIGURES, Clouds, Curves, Final, Grids, Group, PaperFigure, Surfaces
from .figure import figure as figure_named

__all__ = [
    "FIGURES",
    "Clouds",
    "Curves",
    "Final",
    "Grids",
    "Group",
    "PaperFigure",
    "Surfaces",
    "dual",
    "fargan",
    "figure_named",
    "sdp",
    "zero_gp",
]
