"""How verdicts and what runs say are worded and coloured on a terminal: good, warning, alarm."""

from __future__ import annotations

import pytest

from steadygan.commands.console import coloured
from steadygan.diagnostics.causes import CAUSES
from steadygan.diagnostics.states import ALARMS, GOOD, STATES
from steadygan.display.frame import gravest, means
from steadygan.quantities import heard, tone, words


def test_tones() -> None:
    assert [tone(state) for state in STATES] == ["calm", "good", *["bad"] * 4]
    for cause in CAUSES:
        assert {tone(state, cause.name) for state in GOOD} == {"warn"}
        assert {tone(state, cause.name) for state in ALARMS} == {"bad"}


@pytest.mark.parametrize(
    ("verdict", "causes", "told"),
    [
        ("good", "", "good"),
        ("non_finite", "", "not finite"),
        ("learning", "d_steep fakes_alike", "learning (warning: D steep)"),
        ("good", "classes_ignored", "good (warning: classes ignored)"),
        ("losing", "g_driven_out d_steep", "losing (G driven out)"),
        ("dead_discriminator", "", "dead discriminator"),
    ],
)
def test_words(verdict: str, causes: str, told: str) -> None:
    assert words(verdict, causes) == told
    assert coloured(verdict, causes).plain == told


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ("iteration 600: losing: fakes have a quality of 0.3 after 0.9", "bad"),
        ("seed 3: iteration 600: non finite: 3 values", "bad"),
        ("iteration 600: warning: D's slope at the fakes explodes; fakes are losing: much", "warn"),
        ("iteration 800: good again", "good"),
        ("resumes from where it was stopped: iteration 600: losing: why", "warn"),
    ],
)
def test_what_a_run_says(event: str, found: str) -> None:
    assert heard(event) == found


def test_of_several_runs_the_gravest_is_shown() -> None:
    assert gravest([("good", ""), ("learning", "d_steep"), ("learning", "")]) == ("learning", "d_steep")
    assert gravest([("learning", "d_steep"), ("losing", "")]) == ("losing", "")
    rows = [{"verdict": "good", "d_loss": 1.0}, {"verdict": "learning", "causes": "d_flat", "d_loss": 2.0}]
    assert means(rows) == {"verdict": "learning", "causes": "d_flat", "d_loss": 1.5}
