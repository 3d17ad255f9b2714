"""The state of a run: complete, by reference, copied on demand, refused where it does not fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64
from steadygan.engine.optim import Ema
from steadygan.errors import InputError
from steadygan.runs.checkpoint import TrainState, load_network
from tiny import assert_same, differs, leaves, networks, next_draws, small_d, small_g, state, trainer, weights


def trained(iterations: int = 30, **settings) -> sg.Trainer:
    made = trainer(**settings)
    made.fit(iterations)
    return made


def put_back(saved: TrainState, into: sg.Trainer) -> None:
    into.session.members[0].restore(saved)


def test_holds_every_tensor_by_name():
    found = state(trained())
    assert found.iteration.item() == 30
    assert found.networks.keys() == {"G", "D"}
    assert found.networks["G"].keys() == small_g().state_dict().keys()
    assert found.ema.keys() == small_g().state_dict().keys()
    assert found.optimizers["G"].keys() == small_g().state_dict().keys()
    assert found.optimizers["D"].keys() == {f"D.{name}" for name in small_d().state_dict()}
    assert found.random.keys() == {"run", "cpu"}
    assert found.sums.keys() == {"d/D/loss", "g/D/loss", "d_loss squared", "g_loss squared"}
    assert all(isinstance(leaf, Tensor) for _, leaf in leaves(found))


def test_without_an_average_and_without_state():
    found = state(trained(3, ema=None))
    assert found.ema == {}
    assert found.parts == {"D": {}}


def test_is_by_reference_until_it_is_cloned():
    made = trained(10)
    reference, copy = state(made), state(made).clone()
    assert_same(reference, copy)
    assert reference.networks["G"]["0.weight"].data_ptr() == made.setup.G[0].weight.data_ptr()
    made.fit(11)
    assert differs(reference.networks, copy.networks)
    assert not any(leaf.requires_grad for _, leaf in leaves(copy))


def test_restoring_it_brings_everything_back():
    made = trained(30, penalties=[sg.penalties.zero_gp(1.0)], method=sg.methods.FakeAsReal(2))
    saved, draws = state(made).clone(), next_draws(made)[:5]
    made.fit(60)
    assert differs(state(made), saved)
    with torch.random.fork_rng(devices=[]):
        put_back(saved, made)
        member = made.session.members[0]
        member.iteration, member.sums.state = 30, dict(saved.sums)
        assert_same(member.state(), saved)
    made.session.iteration = 30
    assert_same(next_draws(made)[:5], draws)


def test_restored_parts_do_not_hang_on_what_was_saved():
    made = trained(5)
    saved = state(made).clone()._replace(parts={"D": {"method": {"k": torch.tensor(1.0)}}})
    with torch.random.fork_rng(devices=[]):
        put_back(saved, made)
    made.session.executor.parts["D"]["method"]["k"].add_(1.0)
    assert saved.parts["D"]["method"]["k"] == 1.0


def with_batch_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def test_buffers_belong_to_it():
    made = trained(5, G=with_batch_norm(), D=small_d())
    found = state(made)
    assert {"1.running_mean", "1.num_batches_tracked"} <= found.networks["G"].keys() & found.ema.keys()
    assert found.networks["G"]["1.num_batches_tracked"] == found.ema["1.num_batches_tracked"] == 5


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (
            lambda: nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2)),
            "G has 0.weight of shape (6, 2) here and (5, 2) in the checkpoint",
        ),
        (lambda: nn.Sequential(nn.Linear(2, 5)), "G has 2.weight of shape nothing here and (2, 5) in the checkpoint"),
        (
            lambda: nn.Sequential(*small_g(), nn.Linear(2, 2)),
            "G has 3.weight of shape (2, 2) here and nothing in the checkpoint",
        ),
    ],
)
def test_a_state_of_another_model_names_the_first_difference(other, told):
    network = other()
    before = weights(network)
    with pytest.raises(InputError) as error:
        load_network(network, small_g().state_dict(), "G")
    assert told in str(error.value)
    assert "build the network it was saved from" in str(error.value)
    assert "\n" not in str(error.value)
    assert_same(weights(network), before)


def test_a_refused_state_changes_nothing():
    """D differs, and G, which fits, must not have been loaded by the time that is found out."""
    made = trained(2)
    other = trained(2, D=nn.Sequential(nn.Linear(2, 5), nn.LeakyReLU(), nn.Linear(5, 3), nn.Linear(3, 1)), G=small_g())
    before = state(other).clone()
    with pytest.raises(InputError, match="another model: D has"):
        put_back(state(made), other)
    assert_same(state(other), before)


def test_without_the_opponent_of_the_checkpoint():
    made = trained(2)
    lacking = state(made)._replace(networks={"G": state(made).networks["G"]})
    with pytest.raises(InputError, match=r"D has 0\.weight of shape \(5, 2\) here and nothing"):
        put_back(lacking, made)


def test_loading_keeps_the_networks_own_dtype():
    """A checkpoint in float64 and a network in float32 are two dtypes: the values are cast, never the module."""
    G, _ = networks()
    load_network(G, {key: value.to(F64) for key, value in small_g().state_dict().items()}, "G")
    assert {p.dtype for p in G.parameters()} == {torch.float32}


def test_statistics_are_sums_and_counts_in_float64():
    made = trained(37)  # 17 iterations after the last tick
    sums = state(made).sums
    assert {value.dtype for value in sums.values()} == {F64}
    assert {value[1].item() for value in sums.values()} == {17.0}


def test_a_half_life_and_a_decay_have_the_same_state():
    plain, ramped = state(trained(2)), state(trained(2, ema=Ema(None, half_life=100.0)))
    assert plain.ema.keys() == ramped.ema.keys()
    assert_same(plain.networks, ramped.networks)
