"""Spectral normalisation: W / sigma, its gradient, and the power iteration as a step of its own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.utils import parametrizations
from torch.testing import assert_close

from known import normal, seeded
from steadygan.errors import InputError
from steadygan.models import dcgan_discriminator, mlp, mlp_discriminator, spectral_norm, spectral_step
from steadygan.models.spectral import Spectral
from steadygan.penalties import CONSTRAINTS, SpectralNorm

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {  # and the shape of its weight as a matrix
    "linear": (lambda: nn.Linear(4, 3), (3, 4)),
    "embedding": (lambda: nn.Embedding(5, 3), (5, 3)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 5), (3, 10)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 4), (3, 32)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2), (3, 16)),
    "transposed1d": (lambda: nn.ConvTranspose1d(2, 3, 5), (3, 10)),
    "transposed2d": (lambda: nn.ConvTranspose2d(2, 3, 4), (3, 32)),
    "transposed3d": (lambda: nn.ConvTranspose3d(2, 3, 2), (3, 16)),
}
each_layer = pytest.mark.parametrize(("build", "size"), LAYERS.values(), ids=LAYERS)


def parts(network: nn.Module) -> list[Spectral]:
    return [part for part in network.modules() if isinstance(part, Spectral)]


def rows(weight: Tensor, transposed: bool) -> Tensor:
    """The weight as (out, rest), written out."""
    weight = weight.detach()
    out = weight.shape[1 if transposed else 0]
    pick = [weight[:, i] if transposed else weight[i] for i in range(out)]
    return torch.stack([row.reshape(-1) for row in pick])


class TestLayers:
    @each_layer
    def test_the_largest_singular_value_becomes_1(self, build: Any, size: tuple[int, ...]) -> None:
        layer = seeded(0, build)
        transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        before = rows(layer.weight, transposed)
        assert before.shape == size
        spectral_norm(layer)
        for _ in range(500):
            spectral_step(layer)
        sigma = torch.linalg.matrix_norm(before, 2)
        assert_close(rows(layer.weight, transposed), before / sigma)
        (part,) = parts(layer)
        assert (part.u.shape, part.v.shape) == ((size[0],), (size[1],))
        assert_close(part.u @ before @ part.v, sigma)
        assert_close(part.u.norm(), torch.ones_like(sigma))
        assert_close(part.v.norm(), torch.ones_like(sigma))

    @each_layer
    def test_is_near_it_from_the_start(self, build: Any, size: tuple[int, ...]) -> None:
        layer = spectral_norm(seeded(0, build))
        transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        largest = torch.linalg.matrix_norm(rows(layer.weight, transposed), 2).item()
        assert 1 - 1e-9 <= largest < 1.1  # sigma is at most the true one

    def test_all_layers_of_a_network_and_nothing_else(self) -> None:
        D = dcgan_discriminator((1, 8, 8), 3, width=2, norm="batch", minibatch_discrimination=2)
        before = dict(D.named_parameters())
        spectral_norm(D)
        names = [key for key, _ in D.named_parameters() if key.endswith(".original")]
        layers = ["features.0", "features.2", "head.1.project", "head.2", "embed"]
        assert sorted(names) == sorted(f"{name}.parametrizations.weight.original" for name in layers)
        now = {key.replace("parametrizations.weight.original", "weight"): p for key, p in D.named_parameters()}
        assert now.keys() == before.keys()
        assert all(now[key] is before[key] for key in before)  # the tensors that an optimiser holds

    def test_further_networks_of_d_are_left_alone(self) -> None:
        D = spectral_norm(mlp_discriminator((2,), width=8, denoiser=4, denoiser_depth=2))
        assert len(parts(D)) == 4
        assert not parts(D.denoiser)

    def test_weights_that_are_parametrised_already_are_left_alone(self) -> None:
        theirs = parametrizations.weight_norm(nn.Linear(3, 3))
        network = spectral_norm(nn.Sequential(nn.Linear(2, 3), theirs))
        assert spectral_norm(network) is network
        assert len(parts(network)) == 1
        assert len(network[0].parametrizations.weight) == len(theirs.parametrizations.weight) == 1
        spectral_step(network)

    def test_frozen_weights_stay_frozen(self) -> None:
        layer = nn.Linear(2, 3).requires_grad_(False)
        assert not any(p.requires_grad for p in spectral_norm(layer).parameters())

    def test_zeros_are_refused(self) -> None:
        network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3))
        nn.init.zeros_(network[1].weight)
        with pytest.raises(InputError, match="expected weights other than 0 in layer '1', got only zeros"):
            spectral_norm(network)

    def test_the_host_s_random_numbers_stay(self) -> None:
        before = torch.get_rng_state()
        one, again = (spectral_norm(seeded(0, lambda: mlp(2, 1))) for _ in range(2))
        assert torch.equal(torch.get_rng_state(), before)
        assert_close(one.state_dict(), again.state_dict(), rtol=0, atol=0)


class TestForward:
    def test_moves_nothing(self) -> None:
        D, x = spectral_norm(seeded(0, lambda: mlp(2, 1, 8))), normal(1, 4, 2)
        before = deepcopy(D.state_dict())
        outputs = [D.train(mode)(x) for mode in (True, True, False)]
        assert all(torch.equal(outputs[0], out) for out in outputs)
        assert_close(D.state_dict(), before, rtol=0, atol=0)

    def test_the_step_is_one_power_iteration(self) -> None:
        """v = W'u / |W'u|, u = Wv / |Wv|, in the same tensors, and no gradient graph."""
        layer = spectral_norm(seeded(0, lambda: nn.Linear(4, 3)))
        (part,) = parts(layer)
        W = layer.parametrizations.weight.original
        W.data.copy_(normal(5, 3, 4))
        u, held = part.u.clone(), (part.u, part.v)
        spectral_step(layer)
        v = W.detach().T @ u
        v = v / v.square().sum().sqrt()
        u = W.detach() @ v
        assert_close(part.v, v)
        assert_close(part.u, u / u.square().sum().sqrt())
        assert part.u is held[0]
        assert part.v is held[1]
        assert not part.u.requires_grad
        assert torch.is_grad_enabled()

    @pytest.mark.parametrize("build", [
        lambda: nn.Linear(4, 3), lambda: nn.Conv2d(2, 3, 3), lambda: nn.ConvTranspose2d(2, 3, 3),
    ], ids=["linear", "conv2d", "transposed2d"])  # fmt: skip
    def test_weight_and_gradient_are_torch_s(self, build: Any) -> None:
        """With u and v that are not those of W, which tells the terms of the gradient apart."""
        ours, theirs = spectral_norm(seeded(0, build)), parametrizations.spectral_norm(seeded(0, build)).eval()
        (part,), other = parts(ours), theirs.parametrizations.weight[0]
        for i, (mine, its) in enumerate(((part.u, other._u), (part.v, other._v))):
            drawn = normal(7 + i, *mine.shape)
            for held in (mine, its):
                held.copy_(drawn / drawn.norm())
        cotangent = normal(3, *ours.weight.shape)
        slopes = []
        for layer in (ours, theirs):
            (slope,) = torch.autograd.grad((layer.weight * cotangent).sum(), layer.parametrizations.weight.original)
            slopes.append(slope)
        assert_close(ours.weight, theirs.weight)
        assert_close(*slopes)

    def test_gradient_by_hand(self) -> None:
        """d<C, W / sigma> / dW = C / sigma - <C, W> / sigma^2 u v'."""
        layer, C = spectral_norm(seeded(0, lambda: nn.Linear(4, 3))), normal(3, 3, 4)
        (part,), W = parts(layer), layer.parametrizations.weight.original
        (slope,) = torch.autograd.grad((layer.weight * C).sum(), W)
        W = W.detach()
        sigma = part.u @ W @ part.v
        assert_close(slope, C / sigma - (C * W).sum() / sigma**2 * part.u.outer(part.v))

    def test_a_scaled_network_is_the_same(self) -> None:
        D, x = spectral_norm(seeded(0, lambda: mlp(2, 1, 8))), normal(1, 4, 2)
        before = D(x)
        for key, p in D.named_parameters():
            p.data *= 7.0 if key.endswith("original") else 1.0
        assert_close(D(x), before)

    def test_sigma_is_not_rounded_under_autocast(self) -> None:
        layer = spectral_norm(seeded(0, lambda: nn.Linear(40, 30)).float())
        plain = layer.weight
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer.weight, plain)


class TestTravels:
    def test_a_copy_is_its_own(self) -> None:
        D, x = spectral_norm(seeded(0, lambda: mlp(2, 1, 8))), normal(1, 4, 2)
        other = deepcopy(D)
        assert torch.equal(other(x), D(x))
        before = deepcopy(D.state_dict())
        for p in other.parameters():
            p.data *= -0.5
        spectral_step(other)
        assert_close(D.state_dict(), before, rtol=0, atol=0)
        assert len(parts(other)) == 4

    def test_state_dict(self) -> None:
        one, other = (spectral_norm(seeded(seed, lambda: mlp(2, 1, 8))) for seed in (0, 1))
        x = normal(1, 4, 2)
        assert not torch.equal(one(x), other(x))
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(x), other(x))
        assert sum(key.endswith((".u", ".v")) for key in one.state_dict()) == 8


class TestFunctional:
    """Over a spectrally normalised mlp, with weights and buffers from outside."""

    def energy(self, D: nn.Module) -> Any:
        def value(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            def logits(x: Tensor) -> Tensor:
                return functional_call(D, {**weights, **buffers}, (x,))  # type: ignore[no-any-return]

            return grad(lambda x: logits(x).sum())(x).square().sum() + logits(x).square().sum()

        return value

    def members(self) -> tuple[list[nn.Module], Tensor]:
        build = lambda: mlp_discriminator((2,), width=6, activation="tanh")  # noqa: E731
        return [spectral_norm(seeded(k, build)) for k in range(2)], normal(5, 2, 4, 2)

    def lone(self, D: nn.Module, x: Tensor) -> dict[str, Tensor]:
        x = x.clone().requires_grad_()
        logits = D(x)
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        names, own = zip(*D.named_parameters(), strict=True)
        total = slope.square().sum() + logits.square().sum()
        found = torch.autograd.grad(total, own, allow_unused=True, materialize_grads=True)
        return dict(zip(names, found, strict=True))

    def test_stacked_equals_lone_slopes(self) -> None:
        models, x = self.members()
        weights, buffers = ({k: p.detach() for k, p in each.items()} for each in stack_module_state(models))
        slopes = vmap(grad(self.energy(models[0])))(weights, buffers, x)
        for k, D in enumerate(models):
            assert_close({key: slope[k] for key, slope in slopes.items()}, self.lone(D, x[k]))

    @pytest.mark.parametrize("members", [1, 2])
    def test_compiles_whole(self, members: int) -> None:
        torch.compiler.reset()
        models, x = self.members()
        weights, buffers = ({k: p.detach() for k, p in each.items()} for each in stack_module_state(models))
        step = grad(self.energy(models[0]))
        if members == 1:
            weights, buffers = ({k: p[0] for k, p in each.items()} for each in (weights, buffers))
            slopes = torch.compile(step, fullgraph=True, backend="eager")(weights, buffers, x[0])
            slopes = {key: slope.unsqueeze(0) for key, slope in slopes.items()}
        else:
            slopes = torch.compile(vmap(step), fullgraph=True, backend="eager")(weights, buffers, x)
        for k in range(members):
            assert_close({key: slope[k] for key, slope in slopes.items()}, self.lone(models[k], x[k]))


class TestConstraint:
    def test_is_registered(self) -> None:
        assert CONSTRAINTS["spectral_norm"]() == SpectralNorm()

    def test_prepares_once_and_iterates_after_each_step(self) -> None:
        D, constraint = seeded(0, lambda: mlp(2, 1, 8)), SpectralNorm()
        constraint.prepare(D)
        constraint.prepare(D)
        assert [len(m.parametrizations.weight) for m in D if isinstance(m, nn.Linear)] == [1] * 4
        by_hand = deepcopy(D)
        spectral_step(by_hand)
        before = deepcopy(dict(D.named_parameters()))
        constraint.after_d_step(D, D.parameters())
        assert_close(D.state_dict(), by_hand.state_dict(), rtol=0, atol=0)
        assert_close(dict(D.named_parameters()), before, rtol=0, atol=0)

    def test_follows_weights_that_move(self) -> None:
        """In training: sigma stays near the largest singular value, which the logits' slopes never exceed."""
        D, constraint, x = seeded(0, lambda: mlp(2, 1, 16)), SpectralNorm(), normal(1, 64, 2)
        constraint.prepare(D)
        optimizer = torch.optim.Adam(D.parameters(), 1e-2)
        for _ in range(50):
            optimizer.zero_grad()
            (D(x) * x[:, :1]).mean().neg().backward()
            optimizer.step()
            constraint.after_d_step(D, D.parameters())
        for layer in (m for m in D if isinstance(m, nn.Linear)):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=0.05)
        x.requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x)
        assert slope.norm(dim=1).max() < 1.1
