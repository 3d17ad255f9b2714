"""Fully connected networks: sizes, and the forward by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from known import normal, seeded, tensor
from steadygan.errors import InputError
from steadygan.models import ACTIVATIONS, mlp, mlp_discriminator, mlp_generator


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_papers_networks() -> None:
    """2 > 64 > 64 > 64 > 2 and 2 > 64 > 64 > 64 > 1, biases included."""
    assert parameters(mlp(2, 2)) == 8_642
    assert parameters(mlp(2, 1)) == 8_577


@pytest.mark.parametrize(("width", "depth", "sizes"), [
    (16, 1, [5, 16, 3]), (16, 3, [5, 16, 16, 16, 3]), (7, 2, [5, 7, 7, 3]), (9, 0, [5, 3]),
])  # fmt: skip
def test_depth_counts_hidden_layers(width: int, depth: int, sizes: list[int]) -> None:
    layers = [layer for layer in mlp(5, 3, width, depth) if isinstance(layer, nn.Linear)]
    assert [layers[0].in_features, *(layer.out_features for layer in layers)] == sizes
    assert len(mlp(5, 3, width, depth)) == 2 * depth + 1  # no activation after the last layer


FORMULAS = {
    "relu": lambda t: np.maximum(t, 0),
    "leaky_relu": lambda t: np.where(t > 0, t, 0.2 * t),
    "tanh": np.tanh,
    "elu": lambda t: np.where(t > 0, t, np.expm1(t)),
    "selu": lambda t: 1.0507009873554805 * np.where(t > 0, t, 1.6732632423543772 * np.expm1(t)),
    "silu": lambda t: t / (1 + np.exp(-t)),
    "gelu": lambda t: t * np.vectorize(lambda s: 0.5 * (1 + torch.erf(tensor(s / 2**0.5)).item()))(t),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", [None, "tanh"])
def test_forward_by_numpy(activation: str, output: str | None) -> None:
    model = seeded(0, lambda: mlp(3, 2, 8, 2, activation, output))
    x = normal(1, 6, 3)
    h = x.numpy()
    weights = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in model if hasattr(layer, "weight")
    ]
    for i, (W, b) in enumerate(weights):
        h = h @ W.T + b
        if i < len(weights) - 1:
            h = FORMULAS[activation](h)
    assert_close(model(x).detach().numpy(), h if output is None else np.tanh(h))


def test_output_stays_in_range() -> None:
    assert seeded(1, lambda: mlp(2, 4, output="tanh"))(1e3 * normal(2, 50, 2)).abs().max() <= 1


def test_initial_weights_follow_the_seed() -> None:
    one, again, other = (seeded(seed, lambda: mlp(2, 1)) for seed in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)


@pytest.mark.parametrize("settings", [{"activation": "leaky_rulu"}, {"output": "leaky_rulu"}])
def test_unknown_activation(settings: dict[str, str]) -> None:
    with pytest.raises(
        InputError, match=r"expected one of relu, .*, got 'leaky_rulu': did you mean 'leaky_relu'"
    ) as caught:
        mlp(2, 1, **settings)
    assert "\n" not in str(caught.value)


class TestPlayers:
    @pytest.mark.parametrize("output", [None, "tanh"])
    def test_for_rows_they_are_the_mlp(self, output: str | None) -> None:
        """The same weights under the same names, so that saved ones load, and the same function."""
        for player, plain, x in (
            (
                lambda: mlp_generator(3, (2,), width=8, output=output),
                lambda: mlp(3, 2, 8, output=output),
                normal(0, 4, 3),
            ),
            (
                lambda: mlp_discriminator((2,), width=8, output=output),
                lambda: mlp(2, 1, 8, output=output),
                normal(0, 4, 2),
            ),
        ):
            one, other = seeded(0, player), seeded(0, plain)
            assert list(one.state_dict()) == list(other.state_dict())
            assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
            assert torch.equal(one(x), other(x).view_as(one(x)))

    def test_images_are_rows_inside(self) -> None:
        G = seeded(0, lambda: mlp_generator(3, (2, 4, 4), width=8, depth=1, output="tanh"))
        D = seeded(0, lambda: mlp_discriminator((2, 4, 4), width=8, depth=1))
        z = normal(0, 5, 3)
        assert G(z).shape == (5, 2, 4, 4)
        assert torch.equal(G(z).flatten(1), seeded(0, lambda: mlp(3, 32, 8, 1, output="tanh"))(z))
        assert torch.equal(D(G(z)), seeded(0, lambda: mlp(32, 1, 8, 1))(G(z).flatten(1)).squeeze(1))

    def test_there_is_no_conditional_form(self) -> None:
        for build in (lambda: mlp_generator(2, (2,), 3), lambda: mlp_discriminator((2,), 3)):
            with pytest.raises(InputError, match="mlp has no conditional form, but got classes=3: use dcgan") as caught:
                build()
            assert "\n" not in str(caught.value)
