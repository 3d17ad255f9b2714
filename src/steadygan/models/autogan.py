"""The networks that AutoGAN's search found for CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ..config.block import taking
from ..config.networks import Autogan32Discriminator, Autogan32Generator
from . import heads
from .build import DISCRIMINATORS, GENERATORS
from .layers import channels_of, normed
from .sngan import HALVED, SMALL, residual, unfolded

MODES = ("nearest", "bilinear", "nearest")  # how each cell doubles the side


class SkippingCell(nn.Module):
    """(k, out) = (conv(up(relu(x))), conv(relu(k + sum_i up(c_i(k_i)))) + up(c(x))), k_i of earlier cells [gong2019].

    (n, w, h, h), ... -> (n, w, 2h, 2h) twice: convolutions 3/1/1, c_i and c 1x1 ones, which commute with `up`; c only
    with `skip`.
    """

    def __init__(self, width: int, earlier: int, mode: str, skip: bool) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))
        self.earlier = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(earlier))
        self.skip, self.mode = nn.Conv2d(width, width, 1) if skip else None, mode

    def forward(self, x: Tensor, *kept: Tensor) -> tuple[Tensor, Tensor]:
        k = self.first(self._up(x.relu(), 2))
        h = k
        for convolution, before in zip(self.earlier, kept, strict=True):
            h = h + self._up(convolution(before), k.shape[-1] // before.shape[-1])
        out = self.second(h.relu())
        return k, out if self.skip is None else out + self._up(self.skip(x), 2)

    def _up(self, x: Tensor, times: int) -> Tensor:
        return F.interpolate(x, scale_factor=times, mode=self.mode)


class Cells(nn.Module):
    """A `SkippingCell` for each of `MODES`, all but the last with a skip: (n, w, 4, 4) -> (n, w, 32, 32)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = len(MODES) - 1
        self.cells = nn.ModuleList(SkippingCell(width, i, mode, i < last) for i, mode in enumerate(MODES))

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for cell in self.cells:
            k, x = cell(x, *kept)
            kept.append(k)
        return x


@GENERATORS.register("autogan32")
@taking(Autogan32Generator)
def autogan32_generator(
    own: Autogan32Generator, latent_dim: int, shape: Sequence[int], classes: int | None = None
) -> nn.Module:
    """z > linear > w x 4 x 4 > three cells that double the side > norm > ReLU > convolution > tanh [gong2019].

    (n, latent_dim) -> (n, c, 32, 32) in [-1, 1], w = `width` in every layer; see `SkippingCell`. With latent_dim 128, 3
    channels and width 256 it has 4,405,251 parameters. classes: as in `dcgan_generator`. Convolutions are initialised
    as Glorot's U(-b, b), the norm's factors as N(1, 0.02^2), everything else as in torch. Raises InputError for other
    shapes and sizes below 1.
    """
    channels, width = channels_of(own, shape), own.width

    def body(inputs: int) -> nn.Module:
        pixels = [*normed(own.norm, width), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh()]
        return _start(nn.Sequential(*unfolded(inputs, width), Cells(width), *pixels))

    return heads.told(latent_dim, classes, body)


@DISCRIMINATORS.register("autogan32")
@taking(Autogan32Discriminator)
def autogan32_discriminator(own: Autogan32Discriminator, shape: Sequence[int], classes: int | None = None) -> nn.Module:
    """`sngan32_discriminator` without a bias in its last layer, initialised as `autogan32_generator` [gong2019].

    With 3 channels and width 128 it has 1,053,824 parameters; the paper's has the constraint `spectral_norm`.
    """
    return _start(residual(own, shape, classes, SMALL, HALVED, bias=False))


def _start(network: nn.Module) -> nn.Module:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return network
