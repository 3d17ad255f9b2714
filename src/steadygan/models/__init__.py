"""Networks: modules that know nothing of losses, optimisers or files."""

from .activations import ACTIVATIONS, activation
from .autoencoder import Autoencoder, dcgan_autoencoder, mlp_autoencoder
from .conditional import LabelledGenerator, ProjectionDiscriminator
from .dcgan import dcgan_discriminator, dcgan_generator
from .dual import ResidualBlock, dual_discriminator, dual_generator
from .heads import Denoised, Embedded, denoiser
from .layers import BatchNorm, MinibatchDiscrimination
from .mlp import mlp, mlp_discriminator, mlp_generator
from .registry import DISCRIMINATORS, GENERATORS
from .spectral import spectral_norm, spectral_step

__all__ = [
    "ACTIVATIONS",
    "DISCRIMINATORS",
    "GENERATORS",
    "Autoencoder",
    "BatchNorm",
    "Denoised",
    "Embedded",
    "LabelledGenerator",
    "MinibatchDiscrimination",
    "ProjectionDiscriminator",
    "ResidualBlock",
    "activation",
    "dcgan_autoencoder",
    "dcgan_discriminator",
    "dcgan_generator",
    "denoiser",
    "dual_discriminator",
    "dual_generator",
    "mlp",
    "mlp_autoencoder",
    "mlp_discriminator",
    "mlp_generator",
    "spectral_norm",
    "spectral_step",
]
