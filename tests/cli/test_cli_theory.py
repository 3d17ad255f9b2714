"""`steadygan theory` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHEAP = "fargan/equation-11"


def test_answers(tmp_path: Path, commands: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement in all forms, without a display and with a backend that is not there."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("MPLBACKEND", "module://no_such_backend")
    words, plain, markdown, page = commands(
        [
            ["theory", CHEAP],
            ["theory", "dual/theorem-*", "--json"],
            ["theory", CHEAP, "--markdown"],
            ["theory", CHEAP, "--out", "new/page é", "--json"],
        ],
        tmp_path,
    )
    for answer in (words, plain, markdown, page):
        assert (answer.code, answer.err) == (0, "")
    assert "holds" in words.out
    assert "predicted" in words.out
    assert "does not, as printed" in words.out
    found = json.loads(plain.out)
    assert [own["name"] for own in found["statements"]] == ["dual/theorem-2", "dual/theorem-3"]
    assert [own["verdict"] for own in found["statements"]] == ["holds", "holds_as_corrected"]
    assert found["files"] == []
    assert markdown.out.startswith("# The theory, checked by running it\n")
    files = json.loads(page.out)["files"]
    assert files == [f"new/page é/{name}" for name in ("theory.html", "fargan-sign.png")]
    assert all((tmp_path / file).is_file() for file in files)


def test_refusals_come_before_torch(tmp_path: Path, torchless: Callable[..., Any]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("x")
    unknown, full, file, both, help_ = torchless(
        [
            ["theory", "fargan/propositon-2"],
            ["theory", CHEAP, "--out", "full"],
            ["theory", CHEAP, "--out", "full/thesis.tex"],
            ["theory", CHEAP, "--json", "--markdown"],
            ["theory", "--help"],
        ],
        tmp_path,
    )
    assert unknown.refused().startswith("unknown statement 'fargan/propositon-2': did you mean 'fargan/proposition-")
    assert "found 'thesis.tex' in 'full': choose another --out" in full.refused()
    assert file.refused() == "expected a folder for --out, got the file 'full/thesis.tex': choose another --out"
    assert both.refused().startswith("expected --json or --markdown, got both")
    assert help_.code == 0
    assert "--markdown" in help_.out
