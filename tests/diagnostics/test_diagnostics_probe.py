"""Living and dead discriminators."""

import pytest
import torch
from torch import nn

from steadygan.diagnostics import active_units, dead_discriminator


def samples(n=64, *shape):
    return torch.randn(n, *(shape or (2,)), generator=torch.Generator().manual_seed(0))


def layer(weights, biases):
    made = nn.Linear(len(weights[0]), len(weights))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weights))
        made.bias.copy_(torch.tensor(biases))
    return made


def test_dead_relu_units_by_hand():
    # units: alive; always below 0; constant; alive
    first = layer([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]], [0.0, -100.0, 5.0, 0.0])
    assert active_units(nn.Sequential(first, nn.ReLU(), nn.Linear(4, 1)), samples()) == 0.5


def test_a_wholly_dead_network():
    first = layer([[1.0, 0.0], [0.0, 1.0]], [-100.0, -100.0])
    D = nn.Sequential(first, nn.ReLU(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert active_units(D, samples()) == 0.0


def test_units_of_all_layers_count_alike():
    first = layer([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    second = layer([[1.0, 1.0]] * 6, [-1e4] * 6)
    assert active_units(nn.Sequential(first, nn.Tanh(), second, nn.ReLU(), nn.Linear(6, 1)), samples()) == 2 / 8


def test_saturated_tanh_is_dead_and_leaky_relu_is_not():
    first = layer([[1e-9, 0.0], [1.0, 0.0]], [50.0, 0.0])
    assert active_units(nn.Sequential(first, nn.Tanh(), nn.Linear(2, 1)), samples()) == 0.5
    first = layer([[1.0, 0.0], [1.0, 0.0]], [-100.0, 0.0])
    assert active_units(nn.Sequential(first, nn.LeakyReLU(0.2), nn.Linear(2, 1)), samples()) == 1.0


def test_channels_of_feature_maps():
    convolution = nn.Conv2d(1, 3, 3)
    with torch.no_grad():
        convolution.bias.copy_(torch.tensor([0.0, 0.0, -1e3]))
    D = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(12, 1))
    assert active_units(D, samples(8, 1, 4, 4)) == pytest.approx(2 / 3)


def test_without_activation_modules_layers_but_the_last_count():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = layer([[1.0, 0.0], [0.0, 0.0]], [0.0, 1.0])
            self.last = layer([[0.0, 0.0]], [0.0])

        def forward(self, x):
            return self.last(torch.relu(self.first(x)))

    assert active_units(Functional(), samples()) == 0.5


@pytest.mark.parametrize("D", [nn.Linear(2, 1), nn.Identity(), nn.Flatten()])
def test_nothing_hidden_nothing_dead(D):
    assert active_units(D, samples()) == 1.0


def test_a_shared_activation_counts_each_time():
    relu = nn.ReLU()
    first, second = layer([[1.0, 0.0]], [0.0]), layer([[1.0]], [-1e4])
    assert active_units(nn.Sequential(first, relu, second, relu, nn.Linear(1, 1)), samples()) == 0.5


def test_layers_that_work_in_place():
    first = layer([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    D = nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True), nn.Hardtanh(90.0, 91.0, inplace=True), nn.Linear(2, 1))
    assert active_units(D, samples()) == 0.5


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(training):
    D = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)).train(training)
    before = {key: value.clone() for key, value in D.state_dict().items()}
    random = torch.random.get_rng_state()
    active_units(D, samples())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in D.state_dict().items())
    assert not any(part._forward_hooks for part in D.modules())
    assert torch.is_grad_enabled()
    assert D.training == training


def test_hooks_go_even_when_the_forward_fails():
    D = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(9, 1))
    with pytest.raises(RuntimeError):
        active_units(D, samples())
    assert not any(part._forward_hooks for part in D.modules())


def test_verdicts():
    assert dead_discriminator(1e-8, 0.01) is None
    assert dead_discriminator(0.5, 1.0) is None
    assert "gradient" in dead_discriminator(0.99e-8, 1.0)
    assert "hidden units" in dead_discriminator(0.5, 0.0099)
    both = dead_discriminator(0.0, 0.0)
    assert "gradient" in both
    assert "hidden units" in both
    assert "\n" not in both


def test_a_nan_gradient_is_another_matter():
    assert dead_discriminator(float("nan"), 1.0) is None  # the non-finite stop names that one
