"""Which settings count as changed."""

from __future__ import annotations

from steadygan.runs.settings import changed, flat


def test_flat_names_leaves_by_their_path():
    assert dict(flat({"a": {"b": {"c": 1}, "d": {}}, "e": None})) == {"a.b.c": 1, "e": None}


def test_changed_names_key_old_and_new():
    old = {"lr": {"g": 1, "d": 2}, "method": {}, "seed": 0}
    new = {"lr": {"g": 1, "d": 3}, "method": {"packing": {"degree": 2}}, "seed": 0}
    assert changed(old, new) == [("lr.d", 2, 3), ("method.packing.degree", "absent", 2)]
    assert changed(new, new) == []


def test_what_changes_no_bit_is_left_out():
    assert changed({"device": "cpu", "threads": 1, "keep": 3}, {"device": "cuda", "threads": 2, "keep": 5}) == []


def test_settings_that_came_later_are_as_they_were_before():
    """A run from before they existed can be resumed; another value than what it had is a change."""
    assert changed({}, {"precision": "float32", "candidates": None}) == []
    assert changed({}, {"precision": "bf16"}) == [("precision", "float32", "bf16")]
    assert changed({"candidates": "bf16"}, {}) == [("candidates", "bf16", None)]
    assert changed({"compile": "on"}, {"compile": "off"}) == []  # a matter of the plan
