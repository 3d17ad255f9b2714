"""One look at a critic: the outputs and hidden features of both sides, from one forward each, and nothing moved."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from known import normal, seeded
from steadygan.diagnostics.gradients import Sight, generator_gradient, norms_of, sight_of
from steadygan.diagnostics.units import HiddenUnits
from steadygan.errors import InputError
from steadygan.losses import NonSaturating, RelativisticPairing
from steadygan.methods import DenoisingFeatureMatching, SampleDifferences
from steadygan.types import Batch, critic

REAL, FAKE = normal(1, 9, 2), normal(2, 6, 2)


def perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 5), nn.LeakyReLU(0.2), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1))


def spectral() -> nn.Sequential:
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 5)), nn.Tanh(), nn.Linear(5, 1))


class Counting(nn.Module):
    """Remembers how large the batches of its forwards were."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, []
        self.register_buffer("forwards", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.shape[0])
        self.forwards += 1
        return self.network(x)


def sight(D: nn.Module, loss: Any = None, **more: Any) -> tuple[Sight, HiddenUnits]:
    with HiddenUnits(D) as units:
        return sight_of(D, loss or NonSaturating(), Batch(FAKE), Batch(REAL), units=units, **more), units


@pytest.mark.parametrize("build", [perceptron, normed, spectral])
@pytest.mark.parametrize("training", [True, False])
def test_both_sides_are_those_of_forwards_of_their_own(build: Any, training: bool) -> None:
    """Reals that depend on each other are shown as many at a time as there are fakes."""
    D, twin = (seeded(0, build).train(training) for _ in range(2))
    found, units = sight(D)
    parts = [REAL[:6], REAL[6:]] if build is normed and training else [REAL]
    for xs, output, hidden in ((parts, found.real, found.real_hidden), ([FAKE], found.fake, found.fake_hidden)):
        logits, features = [], []
        for x in xs:
            twin.load_state_dict(D.state_dict())
            logits.append(twin(x).squeeze(1).detach())
            twin.load_state_dict(D.state_dict())
            features.append(twin[:-1](x).detach())
        assert output is not None
        torch.testing.assert_close(output.logits, torch.cat(logits))
        torch.testing.assert_close(hidden, torch.cat(features))
        assert not output.logits.requires_grad
        assert hidden is not None
        assert not hidden.requires_grad
    assert units.active() == 1.0


def test_gradients_are_those_of_the_figures() -> None:
    D = seeded(0, perceptron)
    found, _ = sight(D, RelativisticPairing(), method=None)
    received, slope = generator_gradient(D, RelativisticPairing(), Batch(FAKE), Batch(REAL))
    assert torch.equal(norms_of(found.received), received)
    assert torch.equal(norms_of(found.slope), slope)
    y = FAKE.clone().requires_grad_()
    (expected,) = torch.autograd.grad(D(y).sum(), y)
    torch.testing.assert_close(found.slope, expected)
    assert found.slope.shape == FAKE.shape


@pytest.mark.parametrize("loss", [NonSaturating(), RelativisticPairing()])
@pytest.mark.parametrize("coupled", [None, True])
def test_each_side_is_shown_once(loss: Any, coupled: bool | None) -> None:
    D = Counting(seeded(0, perceptron))
    with HiddenUnits(D) as units:
        sight_of(critic(D, coupled), loss, Batch(FAKE), Batch(REAL[:6]), units=units)
    assert D.seen == [6, 6]
    assert D.forwards == 0  # a buffer, put back
    D.seen.clear()
    sight_of(critic(D), NonSaturating(), Batch(FAKE))
    assert D.seen == [6]


def test_methods_that_need_features_cost_no_forward() -> None:
    D = Counting(seeded(0, perceptron))
    method = SampleDifferences(weight=0.5, feature_layers=("network.1",))
    found, _ = sight(D, method=method)
    assert found.fake.features.keys() == {"network.1"}
    torch.testing.assert_close(found.fake.features["network.1"], D.network[:2](FAKE).detach())
    assert found.real is not None
    torch.testing.assert_close(found.real.features["network.1"], D.network[:2](REAL).detach())
    assert D.seen[:2] == [9, 6]
    assert len(D.seen) == 2


@pytest.mark.parametrize("build", [perceptron, normed, spectral])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(build: Any, training: bool) -> None:
    D = Counting(seeded(0, build)).train(training)
    before = {key: value.clone() for key, value in D.state_dict().items()}
    random = torch.random.get_rng_state()
    sight(D)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in D.state_dict().items())
    assert all(parameter.grad is None for parameter in D.parameters())
    assert all(part.training == training for part in D.modules())
    assert not any(part._forward_hooks for part in D.modules())
    assert torch.is_grad_enabled()


def test_units_of_both_sides_count_together() -> None:
    """Each side at one point: only between the two do units vary."""
    D = seeded(0, perceptron)
    with HiddenUnits(D) as units:
        sight_of(D, NonSaturating(), Batch(FAKE[:1].repeat(4, 1)), Batch(FAKE[:1].repeat(4, 1)), units=units)
    assert units.active() == 0.0
    with HiddenUnits(D) as units:
        sight_of(D, NonSaturating(), Batch(FAKE[:1].repeat(4, 1)), Batch(REAL[:1].repeat(4, 1)), units=units)
    assert units.active() == 1.0


def test_a_denoiser_that_d_brings_has_no_units_of_d() -> None:
    class Denoised(nn.Module):
        auxiliaries = ("denoiser",)

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Sequential(nn.Linear(2, 5), nn.Tanh()), nn.Linear(5, 1)
            self.denoiser = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5))
            nn.init.constant_(self.denoiser[0].bias, -100.0)

        def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            h = self.first(x)
            return self.last(h), {"h": h}

    D = seeded(0, Denoised)
    found, units = sight(D, method=DenoisingFeatureMatching())
    assert units.active() == 1.0
    torch.testing.assert_close(found.fake_hidden, D.first(FAKE).detach())


def test_without_reals_and_without_units() -> None:
    D = seeded(0, perceptron)
    with HiddenUnits(D) as units:
        found = sight_of(D, NonSaturating(), Batch(FAKE), units=units)
    assert (found.real, found.real_hidden) == (None, None)
    torch.testing.assert_close(found.fake_hidden, D[:4](FAKE).detach())
    found = sight_of(D, NonSaturating(), Batch(FAKE), Batch(REAL))
    assert (found.fake_hidden, found.real_hidden) == (None, None)
    assert found.real is not None
    torch.testing.assert_close(found.real.logits, D(REAL).squeeze(1).detach())
    with pytest.raises(InputError, match="real samples for the loss"):
        sight_of(D, RelativisticPairing(), Batch(FAKE))
