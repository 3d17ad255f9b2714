"""Records and events are read as they are found: damage is counted, never a reason to stop."""

import math
from pathlib import Path

import pytest
from runs_made import said

from steadygan.quantities import number
from steadygan.runs.folder import RunFolder
from steadygan.runs.history import events
from steadygan.runs.records import Records, records, turns

GOOD = '{"iteration": 100, "d_loss": 1.5}'


def write(folder, *lines):
    (folder / "metrics.jsonl").write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    )
    return folder


def records_of(folder: Path) -> Records:
    return records(RunFolder(folder).metrics)


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
    found = records_of(write(tmp_path, *lines))
    assert [row["iteration"] for row in found.rows] == [100, 200]
    assert found.unreadable == 1


def test_blank_lines_are_no_damage(tmp_path):
    assert records_of(write(tmp_path, GOOD, "", "  ", GOOD)).unreadable == 0


def test_values_that_are_not_finite_stay_as_gaps(tmp_path):
    (row,) = records_of(write(tmp_path, '{"iteration": 1, "a": NaN, "b": -Infinity, "c": 2, "d": "x", "e": true}')).rows
    assert math.isnan(row["a"])
    assert math.isnan(row["b"])
    assert row["c"] == 2.0
    assert row.keys() == {"iteration", "a", "b", "c"}


def test_a_number_too_large_for_a_float_is_not_finite():
    assert math.isnan(number(10**400))
    assert number(3) == 3.0
    assert number(None) is None


def test_rows_come_in_order(tmp_path):
    assert [r["iteration"] for r in records_of(write(tmp_path, '{"iteration": 5}', '{"iteration": 2}')).rows] == [2, 5]


def test_verdicts_are_told_with_their_reasons_and_changes(tmp_path):
    lines = [
        '{"iteration": 1, "verdict": "learning"}',
        '{"iteration": 2, "verdict": "learning", "reason": "early"}',
        '{"iteration": 3, "verdict": 4}',
        '{"iteration": 4, "verdict": "collapsed", "verdict_reason": "3 of 64"}',
    ]
    found = records_of(write(tmp_path, *lines))
    assert [(v.iteration, v.verdict, v.reason) for v in found.verdicts] == [
        (1, "learning", ""),
        (2, "learning", "early"),
        (4, "collapsed", "3 of 64"),
    ]
    assert [turn.iteration for turn in turns(found.verdicts)] == [1, 4]


def test_events_are_told_as_they_were_written(tmp_path):
    said(tmp_path, (0, "note", "started at iteration 0: eager"), (300, "event", "iteration 300: d_loss was nan"))
    with (tmp_path / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            '\n{"iteration": 4, "kind": "event"}\n[1]\n{"message": "late"}\n{"iteration": 1e99, "message": "x"}\n{'
        )
    (tmp_path / "log.txt").write_text("2026-01-01 10:00:00 the same in words\n")
    assert events(RunFolder(tmp_path)) == [
        (0, "note", "started at iteration 0: eager", "2026-01-01 10:00:00"),
        (300, "event", "iteration 300: d_loss was nan", "2026-01-01 10:00:00"),
        (None, "note", "late", ""),
        (None, "note", "x", ""),
    ]


def test_a_log_without_events_is_told_line_by_line(tmp_path):
    (tmp_path / "log.txt").write_text("2026-01-01 10:00:00 iteration 300: d_loss was nan\nodd\n" + 600 * "x")
    assert events(RunFolder(tmp_path)) == [
        (None, "note", "iteration 300: d_loss was nan", "2026-01-01 10:00:00"),
        (None, "note", "odd", ""),
        (None, "note", 500 * "x" + " ...", ""),
    ]


def test_no_log_and_a_log_of_other_bytes(tmp_path):
    assert events(RunFolder(tmp_path)) == []
    (tmp_path / "log.txt").write_bytes(b"\xff\xfe\niteration 3: loss was nan\n")
    assert [event.message for event in events(RunFolder(tmp_path))] == ["\ufffd\ufffd", "iteration 3: loss was nan"]
