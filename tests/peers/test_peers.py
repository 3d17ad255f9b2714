"""Our losses, penalties and steps say what public code says: numbers.json is what theirs said, made by theirs.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ours import CASES

NUMBERS = json.loads((Path(__file__).parent / "numbers.json").read_text())
ADDED = {"mimicry: minimax, nonsaturating": 1e-6}  # theirs has log(D + 1e-8)


def test_every_case_has_their_numbers() -> None:
    assert set(CASES) == set(NUMBERS)


@pytest.mark.parametrize("case", CASES)
def test_ours_says_what_theirs_says(case: str) -> None:
    ours, theirs = CASES[case](), NUMBERS[case]
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, rel=ADDED.get(case, 1e-10), abs=1e-13)
