"""What a run writes while it trains: records with full precision, timings apart, words with the time, events."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from steadygan.errors import InputError
from steadygan.runs.folder import RunFolder
from steadygan.runs.log import Log
from steadygan.runs.records import newest
from tiny import trainer


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def log(path: Path) -> Log:
    path.mkdir(exist_ok=True)
    return Log(RunFolder(path))


def test_records_are_one_line_each_with_every_digit(tmp_path):
    kept = log(tmp_path)
    records = [{"iteration": 0, "d_loss": 1 / 3}, {"iteration": 20, "d_loss": math.pi * 1e-9, "final": True}]
    for record in records:
        kept.record(record)
    kept.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records == kept.records


def test_the_newest_figures_of_a_file_that_is_being_written(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert newest(path) == {}
    path.write_text('{"iteration": 0, "modes": 3}\n{"iteration": 20, "d_loss": 0.5}\n{"iteration": 40, "d_l')
    assert newest(path) == {"iteration": 20, "modes": 3, "d_loss": 0.5}
    many = [json.dumps({"iteration": i, "d_loss": i / 8}) for i in range(5000)]
    path.write_text("\n".join(many) + "\n")
    assert newest(path) == {"iteration": 4999, "d_loss": 4999 / 8}


def test_events_hold_the_same_numbers(tmp_path):
    kept = log(tmp_path)
    for iteration in (0, 20, 40):
        kept.record({"iteration": iteration, "d_loss": iteration / 8, "penalty/r1": 0.5, "final": True})
    kept.close()
    found = scalars(tmp_path / "events")
    assert found == {"loss/d_loss": [(0, 0.0), (20, 2.5), (40, 5.0)], "penalty/r1": [(0, 0.5), (20, 0.5), (40, 0.5)]}


def test_curves_stand_in_folders_and_a_verdict_has_a_level(tmp_path):
    kept = log(tmp_path)
    told = [("good", ""), ("learning", "d_steep"), ("collapsed", "")]
    for iteration, (verdict, causes) in enumerate(told):
        figures = {
            "modes": 3,
            "gradient_max": 2.0,
            "diversity": 0.5,
            "saturation": 0.1,
            "weight_norm_g": 1.0,
            "class_4": 1,
        }
        kept.record({"iteration": iteration, "verdict": verdict, "causes": causes, "reason": "x", "mine": 1, **figures})
    kept.close()
    found = scalars(tmp_path / "events")
    assert found.keys() == {
        *("quality/modes", "gradient/gradient_max", "quality/diversity", "critic/saturation", "weight/weight_norm_g"),
        *("class/class_4", "term/mine", "verdict/level"),
    }
    assert found["verdict/level"] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert found["quality/modes"] == [(0, 3.0), (1, 3.0), (2, 3.0)]


def test_a_picture_is_shown_as_it_is(tmp_path):
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (7, 5), (9, 8, 7)).save(tmp_path / "a.png")
    kept = log(tmp_path / "run")
    kept.record({"iteration": 3, "d_loss": 1.0})
    kept.picture(tmp_path / "a.png", 3)
    kept.close()
    events = EventAccumulator(str(tmp_path / "run" / "events"))
    events.Reload()
    (shown,) = events.Images("samples")
    assert (shown.step, shown.width, shown.height) == (3, 7, 5)
    assert shown.encoded_image_string == (tmp_path / "a.png").read_bytes()


def test_words_and_events(tmp_path):
    kept = log(tmp_path)
    kept.say("resumed at iteration 5")
    kept.event("iteration 7: the discriminator is dead")
    kept.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in lines] == [
        "resumed at iteration 5",
        "iteration 7: the discriminator is dead",
    ]
    assert kept.events == ["iteration 7: the discriminator is dead"]


def test_words_and_events_stand_in_lines_of_json_beside_the_log(tmp_path):
    kept = log(tmp_path)
    kept.say("resumed at iteration 5")
    kept.event("iteration 7: the discriminator is dead", 7)
    kept.close()
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    prose = (tmp_path / "log.txt").read_text().splitlines()
    assert [f"{line['time']} {line['message']}" for line in told] == prose
    assert [(line["kind"], line["iteration"]) for line in told] == [("note", None), ("event", 7)]


def test_without_a_folder_it_keeps_records_in_memory():
    kept = Log(None)
    kept.records.append({"iteration": 0})
    kept.record({"iteration": 5})
    kept.timing(5, 1.0, 2.0, 0.1)
    kept.event("heard")
    kept.close()
    assert (kept.records, kept.events) == ([{"iteration": 0}, {"iteration": 5}], ["heard"])


def test_a_file_that_cannot_be_written(tmp_path):
    kept = log(tmp_path)
    (tmp_path / "log.txt").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*log\.txt: Is a directory: free some space and continue with"):
        kept.say("something")


def test_events_that_cannot_be_written(tmp_path):
    kept = log(tmp_path)
    (tmp_path / "events").touch()
    with pytest.raises(InputError, match=r"cannot write .*events"):
        kept.record({"iteration": 0, "d_loss": 1.0})


def test_a_run_leaves_its_files(tmp_path):
    out = tmp_path / "run"
    run = trainer(out).fit(110)
    names = {"settings.json", "plan.json", "metrics.jsonl", "timing.jsonl", "checkpoints", "samples", "events"}
    assert names <= {p.name for p in out.iterdir()}
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert records == run.metrics
    assert [r["iteration"] for r in records] == [0, 20, 40, 50, 60, 80, 100, 110]
    assert [r["iteration"] for r in records if "spread" in r] == [0, 50, 100, 110]
    assert [r.get("final", False) for r in records] == [False] * 7 + [True]
    assert all({"d_loss", "g_loss", "gradient_mean", "gradient_max"} <= r.keys() for r in records[1:])
    timing = [json.loads(line) for line in (out / "timing.jsonl").read_text().splitlines()]
    assert [t["iteration"] for t in timing] == [r["iteration"] for r in records]
    seconds = [t["seconds"] for t in timing]
    assert seconds == sorted(seconds)
    assert run.wall_time >= seconds[-1] > 0
    assert sorted(p.name for p in (out / "samples").iterdir()) == [f"{i:09d}.npz" for i in (0, 50, 100, 110)]


@pytest.fixture
def counted(monkeypatch):
    """TensorBoard tells files of one second apart by a count in their names, and reads ...10 before ...9."""
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))


@pytest.mark.usefixtures("counted")
def test_the_events_of_a_run_cut_and_continued(tmp_path):
    """TensorBoard shows one curve: nothing from after the checkpoint that a resumed run went back to."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    trainer(whole).fit(130)
    trainer(cut).fit(100)
    first = trainer(cut, resume=True)
    first.fit(115)
    (cut / "checkpoints" / "000000115.pt").unlink()  # as if killed after its ticks and before its checkpoint
    trainer(cut, resume=True).fit(130)
    assert (cut / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    expected, found = scalars(whole / "events"), scalars(cut / "events")
    for tag, values in expected.items():
        assert found[tag] == values, tag


@pytest.mark.usefixtures("counted")
def test_the_events_of_two_fits(tmp_path):
    made = trainer(tmp_path)
    made.fit(50)
    made.fit(100)
    assert [step for step, _ in scalars(tmp_path / "events")["term/spread"]] == [0, 50, 100]
