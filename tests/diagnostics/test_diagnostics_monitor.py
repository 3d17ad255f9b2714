"""The monitor in a loop of one's own: what it says of batches whose state is known, and that it disturbs nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import seeded
from steadygan.errors import InputError

N = 64


def critic(scale: float = 0.1) -> nn.Sequential:
    network = seeded(0, lambda: nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    return network


def batch(seed: int, n: int = N, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def watched(steps: int, fake: Any, D: Any = None, **settings: Any) -> tuple[sg.CollapseMonitor, list[Any]]:
    monitor = sg.CollapseMonitor(every=10)
    D = critic() if D is None else D
    return monitor, [
        monitor.observe(D=D, real=batch(2 * i), fake=fake(i), **{k: v(i) for k, v in settings.items()})
        for i in range(steps)
    ]


def normal(i: int) -> Tensor:
    return batch(2 * i + 1)


def test_a_look_at_every_tenth_call() -> None:
    monitor, told = watched(35, normal)
    assert [i for i, verdict in enumerate(told, 1) if verdict is not None] == [10, 20, 30]
    assert [record["iteration"] for record in monitor.records] == [10, 20, 30]
    assert monitor.verdict is told[29]
    assert {"gradient_max", "batch_distance", "logit_gap", "weight_norm_d", "over_coverage"} <= monitor.records[
        0
    ].keys()


def test_fakes_like_reals_are_healthy_in_the_end() -> None:
    monitor, _ = watched(80, normal, critic(1.0))
    assert monitor.verdict.verdict == "healthy"
    assert not monitor.verdict.alarm


def test_fakes_at_one_point() -> None:
    monitor, _ = watched(80, lambda i: 3.0 + batch(2 * i + 1, spread=0.01), critic(1.0))
    assert monitor.verdict.verdict == "collapsed"
    assert "fakes differ" in monitor.verdict.reason
    assert "since iteration" in monitor.verdict.reason


def test_a_steep_and_a_dead_critic() -> None:
    monitor, _ = watched(30, normal, critic(30.0))
    assert monitor.verdict.verdict == "exploding"
    dead = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        dead[0].bias.fill_(-1e3)
    monitor, _ = watched(10, normal, dead)
    assert monitor.verdict.verdict == "dead_discriminator"


@pytest.mark.parametrize("where", ["fake", "logits"])
def test_what_is_not_finite(where: str) -> None:
    broken = nn.Sequential(nn.Linear(2, 1), nn.LeakyReLU(0.2), nn.Linear(1, 1))
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    fake = (lambda _: torch.full((N, 2), float("nan"))) if where == "fake" else normal
    monitor, _ = watched(30, fake, critic() if where == "fake" else broken)
    assert monitor.verdict.verdict == "non_finite"


def test_the_steps_own_logits_and_losses_are_used() -> None:
    told = {"real_logits": lambda _: torch.full((N, 1), 3.0), "fake_logits": lambda _: torch.full((N,), -1.0)}
    monitor, _ = watched(10, normal, None, **told, d_loss=lambda i: torch.tensor(float(i)), g_loss=lambda _: 2.0)
    (record,) = monitor.records
    assert record["logit_gap"] == pytest.approx(4.0)
    assert (record["accuracy_real"], record["accuracy_fake"]) == (1.0, 1.0)
    assert record["d_loss"] == pytest.approx(4.5)
    assert record["d_loss_std"] == pytest.approx(8.25**0.5)
    assert (record["g_loss"], record["g_loss_std"]) == (2.0, 0.0)


def test_held_out_samples_bring_the_gap() -> None:
    monitor, _ = watched(10, normal, None, held_out=lambda i: batch(1000 + i))
    assert {"overfitting_gap", "accuracy_held_out"} <= monitor.records[0].keys()


def test_nothing_is_disturbed() -> None:
    D = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    D[0].weight.requires_grad_(False)
    D(batch(0)).sum().backward()
    before = {key: value.clone() for key, value in D.state_dict().items()}
    slopes = [None if p.grad is None else p.grad.clone() for p in D.parameters()]
    flags, random = [p.requires_grad for p in D.parameters()], torch.random.get_rng_state()
    watched(20, normal, D, held_out=lambda i: batch(1000 + i))
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in D.state_dict().items())
    for parameter, slope in zip(D.parameters(), slopes, strict=True):
        assert (parameter.grad is None) == (slope is None)
        assert slope is None or torch.equal(parameter.grad, slope)
    assert [p.requires_grad for p in D.parameters()] == flags
    assert all(part.training for part in D.modules())
    assert not any(part._forward_hooks for part in D.modules())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fake": torch.zeros(8, 3)}, r"expected fake samples \(n >= 1, 2\), got \(8, 3\)"),
        ({"held_out": torch.zeros(8)}, "expected held-out samples"),
        ({"real_logits": torch.zeros(3)}, r"expected one real logit per sample, 64, got \(3,\)"),
        ({"fake_logits": torch.zeros(64, 2)}, r"expected one fake logit per sample, 64, got \(64, 2\)"),
    ],
)
def test_wrong_shapes(changed: dict[str, Tensor], message: str) -> None:
    given = {"real": batch(0), "fake": batch(1), **changed}
    with pytest.raises(InputError, match=message):
        sg.CollapseMonitor().observe(D=critic(), **given)


def test_batches_of_any_size_and_a_plain_function() -> None:
    monitor = sg.CollapseMonitor(every=10)
    for i in range(40):
        verdict = monitor.observe(D=lambda x: x[:, 0], real=batch(2 * i, 1 + i % 3), fake=batch(2 * i + 1, 1 + i % 2))
    assert verdict is not None
    assert monitor.records[-1]["d_gradient_mean"] == pytest.approx(1.0)


def test_settings() -> None:
    with pytest.raises(InputError, match="every must be a whole number of 1 or more"):
        sg.CollapseMonitor(every=0)
    with pytest.raises(InputError, match="times must be a whole number of 1 or more"):
        sg.CollapseMonitor(policy="rollback", times=0)


def test_a_loop_that_stops_and_goes_on_keeps_its_verdicts() -> None:
    whole, _ = watched(60, lambda i: 3.0 + batch(2 * i + 1, spread=0.01), critic(1.0))
    first, _ = watched(30, lambda i: 3.0 + batch(2 * i + 1, spread=0.01), critic(1.0))
    second = sg.CollapseMonitor(every=10)
    second.load_state_dict(first.state_dict())
    for i in range(30, 60):
        second.observe(D=critic(1.0), real=batch(2 * i), fake=3.0 + batch(2 * i + 1, spread=0.01))
    assert [record["verdict"] for record in second.records] == [record["verdict"] for record in whole.records]
