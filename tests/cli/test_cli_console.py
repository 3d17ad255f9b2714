"""How commands put figures into words."""

from steadygan.commands.console import classes
from steadygan.quantities import counted


def test_shares_of_classes_are_told_and_nothing_else_is_taken_for_one() -> None:
    figures = {"modes": 2.0, "class_0": 0.25, "class_11": 0.75, "class_score": 7.2, "class_score_std": 0.3}
    assert classes(figures) == "classes: 0 25.0 %, 11 75.0 %"
    assert classes({"class_score": 7.2}) == ""


def test_figures() -> None:
    assert counted("modes", 24.0, 25) == "24 of 25"
    assert counted("high_quality", 0.123) == "12.3 %"
    assert counted("fid", 12.34) == "12.3"
