"""How a discriminator ends: samples compared, an embedding in place of the logit, a denoiser beside it."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ..config.networks import DcganDiscriminator, Ends, Norm
from ..errors import InputError, check_whole
from ..types.critic import widened
from .layers import MinibatchDiscrimination, normed, safe_sqrt


class Embedded(nn.Module):
    """D(x) = (-||h||, {"h": h}), h = body(x): (n, *shape) -> (n,) and (n, e), for Cramer GAN [bellemare2017].

    The slope of the norm at h = 0 is 0.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = widened(self.body(x))
        return -safe_sqrt(h.square().sum(1)), {"h": h}


class Denoised(nn.Module):
    """D(x) = (head(h), {"h": h}), h = body(x), flat: (n, *shape) -> (n,) and (n, features) [wardefarley2017].

    Its `denoiser`, (n, features) -> (n, features), is trained with it but takes no part in its forward.
    """

    auxiliaries = ("denoiser",)

    def __init__(self, body: nn.Module, head: nn.Module, denoiser: nn.Module, features: int) -> None:
        super().__init__()
        self.body, self.head, self.denoiser, self.features = body, head, denoiser, features

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x).flatten(1)
        return self.head(h), {"h": h}


def denoiser(
    features: int,
    width: int,
    depth: int = DcganDiscriminator.denoiser_depth,
    norm: Norm = DcganDiscriminator.denoiser_norm,
) -> nn.Sequential:
    """`depth` linear layers, features > width > ... > width > features: (n, features) -> (n, features).

    Leaky ReLU 0.2 between them, before it batch norm in place of the bias with norm="batch" [wardefarley2017].
    Raises InputError for an unknown norm and for sizes below 1.
    """
    check_whole("denoiser", width, 1)
    Ends(denoiser_depth=depth, denoiser_norm=norm)  # checks them
    *inner, last = pairwise([features, *[width] * (depth - 1), features])
    layers: list[nn.Module] = []
    for before, after in inner:
        layers += [nn.Linear(before, after, bias=norm == "none"), *normed(norm, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(*last))


def last_layers(features: int, outputs: int, kernels: int = 0) -> list[nn.Module]:
    """A linear layer, behind minibatch discrimination of so many kernels of 5 numbers: (n, features) -> (n, outputs).

    kernels 0: no samples are compared [salimans2016].
    """
    compared: list[nn.Module] = [MinibatchDiscrimination(features, kernels)] if kernels else []
    return [*compared, nn.Linear(features + kernels, outputs)]


def check_unlabelled(own: Ends, classes: int | None) -> None:
    """Raises InputError for classes beside an embedding or a denoiser."""
    for setting, size in {"embedding": own.embedding, "denoiser": own.denoiser}.items():
        if size and classes is not None:
            got = f"{own.name}: expected no classes beside {setting}={size}, got classes={classes}"
            raise InputError(f"{got}: set {setting}=0, or leave labels out")
