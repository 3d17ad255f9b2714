"""What came of a training: modes, balance and distance to real data; tensors in, numbers out."""

from .balance import Balance, balance
from .better import BETTER, best
from .birthday import Support, support
from .distances import EnergyDistance, energy_distance
from .evaluate import Evaluator
from .feature_measures import RealSide, class_histogram
from .fidelity import Moments, class_score, frechet, kernel_distance, precision_recall
from .manifold import Manifold
from .memorisation import Memorisation
from .modes import class_modes, expected_kl, mixture_modes
from .nearest import NearestNeighbour
from .protocol import Protocol

__all__ = [
    "BETTER",
    "Balance",
    "EnergyDistance",
    "Evaluator",
    "Manifold",
    "Memorisation",
    "Moments",
    "NearestNeighbour",
    "Protocol",
    "RealSide",
    "Support",
    "balance",
    "best",
    "class_histogram",
    "class_modes",
    "class_score",
    "energy_distance",
    "expected_kl",
    "frechet",
    "kernel_distance",
    "mixture_modes",
    "precision_recall",
    "support",
]
