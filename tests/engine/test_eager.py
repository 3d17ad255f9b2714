"""The eager executor against loops written by hand."""

from __future__ import annotations

from copy import deepcopy
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from steps import PLAIN, SGD, SIDES, draws, executor, run
from torch import Tensor, nn

import steadygan as sg
from steadygan.engine.executor import Eager
from steadygan.engine.optim import Ema, OptimizerSettings
from steadygan.types import Method, Opponent
from tiny import N, assert_same, built, double, networks, small_d, small_g, weights


def plain_loop(
    G: nn.Module, D: nn.Module, block: list[Any], iterations: int, count: int, weight: float
) -> tuple[list[tuple[float, float, float]], list[Tensor]]:
    """Fake-as-real and r1 as anybody would write them, without the package."""
    kept = [p.detach().clone() for p in G.parameters()]
    adam_g = torch.optim.Adam(G.parameters(), 2e-3, betas=(0.5, 0.9), foreach=False)
    adam_d = torch.optim.Adam(D.parameters(), 5e-3, betas=(0.5, 0.9), foreach=False)
    told = []
    for iteration in block[:iterations]:
        d_told = []
        for step in iteration.d:
            fake = G(step.z).detach()
            fake, candidates = fake[:N], fake[N:]
            order = D(candidates).detach().flatten().argsort()
            real = torch.cat([step.real.x, candidates[order[:count]]]).requires_grad_()
            on_real, on_fake = D(real).squeeze(1), D(fake).squeeze(1)
            loss = -F.logsigmoid(on_real).mean() - F.logsigmoid(-on_fake).mean()
            (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
            penalty = weight * slope.pow(2).sum(1).mean()
            adam_d.zero_grad()
            (loss + penalty).backward()
            adam_d.step()
            d_told.append((loss.item(), penalty.item()))
        g_loss = -F.logsigmoid(D(G(iteration.g.z)).squeeze(1)).mean()
        adam_g.zero_grad()
        g_loss.backward()
        adam_g.step()
        kept = [0.9 * k + 0.1 * p.detach() for k, p in zip(kept, G.parameters(), strict=True)]
        told.append((*(fmean(values) for values in zip(*d_told, strict=True)), g_loss.item()))
    return told, kept


def test_equals_a_loop_written_by_hand():
    G, D = double(*networks(1))
    other_g, other_d = double(*networks(1))
    made = executor(
        G,
        D,
        OptimizerSettings(),
        rates=(2e-3, 5e-3),
        ema=Ema(0.9),
        penalties=(sg.penalties.r1(0.3),),
        method=sg.methods.FakeAsReal(3, factor=4),
    )
    statistics = run(made, 20, d_steps=2)
    told, kept = plain_loop(other_g, other_d, draws(made.opponents, 2).block(0), 20, count=3, weight=0.3)
    close = {"rtol": 0, "atol": 1e-10}
    for here, (loss, penalty, g_loss) in zip(statistics, told, strict=True):
        assert here.keys() == {"d/D/loss", "d/D/penalty/r1", "g/D/loss"}
        torch.testing.assert_close(here["d/D/loss"].item(), loss, **close)
        torch.testing.assert_close(here["d/D/penalty/r1"].item(), penalty, **close)
        torch.testing.assert_close(here["g/D/loss"].item(), g_loss, **close)
        assert not any(value.requires_grad for value in here.values())
    pairs = zip((*G.parameters(), *D.parameters()), (*other_g.parameters(), *other_d.parameters()), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.detach(), theirs.detach(), **close)
    assert made.average is not None
    for ours, theirs in zip(made.average.network.parameters(), kept, strict=True):
        torch.testing.assert_close(ours, theirs, **close)


def test_one_step_of_each_player_with_its_own_rate():
    """SGD: D moves by lr_d times its gradient at the old G, then G by lr_g times its gradient at the new D."""
    G, D = double(*networks(2))
    before_g, before_d = double(*networks(2))
    made = executor(G, D, rates=(0.3, 0.02))
    step = draws(made.opponents).block(0)[0]
    made.iteration(step, 0, 1.0)

    def logits(module: nn.Module, x: Tensor) -> Tensor:
        return module(x).flatten()

    fake = before_g(step.d[0].z).detach()
    loss = F.softplus(-logits(before_d, step.d[0].real.x)).mean() + F.softplus(logits(before_d, fake)).mean()
    slopes = torch.autograd.grad(loss, list(before_d.parameters()))
    for new, old, slope in zip(D.parameters(), before_d.parameters(), slopes, strict=True):
        torch.testing.assert_close(new.detach(), old.detach() - 0.02 * slope)
    g_loss = F.softplus(-logits(D, before_g(step.g.z))).mean()
    slopes = torch.autograd.grad(g_loss, list(before_g.parameters()))
    for new, old, slope in zip(G.parameters(), before_g.parameters(), slopes, strict=True):
        torch.testing.assert_close(new.detach(), old.detach() - 0.3 * slope)


def test_the_schedules_factor_scales_both_rates():
    halved, plain = executor(*networks(), rates=(0.2, 0.4)), executor(*networks(), rates=(0.1, 0.2))
    run(halved, 4, factor=0.5)
    run(plain, 4)
    assert_same(weights(*halved.networks.values()), weights(*plain.networks.values()))
    assert halved.optimizers["G"].param_groups[0]["lr"] == 0.1


def test_several_opponents_each_take_their_own_step_by_weight():
    """G's objective is the weighted sum; each D's gradient is scaled by its own weight."""
    G, a, b = double(*built(3, small_g, small_d, small_d))
    old_g, old_a, old_b = deepcopy((G, a, b))
    opponents = {"a": Opponent(a, PLAIN, weight=2.0), "b": Opponent(b, sg.losses.Minimax(), weight=0.5)}
    step = draws(opponents).block(0)[0]
    row = Eager(G, opponents, SIDES, (SGD, SGD), (0.1, 0.1), None).iteration(step, 0, 1.0)
    assert row.keys() == {"d/a/loss", "d/b/loss", "g/a/loss", "g/b/loss"}

    def stepped(module: nn.Module, loss: Tensor, rate: float) -> list[Tensor]:
        slopes = torch.autograd.grad(loss, list(module.parameters()))
        return [p.detach() - rate * slope for p, slope in zip(module.parameters(), slopes, strict=True)]

    fake = old_g(step.d[0].z).detach()
    for name, new, old in (("a", a, old_a), ("b", b, old_b)):
        loss = F.softplus(-old(step.d[0].real.x)).mean() + F.softplus(old(fake)).mean()
        torch.testing.assert_close(row[f"d/{name}/loss"], loss.detach())  # without the opponent's weight
        for here, there in zip(new.parameters(), stepped(old, loss, 0.1 * opponents[name].weight), strict=True):
            torch.testing.assert_close(here.detach(), there)
    fake = old_g(step.g.z)
    g_loss = 2.0 * F.softplus(-a(fake)).mean() - 0.5 * F.softplus(b(fake)).mean()
    for here, there in zip(G.parameters(), stepped(old_g, g_loss, 0.1), strict=True):
        torch.testing.assert_close(here.detach(), there)


class Pull(Method):
    """A method with a term for each player, both of the same name."""

    name = "pull"

    def d_terms(self, critic, real, fake):
        return {"mean": sg.types.Term(real.logits.square(), 0.5)}

    def g_terms(self, critic, real, fake):
        return {"mean": sg.types.Term(fake.batch.x.square().sum(1), 0.25)}


def test_a_methods_terms_join_both_players():
    made = executor(*networks(), method=Pull())
    (row,) = run(made, 1)
    assert row.keys() == {"d/D/loss", "d/D/method/mean", "g/D/loss", "g/D/method/mean"}


class Counting(sg.penalties.WeightClipping):
    calls = 0

    def after_d_step(self, network, parameters) -> None:
        type(self).calls += 1
        super().after_d_step(network, parameters)


def test_a_constraint_acts_after_every_d_step():
    G, D = networks()
    Counting.calls = 0
    run(executor(G, D, rates=(1.0, 1.0), constraint=Counting(0.05)), 3, d_steps=2)
    assert Counting.calls == 6
    assert all(p.abs().max() <= 0.05 for p in D.parameters())
    assert any(p.abs().max() > 0.05 for p in G.parameters())


def test_a_lazy_penalty_acts_every_so_many_d_steps():
    made = executor(*networks(), penalties=(sg.penalties.r1(1.0, interval=4), sg.penalties.r2(1.0)))
    acted = ["d/D/penalty/r1" in row for row in run(made, 6, d_steps=2)]
    assert acted == [True, False, True, False, True, False]
    assert len(made._acting) == 2  # one set of opponents per set of acting parts
