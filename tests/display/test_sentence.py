"""What became of a run in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from steadygan.display.sentence import sentence, sentence_of_seeds


def rows(*told: tuple[int, str, float | None], **more: Any) -> list[dict[str, Any]]:
    """Records of (iteration, state, modes)."""
    return [
        {
            "iteration": at,
            **({"verdict": state} if state else {}),
            **({} if modes is None else {"modes": modes}),
            **more,
        }
        for at, state, modes in told
    ]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([], ""),
        (rows((0, "learning", 0.0)), "learning: 0 of 25 modes, not trained yet"),
        (
            rows((0, "learning", 0), (1000, "learning", 20), (2000, "learning", 25), (3000, "good", 25)),
            "good: 25 of 25 modes, nothing lost since 2,000",
        ),
        (
            rows((0, "learning", 0), (1000, "good", 25), (2000, "losing", 25), (3000, "good", 25), (4000, "good", 25)),
            "good: 25 of 25 modes, nothing lost since 3,000",
        ),
        (rows((1000, "learning", 20), (2000, "good", 24)), "good: 24 of 25 modes"),
        (rows((1000, "good", 25), (2000, "good", 24)), "good: 24 of 25 modes, at most 25 at 1,000"),
        (
            rows((1000, "good", 25), (2000, "losing", 19), (3000, "collapsed", 3)),
            "collapsed: 3 of 25 modes, after 25 at 1,000",
        ),
        (
            rows((1000, "learning", 3), (2000, "stalled", 3), (3000, "stalled", 3)),
            "stalled: 3 of 25 modes, alarm since 2,000",
        ),
        (rows((1000, "learning", 0), (2000, "learning", 0)), "learning: 0 of 25 modes"),
        (rows((1000, "", 25), (2000, "", 25)), "25 of 25 modes, nothing lost since 1,000"),
        (rows((1000, "good", None), (2000, "good", None), average_served=0.934), None),
    ],
)
def test_a_sentence(records: list[dict[str, Any]], told: str | None) -> None:
    wanted = "good: fakes serve 93% of the data, nothing lost since 1,000" if told is None else told
    assert sentence(records, 25) == wanted


def test_causes_belong_to_the_state() -> None:
    records = rows((1000, "good", None), (2000, "losing", None), balance=0.123, causes="d_steep")
    assert sentence(records) == "losing (D steep): balance 0.12 (1 is as even as real data), alarm since 2,000"


def test_a_discriminator_alone_is_told_by_its_distance() -> None:
    assert sentence(rows((1000, "", None), optimum_distance=0.0123)) == "0.012 from the best D"


def test_seeds_are_counted_by_state() -> None:
    good, lost = rows((1000, "good", 25)), rows((1000, "losing", 20))
    assert sentence_of_seeds({0: good, 1: good, 2: lost}, 25) == (
        "2 good, 1 losing (seed 2): 23.3 of 25 modes on average"
    )
    assert sentence_of_seeds({3: good, 4: lost}, 25) == (
        "1 good (seed 3), 1 losing (seed 4): 22.5 of 25 modes on average"
    )
    assert sentence_of_seeds({0: good, 1: good}) == "2 good"
    assert sentence_of_seeds({0: rows((5, "", 4))}, 25) == "4 of 25 modes on average"
