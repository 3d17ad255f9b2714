"""The W&B callback against a stand-in client, and against the real one without a network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import steadygan as sg
from steadygan.errors import InputError
from tiny import trainer


class Client:
    """What the callback calls of the client, written down."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.alerts: list[dict[str, Any]] = []
        self.ended: list[int] = []

    def init(self, **arguments: Any) -> SimpleNamespace:
        self.begun.append(arguments)
        return SimpleNamespace(id="the-id", log=self.log, alert=self.alert, finish=self.finish)

    def log(self, record: dict[str, Any], step: int, commit: bool) -> None:
        assert commit
        self.logged.append((step, record))

    def alert(self, **arguments: Any) -> None:
        self.alerts.append(arguments)

    def finish(self, exit_code: int) -> None:
        self.ended.append(exit_code)

    def Image(self, path: str, caption: str) -> tuple[bytes, str]:
        return Path(path).read_bytes(), caption


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setitem(sys.modules, "wandb", made)  # type: ignore[arg-type]
    return made


def test_wandb_gets_settings_once_and_every_record(client: Client) -> None:
    callback = sg.callbacks.wandb("toys", tags=["a"])
    run: Any = SimpleNamespace(settings={"seed": 3}, path=None)
    assert client.begun == []
    callback(run, 0, {"iteration": 0, "d_loss": 1.0})
    callback(run, 200, {"iteration": 200, "d_loss": 0.5, "final": True})
    assert client.begun == [{"project": "toys", "config": {"seed": 3}, "tags": ["a"]}]
    assert client.logged == [(0, {"loss/d_loss": 1.0}), (200, {"loss/d_loss": 0.5})]


def test_wandb_is_alerted_once_of_each_alarm(client: Client) -> None:
    callback = sg.callbacks.wandb("toys")
    run: Any = SimpleNamespace(settings={}, path=None)
    told = [("good", "d_steep"), ("losing", "d_steep"), ("losing", ""), ("collapsed", ""), ("good", ""), ("losing", "")]
    for i, (verdict, causes) in enumerate(told):
        callback(run, i, {"iteration": i, "verdict": verdict, "causes": causes, "reason": f"why {i}"})
    assert [(each["title"], each["text"], each["level"]) for each in client.alerts] == [
        ("losing (D steep)", "iteration 1: why 1", "ERROR"),
        ("collapsed", "iteration 3: why 3", "ERROR"),
        ("losing", "iteration 5: why 5", "ERROR"),
    ]
    levels = [record["verdict/level"] for _, record in client.logged]
    assert levels == [1, 2, 2, 2, 0, 2]
    assert client.logged[1][1]["verdict/state"] == "losing"
    assert client.logged[1][1]["verdict/reason"] == "why 1"


def test_wandb_sees_samples_as_they_come_and_the_end(client: Client, tmp_path: Path) -> None:
    made = trainer(tmp_path)
    made.callbacks.append(sg.callbacks.wandb("toys"))
    run = made.fit(50)
    shown = {step: record["samples"] for step, record in client.logged if "samples" in record}
    assert [*shown] == [0, 50]
    assert shown[50] == ((tmp_path / "figures" / "latest.png").read_bytes(), "iteration 50")
    assert client.ended == [0]
    made.fit(100)
    assert (client.begun[1]["id"], client.begun[1]["resume"]) == ("the-id", "allow")
    assert client.ended == [0, 0]
    assert run.failure is None


def test_wandb_is_told_of_a_run_that_failed(client: Client) -> None:
    callback: Any = sg.callbacks.wandb("toys")
    run: Any = SimpleNamespace(settings={}, path=None, failure=sg.errors.CollapseError("x"))
    callback.finish(run)
    assert client.ended == []  # nothing had begun
    callback(run, 0, {"iteration": 0, "d_loss": 1.0})
    callback.finish(run)
    assert client.ended == [1]


def test_wandb_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"steadygan\[wandb\]"):
        sg.callbacks.wandb("toys")


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed: pip install wandb")
def test_the_real_client_takes_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: curves, samples, an alert, and the end of the run, which a further `fit` goes on with."""
    for name, value in (("WANDB_SILENT", "true"), ("WANDB_ERROR_REPORTING", "false"), ("WANDB_DIR", str(tmp_path))):
        monkeypatch.setenv(name, value)
    callback: Any = sg.callbacks.wandb("toys", mode="offline", dir=str(tmp_path))
    kept: list[Any] = []

    def look(*_: Any) -> None:
        kept.append((callback.session, dict(callback.session.summary)))

    made = trainer(tmp_path / "run")
    made.callbacks += [callback, look]
    run = made.fit(50)
    session, summary = kept[-1]
    record = run.metrics[-1]
    assert summary["loss/d_loss"] == record["d_loss"]
    assert summary["verdict/state"] == record["verdict"]
    assert session.config["seed"] == run.settings["seed"]
    assert callback.session is None  # finished
    assert len([*tmp_path.glob("wandb/offline-run-*/files/media/images/samples_*.png")]) == 2
    callback(run, 60, {"iteration": 60, "verdict": "losing", "reason": "why"})
    callback(run, 70, {"iteration": 70, "d_loss": 1.0})
    again = callback.session
    assert again.id == session.id
    assert again.summary["loss/d_loss"] == 1.0
    callback.finish(run)
