"""What is the matter with a GAN: of one trained elsewhere from a single look, of a run from its folder."""

from .found import Diagnosis
from .networks import diagnose

__all__ = ["Diagnosis", "diagnose"]
