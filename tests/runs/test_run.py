"""A run read back from its folder is the run that was trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steadygan as sg
from known import F64
from steadygan.config import override
from steadygan.errors import InputError
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer as recipe_trainer
from steadygan.runs.run import Run, load
from steadygan.types import Opponent
from tiny import assert_same, built, networks, points, small_d, small_g, trainer, weights


def assert_same_run(there: Run, here: Run) -> None:
    for kind in ("ema", "live"):
        assert torch.equal(there.sample(40, 7, weights=kind), here.sample(40, 7, weights=kind))
    assert (there.settings, there.metrics, there.iteration) == (here.settings, here.metrics, here.iteration)
    assert (there.equilibrium, there.protocol, there.path) == (here.equilibrium, here.protocol, here.path)
    assert 0.0 < there.wall_time <= here.wall_time  # what the last tick took is in memory only


@pytest.mark.parametrize("settings", [{}, {"ema": None}, {"dtype": F64}, {"loss": sg.losses.Hinge()}], ids=repr)
def test_equals_the_run_that_was_trained(tmp_path, settings):
    run = trainer(tmp_path, **settings).fit(30)
    loaded = load(tmp_path, *networks(8), device="cpu")
    assert_same_run(loaded, run)
    assert_same(weights(loaded.G, loaded.G_live, loaded.D), weights(run.G, run.G_live, run.D))
    for network in (loaded.G, loaded.G_live, loaded.D):
        assert not any(p.requires_grad for p in network.parameters())
        assert not any(m.training for m in network.modules())


def test_the_networks_given_are_only_a_pattern(tmp_path):
    trainer(tmp_path).fit(5)
    G, D = networks(8)
    before = weights(G, D)
    loaded = load(str(tmp_path), G, D, device="cpu")
    assert_same(weights(G, D), before)
    assert all(p.requires_grad for p in (*G.parameters(), *D.parameters()))
    assert G.training
    assert loaded.G is not loaded.G_live
    assert loaded.D is not D


def test_buffers_come_back(tmp_path):
    def with_batch_norm() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))

    G, D = built(0, with_batch_norm, small_d)
    run = trainer(tmp_path, G=G, D=D).fit(30)
    assert_same_run(load(tmp_path, with_batch_norm(), small_d(), device="cpu"), run)


def test_several_opponents(tmp_path):
    G, a, b = built(0, small_g, small_d, small_d)
    loss = sg.losses.Hinge()
    run = trainer(tmp_path, G=G, D={"a": Opponent(a, loss), "b": Opponent(b, loss)}).fit(5)
    loaded = load(tmp_path, small_g(), {"a": small_d(), "b": small_d()}, device="cpu")
    assert run.D.keys() == loaded.D.keys() == {"a", "b"}
    assert_same(weights(*loaded.D.values()), weights(*run.D.values()))
    with pytest.raises(InputError, match=r"another model: D has 0\.weight of shape \(5, 2\) here and nothing"):
        load(tmp_path, small_g(), small_d(), device="cpu")


def test_the_datas_units_come_back(tmp_path):
    run = trainer(tmp_path, data=sg.data.from_user(points() * 100.0 + 1e4).standardised()).fit(5)
    loaded = load(tmp_path, *networks(), device="cpu")
    assert torch.equal(loaded.sample(9, 2), run.sample(9, 2))


def test_units_that_float32_cannot_hold(tmp_path):
    far = points().double() + torch.tensor([5.4e7, 3e6], dtype=torch.float64)
    run = trainer(tmp_path / "run", data=sg.data.from_user(far).standardised()).fit(2)
    x = run.sample(200)
    assert x.dtype == torch.float64
    assert len(x[:, 0].unique()) == 200
    assert len(x[:, 0].float().unique()) < 20
    loaded = load(tmp_path / "run", *networks(), device="cpu")
    assert torch.equal(loaded.sample(9), x[:9])
    assert sg.export(loaded, tmp_path / "out")["output"]["dtype"] == "float64"
    G = torch.export.load(tmp_path / "out" / "generator.pt2").module()
    assert len(G(torch.randn(200, 2))[:, 0].unique()) == 200


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_recipes_run_needs_no_networks(tmp_path, dtype):
    words = ["batch_size=4", "log_every=10", "evaluate.every=10", "evaluate.n=100", f"dtype={dtype}", "device=cpu"]
    run = recipe_trainer(override(RECIPES["ring8/r1"](), words), out=tmp_path).fit(15)
    loaded = load(tmp_path, device="cpu")
    assert_same_run(loaded, run)
    assert next(loaded.G.parameters()).dtype == getattr(torch, dtype)


def test_while_the_run_goes_on(tmp_path):
    """Reading takes no lock: a run can be looked at while it trains."""
    looked = []
    trainer(
        tmp_path,
        checkpoint_every=20,
        callbacks=[
            lambda *tick: looked.append(load(tmp_path, *networks(), device="cpu").iteration) if tick[1] else None
        ],
    ).fit(60)
    assert looked == [0, 20, 40, 40, 60]


def refused(*arguments: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        load(*arguments, device="cpu")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_no_run_there(tmp_path):
    refused(tmp_path, *networks(), told=f"{tmp_path} holds no run (no settings.json): use the folder that train")
    (tmp_path / "settings.json").write_text("{}")
    refused(tmp_path, *networks(), told=f"{tmp_path} holds no checkpoint yet: start or continue it with --resume")


def test_modules_of_ones_own_must_be_given(tmp_path):
    trainer(tmp_path).fit(2)
    refused(tmp_path, told="was trained with your own modules: pass them to load(path, G=..., D=...)")
    refused(tmp_path, small_g(), told="pass them to load(path, G=..., D=...)")


def test_another_model(tmp_path):
    trainer(tmp_path).fit(2)
    refused(tmp_path, small_g(3), small_d(), told="another model: G has 0.weight of shape (5, 3) here and (5, 2)")
    refused(tmp_path, small_g(), small_d(4), told="another model: D has 0.weight of shape (5, 4) here")


def test_a_truncated_checkpoint(tmp_path):
    trainer(tmp_path).fit(2)
    newest = tmp_path / "checkpoints" / "000000002.pt"
    newest.write_bytes(newest.read_bytes()[:300])
    refused(tmp_path, *networks(), told="000000002.pt is not a complete checkpoint")


def test_a_latent_of_ones_own_cannot_be_read_back(tmp_path):
    run = trainer(tmp_path, latent=lambda n, g: torch.rand(n, 2, generator=g)).fit(2)
    loaded = load(tmp_path, *networks(), device="cpu")
    z = torch.rand(3, 2)
    assert torch.equal(loaded.G(z), run.G(z))
    with pytest.raises(InputError, match=r"its own function: call run\.G\(z\) with your latents"):
        loaded.sample(3)


def test_is_what_the_package_offers():
    assert sg.load is load
    assert sg.Run is Run
