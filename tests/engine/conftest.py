"""Runs of these tests draw no figures, which take longer than the runs, unless a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from steadygan.training.probes import Probes

DRAW = Probes.draw


@pytest.fixture(autouse=True, scope="module")
def _no_figures() -> Iterator[None]:
    """For a module's shared runs, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probes, "draw", lambda *_: None)
        yield


@pytest.fixture
def drawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that uses this draws its runs' figures."""
    monkeypatch.setattr(Probes, "draw", DRAW)
