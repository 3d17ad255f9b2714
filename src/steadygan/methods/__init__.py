"""Methods: what a critic is shown, and as what."""

from .chain import Chain, chain
from .fake_as_real import FakeAsReal
from .packing import Packing
from .plain import METHODS, Plain

__all__ = ["METHODS", "Chain", "FakeAsReal", "Packing", "Plain", "chain"]
