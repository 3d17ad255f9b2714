"""Networks: modules that know nothing of losses, optimisers or files."""

from .activations import ACTIVATIONS, activation
from .conditional import LabelledGenerator, ProjectionDiscriminator
from .dcgan import dcgan_discriminator, dcgan_generator
from .layers import BatchNorm, MinibatchDiscrimination
from .mlp import mlp, mlp_discriminator, mlp_generator
from .registry import DISCRIMINATORS, GENERATORS

__all__ = [
    "ACTIVATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "BatchNorm",
    "LabelledGenerator",
    "MinibatchDiscrimination",
    "ProjectionDiscriminator",
    "activation",
    "dcgan_discriminator",
    "dcgan_generator",
    "mlp",
    "mlp_discriminator",
    "mlp_generator",
]
