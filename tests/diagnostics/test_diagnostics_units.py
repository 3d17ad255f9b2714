"""Hidden units while a network runs: which vary over all forwards, and what the last hidden layer puts out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from known import F64, normal, seeded, tensor
from steadygan.diagnostics.units import HiddenUnits, is_activation


def layer(weights: list[list[float]], biases: list[float]) -> nn.Linear:
    made = nn.Linear(len(weights[0]), len(weights), dtype=F64)
    with torch.no_grad():
        made.weight.copy_(tensor(weights))
        made.bias.copy_(tensor(biases))
    return made


class Functional(nn.Module):
    """Activations that are no modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 5), nn.Linear(5, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


def no_hooks(module: nn.Module) -> bool:
    return not any(part._forward_hooks for part in module.modules())


class TestFeatures:
    def test_of_the_last_activation(self) -> None:
        D = seeded(0, lambda: nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1)))
        x = normal(1, 7, 2)
        with HiddenUnits(D) as units:
            D(x)
        found = units.features()
        assert found is not None
        assert torch.equal(found, D[:4](x))
        assert not found.requires_grad

    def test_of_the_layer_before_the_last_without_activations(self) -> None:
        D = seeded(0, Functional)
        x = normal(1, 7, 2)
        with HiddenUnits(D) as units:
            D(x)
        found = units.features()
        assert found is not None
        assert torch.equal(found, D.second(torch.relu(D.first(x))))

    def test_of_the_last_forward(self) -> None:
        D = seeded(0, lambda: nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)))
        x, y = normal(1, 7, 2), normal(2, 4, 2)
        with HiddenUnits(D) as units:
            for each in (x, y):
                units.begin()
                D(each)
                assert torch.equal(units.features(), D[:2](each))

    def test_feature_maps_lie_flat(self) -> None:
        D = seeded(0, lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 1)))
        x = normal(1, 5, 1, 4, 4)
        with HiddenUnits(D) as units:
            D(x)
        assert torch.equal(units.features(), D[:3](x))

    def test_as_they_were_before_a_layer_that_works_in_place(self) -> None:
        D = nn.Sequential(layer([[1.0], [-1.0]], [0.0, 0.0]), nn.Tanh(), nn.Hardtanh(-0.1, 0.1, inplace=True))
        x = tensor([[1.0], [2.0]])
        with HiddenUnits(nn.Sequential(*D[:2], nn.Dropout(0.0, inplace=True))) as units:
            D[1](D[0](x)).zero_()
        expected = torch.tanh(torch.cat([x, -x], 1))
        assert torch.equal(units.features(), expected)
        with HiddenUnits(D) as units:
            D(x)
        assert torch.equal(units.features(), expected.clamp(-0.1, 0.1))
        assert units.active() == 2 / 4  # tanh's two; the clamp's are at its ends for both samples

    @pytest.mark.parametrize("D", [nn.Linear(2, 1), nn.Identity(), nn.Flatten()])
    def test_none_where_nothing_is_hidden(self, D: nn.Module) -> None:
        with HiddenUnits(D) as units:
            assert units.features() is None
            D(torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
        assert units.features() is None
        assert units.active() == 1.0

    def test_of_no_module_at_all(self) -> None:
        with HiddenUnits(lambda x: x.sum(1)) as units:
            units.begin()
            assert units.features() is None
            assert units.active() == 1.0
        with HiddenUnits(None) as units:
            assert units.features() is None

    def test_begin_forgets_the_last_forward(self) -> None:
        D = seeded(0, Functional)
        with HiddenUnits(D) as units:
            D(normal(1, 7, 2))
            units.begin()
            assert units.features() is None


class TestActive:
    def test_a_unit_that_varies_only_between_forwards(self) -> None:
        """Sign units: the first tells reals from fakes, the second says the same of all, the third varies in both."""
        D = nn.Sequential(
            layer([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0.0, 1.0, 0.0, -99.0]), nn.ReLU(), nn.Linear(4, 1)
        ).double()
        real, fake = tensor([[1.0, 1.0], [1.0, 2.0]]), tensor([[3.0, 5.0], [3.0, 4.0], [3.0, 4.5]])
        for batches, expected in (([real], 1 / 4), ([fake], 1 / 4), ([real, fake], 2 / 4), ([fake, real], 2 / 4)):
            with HiddenUnits(D) as units:
                for batch in batches:
                    units.begin()
                    D(batch)
            assert units.active() == expected

    def test_every_call_of_a_shared_module_counts(self) -> None:
        """By its place in the forward: the second call's units stand beside the first call's, in all forwards."""
        relu = nn.ReLU()
        D = nn.Sequential(layer([[1.0]], [0.0]), relu, layer([[0.0], [1.0]], [1.0, -50.0]), relu, nn.Linear(2, 1))
        D.double()
        with HiddenUnits(D) as units:
            for batch in (tensor([[1.0], [2.0]]), tensor([[3.0]])):
                units.begin()
                D(batch)
        assert units.active() == 1 / 3
        with HiddenUnits(D) as units:
            D(tensor([[1.0], [2.0]]))
            units.begin()
            D(tensor([[60.0]]))
        assert units.active() == 2 / 3

    def test_without_activation_modules_the_last_layer_is_no_hidden_one(self) -> None:
        class Plain(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = layer([[1.0], [0.0]], [0.0, 2.0]), layer([[1.0, 1.0]], [0.0])

            def forward(self, x: Tensor) -> Tensor:
                return self.last(self.first(x).sin())

        with HiddenUnits(D := Plain()) as units:
            for batch in (tensor([[1.0]]), tensor([[2.0]])):
                units.begin()
                D(batch)
        assert units.active() == 1 / 2

    @pytest.mark.parametrize(("size", "expected"), [(0.9e-6, 0.0), (1.1e-6, 1.0)])
    def test_less_than_rounding_is_no_variation(self, size: float, expected: float) -> None:
        D = nn.Sequential(layer([[1.0]], [0.0]), nn.ReLU(), layer([[1.0]], [0.0]))
        with HiddenUnits(D) as units:
            D(tensor([[1e3]]))
            units.begin()
            D(tensor([[1e3 * (1.0 + size)]]))
        assert units.active() == expected

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_unit_that_is_not_finite_is_not_silent(self, value: float) -> None:
        D = nn.Sequential(layer([[1.0], [0.0]], [0.0, 2.0]), nn.ReLU(), nn.Linear(2, 1)).double()
        with HiddenUnits(D) as units:
            D(tensor([[1.0], [1.0]]))
            assert units.active() == 0.0
            units.begin()
            D[1](tensor([[value, 2.0]]))
        assert units.active() == 1 / 2

    def test_what_runs_after_the_forward_does_not_count(self) -> None:
        D = nn.Sequential(layer([[1.0]], [0.0]), nn.ReLU(), layer([[1.0]], [0.0]))
        with HiddenUnits(D) as units:
            units.begin()
            D(tensor([[1.0]]))
            units.end()
            D(tensor([[2.0]]))
            assert torch.equal(units.features(), tensor([[1.0]]))
            assert units.active() == 0.0
            units.begin()
            D(tensor([[2.0]]))
            assert units.active() == 1.0


class TestHooks:
    def test_inside_only(self) -> None:
        D = seeded(0, Functional)
        units = HiddenUnits(D)
        assert no_hooks(D)
        D(normal(1, 7, 2))
        with units:
            assert not no_hooks(D)
        assert no_hooks(D)
        D(normal(1, 7, 2))
        assert units.features() is None

    def test_gone_after_an_exception(self) -> None:
        D = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(9, 1))
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), HiddenUnits(D):
            D(torch.zeros(3, 2))
        assert no_hooks(D)

    def test_the_network_says_and_learns_the_same(self) -> None:
        D = seeded(0, lambda: nn.Sequential(nn.Linear(2, 5), nn.ReLU(inplace=True), nn.Linear(5, 1)))
        x, random = normal(1, 7, 2), torch.random.get_rng_state()
        told = []
        for watched in (D, None):
            with HiddenUnits(watched):
                told.append([D(x), *torch.autograd.grad(D(x).sum(), [*D.parameters()])])
        assert all(torch.equal(a, b) for a, b in zip(*told, strict=True))
        assert torch.equal(torch.random.get_rng_state(), random)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_feature_map_counts_by_channels_in_any_memory_layout(layout: torch.memory_format) -> None:
    """Channel 0 varies at one pixel of one sample, channel 1 with the pixel alone, channel 2 not at all."""
    x = torch.zeros(6, 3, 4, 5, dtype=F64)
    x[4, 0, 1, 2] = 1.0
    x[:, 1] = torch.arange(20.0, dtype=F64).view(4, 5)
    x[:, 2] = 3.0
    D = nn.Sequential(nn.ReLU())
    with HiddenUnits(D) as units:
        D(x.to(memory_format=layout))
    assert units.active() == pytest.approx(1 / 3)


def test_what_is_an_activation() -> None:
    for part in (nn.ReLU(), nn.LeakyReLU(), nn.Tanh(), nn.SELU(), nn.PReLU(), nn.Sigmoid(), nn.SiLU()):
        assert is_activation(part)
    for part in (nn.Linear(2, 2), nn.Softmax(1), nn.MultiheadAttention(2, 1), nn.Identity(), nn.BatchNorm1d(2)):
        assert not is_activation(part)
