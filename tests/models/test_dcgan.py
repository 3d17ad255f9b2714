"""DCGAN at every size: what it has, what it puts out, and what a label does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from known import normal, seeded
from steadygan.config.networks import halvings
from steadygan.errors import InputError
from steadygan.models import BatchNorm, MinibatchDiscrimination, dcgan_discriminator, dcgan_generator
from steadygan.types.labels import label_parameter

STAGES = {8: (2, 2), 12: (2, 3), 16: (2, 4), 20: (2, 5), 24: (2, 6), 28: (2, 7), 32: (3, 4), 40: (3, 5), 48: (3, 6),
          56: (3, 7), 64: (4, 4), 80: (4, 5), 96: (4, 6), 112: (4, 7), 128: (5, 4)}  # fmt: skip


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def linear(before: int, after: int, bias: bool = True) -> int:
    return before * after + bias * after


def conv(before: int, after: int, bias: bool = True) -> int:
    return 16 * before * after + bias * after


def test_halvings() -> None:
    assert {side: found for side in range(-8, 129) if (found := halvings(side))} == STAGES
    assert halvings(256) == (6, 4)


class TestSizes:
    def test_the_papers_networks(self) -> None:
        assert parameters(dcgan_generator(128, (3, 32, 32))) == 1_187_011
        assert parameters(dcgan_discriminator((3, 32, 32))) == 662_977

    # w: width; by hand, stage by stage
    @pytest.mark.parametrize(("side", "g", "d"), [
        (8, lambda w: linear(10, 2 * w * 4) + conv(2 * w, w) + conv(w, 3),
            lambda w: conv(3, w) + conv(w, 2 * w) + linear(2 * w * 4, 1)),
        (28, lambda w: linear(10, 2 * w * 49) + conv(2 * w, w) + conv(w, 3),
             lambda w: conv(3, w) + conv(w, 2 * w) + linear(2 * w * 49, 1)),
        (32, lambda w: linear(10, 4 * w * 16) + conv(4 * w, 2 * w) + conv(2 * w, w) + conv(w, 3),
             lambda w: conv(3, w) + conv(w, 2 * w) + conv(2 * w, 4 * w) + linear(4 * w * 16, 1)),
        (64, lambda w: linear(10, 8 * w * 16) + conv(8 * w, 4 * w) + conv(4 * w, 2 * w) + conv(2 * w, w) + conv(w, 3),
             lambda w: conv(3, w) + conv(w, 2 * w) + conv(2 * w, 4 * w) + conv(4 * w, 8 * w) + linear(8 * w * 16, 1)),
    ])  # fmt: skip
    @pytest.mark.parametrize("width", [1, 6])
    def test_parameters(self, side: int, g: Any, d: Any, width: int) -> None:
        shape = (3, side, side)
        assert parameters(dcgan_generator(10, shape, width=width)) == g(width)
        assert parameters(dcgan_discriminator(shape, width=width)) == d(width)

    def test_extras(self) -> None:
        """At 32 x 32, width 4: batch norm trades each bias for two numbers a channel; the rest is added."""
        shape, g, d = (3, 32, 32), dcgan_generator, dcgan_discriminator
        plain_g, plain_d = parameters(g(50, shape, width=4)), parameters(d(shape, width=4))
        normed = linear(50, 256, False) + 2 * 16 + conv(16, 8, False) + 2 * 8 + conv(8, 4, False) + 2 * 4 + conv(4, 3)
        assert parameters(g(50, shape, width=4, norm="batch")) == normed
        assert parameters(d(shape, width=4, norm="batch")) == plain_d - (8 + 16) + 2 * (8 + 16)
        assert parameters(d(shape, width=4, minibatch_discrimination=7)) == plain_d + 256 * 7 * 5 + 7
        assert parameters(g(50, shape, 9, width=4)) == plain_g + 9 * 32 + 32 * 256
        assert parameters(g(5, shape, 9, width=4)) == parameters(g(5, shape, width=4)) + 9 * 5 + 5 * 256
        assert parameters(d(shape, 9, width=4)) == plain_d + 9 * 16


@pytest.mark.parametrize("side", [8, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_range(side: int, channels: int) -> None:
    shape = (channels, side, side)
    G = seeded(0, lambda: dcgan_generator(5, shape, width=2))
    y = G(1e3 * normal(1, 3, 5))
    assert y.shape == (3, *shape)
    assert 0.9 < y.abs().max() <= 1
    assert seeded(2, lambda: dcgan_discriminator(shape, width=2))(y).shape == (3,)


class TestForward:
    """By torch's functions, from the module's own weights: 16 x 16, so two stages and a base of 4."""

    def test_generator(self) -> None:
        G, z = seeded(0, lambda: dcgan_generator(5, (3, 16, 16), width=2)), normal(1, 4, 5)
        first, second, third = (part for part in G if hasattr(part, "weight"))
        h = F.relu(z @ first.weight.T + first.bias).view(4, 4, 4, 4)
        h = F.relu(F.conv_transpose2d(h, second.weight, second.bias, stride=2, padding=1))
        assert_close(G(z), torch.tanh(F.conv_transpose2d(h, third.weight, third.bias, stride=2, padding=1)))

    def test_discriminator(self) -> None:
        D, x = seeded(0, lambda: dcgan_discriminator((3, 16, 16), width=2)), normal(1, 4, 3, 16, 16)
        first, second = (part for part in D.features if hasattr(part, "weight"))
        h = F.leaky_relu(F.conv2d(x, first.weight, first.bias, stride=2, padding=1), 0.2)
        h = F.leaky_relu(F.conv2d(h, second.weight, second.bias, stride=2, padding=1), 0.2)
        assert_close(D(x), h.flatten(1) @ D.head[1].weight[0] + D.head[1].bias)

    def test_minibatch_discrimination_stands_before_the_last_layer(self) -> None:
        D = seeded(0, lambda: dcgan_discriminator((3, 16, 16), width=2, minibatch_discrimination=3))
        _, compared, last, _ = D.head
        assert isinstance(compared, MinibatchDiscrimination)
        assert (compared.kernels, compared.dims) == (3, 5)
        x = normal(1, 4, 3, 16, 16)
        assert_close(D(x), compared(D.features(x).flatten(1)) @ last.weight[0] + last.bias)

    @pytest.mark.parametrize(("build", "normed"), [
        (lambda: dcgan_generator(5, (1, 32, 32), width=2, norm="batch"), [8, 4, 2]),
        (lambda: dcgan_discriminator((1, 32, 32), width=2, norm="batch").features, [4, 8]),
    ], ids=["G", "D"])  # fmt: skip
    def test_batch_norm_follows_all_but_the_outermost_layers(self, build: Any, normed: list[int]) -> None:
        layers = list(build())
        at = [i for i, part in enumerate(layers) if isinstance(part, BatchNorm)]
        assert [layers[i].num_features for i in at] == normed
        for i in at:
            before = next(part for part in reversed(layers[:i]) if not isinstance(part, nn.Unflatten))
            assert isinstance(before, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
            assert before.bias is None
            assert isinstance(layers[i + 1], nn.ReLU | nn.LeakyReLU)


class TestLabels:
    def test_only_conditional_networks_have_one(self) -> None:
        shape = (1, 8, 8)
        for build in (lambda **k: dcgan_generator(4, shape, width=2, **k), lambda **k: dcgan_discriminator(shape, **k)):
            assert label_parameter(build()) is None
            assert label_parameter(build(classes=3)) == "label"

    def test_the_generator_is_shown_it_beside_z(self) -> None:
        G = seeded(0, lambda: dcgan_generator(4, (1, 8, 8), 3, width=2))
        z, label = normal(1, 5, 4), torch.tensor([0, 2, 1, 2, 0])
        shown = torch.cat([z, torch.stack([G.embed.weight[i] for i in label.tolist()])], 1)
        assert_close(G(z, label), G.body(shown))
        assert_close(G(z, label=label)[1], G(z[1:2].repeat(3, 1), torch.arange(3))[2])
        assert (G(z, label) - G(z, (label + 1) % 3)).abs().amax((1, 2, 3)).min() > 1e-3

    @pytest.mark.parametrize("kernels", [0, 3])
    def test_the_discriminator_projects(self, kernels: int) -> None:
        """linear(h) + <e_label, sum over space of the last feature map>."""
        D = seeded(0, lambda: dcgan_discriminator((3, 16, 16), 4, width=2, minibatch_discrimination=kernels))
        x, label = normal(1, 5, 3, 16, 16), torch.tensor([3, 0, 1, 3, 2])
        maps = D.features(x)
        assert maps.shape == (5, 4, 4, 4)
        for i, c in enumerate(label.tolist()):
            dot = sum(D.embed.weight[c, j] * maps[i, j].sum() for j in range(4))
            assert_close(D(x, label)[i], D.head(maps)[i] + dot)

    def test_the_projection_starts_as_a_linear_layer_does(self) -> None:
        D = dcgan_discriminator((3, 32, 32), 1000, width=4)
        bound = 1 / (4 * 4 * 16) ** 0.5
        assert D.embed.weight.shape == (1000, 16)
        assert 0.99 * bound < D.embed.weight.abs().max() <= bound
        assert D.head[1].weight.abs().max() <= bound

    def test_all_classes_share_the_rest(self) -> None:
        D = seeded(0, lambda: dcgan_discriminator((1, 8, 8), 3, width=2))
        D(normal(1, 4, 1, 8, 8), torch.tensor([0, 0, 2, 2])).sum().backward()
        assert D.embed.weight.grad[1].abs().max() == 0
        assert D.embed.weight.grad[[0, 2]].abs().min() > 0


BUILD = {
    "generator": lambda shape, **settings: dcgan_generator(8, shape, **settings),
    "discriminator": dcgan_discriminator,
}
each = pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)


class TestRefusals:
    @each
    @pytest.mark.parametrize("shape", [
        (2,), (32, 32), (3, 32, 28), (1, 4, 4), (1, 7, 7), (1, 10, 10), (1, 30, 30), (1, 1, 1), (1, 0, 0), (0, 8, 8),
        (3, 32, 32, 32),
    ])  # fmt: skip
    def test_shapes(self, build: Any, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=r"square images .* h 8, 12, or 16, 20, 24, 28 doubled") as caught:
            build(shape)
        assert str(shape) in str(caught.value)
        assert "\n" not in str(caught.value)

    @each
    @pytest.mark.parametrize(("settings", "said"), [
        ({"width": 0}, "width: expected a whole number of 1 or more, got 0"),
        ({"width": 2.5}, "width: expected a whole number of 1 or more, got 2.5"),
        ({"classes": 0}, "classes must be a whole number of 1 or more, not 0"),
        ({"norm": "bach"}, ".norm: expected one of none, batch, got 'bach': did you mean 'batch'"),
    ])  # fmt: skip
    def test_settings(self, build: Any, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            build((1, 8, 8), **settings)

    def test_settings_of_one_player(self) -> None:
        with pytest.raises(InputError, match="minibatch_discrimination: expected a whole number of 0 or more, got -1"):
            dcgan_discriminator((1, 8, 8), minibatch_discrimination=-1)
        with pytest.raises(InputError, match="latent_dim must be a whole number of 1 or more, not 0"):
            dcgan_generator(0, (1, 8, 8))


def test_slopes_of_slopes() -> None:
    """The input gradient is differentiable in input and weights: leaky ReLU is linear wherever it is probed."""
    D = seeded(0, lambda: dcgan_discriminator((1, 8, 8), width=1, minibatch_discrimination=2))
    x = normal(1, 2, 1, 8, 8).requires_grad_()

    def energy(weight: Tensor) -> Tensor:
        logits = torch.func.functional_call(D, {"features.0.weight": weight}, (x,))
        return torch.autograd.grad(logits.sum(), x, create_graph=True)[0].square().sum()

    assert torch.autograd.gradcheck(energy, (D.features[0].weight,))
