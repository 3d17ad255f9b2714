"""Building blocks of networks: activations by name, blocks, layers that compare the samples of a batch, sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from ..config.networks import SIDES, OneSize, halvings
from ..errors import InputError, check_whole, unknown
from ..types.critic import auxiliaries_of

DEVIATION = 0.02  # of first weights

N = TypeVar("N", bound=nn.Module)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """A module with this activation; raises InputError for an unknown one."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


class Blocks(nn.Sequential):
    """Layers in one flat sequence; `feature_layers` names those that end a block."""

    feature_layers: tuple[str, ...] = ()

    @classmethod
    def of(cls, blocks: Sequence[Sequence[nn.Module]], rest: Iterable[nn.Module] = ()) -> Self:
        """Blocks of layers, and the layers after them."""
        made = cls(*chain(*blocks), *rest)
        made.feature_layers = tuple(f"{end - 1}" for end in accumulate(map(len, blocks)) if end)
        return made


class Summed(nn.Module):
    """skip(x) + scale * residual(x); the default skip is the identity [he2016]."""

    def __init__(self, residual: nn.Module, skip: nn.Module | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.residual, self.skip, self.scale = residual, nn.Identity() if skip is None else skip, scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.skip(x) + self.scale * self.residual(x)
        return out

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


class MinibatchDiscrimination(nn.Module):
    """Appends to each sample's features how close the rest of its batch is: (n, A) -> (n, A + B) [salimans2016].

    o_b(x_i) = sum_{j != i} exp(-||M_i,b - M_j,b||_1), M = x T with T: A -> B x C, without a bias; B = `kernels`, C =
    `dims`. The sum runs over all samples of one call: never mix real and fake samples in it, and keep the batch size
    constant. Needs memory for n * n * B * C numbers. Raises InputError for sizes below 1.
    """

    couples_samples = True

    def __init__(self, in_features: int, kernels: int = 100, dims: int = 5) -> None:
        check_whole("minibatch discrimination's kernels", kernels, 1)
        check_whole("minibatch discrimination's dims", dims, 1)
        super().__init__()
        self.project = nn.Linear(in_features, kernels * dims, bias=False)
        self.kernels, self.dims = kernels, dims

    def forward(self, x: Tensor) -> Tensor:
        M = self.project(x).unflatten(1, (self.kernels, self.dims))
        distance = (M.unsqueeze(1) - M.unsqueeze(0)).abs().sum(3)  # (n, n, B)
        others = 1.0 - torch.eye(x.shape[0], dtype=x.dtype, device=x.device)
        closeness = ((-distance).exp() * others.unsqueeze(2)).sum(1)
        return torch.cat([x, closeness], 1)

    def extra_repr(self) -> str:
        return f"kernels={self.kernels}, dims={self.dims}"


class Unrounded(nn.Sequential):
    """Layers that compute in the dtype of their weights, even under autocast: for the last ones of D.

    bf16 has 128 numbers between two powers of 2, so the logits of hundreds of samples might share a dozen values.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(next(self.parameters()).dtype)
        with torch.autocast(x.device.type, enabled=False):
            for layer in self:
                x = layer(x)
        return x


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of features (n, c) or feature maps (n, c, h, w), as torch's BatchNorm1d and BatchNorm2d.

    Raises InputError for another number of axes.
    """

    @property
    def couples_samples(self) -> bool:
        """Whether the batch's own statistics are used: in train mode, or where no running ones are kept."""
        return self.training or self.running_mean is None

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        if input.ndim not in (2, 4):
            raise InputError(f"batch norm expects (n, c) or (n, c, h, w), got {tuple(input.shape)}: reshape them")


def stages(name: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """(channels, halvings, side of the smallest map) of samples (c, h, h), as `halvings` finds them.

    Raises InputError for other shapes.
    """
    found = halvings(shape[1]) if len(shape) == 3 and shape[0] >= 1 and shape[1] == shape[2] else None
    if found is None:
        wanted = f"square images (c, h, h) with h {SIDES} (32, 64, ...)"
        raise InputError(f"{name} expects {wanted}, got shape {tuple(shape)}: resize them, or use mlp")
    return shape[0], *found


def channels_of(own: OneSize, shape: Sequence[int]) -> int:
    """The channels of samples (c, h, h) of a network's one size; raises InputError for other shapes."""
    if len(shape) != 3 or shape[0] < 1 or tuple(shape[1:]) != (own.side, own.side):
        wanted, got = f"images (c, {own.side}, {own.side})", f"{tuple(shape)}"
        raise InputError(f"{own.name} expects {wanted}, got shape {got}: resize them, or use dcgan or mlp")
    return shape[0]


def start(network: N, law: Callable[[Any, bool], Any] | None = None) -> N:
    """The network, initialised by `law(layer, inner)`, inner meaning inside a `Summed`'s residual, and biases 0.

    By default N(0, 0.02^2). The further networks that D names in `auxiliaries` are left as they are.
    """
    aside = {part for other in auxiliaries_of(network).values() for part in other.modules()}
    inner = {part for block in network.modules() if isinstance(block, Summed) for part in block.residual.modules()}
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and layer not in aside:
            if law is None:
                nn.init.normal_(layer.weight, std=DEVIATION)
            else:
                law(layer, layer in inner)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def safe_sqrt(squared: Tensor) -> Tensor:
    """sqrt with slope 0 at 0: where the critic is flat, the infinite slope of the plain one turns weights into NaN."""
    nonzero = squared != 0  # true of NaN too, which must stay visible
    return torch.where(nonzero, squared, 1.0).sqrt() * nonzero


def normed(norm: str, channels: int) -> list[nn.Module]:
    """The normalisation after a layer with this many channels: batch norm, or nothing."""
    return [BatchNorm(channels)] if norm == "batch" else []
