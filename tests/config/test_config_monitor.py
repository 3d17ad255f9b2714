"""The monitor's settings: on by default, off as `none`, and refused in one line where they make no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steadygan.config import Settings, override
from steadygan.config.data import Ring8
from steadygan.config.optimisation import Linear
from steadygan.errors import InputError
from steadygan.recipes import RECIPES
from steadygan.runs.settings import difference

SETTINGS = Settings(recipe="ring8/nsgan", data=Ring8(), schedule=Linear(), horizon=30_000)
NOTHING: dict[str, Any] = {"lr_g": 1.0, "lr_d": 1.0, "penalty_weights": 1.0, "own": False, "penalty": {}, "method": {}}
BACK = "monitor.policy=rollback"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", {"policy": "warn", "times": 3, "remedy": NOTHING}),
        ("monitor=none", None),
        ("monitor=stop", {"policy": "stop", "times": 3, "remedy": NOTHING}),
        ("monitor=none monitor.policy=stop", {"policy": "stop", "times": 3, "remedy": NOTHING}),
        ("monitor.policy=stop monitor=none", None),
        (f"{BACK} monitor.times=5", {"policy": "rollback", "times": 5, "remedy": NOTHING}),
        (
            f"{BACK} monitor.remedy.lr_d=0.5 monitor.remedy.penalty_weights=3 "
            "monitor.remedy.penalty.r1=1 monitor.remedy.method.fake_as_real=8",
            {
                "policy": "rollback",
                "times": 3,
                "remedy": {
                    **NOTHING,
                    "lr_d": 0.5,
                    "penalty_weights": 3.0,
                    "penalty": {"r1": {"weight": 1.0, "of": "logit", "interval": 1, "by": "gradient", "sigma": 0.01}},
                    "method": {"fake_as_real": {"count": 8, "factor": 8, "scope": "all"}},
                },
            },
        ),
        (
            f"{BACK} monitor.remedy.penalty.r1=1 monitor.remedy.penalty.r1=none",
            {"policy": "rollback", "times": 3, "remedy": NOTHING},
        ),
        ("monitor.remedy.lr_d=1", {"policy": "warn", "times": 3, "remedy": NOTHING}),  # changes nothing
    ],
)
def test_words_become_settings_and_json_and_back(words: str, expected: Any) -> None:
    changed = override(SETTINGS, words.split())
    assert json.loads(changed.to_json())["monitor"] == expected
    assert Settings.check(json.loads(changed.to_json())) == changed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "monitor.policy=stopp",
            "monitor.policy: expected one of warn, stop, rollback, got 'stopp': did you mean 'stop",
        ),
        ("monitor=on", "monitor.policy: expected one of warn, stop, rollback, got 'on'"),
        ("monitor.polcy=stop", "unknown setting 'monitor.polcy': did you mean 'monitor.policy'?"),
        ("monitor.remedy.lr=2", "unknown setting 'monitor.remedy.lr': did you mean 'monitor.remedy.lr_g'?"),
        ("monitor.remedy.lr_d=0.5", "monitor.remedy: expected monitor.policy=rollback with a remedy, got warn: set"),
        (
            "monitor.policy=stop monitor.remedy.penalty.r1=1",
            "expected monitor.policy=rollback with a remedy, got stop: set it",
        ),
        ("monitor.times=0", "monitor.times: expected a whole number of 1 or more, got 0"),
        ("monitor.times=1.5", "monitor.times: expected a whole number of 1 or more, got 1.5"),
        ("monitor.times=none", "monitor.times: expected a whole number of 1 or more, got none"),
        (f"{BACK} monitor.remedy.lr_d=0", "monitor.remedy.lr_d: expected a number above 0, got 0"),
        (f"{BACK} monitor.remedy.lr_g=-1", "monitor.remedy.lr_g: expected a number above 0, got -1"),
        (
            f"{BACK} monitor.remedy.penalty_weights=inf",
            "penalty_weights: expected a number above 0, got inf",
        ),
        (f"{BACK} monitor.remedy.penalty.r1=-1", "monitor.remedy.penalty.r1.weight: expected a number"),
        (f"{BACK} monitor.remedy.method.packing=2", "unknown setting 'monitor.remedy.method.packing'"),
        (f"{BACK} monitor.remedy.penalty.r3=1", "unknown setting 'monitor.remedy.penalty.r3': did you mean"),
        (f"{BACK} monitor.remedy.method.fake_as_real=2.5", "expected a whole number of 0 or more, got 2.5"),
    ],
)
def test_refusals(words: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        override(SETTINGS, words.split())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (
            {"policy": "warn", "times": 3, "remedy": {**NOTHING, "lr_g": "1"}},
            "monitor.remedy.lr_g: expected a number above",
        ),
        ({"policy": "warn", "often": 3}, "unknown setting 'monitor.often'"),
        ({"policy": "warn", "times": True}, "monitor.times: expected a whole number of 1 or more, got True"),
    ],
)
def test_json_is_read_as_strictly(stored: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Settings.check({**SETTINGS.plain(), "monitor": stored})
    assert message in str(refused.value)


def test_settings_of_runs_before_there_was_a_monitor_are_read() -> None:
    stored = {key: value for key, value in SETTINGS.plain().items() if key != "monitor"}
    assert Settings.check(stored) == SETTINGS


def test_who_watches_may_change_when_a_run_goes_on() -> None:
    for words in ("monitor=none", "monitor.policy=stop"):
        assert difference(SETTINGS, override(SETTINGS, [words])) == []


def test_a_remedy_that_no_batch_could_hold_is_refused_at_once():
    words = ["monitor.policy=rollback", "monitor.remedy.method.sample_differences.count=65"]
    with pytest.raises(InputError, match=r"monitor\.remedy\.method\.sample_differences\.count: expected at most the b"):
        override(RECIPES["ring8/far"](scale="full"), words)


def test_a_remedy_names_what_it_changes():
    with pytest.raises(InputError, match=r"monitor\.remedy: expected own, or one of its settings, got 0\.5: write"):
        override(RECIPES["ring8/far"](scale="full"), ["monitor.policy=rollback", "monitor.remedy=0.5"])
