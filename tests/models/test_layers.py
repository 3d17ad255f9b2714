"""Layers through which samples see each other: their formulas by loops, and what they say of themselves."""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import normal, seeded, tensor
from steadygan.errors import InputError
from steadygan.models import BatchNorm, MinibatchDiscrimination, dcgan_discriminator
from steadygan.types.critic import looks_coupled, probe_coupling


def discrimination(*sizes: int) -> nn.Module:
    return seeded(0, lambda: MinibatchDiscrimination(*sizes))


class TestMinibatchDiscrimination:
    def by_loop(self, x: Tensor, T: Tensor, kernels: int, dims: int) -> list[list[float]]:
        """o_b(x_i) from lists of numbers; T[b * dims + c] are the weights of M_{., b, c}."""
        rows, weights = x.tolist(), T.tolist()
        M = [
            [
                [sum(w * v for w, v in zip(weights[b * dims + c], row, strict=True)) for c in range(dims)]
                for b in range(kernels)
            ]
            for row in rows
        ]
        return [
            [
                sum(exp(-sum(abs(M[i][b][c] - M[j][b][c]) for c in range(dims))) for j in range(len(rows)) if j != i)
                for b in range(kernels)
            ]
            for i in range(len(rows))
        ]

    @pytest.mark.parametrize(("features", "kernels", "dims"), [(4, 3, 2), (2, 1, 5), (3, 4, 1)])
    def test_formula_by_loop(self, features: int, kernels: int, dims: int) -> None:
        layer, x = discrimination(features, kernels, dims), normal(1, 6, features)
        out = layer(x)
        assert torch.equal(out[:, :features], x)
        assert_close(out[:, features:], tensor(self.by_loop(x, layer.project.weight, kernels, dims)))

    def test_defaults_are_those_of_the_paper(self) -> None:
        """A -> 100 x 5, no bias."""
        layer = MinibatchDiscrimination(7)
        assert [tuple(p.shape) for p in layer.parameters()] == [(500, 7)]
        assert layer(torch.ones(2, 7)).shape == (2, 107)

    def test_a_sample_is_not_its_own_neighbour(self) -> None:
        """Alone it has none; n equal ones have n - 1 each, at distance 0; far ones have none, without rounding."""
        layer, x = discrimination(2, 3, 2), normal(1, 1, 2)
        assert layer(x)[:, 2:].abs().max() == 0
        assert_close(layer(x.repeat(5, 1))[:, 2:], torch.full((5, 3), 4.0).double(), rtol=0, atol=0)
        far = layer(1e6 * normal(2, 4, 2)).detach()
        assert far[:, 2:].max() == 0

    def test_little_closeness_is_kept_in_single_precision(self) -> None:
        """exp(-20), which 1 + exp(-20) - 1 would lose."""
        layer = MinibatchDiscrimination(1, 1, 1)
        nn.init.ones_(layer.project.weight)
        closeness = layer(torch.tensor([[0.0], [20.0]]))[:, 1]
        assert_close(closeness, torch.tensor([exp(-20.0)] * 2), rtol=1e-6, atol=0)

    def test_gradients(self) -> None:
        """First and second derivatives by finite differences; every sample pulls at every other one."""
        layer, x = discrimination(3, 2, 2), normal(3, 4, 3).requires_grad_()
        assert torch.autograd.gradcheck(layer, (x,))
        assert torch.autograd.gradgradcheck(layer, (x,))
        (slope,) = torch.autograd.grad(layer(x)[0, 3:].sum(), x)
        assert (slope.abs().amax(1) > 1e-6).all()
        (pull,) = torch.autograd.grad(layer(x)[:, 3:].sum(), layer.project.weight)
        assert (pull.abs() > 1e-6).all()

    def test_equal_samples_have_a_finite_slope(self) -> None:
        layer, x = discrimination(3, 2, 2), torch.ones(4, 3).double().requires_grad_()
        (slope,) = torch.autograd.grad(layer(x)[:, 3:].sum(), x)
        assert_close(slope, torch.zeros_like(slope), rtol=0, atol=0)

    def test_compiles_whole_and_stacks(self) -> None:
        layer, x = discrimination(3, 2, 2), normal(4, 2, 5, 3)
        both = torch.vmap(layer)(x)
        assert_close(both, torch.stack([layer(side) for side in x]))
        torch.compiler.reset()
        assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x[0]), both[0])

    def test_couples_samples(self) -> None:
        layer = discrimination(3, 2, 2)
        for D in (layer.train(), layer.eval()):
            assert looks_coupled(nn.Sequential(nn.Identity(), D))
            assert probe_coupling(D, normal(5, 4, 3))

    @pytest.mark.parametrize("sizes", [(3, 0, 5), (3, -1, 5), (3, 100, 0), (3, 2.0, 5)])
    def test_sizes_are_checked(self, sizes: tuple[int, int, int]) -> None:
        with pytest.raises(InputError, match="must be a whole number of 1 or more") as caught:
            MinibatchDiscrimination(*sizes)
        assert "\n" not in str(caught.value)


class TestBatchNorm:
    @pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 2)])
    def test_normalises_by_the_batch_then_by_what_it_saw(self, shape: tuple[int, ...]) -> None:
        x, norm = normal(0, *shape) * 3 + 1, BatchNorm(3).double()
        rows = x.movedim(1, -1).reshape(-1, 3)
        mean, variance = rows.mean(0), rows.var(0, correction=0)
        spread = (rows - mean) / (variance + 1e-5).sqrt()
        assert_close(norm(x).movedim(1, -1).reshape(-1, 3), spread)
        running = 0.9 + 0.1 * rows.var(0)
        assert_close(norm.eval()(x).movedim(1, -1).reshape(-1, 3), (rows - 0.1 * mean) / (running + 1e-5).sqrt())

    @pytest.mark.parametrize(("keeps", "train", "couples"), [
        (True, True, True), (True, False, False), (False, True, True), (False, False, True),
    ])  # fmt: skip
    def test_couples_samples_by_the_batch_s_statistics_alone(self, keeps: bool, train: bool, couples: bool) -> None:
        norm = BatchNorm(3, track_running_stats=keeps).double().train(train)
        assert norm.couples_samples is couples
        D = nn.Sequential(norm, seeded(0, lambda: nn.Linear(3, 1)))
        assert looks_coupled(D) is couples
        assert probe_coupling(D, normal(1, 4, 3)) is couples

    @pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (2, 3, 4, 4, 4)])
    def test_other_axes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=r"batch norm expects \(n, c\) or \(n, c, h, w\), got") as caught:
            BatchNorm(3)(torch.zeros(shape))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("settings", "train", "evaluation"), [
    ({}, False, False),
    ({"norm": "batch"}, True, False),
    ({"minibatch_discrimination": 4}, True, True),
    ({"norm": "batch", "minibatch_discrimination": 4}, True, True),
])  # fmt: skip
def test_what_a_dcgan_says_is_what_it_does(settings: dict[str, object], train: bool, evaluation: bool) -> None:
    D, x = seeded(0, lambda: dcgan_discriminator((1, 8, 8), width=4, **settings)), normal(1, 6, 1, 8, 8)
    for mode, couples in ((True, train), (False, evaluation)):
        D.train(mode)
        assert looks_coupled(D) is couples
        assert probe_coupling(D, x) is couples
