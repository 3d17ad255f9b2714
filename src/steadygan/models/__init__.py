"""Networks: modules that know nothing of losses, optimisers or files."""

from .mlp import ACTIVATIONS, MODELS, mlp

__all__ = ["ACTIVATIONS", "MODELS", "mlp"]
