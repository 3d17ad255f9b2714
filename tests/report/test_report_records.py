"""Records and events are read as they are found: damage is counted, never a reason to stop."""

import math

import pytest

from steadygan.reporting.events import events
from steadygan.reporting.records import number, read

GOOD = '{"iteration": 100, "d_loss": 1.5}'


def write(folder, *lines):
    path = folder / "metrics.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


@pytest.mark.parametrize(
    "bad",
    [
        '{"iteration": 4',
        "garbage",
        b"\xff\xfe\x00",
        "[1, 2]",
        "null",
        '{"d_loss": 1.0}',
        '{"iteration": "7"}',
        '{"iteration": NaN}',
        '{"iteration": true}',
        '{"iteration": -1}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_anywhere_is_skipped_and_counted(tmp_path, bad, place):
    lines = [GOOD, GOOD.replace("100", "200")]
    lines.insert(place, bad)
    found = read(write(tmp_path, *lines))
    assert [row["iteration"] for row in found.rows] == [100, 200]
    assert found.unreadable == 1
    assert found.last == 200


def test_blank_lines_are_no_damage(tmp_path):
    assert read(write(tmp_path, GOOD, "", "  ", GOOD)).unreadable == 0


def test_values_that_are_not_finite_stay_as_gaps(tmp_path):
    (row,) = read(write(tmp_path, '{"iteration": 1, "a": NaN, "b": -Infinity, "c": 2, "d": "x", "e": true}')).rows
    assert math.isnan(row["a"])
    assert math.isnan(row["b"])
    assert row["c"] == 2.0
    assert row.keys() == {"iteration", "a", "b", "c"}


def test_a_number_too_large_for_a_float_is_not_finite():
    assert math.isnan(number(10**400))
    assert number(3) == 3.0
    assert number(None) is None


def test_rows_come_in_order(tmp_path):
    assert [r["iteration"] for r in read(write(tmp_path, '{"iteration": 5}', '{"iteration": 2}')).rows] == [2, 5]


def test_verdicts_are_told_with_their_reasons_and_changes(tmp_path):
    lines = [
        '{"iteration": 1, "verdict": "learning"}',
        '{"iteration": 2, "verdict": "learning", "reason": "early"}',
        '{"iteration": 3, "verdict": 4}',
        '{"iteration": 4, "verdict": "collapsed", "verdict_reason": "3 of 64"}',
    ]
    found = read(write(tmp_path, *lines))
    assert [(v.iteration, v.verdict, v.reason) for v in found.verdicts] == [
        (1, "learning", ""),
        (2, "learning", "early"),
        (4, "collapsed", "3 of 64"),
    ]
    assert [v.iteration for v in found.changes] == [1, 4]


LOG = """2026-01-01 10:00:00 started at iteration 0: executor eager, members 1
2026-01-01 10:00:00 compile=off: convolutions on a CPU gain nothing
2026-01-01 10:00:01 iteration 300: d_loss was nan
2026-01-01 10:00:02 iteration 400: dead discriminator: its mean gradient is 0 (D)
2026-01-01 10:00:03 iteration 500: the discriminator D is alive again
2026-01-01 10:00:03 iteration 550: interrupted, checkpoint saved
2026-01-01 10:00:04 resumed at iteration 550: executor eager
2026-01-01 10:00:04 not bit-identical: threads: 1 then, 2 now
2026-01-01 10:00:05 term d/D/loss was inf at iteration 612 (|grad G| = 3)
2026-01-01 10:00:06 stopped at iteration 700 after 3.1 s of training
"""


def test_events_of_a_log(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(LOG)
    assert [(e.iteration, e.kind, e.text) for e in events(path)] == [
        (0, "mark", "started"),
        (300, "alarm", "d_loss was nan"),
        (400, "alarm", "dead discriminator: its mean gradient is 0 (D)"),
        (500, "notice", "the discriminator D is alive again"),
        (550, "notice", "interrupted, checkpoint saved"),
        (550, "mark", "resumed"),
        (550, "notice", "not bit-identical: threads: 1 then, 2 now"),
        (612, "alarm", "term d/D/loss was inf at iteration 612 (|grad G| = 3)"),
        (700, "mark", "stopped"),
    ]


def test_no_log_and_a_log_of_other_bytes(tmp_path):
    assert events(tmp_path / "log.txt") == []
    (tmp_path / "log.txt").write_bytes(b"\xff\xfe\niteration 3: loss was nan\n")
    assert [(e.iteration, e.kind) for e in events(tmp_path / "log.txt")] == [(3, "alarm")]
