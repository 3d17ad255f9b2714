"""Spectral normalisation whose forward changes nothing: the power iteration is a separate step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from ..errors import InputError
from ..types.critic import auxiliaries_of

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
ITERATIONS = 15  # before the first step


class Spectral(nn.Module):
    """W / sigma, sigma = u' W v: W as a matrix (out, rest) and buffers u, v, constants in the gradient [miyato2018].

    out is axis 0 of the weight, axis 1 for a transposed convolution. The forward does not change u and v, so that
    repeated calls agree; `iterate` updates them. The initial u is drawn from its own seed.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, out: int = 0) -> None:
        super().__init__()
        self.out = out
        with torch.no_grad():
            W = self.matrix(weight)
            start = torch.randn(W.shape[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            self.register_buffer("u", start.to(W))
            self.register_buffer("v", W.new_zeros(W.shape[1]))
            for _ in range(ITERATIONS):
                self.iterate(weight)

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.out, 0).flatten(1)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):  # sigma is not rounded to half precision
            sigma = self.u @ (self.matrix(weight) @ self.v)
        return weight / sigma

    def iterate(self, weight: Tensor) -> None:
        """v = W'u / ||W'u||, u = Wv / ||Wv||, in place and outside autograd."""
        with torch.no_grad():
            W = self.matrix(weight)
            self.v.copy_(F.normalize(W.T @ self.u, dim=0))
            self.u.copy_(F.normalize(W @ self.v, dim=0))

    def extra_repr(self) -> str:
        return f"out={self.out}"


def spectral_norm(network: nn.Module) -> nn.Module:
    """Divides the weight of every linear, embedding and convolution layer by its largest singular value, in place.

    Uses `Spectral`, after 15 power iterations. Weights that already have a parametrisation are left as they are, and so
    are the further networks that D names in `auxiliaries`. The parameters remain the same tensors under other names.
    Raises InputError for a layer whose weights are all 0, as there is nothing to divide by [miyato2018].
    """
    aside = {part for other in auxiliaries_of(network).values() for part in other.modules()}
    for name, layer in [*network.named_modules()]:
        if layer in aside or not isinstance(layer, LAYERS) or "weight" not in layer._parameters:
            continue
        part = Spectral(layer.weight, 1 if isinstance(layer, TRANSPOSED) else 0)
        if not part.u.any():
            raise InputError(
                f"spectral_norm: expected weights other than 0 in layer {name!r}, got only zeros: initialise it "
                "differently"
            )
        register_parametrization(layer, "weight", part)
    return network


def spectral_step(network: nn.Module) -> None:
    """One power iteration of every weight that `spectral_norm` has parametrised, in place on the buffers."""
    for module in network.modules():
        if isinstance(module, ParametrizationList) and isinstance(module[0], Spectral):
            module[0].iterate(module.original)
