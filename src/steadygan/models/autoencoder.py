"""Discriminators that reconstruct a sample from a short code: the worse the reconstruction, the less real."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from ..config.block import taking
from ..config.networks import DcganAutoencoder, MlpAutoencoder
from ..types.output import widened
from .build import DISCRIMINATORS, refuse_classes
from .dcgan import downward, upward
from .layers import Blocks, Unrounded, stages
from .mlp import hidden


class Autoencoder(nn.Module):
    """D(x) = -mean over the numbers of a sample of |x - decoder(encoder(x))|: (n, *shape) -> (n,) [berthelot2017]."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        rebuilt = self.decoder(self.encoder(x))
        return -(widened(x) - widened(rebuilt)).abs().flatten(1).mean(1)


@DISCRIMINATORS.register("mlp_autoencoder")
@taking(MlpAutoencoder)
def mlp_autoencoder(own: MlpAutoencoder, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """numbers > width x depth > code > width x depth > numbers, as `Autoencoder`: (n, *shape) -> (n,) [berthelot2017].

    `depth` counts hidden layers on each side of the code; neither the code nor the output has an activation. Raises
    InputError for an unknown activation, a code below 1, and for classes, as there is no conditional form.
    """
    refuse_classes("mlp_autoencoder", classes)
    numbers, width, code = prod(shape), own.width, own.code
    encoder = nn.Sequential(
        nn.Flatten(),
        *Blocks.of(hidden(numbers, width, own.depth, own.activation)),
        nn.Linear(width if own.depth else numbers, code),
    )
    last = Unrounded(nn.Linear(width if own.depth else code, numbers), nn.Unflatten(1, tuple(shape)))
    return Autoencoder(encoder, nn.Sequential(*Blocks.of(hidden(code, width, own.depth, own.activation)), last))


@DISCRIMINATORS.register("dcgan_autoencoder")
@taking(DcganAutoencoder)
def dcgan_autoencoder(own: DcganAutoencoder, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """The convolutions of `dcgan_discriminator` > linear > code > the layers of `dcgan_generator` [berthelot2017].

    As `Autoencoder`, (n, c, h, h) -> (n,), for samples in [-1, 1]: the output is tanh, as in public code [pfnet2017].
    No norm; the code has no activation. Raises InputError for other shapes, an unknown activation, sizes below 1, and
    for classes, as there is no conditional form.
    """
    refuse_classes("dcgan_autoencoder", classes)
    channels, halved, base = stages("dcgan_autoencoder", shape)
    widths = [own.width * 2**i for i in range(halved)]
    down = downward(channels, widths, activation=own.activation)
    encoder = nn.Sequential(*Blocks.of(down), nn.Flatten(), nn.Linear(widths[-1] * base**2, own.code))
    *up, last, bounded = upward(own.code, widths[::-1], base, channels, activation=own.activation)
    return Autoencoder(encoder, nn.Sequential(*up, Unrounded(last, bounded)))
