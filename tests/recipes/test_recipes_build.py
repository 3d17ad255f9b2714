"""From settings to a trainer: every recipe is built, the host's random numbers are left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pictures
from steadygan.config import Settings, override
from steadygan.data import DATA, Source
from steadygan.engine.optim import Constant, Ema, Linear, OptimizerSettings
from steadygan.errors import InputError
from steadygan.losses import LeastSquares, NonSaturating, RelativisticPairing
from steadygan.methods import Chain, FakeAsReal, Packing, Plain
from steadygan.penalties import WeightClipping, dragan, r1, r2
from steadygan.recipes import RECIPES, Recipe, build
from steadygan.types import Opponent

SMALL = ("evaluate.n=200", "device=cpu", "threads=1", "compile=off")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Image sets by the first part of a recipe's name."""
    folder = tmp_path_factory.mktemp("images")
    digits, photographs = pictures.mnist(folder / "mnist"), pictures.photographs(folder / "photographs")
    return {
        "mnist": digits,
        "stacked-mnist": digits,
        "cifar10": photographs,
        "folder": photographs,
        "cifar100": pictures.photographs(folder / "hundred", classes=100, each=1),
        "tiny-imagenet": pictures.tiny_imagenet(folder / "tiny"),
        "imagenet64": photographs,
    }


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Three columns in units far from 1."""
    path = tmp_path / "points.csv"
    x = np.random.default_rng(0).normal(size=(300, 3)) * [1.0, 50.0, 1e-3] + [0.0, 1000.0, 0.0]
    np.savetxt(path, x, delimiter=",", header="a,b,c", comments="")
    return path


def data_of(name: str) -> str:
    """The data set in a recipe's name: before the method, behind `showcase`."""
    return name.removeprefix("showcase/").partition("/")[0]


def prepared(entry: Recipe, places: dict[str, Path], *words: str) -> Settings:
    """A recipe's settings, quick to evaluate, with data where it needs some."""
    data = data_of(entry.name)
    own = [f"data.path={places[data]}"] if data in places else []
    own += ["data.n=200"] if entry.name.startswith("stacked") else []
    if entry.name.startswith("showcase/"):  # it has no small scale
        own += [f"{player}.{key}=2" for player in ("generator", "discriminator") for key in ("width", "group")]
    return override(entry(scale="small"), [*SMALL, *own, *words])


def given(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keywords that the trainer is called with."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(build, "Trainer", lambda *_, **keywords: seen.update(keywords))
    build.trainer(settings)
    return seen


def weights(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


OURS = {name: entry for name, entry in RECIPES.items() if not name.startswith("paper/")}  # see test_papers.py


def taken(name: str) -> bool:
    """Points and images of one kind each in every way, the others in one: every way comes up somewhere."""
    data, _, method = name.partition("/")
    return data in ("ring8", "digits") or method == "far" or f"digits/{method}" not in RECIPES


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, id=name, marks=[pytest.mark.slow] * (not taken(name))) for name, entry in OURS.items()],
)
def test_every_recipe_trains(
    entry: Recipe, points: Path, images: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    settings = prepared(entry, {"points": points, **images})
    run = build.trainer(settings).fit(3)
    assert run.iteration == 3
    assert run.settings == settings.plain()
    if settings.generator is None:
        assert {"iteration", "d_loss", "d_gradient_mean", "optimum_distance"} <= run.metrics[-1].keys()
        return
    assert {"iteration", "d_loss", "g_loss", "gradient_mean", "balance"} <= run.metrics[-1].keys()
    assert run.sample(5).shape == (5, *build.source(settings).shape)


def test_every_recipes_trainer_is_built(points: Path, images: dict[str, Path]) -> None:
    sources: dict[str, Source] = {}
    for entry in OURS.values():
        settings = prepared(entry, {"points": points, **images})
        data = data_of(entry.name)
        sources[data] = sources.get(data) or build.source(settings)
        made = build.trainer(settings, data=sources[data])
        assert set(made.setup.opponents) == set(settings.judges())


def test_parts_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["loss=least_squares", "loss.b=2", "penalty=r1,r2,dragan", "penalty.r2.interval=4", "method.packing=3"]
    words += ["constraint.weight_clipping=0.2", "optimizer=sgd", "optimizer.momentum=0.5", "ema.half_life=1e4"]
    settings = override(RECIPES["ring8/far"](), words)
    D = nn.Linear(6, 1)
    assert build.opponent(settings.judges()["D"], D) == Opponent(
        D,
        LeastSquares(b=2.0),
        (r1(10.0), r2(10.0, interval=4), dragan(10.0)),
        Chain((Packing(3), FakeAsReal(8, 8))),
        WeightClipping(0.2),
    )
    seen = given(settings, monkeypatch)
    assert seen["optimizer"] == OptimizerSettings("sgd", momentum=0.5)
    assert seen["ema"] == Ema(decay=None, half_life=1e4)
    assert (seen["schedule"], seen["horizon"]) == (Linear(0.5, 0.0), 30_000)
    assert (seen["lr_g"], seen["lr_d"], seen["dtype"]) == (1e-3, None, torch.float32)


def test_plain_training_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = override(RECIPES["gaussian/nsgan"](), ["ema=none", "lr_d=0.01"])
    D = nn.Linear(2, 1)
    assert build.opponent(settings.judges()["D"], D) == Opponent(D, NonSaturating(), (), Plain())
    seen = given(settings, monkeypatch)
    assert seen["ema"] is None
    assert (seen["schedule"], seen["lr_g"], seen["lr_d"]) == (Constant(), 3e-3, 0.01)
    assert isinstance(build.opponent(RECIPES["ring8/rpgan"]().judges()["D"], D).loss, RelativisticPairing)


def test_first_weights_are_the_seeds_and_the_global_generator_stays() -> None:
    spec = build.network_settings(RECIPES["ring8/far"](), DATA["ring8"]())
    torch.manual_seed(5)
    before = torch.get_rng_state()
    G, D = build.networks(spec, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    again_g, again_d = build.networks(spec, seed=1)
    assert torch.equal(weights(G), weights(again_g))
    assert torch.equal(weights(D), weights(again_d))
    assert not torch.equal(weights(G), weights(build.networks(spec, seed=2)[0]))


def test_network_settings_are_plain_and_fit_the_data() -> None:
    settings = override(RECIPES["digits/far"](), ["method.packing.degree=3", "discriminator.width=8"])
    spec = build.network_settings(settings, DATA["digits"]())
    assert json.loads(json.dumps(spec)) == spec
    assert (spec["generator"]["latent_dim"], spec["generator"]["shape"]) == (settings.latent_dim, [1, 8, 8])
    assert (spec["discriminator"]["shape"], spec["discriminator"]["width"]) == ([3, 8, 8], 8)
    G, D = build.networks(spec)
    assert D(torch.zeros(2, 3, 8, 8)).shape == (2,)
    assert G(torch.zeros(2, settings.latent_dim)).abs().max() <= 1.0


def test_networks_of_another_version_are_told_in_one_line() -> None:
    spec = build.network_settings(RECIPES["ring8/far"](), DATA["ring8"]())
    spec["generator"] = {"name": "mlp", "in_features": 2, "out_features": 2}
    with pytest.raises(InputError, match="expected network settings of this version of steadygan, got others"):
        build.networks(spec)


@pytest.mark.parametrize("recipe", ["ring8/far", "digits/far"])
def test_an_mlp_takes_samples_of_any_shape(recipe: str) -> None:
    settings = override(RECIPES[recipe](), [*SMALL, "generator=mlp", "discriminator=mlp", "generator.output=tanh"])
    run = build.trainer(settings).fit(2)
    assert run.sample(3).shape == (3, *DATA[settings.data.name]().shape)


def test_classes_reach_the_networks_only_when_asked_for(images: dict[str, Path]) -> None:
    recipe = RECIPES["mnist/cgan-far"]
    settings = override(recipe(scale="small"), [*SMALL, f"data.path={images['mnist']}"])
    data = build.source(settings)
    assert build.network_settings(settings, data)["generator"]["classes"] == 10
    plain = override(settings, ["conditional=false"])
    assert build.network_settings(plain, data)["discriminator"]["classes"] is None


def test_a_conditional_recipe_needs_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((12, 16, 16, 3), dtype=np.uint8))
    settings = override(RECIPES["folder/far"](), ["conditional=true", f"data.path={tmp_path / 'images.npy'}"])
    with pytest.raises(InputError, match=r"expected images with classes, got .*without"):
        build.trainer(settings)


def test_points_are_standardised_unless_told_otherwise(points: Path) -> None:
    settings = prepared(RECIPES["points/far"], {"points": points})
    source = build.source(settings)
    assert source.train is not None
    assert torch.allclose(source.train.std(0, correction=0), torch.ones(3), atol=1e-4)
    restored = build.trainer(settings).fit(1).sample(200)
    assert 900 < float(restored[:, 1].mean()) < 1100  # the user's units
    raw = build.source(override(settings, ["data.standardise=false"]))
    assert raw.train is not None
    assert float(raw.train[:, 1].mean()) > 900


def test_points_without_a_file_say_so() -> None:
    with pytest.raises(InputError, match="points/r1: expected your data, got none: add --data"):
        build.trainer(RECIPES["points/r1"]())


def test_a_finite_training_set_is_the_settings() -> None:
    source = build.source(override(RECIPES["ring8/far"](), ["data.n=50", "data.scale=10"]))
    assert source.size == 50
    assert source.centres is not None
    assert float(source.centres.norm(dim=1).mean()) == pytest.approx(10 / 1.414)
