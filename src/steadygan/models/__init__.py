"""Networks: modules that know nothing of losses, optimisers or files."""

from .autoencoder import Autoencoder, dcgan_autoencoder, mlp_autoencoder
from .build import DISCRIMINATORS, GENERATORS
from .dcgan import LabelledGenerator, ProjectionDiscriminator, dcgan_discriminator, dcgan_generator
from .dual import ResidualBlock, dual_discriminator, dual_generator
from .heads import Denoised, Embedded, denoiser
from .layers import ACTIVATIONS, BatchNorm, MinibatchDiscrimination, activation
from .mlp import mlp, mlp_discriminator, mlp_generator
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
