"""Runs of these tests draw no figures, which take longer than the runs, unless a test asks for them."""

from __future__ import annotations

import pytest

from steadygan.training import figures


@pytest.fixture
def drawn_figures() -> None:
    """A test that uses this draws its runs' figures."""


@pytest.fixture(autouse=True)
def _no_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "drawn_figures" not in request.fixturenames:
        monkeypatch.setattr(figures, "draw", lambda *_: None)
