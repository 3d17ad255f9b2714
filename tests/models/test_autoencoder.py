"""Autoencoders as discriminators: the score is minus the mean error, by numpy and by torch's functions."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from known import normal, seeded, tensor
from steadygan.errors import InputError
from steadygan.models import Autoencoder, dcgan_autoencoder, mlp_autoencoder


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def linear(*sizes: int) -> int:
    return sum((before + 1) * after for before, after in pairwise(sizes))


def conv(before: int, after: int) -> int:
    return 16 * before * after + after


def test_the_score_is_minus_the_mean_error() -> None:
    """decoder(encoder(x)) = 0.5 x + 1, so that |x - AE(x)| = |0.5 x - 1|."""
    D = Autoencoder(nn.Flatten(), nn.Unflatten(1, (1, 2, 2)))
    x = tensor([[[[0.0, 2.0], [4.0, -2.0]]], [[[1.0, 1.0], [3.0, 3.0]]]])
    assert_close(D(x), tensor([0.0, 0.0]))
    D.decoder.register_forward_hook(lambda *told: 0.5 * told[-1] + 1)
    assert_close(D(x), tensor([-(1 + 0 + 1 + 2) / 4, -(0.5 + 0.5 + 0.5 + 0.5) / 4]))


class TestMlp:
    @pytest.mark.parametrize(("shape", "settings", "sizes"), [
        ((2,), {}, [2, 64, 64, 2, 64, 64, 2]),
        ((3,), {"width": 5, "depth": 1, "code": 4}, [3, 5, 4, 5, 3]),
        ((1, 2, 3), {"width": 5, "depth": 0, "code": 4}, [6, 4, 6]),
    ])  # fmt: skip
    def test_sizes(self, shape: tuple[int, ...], settings: dict[str, int], sizes: list[int]) -> None:
        assert parameters(mlp_autoencoder(shape, **settings)) == linear(*sizes)

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 2)])
    @pytest.mark.parametrize("depth", [1, 2])
    def test_by_numpy(self, shape: tuple[int, ...], depth: int) -> None:
        """Leaky ReLU after the hidden layers alone: neither the code nor the output has one."""
        D = seeded(0, lambda: mlp_autoencoder(shape, width=6, depth=depth, code=2))
        x = normal(1, 5, *shape)
        h = rows = x.flatten(1).numpy()
        layers = [m for m in D.modules() if isinstance(m, nn.Linear)]
        for i, layer in enumerate(layers):
            h = h @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
            if i not in (depth, len(layers) - 1):
                h = np.where(h > 0, h, 0.2 * h)
        assert len(layers) == 2 * depth + 2
        assert_close(D(x).detach().numpy(), -np.abs(rows - h).sum(1) / prod(shape))

    def test_activation(self) -> None:
        D = mlp_autoencoder((2,), activation="elu")
        assert sum(isinstance(m, nn.ELU) for m in D.modules()) == 4
        assert not any(isinstance(m, nn.LeakyReLU) for m in D.modules())


class TestDcgan:
    # w: width, c: code; by hand, 3 channels
    @pytest.mark.parametrize(("side", "count"), [
        (8, lambda w, c: conv(3, w) + conv(w, 2 * w) + linear(8 * w, c, 8 * w) + conv(2 * w, w) + conv(w, 3)),
        (28, lambda w, c: conv(3, w) + conv(w, 2 * w) + linear(98 * w, c, 98 * w) + conv(2 * w, w) + conv(w, 3)),
        (32, lambda w, c: conv(3, w) + conv(w, 2 * w) + conv(2 * w, 4 * w) + linear(64 * w, c, 64 * w)
            + conv(4 * w, 2 * w) + conv(2 * w, w) + conv(w, 3)),
    ])  # fmt: skip
    @pytest.mark.parametrize(("width", "code"), [(1, 3), (4, 64)])
    def test_sizes_and_shapes(self, side: int, count: Any, width: int, code: int) -> None:
        D = seeded(0, lambda: dcgan_autoencoder((3, side, side), width=width, code=code))
        assert parameters(D) == count(width, code)
        x = normal(1, 2, 3, side, side)
        assert D(x).shape == (2,)
        assert D.encoder(x).shape == (2, code)
        assert D.decoder(D.encoder(1e4 * x)).shape == x.shape
        assert D.decoder(D.encoder(1e4 * x)).abs().max() <= 1

    @pytest.mark.parametrize(("activation", "act"), [
        ("leaky_relu", lambda t: F.leaky_relu(t, 0.2)), ("elu", F.elu),
    ])  # fmt: skip
    def test_by_torch_s_functions(self, activation: str, act: Any) -> None:
        D = seeded(0, lambda: dcgan_autoencoder((3, 16, 16), width=2, code=5, activation=activation))
        x = normal(1, 4, 3, 16, 16)
        first, second, narrow, wide, third, fourth = (m for m in D.modules() if hasattr(m, "weight"))
        h = act(F.conv2d(x, first.weight, first.bias, stride=2, padding=1))
        h = act(F.conv2d(h, second.weight, second.bias, stride=2, padding=1))
        code = h.flatten(1) @ narrow.weight.T + narrow.bias
        h = act(code @ wide.weight.T + wide.bias).view(4, 4, 4, 4)
        h = act(F.conv_transpose2d(h, third.weight, third.bias, stride=2, padding=1))
        h = torch.tanh(F.conv_transpose2d(h, fourth.weight, fourth.bias, stride=2, padding=1))
        assert_close(D(x), -(x - h).abs().mean((1, 2, 3)))


EACH = {"mlp": lambda **s: mlp_autoencoder((1, 8, 8), **s), "dcgan": lambda **s: dcgan_autoencoder((1, 8, 8), **s)}
each = pytest.mark.parametrize("build", EACH.values(), ids=EACH)


@each
def test_a_sample_is_judged_alone_and_never_above_0(build: Any) -> None:
    D, x = seeded(0, lambda: build(width=4)), normal(1, 5, 1, 8, 8)
    assert (D(x) < 0).all()
    assert_close(D(x)[2:3], D(x[2:3]))


@each
def test_half_precision_ends_before_the_error(build: Any) -> None:
    """A score is a float32 number whose error is that of the weights' own precision."""
    D = seeded(0, lambda: build(width=4)).float()
    x = normal(1, 5, 1, 8, 8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found: Tensor = D(x)
        rebuilt = D.decoder(D.encoder(x))
    assert (found.dtype, rebuilt.dtype) == (torch.float32, torch.float32)
    assert_close(found, D(x), rtol=0.02, atol=0)


@each
def test_compiles_whole(build: Any) -> None:
    torch.compiler.reset()
    D, x = seeded(0, lambda: build(width=2)), normal(1, 3, 1, 8, 8)
    assert_close(torch.compile(D, fullgraph=True, backend="eager")(x), D(x))


@each
@pytest.mark.parametrize(("settings", "said"), [
    ({"classes": 3}, "_autoencoder has no conditional form, but got classes=3"),
    ({"code": 0}, "code: expected a whole number of 1 or more, got 0"),
    ({"activation": "elo"}, ".activation: expected one of relu, .*, got 'elo': did you mean 'elu'"),
])  # fmt: skip
def test_refusals(build: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        build(**settings)
    assert "\n" not in str(caught.value)


def test_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"dcgan_autoencoder expects square images .*got shape \(2,\)"):
        dcgan_autoencoder((2,))
