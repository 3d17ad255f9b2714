"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from ..errors import unknown
from ..registry import Registry

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


@MODELS.register("mlp")
def mlp(
    in_features: int,
    out_features: int,
    width: int = 64,
    depth: int = 3,
    activation: str = "relu",
    output: str | None = None,
) -> nn.Sequential:
    """in > width x depth > out with `activation` between: (n, in) -> (n, out); `depth` counts hidden layers.

    mlp(2, 2) has 8,642 parameters and mlp(2, 1) 8,577 [tao2020, supplement]. `output` ("tanh") closes the network.
    Raises InputError for an unknown activation.
    """
    sizes = [in_features, *[width] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), _activation(activation)]
    layers.append(nn.Linear(sizes[-1], out_features))
    if output is not None:
        layers.append(_activation(output))
    return nn.Sequential(*layers)


def _activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
