"""The papers' image networks: parameters and the shape behind every block, on the meta device; what they refuse."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from known import F64, normal, seeded
from steadygan.config import Settings, override
from steadygan.config import networks as known_networks
from steadygan.config.data import Cifar10, Folder
from steadygan.config.optimisation import Constant
from steadygan.data import Source
from steadygan.errors import InputError
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.models.build import networks
from steadygan.recipes.build import network_settings, trainer
from steadygan.types.taps import module_layers


class Known(NamedTuple):
    """What the papers' tables say of a pair: parameters, and (channels, side) behind G's layers and D's blocks."""

    latent: int
    side: int
    parameters: tuple[int, int]
    up: list[tuple[int, int]]
    down: list[tuple[int, int]]
    last: int  # inputs of D's last layer


def conv(before: int, after: int, size: int = 3) -> int:
    return (before * size**2 + 1) * after


def residual64() -> tuple[int, int]:
    """By hand, block by block: no paper prints them."""
    up, down = [1024, 512, 256, 128, 64], [3, 64, 128, 256, 512, 1024]
    g = 129 * 1024 * 16 + sum(conv(a, b) + conv(b, b) + conv(a, b, 1) + 2 * a + 2 * b for a, b in pairwise(up))
    d = sum(conv(a, b if a == 3 else a) + conv(b if a == 3 else a, b) + conv(a, b, 1) for a, b in pairwise(down))
    return g + 2 * 64 + conv(64, 3), d + 1025


def plain64() -> tuple[int, int]:
    up, down = [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024]
    g = 129 * 1024 * 16 + sum(conv(a, b, 4) + 2 * b for a, b in pairwise(up)) + conv(64, 3)
    d = conv(3, 64) + sum(conv(a, a, 4) + conv(a, b) for a, b in pairwise(down))
    return g, d + 1024 * 16 + 1


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
    "sngan32": Known(
        128, 32, (4_276_739, 1_053_825),
        [(256, 4), (256, 8), (256, 16), (256, 32), (3, 32)], [(128, 16), (128, 8), (128, 8), (128, 8)], 128,
    ),
    "sngan32_cnn": Known(
        128, 32, (3_812_355, 2_935_873),
        [(512, 4), (256, 8), (128, 16), (64, 32), (3, 32)],
        [(64, 32), (64, 16), (128, 16), (128, 8), (256, 8), (256, 4), (512, 4)], 512 * 16,
    ),
    "sngan64": Known(
        128, 64, residual64(),
        [(1024, 4), (512, 8), (256, 16), (128, 32), (64, 64), (3, 64)],
        [(64, 32), (128, 16), (256, 8), (512, 4), (1024, 2)], 1024,
    ),
    "sngan64_cnn": Known(
        128, 64, plain64(),
        [(1024, 4), (512, 8), (256, 16), (128, 32), (64, 64), (3, 64)],
        [(64, 64), (64, 32), (128, 32), (128, 16), (256, 16), (256, 8), (512, 8), (512, 4), (1024, 4)], 1024 * 16,
    ),
    "autogan32": Known(
        128, 32, (4_405_251, 1_053_824),
        [(256, 4), (256, 32), (3, 32)], [(128, 16), (128, 8), (128, 8), (128, 8)], 128,
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
                assert math.prod(ratio) > 1 or one in {(1,), (1, 1, 3, 3), (1, 1, 1, 1)}


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


class TestForward:
    """By torch's functions, from the networks' own weights."""

    def test_a_block_of_fargan(self) -> None:
        """x > 1x1(x) + 0.1 conv(act(conv(act(x))))."""
        D = seeded(0, lambda: DISCRIMINATORS["resnet32"]((3, 32, 32), width=2))
        x, block = normal(1, 2, 2, 8, 8), D.features[1]
        h = x
        for layer in (layer for layer in block.residual if isinstance(layer, nn.Conv2d)):
            h = F.conv2d(F.leaky_relu(h, 0.2), layer.weight, layer.bias, padding=1)
        assert_close(block(x), F.conv2d(x, block.skip.weight) + 0.1 * h)
        assert D.features[3](torch.zeros(1, 4, 2, 2, dtype=F64)).shape == (1, 8, 2, 2)
        assert_close(D.features[2](x), F.avg_pool2d(x, 3, 2, 1))

    def test_blocks_of_sngan(self) -> None:
        """Means of 2 x 2 and x2 stand where they cost least, which is the same as where the paper has them."""
        G = seeded(0, lambda: GENERATORS["sngan32"](5, (3, 32, 32), width=2))
        D = seeded(0, lambda: DISCRIMINATORS["sngan64"]((3, 64, 64), width=2))
        x, block = normal(1, 3, 2, 4, 4), G[2]
        norm, _, _, one, other, _, two = block.residual
        up = F.interpolate(F.relu(norm(x)), scale_factor=2)
        h = F.conv2d(F.relu(other(F.conv2d(up, one.weight, one.bias, padding=1))), two.weight, two.bias, padding=1)
        skip = block.skip[0]
        assert_close(block(x), h + F.conv2d(F.interpolate(x, scale_factor=2), skip.weight, skip.bias))
        for block, first in ((D.features[0], True), (D.features[1], False)):
            one, two = (layer for layer in block.residual if isinstance(layer, nn.Conv2d))
            x = normal(2, 3, one.in_channels, 8, 8)
            h = F.conv2d(x if first else F.relu(x), one.weight, one.bias, padding=1)
            h = F.avg_pool2d(F.conv2d(F.relu(h), two.weight, two.bias, padding=1), 2)
            assert_close(block(x), h + F.avg_pool2d(F.conv2d(x, block.skip[1].weight, block.skip[1].bias), 2))
        maps = normal(3, 2, 32, 2, 2)
        assert_close(D.features[5:](maps)[..., 0, 0], F.relu(maps).sum((2, 3)))

    def test_cells_of_autogan(self) -> None:
        G = seeded(0, lambda: GENERATORS["autogan32"](5, (3, 32, 32), width=2))
        h, kept = normal(1, 3, 2, 4, 4), []
        for cell, mode in zip(G[2].cells, ("nearest", "bilinear", "nearest"), strict=True):
            up = F.interpolate(F.relu(h), scale_factor=2, mode=mode)
            k = F.conv2d(up, cell.first.weight, cell.first.bias, padding=1)
            inner, size = k, k.shape[2:]
            for one, earlier in zip(cell.earlier, kept, strict=True):
                inner = inner + F.conv2d(F.interpolate(earlier, size=size, mode=mode), one.weight, one.bias)
            out = F.conv2d(F.relu(inner), cell.second.weight, cell.second.bias, padding=1)
            if cell.skip is not None:
                x2 = F.interpolate(h, scale_factor=2, mode=mode)
                out = out + F.conv2d(x2, cell.skip.weight, cell.skip.bias)
            kept, h = [*kept, k], out
        assert [cell.skip is None for cell in G[2].cells] == [False, False, True]
        assert_close(G[2](normal(1, 3, 2, 4, 4)), h)


def test_the_mlp_of_zero_centred_penalties_for_digits() -> None:
    """G 50 > 512 x 3 > 784, D 784 > 512 x 3 > 1, ReLU."""
    with torch.device("meta"):
        G = GENERATORS["mlp"](50, (1, 28, 28), width=512, depth=3, activation="relu")
        D = DISCRIMINATORS["mlp"]((1, 28, 28), width=512, depth=3, activation="relu")
    wide = 2 * 513 * 512
    assert [sum(p.numel() for p in each.parameters()) for each in (G, D)] == [
        51 * 512 + wide + 513 * 784,
        785 * 512 + wide + 513,
    ]
    assert [*module_layers(D, ("all",))] == ["2", "4", "6"]


ENDS = {
    "layers, compared samples, spectral norm": (
        "method.sample_differences.start=0", "method.sample_differences.count=2",
        "method.sample_differences.feature_layers=all", "discriminator.minibatch_discrimination=3",
        "constraint.spectral_norm=",
    ),
    "an embedding, clipped": ("method.cramer=", "discriminator.embedding=4", "constraint.weight_clipping=0.05"),
    "a denoiser": (
        "method.denoising_feature_matching.weight=0.1", "discriminator.denoiser=4", "discriminator.denoiser_depth=2",
    ),
}  # fmt: skip


JUDGES = {kind.name: kind for kind in known_networks.DISCRIMINATORS if issubclass(kind, known_networks.Ends)}
COMBINED = [
    pytest.param(name, ends, id=f"{name}, {told}", marks=[pytest.mark.slow] * (getattr(kind, "side", 32) > 32))
    for name, kind in JUDGES.items()
    for told, ends in ENDS.items()
]


def test_every_network_of_images_is_combined() -> None:
    """All but autoencoders, whose score is an error; all but `mlp` and `dual` are told labels."""
    assert {kind.name for kind in known_networks.DISCRIMINATORS if not kind.rebuilds} == {*JUDGES}
    assert {name for name, kind in JUDGES.items() if not kind.conditional} == {"mlp", "dual"}


@pytest.mark.parametrize(("name", "ends"), COMBINED)
def test_what_goes_with_every_network(name: str, ends: tuple[str, ...]) -> None:
    """Two iterations at tiny width: all parts act, all is trained, nothing overflows; with labels where it can."""
    kind = JUDGES[name]
    side = getattr(kind, "side", 32)
    pixels = torch.randint(256, (6, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    words = (f"generator={name}", f"discriminator={name}", "generator.width=2", "discriminator.width=2", "monitor=none")
    words += ("conditional=true",) * (kind.conditional and "spectral_norm" in str(ends))
    if hasattr(kind, "group"):  # the modern ones, some of whose weights start at 0, have no spectral norm
        words += ("generator.group=2", "discriminator.group=2")
        ends = tuple(word for word in ends if "spectral_norm" not in word)
    settings = override(
        Settings(data=Folder(size=side), schedule=Constant(), horizon=2, batch_size=4, log_every=1, latent_dim=3),
        [*words, "ema=none", "evaluate.n=100", *ends],
    )
    data = Source(
        "tiny", (3, side, side), train=pixels, image=True, label=torch.arange(6) % 3, class_names=("a", "b", "c")
    )
    first = networks(network_settings(settings, data), settings.seed)
    run = trainer(settings, data=data).fit(2)
    for network, start in zip((run.G, run.D), first, strict=True):
        pairs = [*zip(network.parameters(), start.parameters(), strict=True)]
        assert all(p.isfinite().all() for p, _ in pairs)
        assert any(not torch.equal(p, before) for p, before in pairs)
    if "feature_layers" in str(ends) and name in KNOWN:
        assert sum("method/features/" in key for key in run.metrics[-1]) == 2 * len(KNOWN[name].down)
