"""The papers' image networks: parameters and the shape behind every block, on the meta device; what they refuse."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import nn

from steadygan.config import Settings, override
from steadygan.config.data import Cifar10
from steadygan.config.optimisation import Constant
from steadygan.errors import InputError
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.types.taps import module_layers


class Known(NamedTuple):
    """What the papers' tables say of a pair: parameters, and (channels, side) behind G's layers and D's blocks."""

    latent: int
    side: int
    parameters: tuple[int, int]
    up: list[tuple[int, int]]
    down: list[tuple[int, int]]
    last: int  # inputs of D's last layer


KNOWN = {
    "resnet32": Known(
        128, 32, (3_627_715, 2_505_793),
        [(512, 4), (256, 4), (256, 8), (128, 8), (128, 16), (64, 16), (64, 32), (64, 32), (3, 32)],
        [(128, 32), (256, 16), (512, 8)], 512 * 16,
    ),
    "conventional32": Known(
        128, 32, (8_945_731, 7_053_377),
        [(512, 1), (512, 4), (512, 4), (512, 8), (256, 8), (256, 8), (256, 16), (128, 16), (128, 16), (128, 32),
         (64, 32), (64, 32), (3, 32)],
        [(64, 32), (64, 32), (128, 32), (128, 16), (256, 16), (256, 8), (512, 8), (512, 4), (512, 4)], 512 * 16,
    ),
    "resnet64": Known(
        256, 64, (58_332_611, 54_139_329),
        [(1024, 4), (1024, 4), (1024, 4), (1024, 8), (512, 8), (512, 8), (512, 16), (256, 16), (256, 16), (256, 32),
         (128, 32), (128, 32), (128, 64), (64, 64), (64, 64), (3, 64)],
        [(64, 64), (128, 64), (128, 32), (256, 32), (256, 16), (512, 16), (512, 8), (1024, 8), (1024, 4), (1024, 4)],
        1024 * 16,
    ),
}  # fmt: skip
each = pytest.mark.parametrize("name", KNOWN)
ELEMENTWISE = (nn.LeakyReLU, nn.ReLU, nn.Tanh, nn.Linear, nn.BatchNorm2d)  # of G: what changes no shape of a map


def seen(network: nn.Module, layers: dict[str, nn.Module], x: torch.Tensor) -> list[tuple[int, int]]:
    """(channels, side) of what these layers put out, in the order in which they are called."""
    found: list[tuple[int, int]] = []
    for layer in layers.values():
        layer.register_forward_hook(lambda _m, _x, out: found.append((out.shape[1], out.shape[2])))
    network(x)
    return found


@each
def test_the_papers_networks(name: str) -> None:
    latent, side, parameters, up, down, last = KNOWN[name]
    with torch.device("meta"):
        G, D = GENERATORS[name](latent, (3, side, side)), DISCRIMINATORS[name]((3, side, side))
        assert tuple(sum(p.numel() for p in each.parameters()) for each in (G, D)) == parameters
        changing = {key: part for key, part in G.named_children() if not isinstance(part, ELEMENTWISE)}
        assert seen(G, changing, torch.empty(2, latent)) == up
        assert seen(D.features, module_layers(D, ("all",)), torch.empty(2, 3, side, side)) == down
    assert [layer.in_features for layer in D.head if isinstance(layer, nn.Linear)] == [last]


@each
def test_any_width_is_the_same_shape(name: str) -> None:
    """The same layers, each with its channels divided."""
    side = KNOWN[name].side
    with torch.device("meta"):
        for build, first in ((GENERATORS[name], (16,)), (DISCRIMINATORS[name], ())):
            small, large = (build(*first, (1, side, side), width=width) for width in (1, 2))
            shapes = [[tuple(p.shape) for p in network.parameters()] for network in (small, large)]
            assert len(shapes[0]) == len(shapes[1])
            for one, two in zip(*shapes, strict=True):
                ratio = [b / a for a, b in zip(one, two, strict=True)]
                assert set(ratio) <= {1, 2}
                assert math.prod(ratio) > 1 or one in {(1,), (1, 1, 3, 3)}


@each
def test_images_of_another_size(name: str) -> None:
    side = KNOWN[name].side
    said = rf"{name} expects images \(c, {side}, {side}\), got shape \(3, 28, 28\): resize them, or use dcgan or mlp"
    for build in (lambda: GENERATORS[name](8, (3, 28, 28)), lambda: DISCRIMINATORS[name]((3, 28, 28))):
        with pytest.raises(InputError, match=said):
            build()


def cifar(*words: str) -> Settings:
    return override(Settings(data=Cifar10(), schedule=Constant(), horizon=10), ["generator=dcgan", *words])


@pytest.mark.parametrize(("words", "said"), [
    (["generator=resnet64"], "generator: expected a network for images of side 32, got resnet64, which is for 64: cho"),
    (["discriminator=resnet64"], "discriminator: expected a network for images of side 32, got resnet64, which is for"),
    (["data=mnist", "discriminator=resnet32"], "images of side 28, got resnet32, which is for 32: choose another"),
    (["data=folder", "data.size=30"], "images of side 30, got dcgan, which is for 8, 12, or 16, 20, 24, 28 doubled"),
    (["generator=resnet32", "generator.width=0"], "width: expected a whole number of 1 or more, got 0"),
    (["discriminator=resnet32", "discriminator.width=1.5"], "width: expected a whole number of 1 or more, got 1.5"),
    (["discriminator=resnet32", "discriminator.norm=batch"], "unknown setting 'discriminator.norm'"),
])  # fmt: skip
def test_refused_before_anything_is_built(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        cifar(*words)
    assert "\n" not in str(caught.value)


def test_feature_layers_of_a_network_that_names_no_blocks() -> None:
    with pytest.raises(InputError, match="names its blocks for feature_layers=all, got Sequential: name layers of it"):
        module_layers(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), ("all",))
