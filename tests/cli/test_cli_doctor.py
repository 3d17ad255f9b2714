"""`doctor` says what there is, and exits with 2 when something is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

from steadygan.commands import doctor
from steadygan.commands.doctor import Finding


def test_doctor_reports_this_machine(commands: Callable[..., Any], tmp_path: Path) -> None:
    (answer,) = commands([["doctor"]], tmp_path)
    assert (answer.code, answer.err) == (0, ""), answer
    for what in ("steadygan: ", "python: ", "ok   torch: ", "ok   device cpu: works", "threads: ", "terminal: "):
        assert what in answer.out
    assert f"ok   runs here: {tmp_path.resolve()} is writable" in answer.out
    assert answer.out.index("     measuring how fast grid25/far trains here") < answer.out.index("microseconds, ")
    needed = {re.match(r"[\w-]+", word)[0] for word in requires("steadygan") if "extra ==" not in word}  # type: ignore
    assert all(f"ok   {package}: " in answer.out for package in needed)
    assert " wandb: " in answer.out
    assert answer.out.endswith("ready: try steadygan train\n")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Iterator[Finding]:
        raise RuntimeError("no [driver]\nfound")

    for name in ("devices", "timing"):
        monkeypatch.setattr(doctor, name, broken)
    monkeypatch.setattr(doctor, "packages", lambda: ["steadygan-has-no-such-part"])
    assert doctor.doctor() == 2
    text = capsys.readouterr().out
    assert "FAIL steadygan-has-no-such-part: not installed: pip install steadygan-has-no-such-part" in text
    assert "FAIL broken: RuntimeError: no [driver] found" in text
    assert "this needs fixing: steadygan-has-no-such-part, broken, broken" in text
