"""Networks: modules that are independent of losses, optimisers and files."""

from .autoencoder import Autoencoder, dcgan_autoencoder, mlp_autoencoder
from .autogan import autogan32_discriminator, autogan32_generator
from .build import DISCRIMINATORS, GENERATORS, NoGenerator
from .dcgan import dcgan_discriminator, dcgan_generator
from .dual import ResidualBlock, dual_discriminator, dual_generator
from .heads import Denoised, Embedded, LabelledGenerator, ProjectionDiscriminator, denoiser
from .layers import ACTIVATIONS, BatchNorm, MinibatchDiscrimination, activation
from .mlp import mlp, mlp_discriminator, mlp_generator
from .modern import modern28_discriminator, modern28_generator, modern32_discriminator, modern32_generator
from .resnet import (
    conventional32_discriminator,
    conventional32_generator,
    resnet32_discriminator,
    resnet32_generator,
    resnet64_discriminator,
    resnet64_generator,
)
from .sngan import (
    sngan32_cnn_discriminator,
    sngan32_cnn_generator,
    sngan32_discriminator,
    sngan32_generator,
    sngan64_cnn_discriminator,
    sngan64_cnn_generator,
    sngan64_discriminator,
    sngan64_generator,
)
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
    "NoGenerator",
    "ProjectionDiscriminator",
    "ResidualBlock",
    "activation",
    "autogan32_discriminator",
    "autogan32_generator",
    "conventional32_discriminator",
    "conventional32_generator",
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
    "modern28_discriminator",
    "modern28_generator",
    "modern32_discriminator",
    "modern32_generator",
    "resnet32_discriminator",
    "resnet32_generator",
    "resnet64_discriminator",
    "resnet64_generator",
    "sngan32_cnn_discriminator",
    "sngan32_cnn_generator",
    "sngan32_discriminator",
    "sngan32_generator",
    "sngan64_cnn_discriminator",
    "sngan64_cnn_generator",
    "sngan64_discriminator",
    "sngan64_generator",
    "spectral_norm",
    "spectral_step",
]
