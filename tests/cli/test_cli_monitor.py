"""The collapse monitor from the command line: what it is told to do, and how a run ends that it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# No weight of D is moved by as little: the third look finds it where it was.
STILL = "train ring8/nsgan lr_d=1e-30 log_every=20 evaluate.n=200 device=cpu threads=1 compile=off"
COMMANDS = {
    "stop": f"{STILL} monitor.policy=stop --iterations 60 --out stopped",
    "warn": f"{STILL} --iterations 60 --out warned",
    "off": f"{STILL} monitor=none --iterations 40 --out alone",
    "default": "train ring8/nsgan --dry-run",
    "none": "train ring8/nsgan monitor=none --dry-run",
    "rollback": "train ring8/nsgan monitor.policy=rollback monitor.remedy.lr_d=0.5 --dry-run",
    "remedy alone": "train ring8/nsgan monitor.remedy.lr_d=0.5 --out refused",
}


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        return dict(zip(COMMANDS, commands([words.split() for words in COMMANDS.values()], here), strict=True))

    here, answers = once("cli-monitor", make)
    return {"here": here, **answers}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_an_alarm_ends_the_run_with_exit_code_4_and_one_line(user: dict[str, Any]) -> None:
    answer = user["stop"]
    assert answer.code == 4
    (error,) = answer.complaints
    assert error.startswith("error: iteration ")
    assert ": stalled: the average's fakes stay at a quality of " in answer.err
    assert "D's weights do not change" in answer.err
    assert "stopped by the monitor; the last good checkpoint is at iteration 0" in answer.err
    assert "Traceback" not in answer.out + answer.err
    last = records(user["here"] / "stopped")[-1]
    assert (last["verdict"], last["causes"].split()[0]) == ("stalled", "d_still")
    assert last["iteration"] == 40
    assert f"error: iteration {last['iteration']}: stalled: {last['reason']}" in answer.err
    kept = sorted((user["here"] / "stopped" / "checkpoints").glob("*.pt"))
    assert [int(path.stem) for path in kept] == [0, last["iteration"]]


def test_a_warning_is_told_and_the_run_goes_on_the_same_way(user: dict[str, Any]) -> None:
    stopped, warned = records(user["here"] / "stopped"), records(user["here"] / "warned")
    assert user["warn"].code == 0
    assert warned[-1]["iteration"] == 60
    assert warned[: len(stopped)] == stopped
    assert f"iteration {stopped[-1]['iteration']}: stalled: " in user["warn"].err


def test_without_a_monitor_there_are_no_verdicts(user: dict[str, Any]) -> None:
    assert user["off"].code == 0
    assert not any("verdict" in record for record in records(user["here"] / "alone"))


def test_a_dry_run_shows_what_it_would_do(user: dict[str, Any]) -> None:
    monitors = {name: json.loads(user[name].out)["monitor"] for name in ("default", "none", "rollback")}
    remedy = {"lr_g": 1.0, "lr_d": 1.0, "penalty_weights": 1.0, "own": False, "penalty": {}, "method": {}}
    assert monitors["default"] == {"policy": "warn", "times": 3, "remedy": remedy}
    assert monitors["none"] is None
    assert monitors["rollback"] == {"policy": "rollback", "times": 3, "remedy": {**remedy, "lr_d": 0.5}}


def test_a_remedy_without_a_roll_back_is_refused(user: dict[str, Any]) -> None:
    assert user["remedy alone"].refused().startswith("monitor.remedy: expected monitor.policy=rollback with a remedy")
    assert not (user["here"] / "refused").exists()
