"""Methods: what a critic is shown, and as what."""

from .chain import Chain, chain
from .cramer import Cramer
from .denoising import DenoisingFeatureMatching
from .diff_augment import DiffAugment
from .fake_as_real import FakeAsReal
from .plain import METHODS, Packing, Plain
from .reconstruction import Reconstruction
from .sample_differences import SampleDifferences

__all__ = [
    "METHODS",
    "Chain",
    "Cramer",
    "DenoisingFeatureMatching",
    "DiffAugment",
    "FakeAsReal",
    "Packing",
    "Plain",
    "Reconstruction",
    "SampleDifferences",
    "chain",
]
