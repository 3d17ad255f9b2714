"""The generator's average against its recursion, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from known import F64, normal
from steadygan.engine.optim import Average, Ema
from steadygan.errors import InputError
from tiny import assert_same, built, small_g, trainer, weights


def moved(network: nn.Module, step: int) -> None:
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.copy_(normal(100 * step + index, *parameter.shape))


def test_follows_the_recursion():
    (network,) = built(0, lambda: small_g().double())
    average = Average(network, Ema(0.8))
    expected = [p.detach().clone() for p in network.parameters()]
    assert_same(weights(average.network), weights(network))
    for step in range(6):
        moved(network, step)
        average.update(step, batch=64)
        expected = [0.8 * e + 0.2 * p.detach() for e, p in zip(expected, network.parameters(), strict=True)]
        for ours, theirs in zip(average.network.parameters(), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)


def test_decay_0_is_the_network_itself():
    (network,) = built(0, lambda: small_g().double())
    average = Average(network, Ema(0.0))
    moved(network, 1)
    average.update(0, batch=1)
    assert_same(weights(average.network), weights(network))


def test_half_life_halves():
    """After half_life images of a still network, the distance to it has halved."""
    settings = Ema(decay=None, half_life=640, ramp_up=None)
    assert settings.at(0, 64) == settings.at(10**6, 64) == pytest.approx(0.5**0.1)
    (network,) = built(0, lambda: small_g().double())
    average = Average(network, settings)
    start = [p.clone() for p in average.network.parameters()]
    moved(network, 1)
    for step in range(10):
        average.update(step, batch=64)
    for ours, old, new in zip(average.network.parameters(), start, network.parameters(), strict=True):
        torch.testing.assert_close(ours, (old + new.detach()) / 2, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("iteration", "life"), [(0, 3.2), (9, 32.0), (99, 320.0), (199, 640.0), (312, 1000.0), (10**6, 1000.0)]
)
def test_half_life_ramps_up_with_the_images_seen(iteration, life):
    """Images seen after iteration i are 64 (i + 1); the half-life is at most 0.05 of them."""
    assert Ema(None, half_life=1000.0, ramp_up=0.05).at(iteration, 64) == pytest.approx(0.5 ** (64 / life))


def test_ramp_up_keeps_early_weights_out():
    """With ramp-up the random first weights have lost all influence after 100 iterations, without it they have not."""

    def share_of_the_start(settings: Ema) -> float:
        return math.prod(settings.at(i, 64) for i in range(100))

    assert share_of_the_start(Ema(None, half_life=1e5)) < 1e-12
    assert share_of_the_start(Ema(None, half_life=1e5, ramp_up=None)) > 0.9


def test_buffers_are_copied_and_the_copy_is_frozen_and_at_rest():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to(F64)
    average = Average(network, Ema(0.9))
    network(normal(1, 16, 2))
    before = weights(network)
    average.update(0, batch=16)
    assert torch.equal(average.network[1].running_mean, network[1].running_mean)
    assert torch.equal(average.network[1].num_batches_tracked, network[1].num_batches_tracked)
    assert_same(weights(network), before)
    assert not any(p.requires_grad for p in average.network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert not average.network.training
    assert network.training


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"decay": None}, "expected a decay or a half_life"),
        ({"decay": 0.9, "half_life": 100.0}, "expected a decay or a half_life"),
        ({"decay": 1.0}, "ema.decay: expected a number from 0 to below 1, or none, got 1.0"),
        ({"decay": -0.1}, "ema.decay: expected a number from 0 to below 1, or none, got -0.1"),
        ({"decay": None, "half_life": 0.0}, "ema.half_life: expected a number above 0, or none, got 0.0"),
        (
            {"decay": None, "half_life": 10.0, "ramp_up": 0.0},
            "ema.ramp_up: expected a number above 0, or none, got 0.0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(settings, told):
    with pytest.raises(InputError) as error:
        Ema(**settings)
    assert told in str(error.value)


def test_in_a_run_the_average_follows_the_live_network():
    """The whole chain once: every iteration's live weights, averaged by hand, give run.G."""
    seen = []
    trained = trainer(ema=Ema(None, half_life=100.0), log_every=1, dtype=F64)
    start = [p.detach().double() for p in trained.setup.G.parameters()]
    trained.callbacks.append(lambda run, *_: seen.append([p.detach().clone() for p in run.G_live.parameters()]))
    run = trained.fit(12)
    settings = Ema(None, half_life=100.0)
    for iteration, live in enumerate(seen[1:13]):
        decay = settings.at(iteration, 8)
        start = [decay * s + (1 - decay) * p for s, p in zip(start, live, strict=True)]
    for ours, theirs in zip(run.G.parameters(), start, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_without_an_average_the_live_network_is_the_result():
    run = trainer(ema=None).fit(3)
    assert run.G is run.G_live
    assert torch.equal(run.sample(5), run.sample(5, weights="live"))
