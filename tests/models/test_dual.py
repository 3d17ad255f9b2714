"""The dual discriminators' networks: what they have, in which order, and what they compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from known import normal, seeded
from steadygan.errors import InputError
from steadygan.models import BatchNorm, MinibatchDiscrimination, ResidualBlock, dual_discriminator, dual_generator
from steadygan.types.critic import looks_coupled, probe_coupling


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def conv(kernel: int, before: int, after: int, bias: bool = True) -> int:
    return kernel**2 * before * after + bias * after


def convolutions(model: nn.Module) -> list[tuple[int, ...]]:
    """(in, out, kernel, stride, padding) of each convolution, in the order of the forward."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.padding[0])
        for m in model.modules()
        if isinstance(m, kinds)
    ]


# By hand, stage by stage; w is the width, 3 channels, 10 latents
GENERATORS = {
    8: lambda w: 11 * 4 * w * 4 + conv(4, 4 * w, 2 * w) + conv(4, 2 * w, w) + conv(3, w, 3),
    28: lambda w: 11 * 4 * w * 49 + conv(4, 4 * w, 2 * w) + conv(4, 2 * w, w) + conv(3, w, 3),
    32: lambda w: 11 * 8 * w * 16 + conv(4, 8 * w, 4 * w) + conv(4, 4 * w, 2 * w) + conv(4, 2 * w, w)
    + conv(3, w, 3),
}  # fmt: skip
JUDGES = {
    8: lambda w: conv(3, 3, w) + conv(4, w, 2 * w) + conv(3, 2 * w, 2 * w) + conv(4, 2 * w, 4 * w)
    + conv(3, 4 * w, 4 * w) + 4 * w * 4 + 1,
    28: lambda w: conv(3, 3, w) + conv(4, w, 2 * w) + conv(3, 2 * w, 2 * w) + conv(4, 2 * w, 4 * w)
    + conv(3, 4 * w, 4 * w) + 4 * w * 49 + 1,
    32: lambda w: conv(3, 3, w) + conv(4, w, 2 * w) + conv(3, 2 * w, 2 * w) + conv(4, 2 * w, 4 * w)
    + conv(3, 4 * w, 4 * w) + conv(4, 4 * w, 8 * w) + conv(3, 8 * w, 8 * w) + 8 * w * 16 + 1,
}  # fmt: skip


class TestSizes:
    @pytest.mark.parametrize("side", [8, 28, 32])
    @pytest.mark.parametrize("width", [1, 6])
    def test_without_norm(self, side: int, width: int) -> None:
        shape = (3, side, side)
        assert parameters(dual_generator(10, shape, width=width, norm="none")) == GENERATORS[side](width)
        assert parameters(dual_discriminator(shape, width=width, norm="none")) == JUDGES[side](width)

    def test_batch_norm_has_two_numbers_for_each_bias(self) -> None:
        shape, w = (3, 32, 32), 4
        G, D = dual_generator(10, shape, width=w), dual_discriminator(shape, width=w)
        assert parameters(G) == GENERATORS[32](w) + (8 * w * 16) + (4 + 2 + 1) * w
        assert parameters(D) == JUDGES[32](w) + (2 + 2 + 4 + 4 + 8 + 8) * w

    def test_extras(self) -> None:
        """At 8 x 8, width 4: a second 3x3 convolution in each of three blocks, a skip in the first one."""
        shape, w = (3, 8, 8), 4
        plain = JUDGES[8](w)
        more = conv(3, w, w) + 3 * w + conv(3, 2 * w, 2 * w) + conv(3, 4 * w, 4 * w)
        assert parameters(dual_discriminator(shape, width=w, norm="none", residual=True)) == plain + more
        kernels = dual_discriminator(shape, width=w, norm="none", minibatch_discrimination=7)
        assert parameters(kernels) == plain + 64 * 7 * 5 + 7
        assert parameters(dual_discriminator(shape, width=w, norm="none", activation="selu")) == plain


class TestLayers:
    def test_those_of_the_paper(self) -> None:
        G, D = dual_generator(100, (3, 32, 32)), dual_discriminator((3, 32, 32))
        assert (G[0].in_features, G[0].out_features) == (100, 512 * 4 * 4)
        assert convolutions(G) == [(512, 256, 4, 2, 1), (256, 128, 4, 2, 1), (128, 64, 4, 2, 1), (64, 3, 3, 1, 1)]
        assert convolutions(D) == [
            (3, 64, 3, 1, 1), (64, 128, 4, 2, 1), (128, 128, 3, 1, 1), (128, 256, 4, 2, 1), (256, 256, 3, 1, 1),
            (256, 512, 4, 2, 1), (512, 512, 3, 1, 1),
        ]  # fmt: skip
        assert (D.head[1].in_features, D.head[1].out_features) == (512 * 4 * 4, 1)

    def test_batch_norm_follows_all_but_the_first_and_the_last_of_d(self) -> None:
        layers = list(dual_discriminator((1, 32, 32), width=2).features)
        kinds = [type(layer) for layer in layers]
        assert kinds == [nn.Conv2d, nn.LeakyReLU, *[nn.Conv2d, BatchNorm, nn.LeakyReLU] * 6]
        assert all(layer.negative_slope == 0.2 for layer in layers if isinstance(layer, nn.LeakyReLU))
        assert [layer.num_features for layer in layers if isinstance(layer, BatchNorm)] == [4, 4, 8, 8, 16, 16]
        assert [layer.bias is None for layer in layers if isinstance(layer, nn.Conv2d)] == [False, *[True] * 6]

    def test_batch_norm_follows_all_but_the_last_of_g(self) -> None:
        layers = list(dual_generator(5, (1, 32, 32), width=2))
        up = [nn.ConvTranspose2d, BatchNorm, nn.ReLU]
        start = [nn.Linear, BatchNorm, nn.ReLU, nn.Unflatten]
        assert [type(layer) for layer in layers] == [*start, *up * 3, nn.Conv2d, nn.Tanh]
        assert [layer.num_features for layer in layers if isinstance(layer, BatchNorm)] == [256, 8, 4, 2]

    @pytest.mark.parametrize("activation", ["leaky_relu", "selu"])
    def test_residual_blocks_replace_the_convolutions_that_keep_the_size(self, activation: str) -> None:
        norm = "batch" if activation == "leaky_relu" else "none"
        D = dual_discriminator((1, 8, 8), width=2, activation=activation, norm=norm, residual=True)
        act = nn.LeakyReLU if activation == "leaky_relu" else nn.SELU
        down = [nn.Conv2d, BatchNorm, act] if norm == "batch" else [nn.Conv2d, act]
        assert [type(layer) for layer in D.features] == [ResidualBlock, *down, ResidualBlock, *down, ResidualBlock]
        blocks = [layer for layer in D.features if isinstance(layer, ResidualBlock)]
        sizes = [[2, 2], [4, 4], [8, 8]]
        assert [[c.out_channels for c in b.residual if isinstance(c, nn.Conv2d)] for b in blocks] == sizes
        assert [any(isinstance(m, BatchNorm) for m in b.modules()) for b in blocks] == [False, *[norm == "batch"] * 2]
        assert [type(b.skip) for b in blocks] == [nn.Conv2d, nn.Identity, nn.Identity]
        known = (nn.Conv2d, BatchNorm, nn.Identity, act)
        assert all(isinstance(m, known) for b in blocks for m in (*b.residual, b.skip, b.activation))
        assert all(isinstance(b.residual[len(b.residual) // 2], act) for b in blocks)


@pytest.mark.parametrize("side", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_range(side: int, channels: int) -> None:
    shape = (channels, side, side)
    y = seeded(0, lambda: dual_generator(5, shape, width=2))(normal(1, 3, 5))
    assert y.shape == (3, *shape)
    assert y.abs().max() <= 1
    for settings in ({}, {"residual": True}, {"activation": "selu", "norm": "none"}, {"minibatch_discrimination": 3}):
        assert seeded(2, lambda s=settings: dual_discriminator(shape, width=2, **s))(y).shape == (3,)


def spread(x: Tensor, norm: BatchNorm) -> Tensor:
    """Batch norm in train mode, by its formula."""
    axes = [0, *range(2, x.ndim)]
    size = (1, -1, *[1] * (x.ndim - 2))
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * norm.weight.view(size) + norm.bias.view(size)


def loosened(model: nn.Module) -> nn.Module:
    """With biases and scales that are not where they start."""
    for i, p in enumerate(model.parameters()):
        p.data.copy_(normal(50 + i, *p.shape) * (0.3 if p.ndim > 1 else 1))
    return model


class TestForward:
    """By torch's functions, from the module's own weights."""

    def test_generator(self) -> None:
        G, z = loosened(seeded(0, lambda: dual_generator(5, (3, 16, 16), width=2))), normal(1, 4, 5)
        linear, n0, up1, n1, up2, n2, last = (part for part in G if hasattr(part, "weight"))
        h = F.relu(spread(z @ linear.weight.T, n0)).view(4, 8, 4, 4)
        h = F.relu(spread(F.conv_transpose2d(h, up1.weight, stride=2, padding=1), n1))
        h = F.relu(spread(F.conv_transpose2d(h, up2.weight, stride=2, padding=1), n2))
        assert_close(G(z), torch.tanh(F.conv2d(h, last.weight, last.bias, padding=1)))

    def test_discriminator(self) -> None:
        D = loosened(seeded(0, lambda: dual_discriminator((3, 16, 16), width=2)))
        x = normal(1, 4, 3, 16, 16)
        first, *rest = (part for part in D.features if hasattr(part, "weight"))
        h = F.leaky_relu(F.conv2d(x, first.weight, first.bias, padding=1), 0.2)
        for layer, norm, stride in zip(rest[::2], rest[1::2], (2, 1, 2, 1), strict=True):
            h = F.leaky_relu(spread(F.conv2d(h, layer.weight, stride=stride, padding=1), norm), 0.2)
        assert_close(D(x), h.flatten(1) @ D.head[1].weight[0] + D.head[1].bias)

    @pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 4)], ids=["identity", "convolution"])
    @pytest.mark.parametrize("norm", ["none", "batch"])
    def test_residual_block(self, before: int, after: int, norm: str) -> None:
        block = loosened(seeded(0, lambda: ResidualBlock(before, after, norm, "leaky_relu")))
        x = normal(1, 5, before, 6, 6)
        convs = [m for m in block.residual if isinstance(m, nn.Conv2d)]
        norms = [m for m in block.residual if isinstance(m, BatchNorm)]
        h = x
        for i, layer in enumerate(convs):
            h = F.conv2d(h, layer.weight, layer.bias, padding=1)
            h = spread(h, norms[i]) if norms else h
            h = F.leaky_relu(h, 0.2) if i == 0 else h
        skip = x if before == after else torch.einsum("nahw,ba->nbhw", x, block.skip.weight[:, :, 0, 0])
        assert (len(norms), block.residual[0].bias is None) == ((2, True) if norm == "batch" else (0, False))
        assert_close(block(x), F.leaky_relu(skip + h, 0.2))

    def test_minibatch_discrimination_stands_before_the_last_layer(self) -> None:
        build = lambda: dual_discriminator((3, 16, 16), width=2, norm="none", minibatch_discrimination=3)  # noqa: E731
        D, x = loosened(seeded(0, build)), normal(1, 4, 3, 16, 16)
        _, compared, last, _ = D.head
        assert isinstance(compared, MinibatchDiscrimination)
        assert (compared.kernels, compared.dims) == (3, 5)
        h = D.features(x).flatten(1)
        assert_close(D(x), compared(h) @ last.weight[0] + last.bias)
        assert looks_coupled(D)
        compared.project.weight.data *= 1e-3  # near enough to see each other
        assert probe_coupling(D, x)

    def test_compiles_whole(self) -> None:
        torch.compiler.reset()
        for settings in ({"norm": "none", "residual": True}, {"activation": "selu", "norm": "none"}):
            D = seeded(0, lambda s=settings: dual_discriminator((1, 8, 8), width=2, **s))
            x = normal(1, 3, 1, 8, 8)
            assert_close(torch.compile(D, fullgraph=True, backend="eager")(x), D(x))


class TestStart:
    def weights(self, model: nn.Module) -> list[Tensor]:
        return [p.detach() for p in model.parameters() if p.ndim > 1]

    @pytest.mark.parametrize("build", [
        lambda: dual_generator(100, (3, 32, 32), width=32),
        lambda: dual_discriminator((3, 32, 32), width=32, residual=True, minibatch_discrimination=20),
    ], ids=["G", "D"])  # fmt: skip
    def test_normal_of_a_fiftieth(self, build: Any) -> None:
        model = seeded(0, build)
        for weight in self.weights(model):
            n = weight.numel()
            assert weight.std().item() == pytest.approx(0.02, rel=4 / n**0.5)
            assert abs(weight.mean().item()) < 4 * 0.02 / n**0.5
            assert weight.abs().max() > 0.04  # not uniform, which ends at sqrt(3) deviations
        for norm in (m for m in model.modules() if isinstance(m, BatchNorm)):
            assert_close(
                (norm.weight.min(), norm.bias.abs().max()), (norm.weight.new_ones(()), norm.bias.new_zeros(()))
            )
        assert all(m.bias.abs().max() == 0 for m in model.modules() if getattr(m, "bias", None) is not None)

    def test_lecun_s_for_selu(self) -> None:
        """Variance 1 over the number of inputs of an output, kernel included."""
        settings = {"activation": "selu", "norm": "none", "residual": True, "minibatch_discrimination": 20}
        D = seeded(0, lambda: dual_discriminator((3, 32, 32), width=32, **settings))
        for layer in (m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)):
            inputs = (
                layer.in_channels * layer.kernel_size[0] ** 2 if isinstance(layer, nn.Conv2d) else layer.in_features
            )
            assert layer.weight.std().item() * inputs**0.5 == pytest.approx(1, rel=4 / layer.weight.numel() ** 0.5)
            assert layer.bias is None or layer.bias.abs().max() == 0

    def test_selu_keeps_mean_0_and_variance_1(self) -> None:
        """From layer to layer inside the maps: at the border zeros are summed. N(0, 0.02^2) would let them vanish."""
        D = seeded(0, lambda: dual_discriminator((3, 64, 64), width=32, activation="selu", norm="none"))
        h = normal(1, 16, 3, 64, 64)
        for layer in list(D.features)[:10]:  # to 8 x 8
            h = layer(h)
            if isinstance(layer, nn.SELU):
                inner = h[:, :, 2:-2, 2:-2]
                assert abs(inner.mean().item()) < 0.1
                assert inner.var().item() == pytest.approx(1, abs=0.15)


BUILD = {
    "generator": lambda shape, **settings: dual_generator(8, shape, **settings),
    "discriminator": dual_discriminator,
}
each = pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)


class TestRefusals:
    @each
    @pytest.mark.parametrize("shape", [(2,), (3, 32, 28), (1, 10, 10), (0, 8, 8)])
    def test_shapes(self, build: Any, shape: tuple[int, ...]) -> None:
        with pytest.raises(
            InputError, match=r"dual expects square images .* h 8, 12, or 16, 20, 24, 28 doubled"
        ) as said:
            build(shape)
        assert str(shape) in str(said.value)
        assert "\n" not in str(said.value)

    @each
    @pytest.mark.parametrize(("settings", "said"), [
        ({"width": 0}, "width: expected a whole number of 1 or more, got 0"),
        ({"classes": 3}, "dual has no conditional form, but got classes=3"),
        ({"norm": "bach"}, ".norm: expected one of none, batch, got 'bach': did you mean 'batch'"),
    ])  # fmt: skip
    def test_settings(self, build: Any, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            build((1, 8, 8), **settings)

    @pytest.mark.parametrize(("settings", "said"), [
        ({"activation": "relu"}, "activation: expected one of leaky_relu, selu, got 'relu'"),
        ({"activation": "selu"}, "norm: expected none with activation=selu, .* got batch: set discriminator.norm=none"),
        ({"minibatch_discrimination": -1}, "minibatch_discrimination: expected a whole number of 0 or more, got -1"),
    ])  # fmt: skip
    def test_settings_of_the_discriminator(self, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            dual_discriminator((1, 8, 8), **settings)
        assert "\n" not in str(caught.value)

    def test_latent_dim(self) -> None:
        with pytest.raises(InputError, match="latent_dim must be a whole number of 1 or more, not 0"):
            dual_generator(0, (1, 8, 8))
