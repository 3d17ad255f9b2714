"""Which settings count as changed."""

from __future__ import annotations

from steadygan.comparison import changed, flat


def test_flat_names_leaves_by_their_path():
    assert dict(flat({"a": {"b": {"c": 1}, "d": {}}, "e": None})) == {"a.b.c": 1, "e": None}


def test_changed_names_key_old_and_new():
    old = {"lr": {"g": 1, "d": 2}, "method": {}, "seed": 0}
    new = {"lr": {"g": 1, "d": 3}, "method": {"packing": {"degree": 2}}, "seed": 0}
    assert changed(old, new) == [("lr.d", 2, 3), ("method.packing.degree", "absent", 2)]
    assert changed(new, new) == []


def test_what_changes_no_bit_is_left_out():
    assert changed({"device": "cpu", "threads": 1, "keep": 3}, {"device": "cuda", "threads": 2, "keep": 5}) == []
