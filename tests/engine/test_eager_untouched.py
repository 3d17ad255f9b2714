"""What the eager executor must leave alone while it steps: frozen weights, buffers, the other player."""

from __future__ import annotations

import pytest
import torch
from steps import draws, executor, run
from torch import Tensor, nn

import steadygan as sg
from known import normal
from steadygan.engine.optim import OptimizerSettings
from tiny import N, assert_same, built, networks, small_d, small_g, weights


class Watched(nn.Module):
    """Passes on what its network says and writes down, per call, what could be trained and how many samples came."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.calls: list[tuple[int, bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        own = any(p.requires_grad for p in self.parameters())
        self.calls.append((x.shape[0], own, torch.is_grad_enabled()))
        return self.network(x)


def test_only_the_network_being_trained_is_open():
    G, D = (Watched(module) for module in networks())
    made = executor(G, D, method=sg.methods.FakeAsReal(2, factor=3))
    step = draws(made.opponents, dtype=torch.float32).block(0)[0]
    seen: dict[str, dict[str, bool]] = {}

    def look(player: str) -> None:
        seen[player] = {
            "G": any(p.grad is not None for p in G.parameters()),
            "D": any(p.grad is not None for p in D.parameters()),
        }

    for player, optimizer in made.optimizers.items():
        optimizer.register_step_pre_hook(lambda *_, player=player: look(player))
    G.calls.clear()
    D.calls.clear()
    made.iteration(step, 0, 1.0)
    assert seen == {"D": {"G": False, "D": True}, "G": {"G": True, "D": False}}
    assert G.calls == [(N + 6, False, False), (N, True, True)]
    assert D.calls == [(6, True, False), (N, True, True), (N, True, True), (N, False, True)]
    assert not any(p.requires_grad or p.grad is not None for p in (*G.parameters(), *D.parameters()))


def test_reals_in_the_generators_step_are_constants():
    D = Watched(networks()[1])
    made = executor(networks()[0], D, loss=sg.losses.RelativisticPairing())
    D.calls.clear()
    run(made, 1)
    assert D.calls[-2:] == [(N, False, False), (N, False, True)]


def test_frozen_parameters_stay_frozen():
    G, D = networks()
    G[0].requires_grad_(False)
    D[2].bias.requires_grad_(False)
    before = weights(G[0], D)
    made = executor(G, D, OptimizerSettings(weight_decay=0.1), constraint=sg.penalties.WeightClipping(0.3))
    with torch.no_grad():
        D[2].bias.fill_(0.7)
    run(made, 3)
    assert_same(weights(G[0]), before[:1])
    assert D[2].bias.item() == pytest.approx(0.7)  # neither trained nor clipped
    assert D[0].weight.abs().max() <= 0.3
    assert made.names == {"G": ["2.weight", "2.bias"], "D": ["D.0.weight", "D.0.bias", "D.2.weight"]}
    assert not any(p.requires_grad for p in (*G.parameters(), *D.parameters()))


def batch_norm(first: int, last: int) -> nn.Module:
    return nn.Sequential(nn.Linear(first, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, last))


def test_buffers_move_only_where_a_network_is_trained_through():
    G, D = built(0, lambda: batch_norm(2, 2), lambda: batch_norm(2, 1))
    made = executor(G, D, method=sg.methods.FakeAsReal(2, factor=3), loss=sg.losses.RelativisticPairing())
    assert made.critics["D"].couples_samples
    assert int(G[1].num_batches_tracked) == int(D[1].num_batches_tracked) == 0  # the probe moved nothing
    run(made, 1, d_steps=2)
    assert int(G[1].num_batches_tracked) == 1  # its own step; D's fakes and candidates left it alone
    assert int(D[1].num_batches_tracked) == 5  # two sides twice, G's fakes; neither candidates nor G's reals


def test_candidates_change_nothing_for_coupled_samples():
    """Fakes and candidates go through a batch-norm G in batches of M, and candidates through D in the same."""
    G, D = (Watched(module) for module in built(0, lambda: batch_norm(2, 2), lambda: batch_norm(2, 1)))
    made = executor(G, D, method=sg.methods.FakeAsReal(3, factor=4))
    G.calls.clear()
    D.calls.clear()
    run(made, 1)
    assert [n for n, *_ in G.calls] == [N, N, 4, N]  # M fakes, 12 candidates, G's own step
    assert [n for n, *_ in D.calls] == [N, 4, N, N, N]
    z = normal(5, N + 12, 2, dtype=torch.float32)
    assert torch.equal(made.fakes(z).x[:N], made.fakes(z[:N]).x)


def test_uncoupled_samples_go_through_at_once():
    G = Watched(small_g())
    made = executor(G, small_d(), method=sg.methods.FakeAsReal(3, factor=4))
    G.calls.clear()
    run(made, 1)
    assert [n for n, *_ in G.calls] == [N + 12, N]
