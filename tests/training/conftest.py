"""Short blocks of random numbers: a fifth of the iterations crosses as many of their ends."""

from __future__ import annotations

import pytest

import tiny
from steadygan.engine import draws
from steadygan.training import evidence, execution, member, session, setup


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 iterations a block."""
    for module in (draws, evidence, execution, member, session, setup, tiny):
        monkeypatch.setattr(module, "BLOCK", 20)
