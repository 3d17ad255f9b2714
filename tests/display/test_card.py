"""Cards: the same words for a terminal and a page."""

from __future__ import annotations

from shown import CORNERS

from steadygan.display.card import Card, aligned, fitting

ROWS = [("", "final", "real data"), ("modes", "25", "25"), ("balance", "0.352", "1")]


def test_columns_stand_below_each_other() -> None:
    assert aligned(ROWS) == ["         final  real data", "modes       25         25", "balance  0.352          1"]
    assert aligned([("a", "b"), ("long",)]) == ["a     b", "long"]
    assert aligned([]) == []


def test_columns_without_room_are_left_out_from_the_right() -> None:
    assert fitting(ROWS, 25) == aligned(ROWS)
    assert fitting(ROWS, 24) == aligned([row[:2] for row in ROWS])
    assert fitting(ROWS, 3) == ["", "modes", "balance"]
    assert fitting([], 80) == []


def test_a_card_is_told_in_lines_and_on_a_page() -> None:
    card = Card("Run <a>", ["good: 25 of 25 modes", ""], ROWS, CORNERS, "good")
    assert card.text() == "\n".join(["Run <a>", "good: 25 of 25 modes", *aligned(ROWS)])
    html = card.html()
    assert "<b>Run &lt;a&gt;</b>" in html
    assert '<div style="color:#1a7f37">good: 25 of 25 modes</div>' in html
    assert html.count("<tr>") == 3
    assert "<svg " in html
    assert "<svg " not in Card("plain").html()
