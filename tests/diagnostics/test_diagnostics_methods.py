"""What the generator receives from methods that add to its loss, or replace it, against autograd by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Linear, normal, seeded, tensor
from steadygan.diagnostics import generator_gradient
from steadygan.errors import InputError
from steadygan.losses import Hinge, NonSaturating, Nothing
from steadygan.methods import Cramer, DenoisingFeatureMatching, FakeAsReal, Plain, SampleDifferences, chain
from steadygan.types import Batch, critic

N, M = 5, 8


class Judge(nn.Module):
    """Features h of three numbers, a logit of them, a denoiser."""

    auxiliaries = ("denoiser",)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        self.head, self.denoiser = nn.Linear(3, 1), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x)
        return self.head(h).squeeze(1), {"h": h}


D = seeded(2, Judge)


def slopes(total: Tensor, y: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(total, y)
    return found.norm(dim=1)


def sides() -> tuple[Tensor, Tensor]:
    return normal(1, N, 2) + 0.5, normal(2, M, 2).requires_grad_()


class TestSampleDifferences:
    def hand(self, x: Tensor, y: Tensor, k: int, weight: float, features: bool = True) -> Tensor:
        """M times the mean loss plus M times lambda / k sum over the k pairs, reals as constants."""
        (d, told), (c, known) = D(y), D(x)
        total = nn.functional.softplus(-d).sum()
        for i in d.argsort(descending=True)[:k]:
            s = (x - y[i]).square().sum(1).argmin()
            value = (d[i] - c[s].detach()).square()
            p, r = told["h"][i], known["h"][s].detach()
            if features:
                value = value + (p / p.square().sum() - r / r.square().sum()).square().sum()
            total = total + M * weight / k * value
        return slopes(total, y)

    @pytest.mark.parametrize("k", [1, 3, M])
    def test_with_features(self, k: int) -> None:
        (x, y), method = sides(), SampleDifferences(weight=0.4, start=0, count=k)
        received, own = generator_gradient(D, NonSaturating(), Batch(y), Batch(x), method)
        assert_close(received, self.hand(x, y, k, 0.4))
        assert_close(own, slopes(D(y)[0].sum(), y))
        plain, _ = generator_gradient(D, NonSaturating(), Batch(y), Batch(x))
        assert ((received - plain).abs() > 1e-6).sum() == k

    def test_layers_are_listened_to(self) -> None:
        """As a module, whose layers are those the method names; with a critic, what that critic gives."""
        (x, y), method = sides(), SampleDifferences(weight=0.4, start=0, count=3, feature_layers=("body",))
        expected = self.hand(x, y, 3, 0.4)
        judge = critic(D, layers=method.layers)
        assert_close(generator_gradient(judge, NonSaturating(), Batch(y), Batch(x), method)[0], expected)
        assert_close(generator_gradient(D, NonSaturating(), Batch(y), Batch(x), method)[0], expected)

    def test_a_norm_that_is_only_told_is_no_part(self) -> None:
        (x, y), method = sides(), SampleDifferences(weight=0.0, start=0, count=3)
        assert method.g_terms(critic(D), *(critic(D).score(Batch(side)) for side in (x, y)))["norm/h"].weight is None
        plain, _ = generator_gradient(D, NonSaturating(), Batch(y), Batch(x))
        assert_close(generator_gradient(D, NonSaturating(), Batch(y), Batch(x), method)[0], plain)


class TestCramer:
    def hand(self, x: Tensor, y: Tensor) -> Tensor:
        """2m times the mean over m pairs (x, y, y') of ||h(x) - h(y)|| + ||h(x) - h(y')|| - ||h(y) - h(y')||."""
        h, (first, second) = D(x)[1]["h"].detach(), D(y)[1]["h"].chunk(2)
        value = (h - first).norm(dim=1) + (h - second).norm(dim=1) - (first - second).norm(dim=1)
        return slopes(y.shape[0] * value.mean(), y)

    def test_both_halves(self) -> None:
        x, y = normal(1, M // 2, 2) + 0.5, normal(2, M, 2).requires_grad_()
        received, own = generator_gradient(D, Nothing(), Batch(y), Batch(x), Cramer())
        assert_close(received, self.hand(x, y))
        assert_close(own, slopes(D(y)[0].sum(), y))

    def test_on_a_line(self) -> None:
        """d(v) = v_1: for x = 0, y = 2, y' = 5 the slopes are (1 + 1) and (1 - 1), times two fakes per pair."""
        received, _ = generator_gradient(
            Linear([1, 0]), Nothing(), Batch(tensor([[2, 0], [5, 0]])), Batch(tensor([[0, 0]])), Cramer()
        )
        assert_close(received, tensor([4.0, 0.0]))

    def test_in_a_chain(self) -> None:
        x, y = normal(1, M // 2, 2) + 0.5, normal(2, M, 2).requires_grad_()
        received, _ = generator_gradient(D, Nothing(), Batch(y), Batch(x), chain(FakeAsReal(2), Cramer()))
        assert_close(received, self.hand(x, y))


def test_a_denoiser() -> None:
    """M times E sp(-d(y)) + 0.3 E (h(y) - r(h(y)))^2, r(h(y)) a constant; no reals are wanted."""
    _, y = sides()
    received, _ = generator_gradient(D, NonSaturating(), Batch(y), None, DenoisingFeatureMatching(weight=0.3))
    d, told = D(y)
    goal = D.denoiser(told["h"]).detach()
    assert_close(received, slopes(nn.functional.softplus(-d).sum() + 0.3 * M * (told["h"] - goal).square().mean(), y))


@pytest.mark.parametrize("method", [Plain(), FakeAsReal(2)])
def test_methods_that_add_nothing(method: Any) -> None:
    x, y = sides()
    found = [generator_gradient(D, Hinge(), Batch(y), Batch(x), each) for each in (None, method)]
    assert_close(found[0], found[1], rtol=0, atol=0)


def test_reals_that_a_method_needs() -> None:
    for method, loss in ((Cramer(), Nothing()), (SampleDifferences(), NonSaturating())):
        with pytest.raises(
            InputError, match=f"expected real samples for the method {method.name}, got none: pass real="
        ):
            generator_gradient(D, loss, Batch(normal(2, M, 2)), None, method)


def test_a_loss_without_terms_needs_its_method() -> None:
    with pytest.raises(InputError, match="a loss"):
        generator_gradient(D, Nothing(), Batch(normal(2, M, 2)))
