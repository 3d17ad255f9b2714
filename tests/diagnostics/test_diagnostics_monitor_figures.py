"""The figures of the monitor's looks: of which samples, logits and losses they are made."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64, Linear, normal, seeded, tensor
from steadygan.diagnostics import gradient_figures, output_figures
from steadygan.diagnostics.yardstick import Yardstick
from steadygan.errors import InputError
from steadygan.types import Batch


def mlp(seed: int = 0) -> nn.Module:
    return seeded(seed, lambda: nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)))


class Told(nn.Module):
    """d = x.w + a shift by class."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return x @ tensor([1.0, 0.5]).to(x) + 100.0 * label


def test_given_logits_are_those_of_the_step() -> None:
    """Also where D has changed since; the over-fitting gap is D's own of now, as of now are the held-out samples'."""
    D, real, fake, held_out = Linear([1.0, 0.5]), normal(0, 30, 2), normal(1, 40, 2), normal(2, 20, 2)
    said = normal(3, 30) + 2.0, normal(4, 40, 1) - 11.0
    monitor = sg.CollapseMonitor(1)
    monitor.observe(D=D, real=real, fake=fake, real_logits=said[0], fake_logits=said[1], held_out=held_out)
    monitor.observe(D=D, real=real, fake=fake, held_out=held_out)
    monitor.observe(D=D, real=real, fake=fake, real_logits=said[0])
    first, second, third = monitor.records
    own = output_figures(D(real), D(fake.repeat(2, 1)), D(held_out))  # the fakes of both calls
    assert {key: second[key] for key in own} == pytest.approx(own, rel=1e-12)
    step = output_figures(*said)
    assert {key: first[key] for key in step} == pytest.approx(step, rel=1e-12)
    assert step["saturation"] > 0.3
    assert first["overfitting_gap"] == second["overfitting_gap"] == pytest.approx(own["overfitting_gap"], rel=1e-12)
    mixed = output_figures(said[0], D(fake)[:40])
    assert third["accuracy_real"] == mixed["accuracy_real"] != own["accuracy_real"]
    assert "overfitting_gap" not in third


def test_fakes_of_several_calls_are_held_against_the_first_reals() -> None:
    """Batches of 50: the last 256 fakes, the first 512 reals in turns."""
    D, calls = Linear([1.0, 0.5]), 12
    reals, fakes = [normal(i, 50, 2) for i in range(calls)], [0.8 * normal(100 + i, 50, 2) for i in range(calls)]
    monitor = sg.CollapseMonitor(calls)
    for x, y in zip(reals, fakes, strict=True):
        monitor.observe(D=D, real=x, fake=y)
    (record,) = monitor.records
    known, last = torch.cat(reals)[:512], torch.cat(fakes)[-256:]
    expected = Yardstick(known[::2], known[1::2]).figures(last)[0]
    assert {key: record[key] for key in expected} == pytest.approx(expected, rel=1e-12)
    spread = torch.pdist(known[::2]).mean()
    assert record["steepness"] == pytest.approx(math.sqrt(1.25) * float(spread), rel=1e-9)
    received = gradient_figures(torch.sigmoid(-D(last)) * math.sqrt(1.25))
    assert {key: record[f"gradient_{key}"] for key in received} == pytest.approx(received, rel=1e-9)
    assert record["accuracy_fake"] == output_figures(D(reals[-1]), D(last))["accuracy_fake"]


def test_losses_means_and_deviations_since_the_last_look() -> None:
    D, monitor = mlp(), sg.CollapseMonitor(3, loss=sg.losses.NonSaturating())
    losses = [1.0, 2.0, 6.0, 5.0, 5.0, 5.0]
    for i, loss in enumerate(losses):
        d_loss = torch.tensor([loss], requires_grad=True)
        monitor.observe(
            D=D, real=normal(0, 64, 2), fake=normal(1, 64, 2), d_loss=d_loss, g_loss=-loss if i < 4 else None
        )
    first, second = monitor.records
    assert (first["d_loss"], first["g_loss"]) == (3.0, -3.0)
    assert first["d_loss_std"] == first["g_loss_std"] == pytest.approx(math.sqrt(14 / 3), rel=1e-12)
    assert first["d_off"] == pytest.approx(3.0 / math.log(4.0) - 1.0, rel=1e-6)
    assert (second["d_loss"], second["d_loss_std"], second["g_loss"]) == (5.0, 0.0, -5.0)
    assert "g_loss_std" not in second  # of one number


def test_a_loop_may_write_over_its_tensors() -> None:
    D, one, other = mlp(), sg.CollapseMonitor(4), sg.CollapseMonitor(4)
    x, y, loss = torch.empty(64, 2, dtype=F64), torch.empty(64, 2, dtype=F64), torch.empty(())
    for i in range(8):
        x.copy_(normal(i, 64, 2))
        y.copy_(normal(50 + i, 64, 2))
        loss.fill_(float(i))
        one.observe(D=D, real=x, fake=y, d_loss=loss)
        other.observe(D=D, real=normal(i, 64, 2), fake=normal(50 + i, 64, 2), d_loss=float(i))
    assert one.records == other.records


def test_the_yardstick_grows_with_the_reals_until_it_is_long_enough() -> None:
    monitor, D, fake = sg.CollapseMonitor(1), mlp(), normal(99, 64, 2)
    reals = [normal(i, 64, 2) for i in range(12)]
    for x in reals:
        monitor.observe(D=D, real=x, fake=fake)
    for i, record in enumerate(monitor.records):
        known, last = torch.cat(reals[: i + 1])[:512], fake.repeat(min(i + 1, 4), 1)
        assert record["diversity"] == Yardstick(known[::2], known[1::2]).figures(last)[0]["diversity"]


def test_stretches_of_one_kind_are_in_both_halves() -> None:
    """A source that is not shuffled: one place, then the other."""
    monitor, D = sg.CollapseMonitor(8), mlp()
    for i in range(8):
        monitor.observe(D=D, real=normal(i, 64, 2) + (9.0 if i < 4 else -9.0), fake=normal(50 + i, 64, 2) + 9.0)
    assert monitor.records[0]["batch_distance"] > 0.3


def test_labels_go_with_the_samples() -> None:
    monitor = sg.CollapseMonitor(3)
    labels = [torch.full((20,), i) for i in range(3)]
    for i, label in enumerate(labels):
        real, fake = Batch(normal(i, 20, 2), label), Batch(normal(10 + i, 20, 2), 2 * label)
        monitor.observe(D=Told(), real=real, fake=fake, held_out=Batch(normal(30, 7, 2), torch.zeros(7)))
    gap = float(Told()(normal(2, 20, 2), labels[2]).mean())
    gap -= float(torch.cat([Told()(normal(10 + i, 20, 2), 2 * label) for i, label in enumerate(labels)]).mean())
    assert monitor.records[0]["logit_gap"] == pytest.approx(gap, rel=1e-9)
    assert monitor.records[0]["accuracy_held_out"] < 1.0


def test_a_discriminator_that_couples_samples_sees_them_as_in_the_step() -> None:
    class Deviation(nn.Module):
        couples_samples = True
        sizes: list[int] = []  # noqa: RUF012

        def forward(self, x: Tensor) -> Tensor:
            self.sizes.append(len(x))
            return x.sum(1) + x.std()

    monitor = sg.CollapseMonitor(5)
    for i in range(5):
        monitor.observe(D=Deviation(), real=normal(i, 16, 2), fake=normal(10 + i, 12, 2))
    assert set(Deviation.sizes) <= {12, 4}  # reals go in parts of as many as there are fakes
    assert "over_coverage" not in monitor.records[0]


def test_gradients_of_exactly_zero_are_a_verdict_unless_the_loop_has_set_them() -> None:
    G, D, x = mlp(1), mlp(), normal(0, 40, 2).float()

    def verdict(g: float, d: float) -> str:
        for network, value in ((G, g), (D, d)):
            for p in network.parameters():
                p.grad = torch.full_like(p, value)
        monitor = sg.CollapseMonitor(1)
        for _ in range(2):
            found = monitor.observe(D=D, real=x, fake=x + 0.1, G=G)
        assert found is not None
        return found.state

    assert [verdict(0.1, 0.1), verdict(0.0, 0.1), verdict(0.0, 0.0)] == ["good", "stalled", "good"]


@pytest.mark.parametrize("end", [torch.sigmoid, torch.tanh])
def test_squashed_scores_are_refused_at_the_first_call(end: Callable[[Tensor], Tensor]) -> None:
    net, x = mlp(), normal(0, 40, 2)
    D = seeded(0, lambda: nn.Sequential(net, nn.Sigmoid() if end is torch.sigmoid else nn.Tanh()))
    with pytest.raises(InputError, match="expected logits of D, got the scores of a network that ends in"):
        sg.CollapseMonitor(9).observe(D=D, real=x, fake=x)
    with pytest.raises(InputError, match="expected logits of D, got the scores of a network that ends in"):
        sg.diagnose(seeded(1, lambda: nn.Linear(2, 2)), D, x, latent_dim=2)
    sg.CollapseMonitor(1).observe(D=sg.types.critic(D, gives="logit"), real=x, fake=x)
    if end is torch.sigmoid:
        monitors = sg.CollapseMonitor(1), sg.CollapseMonitor(1)
        for monitor, given in zip(monitors, (sg.types.opened(D), net), strict=True):
            monitor.observe(D=given, real=x, fake=x + 0.1)
        assert monitors[0].records == monitors[1].records


def test_a_discriminator_that_writes_over_its_input_is_told_and_the_samples_stay() -> None:
    x = normal(0, 40, 2).float()
    before = x.clone()
    with pytest.raises(InputError, match="leaves its input unchanged, got one that overwrites it"):
        sg.CollapseMonitor(1).observe(D=nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1)), real=x, fake=x)
    assert torch.equal(x, before)
