"""Results of a training: modes, balance and distance to real data; tensors in, numbers out."""

from typing import TYPE_CHECKING, Any

from .energy import EnergyDistance, energy_distance
from .modes import class_modes, expected_kl, mixture_modes
from .moments import Moments, class_score, frechet, kernel_distance, precision_recall
from .neighbours import Balance, Manifold, Memorisation, NearestNeighbour, balance
from .pairs import detail, paired_distance, paired_match
from .protocol import Protocol
from .summary import BETTER, best
from .support import Support, support

if TYPE_CHECKING:
    from ..evaluation.evaluator import Evaluator
    from ..evaluation.real_side import RealSide, class_histogram

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
    "detail",
    "energy_distance",
    "expected_kl",
    "frechet",
    "kernel_distance",
    "mixture_modes",
    "paired_distance",
    "paired_match",
    "precision_recall",
    "support",
]


def __getattr__(name: str) -> Any:
    """The evaluator, which is made of the formulas and lives above them."""
    if name not in ("Evaluator", "RealSide", "class_histogram"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ..evaluation import evaluator, real_side

    return getattr(evaluator if name == "Evaluator" else real_side, name)
