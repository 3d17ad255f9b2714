"""The W&B callback against a stand-in client."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import steadygan as sg
from steadygan.errors import InputError


def test_wandb_gets_settings_once_and_every_record(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, Any]] = []
    logged: list[tuple[int, dict[str, float]]] = []

    def init(**arguments: Any) -> SimpleNamespace:
        begun.append(arguments)
        return SimpleNamespace(log=lambda record, step: logged.append((step, record)))

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    callback = sg.callbacks.wandb("toys", tags=["a"])
    run: Any = SimpleNamespace(settings={"seed": 3})
    assert begun == []
    callback(run, 0, {"iteration": 0, "d_loss": 1.0})
    callback(run, 200, {"iteration": 200, "d_loss": 0.5})
    assert begun == [{"project": "toys", "config": {"seed": 3}, "tags": ["a"]}]
    assert logged == [(0, {"d_loss": 1.0}), (200, {"d_loss": 0.5})]


def test_wandb_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"steadygan\[wandb\]"):
        sg.callbacks.wandb("toys")
