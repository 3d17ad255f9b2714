"""Settings as JSON, in both directions, and how they differ."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import steadygan as sg
from steadygan.config import Settings, override
from steadygan.config.block import settings_of
from steadygan.config.data import Ring8
from steadygan.config.optimisation import Ema, Linear
from steadygan.errors import InputError
from steadygan.runs.settings import changed, difference, saved

SETTINGS = Settings(recipe="ring8/nsgan", data=Ring8(), schedule=Linear(), horizon=30_000)


def test_json_and_back_are_the_same_settings() -> None:
    changed = override(SETTINGS, ["penalty=r1,dragan", "loss=least_squares", "ema=none", "data.n=100", "threads=3"])
    assert Settings.check(json.loads(changed.to_json())) == changed


def test_json_holds_every_key_that_can_be_overridden() -> None:
    tree = json.loads(SETTINGS.to_json())
    assert tree.keys() == settings_of(Settings).keys()
    assert tree["lr_d"] is None
    assert tree["penalty"] == {}


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        SETTINGS.batch_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": "64"}, "batch_size: expected a whole number of 1 or more, got '64'"),
        ({"batch_size": True}, "batch_size: expected a whole number of 1 or more, got True"),
        ({"lr_g": float("nan")}, "lr_g: expected a number above 0, got nan"),
        ({"penalty": {"r1": 10}}, "penalty.r1: expected settings of its own (penalty.r1.weight"),
        ({"loss": "hinge"}, "loss: expected settings of its own (loss.name, loss.a, loss.b, loss.c, loss.alpha, "),
        ({"loss": {}}, "loss.name: expected a value, got nothing"),
        ({"loss": {"name": "hinge", "b": 3}}, "unknown setting 'loss.b': loss=hinge has no settings of its own"),
        ({"zzz": 1}, "unknown setting 'zzz': known: "),
        ({"optimizer": {"betas": [0.5]}}, "optimizer.betas: expected two numbers"),
        ({"ema": {"decay": 0.9, "half_life": 3.0}}, "ema: expected a decay or a half_life, got 0.9 and 3.0"),
    ],
)
def test_json_is_read_as_strictly_as_the_command_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Settings.check({**SETTINGS.plain(), **change})
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_missing_setting_is_named() -> None:
    tree = SETTINGS.plain()
    del tree["horizon"]
    with pytest.raises(InputError, match="horizon: expected a value, got nothing: add horizon="):
        Settings.check(tree)


def test_difference_names_what_decides_the_run() -> None:
    other = override(SETTINGS, ["penalty.r1.weight=2", "batch_size=32", "device=cpu", "threads=2"])
    assert difference(SETTINGS, other) == [
        ("batch_size", 64, 32),
        ("penalty.r1.interval", "absent", 1),
        ("penalty.r1.of", "absent", "logit"),
        ("penalty.r1.weight", "absent", 2.0),
    ]
    assert difference(SETTINGS, SETTINGS) == []


def test_difference_sees_an_average_that_came_or_went() -> None:
    assert difference(SETTINGS, override(SETTINGS, ["ema=none"]))[0] == ("ema", "absent", None)


def test_saved_settings_are_read_from_a_run_folder(tmp_path: Path) -> None:
    assert saved(tmp_path) is None
    (tmp_path / "settings.json").write_text(SETTINGS.to_json(), encoding="utf-8")
    assert saved(tmp_path) == SETTINGS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a readable JSON file"),
        ("[]", "should hold a JSON object"),
        ('{"batch_size": 3}', "expected a recipe's settings in"),
        ('{"recipe": "x", "seed": -1}', "settings.json: "),
    ],
)
def test_unreadable_settings_name_the_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "settings.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"settings\.json") as refused:
        saved(tmp_path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_average_has_one_kind_of_length() -> None:
    assert Ema().decay == 0.999
    with pytest.raises(ValueError, match="expected a decay or a half_life"):
        Ema(half_life=100.0)


class TestSettingsThatOlderRunsDoNotName:
    """`by` and `sigma` of gradient penalties: a run that is older goes on, and one by difference is another."""

    @pytest.mark.parametrize("key", ["penalty.r1", "opponents.d1.penalty.r1"])
    def test_of_a_recipe(self, key: str) -> None:
        old: dict[str, Any] = {f"{key}.weight": 1.0, f"{key}.of": "logit", f"{key}.interval": 1}
        assert not changed(old, old | {f"{key}.by": "gradient", f"{key}.sigma": 0.01})
        assert changed(old, old | {f"{key}.by": "difference", f"{key}.sigma": 0.01}) == [
            (f"{key}.by", "gradient", "difference")
        ]

    @pytest.mark.parametrize("make", [sg.penalties.r1, sg.penalties.r2, sg.penalties.zero_gp, sg.penalties.dragan])
    def test_of_a_trainer_of_ones_own(self, make: Any) -> None:
        key = "opponents.D.penalty/x"
        now, other = repr(make(1.0)), repr(make(1.0, by="difference"))
        before = now.replace(", by='gradient', sigma=0.01", "")
        assert before != now
        assert not changed({key: before}, {key: now})
        assert [name for name, _, _ in changed({key: before}, {key: other})] == [key]
