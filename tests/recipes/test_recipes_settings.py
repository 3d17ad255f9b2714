"""Recipes as settings: complete, a few lines apart, the same after JSON, and free of torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from steadygan.config import Settings
from steadygan.errors import InputError
from steadygan.recipes import RECIPES, recipe
from steadygan.runs.settings import difference

POINTS = ("gaussian", "ring8", "grid25", "swissroll", "points")
IMAGES = ("digits", "mnist", "cifar10", "cifar100", "tiny-imagenet", "imagenet64", "stacked-mnist", "folder")
METHODS = ("nsgan", "r1", "far", "rpgan")


def changed(one: str, other: str) -> set[str]:
    """The settings in which two recipes differ."""
    return {key for key, _, _ in difference(RECIPES[one](), RECIPES[other]())} - {"recipe"}


def test_every_data_set_is_trained_in_every_way() -> None:
    assert set(RECIPES) >= {f"{data}/{method}" for data in (*POINTS, *IMAGES) for method in METHODS}
    assert set(RECIPES) >= {*(f"{data}/zero_gp" for data in (*POINTS, "digits")), "mnist/cgan-far"}
    ways = {name.partition("/")[2] for name in RECIPES if name.startswith("cifar10/")}
    assert ways > {"zero_gp", "sdp", "dual", "wgan-gp", "dfm"}
    assert set(RECIPES) >= {f"{data}/{way}" for data in ("cifar100", "tiny-imagenet", "imagenet64") for way in ways}
    assert set(RECIPES) >= {f"folder/{way}" for way in ("zero_gp", "sdp", "dual")}


SMALLER = {
    "scale", "generator", "discriminator", "horizon", "lr_g", "ema", "evaluate", "penalty", "method", "opponents",
    "log_every", "checkpoint_every",
}  # fmt: skip


def test_small_is_the_same_training_in_less_time() -> None:
    """Networks, lengths, rates and weights may differ; data, loss, which remedies and everything else may not."""
    for entry in RECIPES.values():
        here, there = entry(), entry(scale="small")
        assert {key.split(".")[0] for key, _, _ in difference(here, there)} <= SMALLER, entry.name
        for key in ("penalty", "method"):
            one, other = ([name for name, _ in getattr(each, key).items()] for each in (here, there))
            assert one == other, entry.name
        assert there.horizon <= here.horizon, entry.name


def test_conditional_is_far_with_classes() -> None:
    told = changed("mnist/far", "mnist/cgan-far")
    assert {key.partition(".")[0] for key in told} == {"conditional", "generator", "discriminator"}
    cgan = RECIPES["mnist/cgan-far"]()
    assert (cgan.generator.name, cgan.discriminator.name) == ("dcgan", "dcgan")


@pytest.mark.parametrize(("name", "network"), [("showcase/mnist", "modern28"), ("showcase/cifar10", "modern32")])
def test_a_showcase_has_all_that_keeps_a_gan_up(name: str, network: str) -> None:
    settings = RECIPES[name]()
    assert (settings.generator.name, settings.discriminator.name) == (network, network)
    assert settings.loss.name == "relativistic_pairing"
    assert [*settings.penalty] == ["r1", "r2"]
    assert settings.penalty["r1"] == settings.penalty["r2"]
    assert [*settings.method] == ["fake_as_real"]
    assert settings.schedule.factor(settings.horizon, settings.horizon) < 0.1
    assert settings.ema is not None


def test_a_recipe_is_the_same_after_json_and_carries_its_name_and_seed() -> None:
    for entry in RECIPES.values():
        settings = entry(seed=3)
        assert Settings.check(json.loads(settings.to_json())) == settings
        assert (settings.recipe, settings.seed) == (entry.name, 3)


def test_a_recipe_says_what_it_is_and_follows_a_known_paper() -> None:
    bibliography = (Path(__file__).parents[2] / "REFERENCES.bib").read_text(encoding="utf-8")
    for entry in RECIPES.values():
        assert re.search(rf"^@\w+{{{entry.paper},", bibliography, flags=re.MULTILINE), entry.name
        assert entry.text, entry.name
        assert "\n" not in entry.text, entry.name


@pytest.mark.parametrize("data", [*POINTS, *IMAGES])
def test_methods_differ_from_their_base_by_the_remedy_alone(data: str) -> None:
    r1 = {"penalty.r1.weight", "penalty.r1.of", "penalty.r1.interval"}
    assert changed(f"{data}/nsgan", f"{data}/r1") == r1
    own = {f"method.fake_as_real.{key}" for key in ("count", "factor", "scope")}
    assert changed(f"{data}/r1", f"{data}/far") == own
    if data in POINTS:
        assert changed(f"{data}/nsgan", f"{data}/zero_gp") == {key.replace("r1", "zero_gp") for key in r1}
    assert changed(f"{data}/nsgan", f"{data}/rpgan") == r1 | {key.replace("r1", "r2") for key in r1} | {"loss.name"}


def test_an_unknown_recipe_offers_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'grid25/fra': did you mean 'grid25/far'\?"):
        RECIPES["grid25/fra"]


def test_a_recipe_of_ones_own_is_a_function() -> None:
    try:

        @recipe("ring8/mine", "ring8/far with a wider batch", "tao2020")
        def mine() -> Settings:
            return replace(RECIPES["ring8/far"](), batch_size=128)

        assert RECIPES["ring8/mine"](seed=1).batch_size == 128
        assert RECIPES["ring8/mine"]().recipe == "ring8/mine"
        assert mine().recipe == "ring8/far"
    finally:
        del RECIPES._entries["ring8/mine"]


def test_settings_recipes_and_commands_need_no_torch() -> None:
    code = (
        "import sys, steadygan.cli, steadygan.config, steadygan.recipes, steadygan.commands.train, "
        "steadygan.commands.compare, steadygan.commands.sample, steadygan.commands.doctor, steadygan.commands.job\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
