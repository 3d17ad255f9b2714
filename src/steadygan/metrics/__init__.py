"""What came of a training: modes, balance and distance to real data; tensors in, numbers out."""

from .balance import Balance, balance
from .distances import EnergyDistance, energy_distance
from .evaluate import BETTER, Evaluator, best
from .modes import class_modes, mixture_modes
from .nearest import NearestNeighbour

__all__ = [
    "BETTER",
    "Balance",
    "EnergyDistance",
    "Evaluator",
    "NearestNeighbour",
    "balance",
    "best",
    "class_modes",
    "energy_distance",
    "mixture_modes",
]
