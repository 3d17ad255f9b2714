"""Settings of losses and methods as they are typed: names, lists of layers, parts without settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steadygan.config import Settings, override
from steadygan.config.block import Block, values
from steadygan.config.data import DigitsSet
from steadygan.config.optimisation import Linear
from steadygan.config.parts import (
    BeganSettings,
    CramerSettings,
    D2GANSettings,
    DenoisingFeatureMatchingSettings,
    DiffAugmentSettings,
    FakeAsRealSettings,
    Methods,
    PackingSettings,
    SampleDifferencesSettings,
)
from steadygan.errors import InputError

BASE = Settings(recipe="digits/nsgan", data=DigitsSet(), schedule=Linear(), horizon=1000)


def methods(words: str) -> Methods:
    return override(BASE, words.split()).method


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ("loss.gamma=0.7", BeganSettings(gamma=0.7)),
        ("loss.rate=0", BeganSettings(rate=0.0)),
    ],
)
def test_settings_of_began(words: str, loss: Block) -> None:
    at = ["discriminator=mlp_autoencoder", "loss=began", *words.split()]
    assert override(BASE, at).loss == loss


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ("", D2GANSettings()),
        ("loss.second=true", D2GANSettings(second=True)),
        ("loss.alpha=1 loss.beta=.5", D2GANSettings(alpha=1.0, beta=0.5)),
    ],
)
def test_settings_of_d2gan(words: str, loss: Block) -> None:
    at = ["opponents=d1,d2", "loss=d2gan", *words.split()]
    assert override(BASE, at).loss == loss


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("method=diff_augment", Methods(diff_augment=DiffAugmentSettings())),
        ("method.diff_augment=false", Methods(diff_augment=DiffAugmentSettings(color=False))),
        (
            "method.diff_augment.translation=1 method.diff_augment.cutout=0",
            Methods(diff_augment=DiffAugmentSettings(translation=1.0, cutout=0.0)),
        ),
        ("method=cramer", Methods(cramer=CramerSettings())),
        ("method.cramer=", Methods(cramer=CramerSettings())),
        ("method=packing method.cramer=", Methods(packing=PackingSettings(), cramer=CramerSettings())),
        ("method.cramer= method.cramer=none", Methods()),
        ("method=sample_differences", Methods(sample_differences=SampleDifferencesSettings())),
        (
            "method=packing,diff_augment method.fake_as_real=4",
            Methods(
                diff_augment=DiffAugmentSettings(), packing=PackingSettings(), fake_as_real=FakeAsRealSettings(count=4)
            ),
        ),
    ],
)
def test_methods_by_name(words: str, expected: Methods) -> None:
    assert methods(words) == expected


def test_a_denoiser_is_followed() -> None:
    words = ["discriminator.denoiser=128", "method.denoising_feature_matching=0.1"]
    found = override(BASE, words).method
    assert found == Methods(denoising_feature_matching=DenoisingFeatureMatchingSettings(weight=0.1))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("=0.1", {"weight": 0.1}),
        (".weight=0", {"weight": 0.0}),
        (".start=0", {"start": 0}),
        (".count=9", {"count": 9}),
        (".grow_every=100", {"grow_every": 100}),
        (".feature_layers=net.2,net.5", {"feature_layers": ("net.2", "net.5")}),
        (".feature_layers=blocks", {"feature_layers": ("blocks",)}),
        (".feature_layers=(net.2, net.5)", {"feature_layers": ("net.2", "net.5")}),
        (".feature_layers=", {"feature_layers": ()}),
        (".feature_layers=none", {"feature_layers": ()}),
        (".normalise=l2", {"normalise": "l2"}),
        (".normalise=none", {"normalise": "none"}),
        (".batch_sum=true", {"batch_sum": True}),
        (".reuse_batch=true", {"reuse_batch": True}),
    ],
)
def test_settings_of_sample_differences(words: str, expected: dict[str, Any]) -> None:
    found = override(BASE, [f"method.sample_differences{words}"]).method
    assert found == Methods(sample_differences=SampleDifferencesSettings(**expected))
    assert values(found["sample_differences"]) == values(SampleDifferencesSettings()) | expected


def test_methods_act_in_the_order_of_the_settings() -> None:
    """Images are changed before they are packed; terms come last."""
    assert list(Methods.kinds.known) == [
        "diff_augment",
        "packing",
        "fake_as_real",
        "sample_differences",
        "cramer",
        "denoising_feature_matching",
    ]
    assert [name for name, _ in methods("method=fake_as_real,packing,diff_augment method.fake_as_real=2").items()] == [
        "diff_augment",
        "packing",
        "fake_as_real",
    ]


def test_json_and_back_are_the_same_settings() -> None:
    words = "method.sample_differences.feature_layers=net.2,net.5 method.cramer= method.diff_augment.cutout=0.25"
    changed = override(BASE, words.split())
    tree = json.loads(changed.to_json())
    assert tree["method"]["sample_differences"]["feature_layers"] == ["net.2", "net.5"]
    assert tree["method"]["cramer"] == {}
    assert Settings.check(tree) == changed


LAYERS = "method.sample_differences.feature_layers: expected names separated by commas, such as net.2,net.5, got "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("method.cramer=3", "method.cramer: expected no value, because it has no settings, got '3': leave it out"),
        ("method.cramer.weight=3", "unknown setting 'method.cramer.weight'"),
        ("method.sample_differences.feature_layers=net.2,,net.5", f"{LAYERS}'net.2,,net.5'"),
        ("method.sample_differences.feature_layers=a b", f"{LAYERS}'a b'"),
        (
            "method.sample_differences.normalise=l1",
            "method.sample_differences.normalise: expected one of squared, l2, none, got 'l1'",
        ),
        ("method.sample_differences.count=0", "method.sample_differences.count: expected a whole number of 1 or more"),
        ("method.diff_augment.cutout=1.5", "method.diff_augment.cutout: expected a number from 0 to 1, got 1.5"),
        ("method.diff_augment.color=2", "method.diff_augment.color: expected true or false, got 2"),
        ("loss=d2gan loss.alpha=0", "loss.alpha: expected a number above 0, got 0"),
        ("loss=d2gan loss.gamma=1", "unknown setting 'loss.gamma': loss=d2gan has alpha, beta, second"),
        ("loss=began loss.rate=-1", "loss.rate: expected a number of 0 or more, got -1"),
    ],
)
def test_refusals(words: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        override(BASE, words.split(" ", 1) if words.startswith("loss=") else [words])
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("layers", ["net.2", ["net.2", 3], [""], {"net.2": 1}, 5])
def test_json_names_are_a_list_of_text(layers: Any) -> None:
    tree = BASE.plain() | {"method": {"sample_differences": {"feature_layers": layers}}}
    with pytest.raises(InputError, match="feature_layers: expected names separated by commas"):
        Settings.check(tree)


def test_a_missing_choice_is_no_choice() -> None:
    """null stands for none only where none may be chosen."""
    with pytest.raises(InputError, match="expected one of logit, probability, sum, got none"):
        Settings.check(BASE.plain() | {"penalty": {"r1": {"of": None}}})
    found = Settings.check(BASE.plain() | {"method": {"sample_differences": {"normalise": None}}}).method
    assert found["sample_differences"] == SampleDifferencesSettings(normalise="none")
