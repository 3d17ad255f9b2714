"""A page about a loop of one's own: from its monitor, from the folder that it wrote, from a file of its records."""

import json

import pytest
import torch
from test_report_page import read

import steadygan as sg
from steadygan.errors import InputError


def looked(out=None, iterations=40):
    """A monitor that has seen a loop whose fakes are as the data."""
    monitor = sg.CollapseMonitor(every=5, loss=sg.losses.NonSaturating(), out=out)
    rng = torch.Generator().manual_seed(0)
    for i in range(1, iterations + 1):
        real, fake = (torch.randn(64, 2, generator=rng) for _ in range(2))
        monitor.observe(D=lambda x: x.sum(1), real=real, fake=fake, d_loss=1.3, g_loss=0.7, iteration=i)
    return monitor


def test_a_monitor_makes_a_page(tmp_path):
    monitor = looked()
    found = read(monitor, out=tmp_path / "page.html")
    loss = next(chart for chart in found.data["charts"] if chart["key"] == "d_loss")
    assert loss["data"][0]["x"] == [*range(5, 41, 5)]
    assert loss["captions"] == ["Dashed: equilibrium, 1.386."]
    assert "A training loop of your own" in found.text
    assert "no settings.json" not in found.text
    assert "checkpoint" not in found.text
    assert monitor.verdict.state in found.text


def test_its_folder_has_samples_too_and_the_page_goes_there(tmp_path):
    monitor = looked(tmp_path / "loop")
    assert sg.report(monitor) == tmp_path / "loop" / "report.html"
    assert sg.report(tmp_path / "loop") == tmp_path / "loop" / "report.html"
    found = read(tmp_path / "loop", out=tmp_path / "page.html")
    (own,) = found.data["samples"][0]["runs"]
    assert [frame["iteration"] for frame in own["frames"]] == [*range(5, 41, 5)]
    assert len(own["real"]) == 2 * 5 * 64  # those of the first look
    looked(tmp_path / "loop", 10)
    assert (tmp_path / "loop" / "report.html").exists()  # what it did not write stays


@pytest.mark.parametrize("name", ["records.jsonl", "records.json"])
def test_a_file_of_records_makes_a_page(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    records = looked().records
    lines = "\n".join(json.dumps(record) for record in records)
    (tmp_path / name).write_text(lines if name.endswith("l") else json.dumps([*records, "x"]))
    path = sg.report(name)
    assert str(path) == "report.html"
    found = read(name, out=tmp_path / "page.html")
    assert name in found.text
    assert ("1 of its records cannot be read" in found.text) == name.endswith("n")
    assert len(found.data["charts"]) > 20


def test_a_run_s_own_records_stand_for_the_run(tmp_path):
    looked(tmp_path / "loop")
    assert sg.report(tmp_path / "loop" / "metrics.jsonl") == tmp_path / "loop" / "report.html"


def test_loops_stand_beside_runs(tmp_path):
    found = read(looked(), looked(tmp_path / "other"), out=tmp_path / "page.html")
    assert len({chip["data-toggle"] for _, chip in found.tags if "data-toggle" in chip}) == 2


def test_what_holds_no_records_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.jsonl").write_text("x\n")
    with pytest.raises(InputError, match="expected a list of records in"):
        sg.report(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"expected records in .*, got 1 that cannot be read"):
        sg.report(tmp_path / "b.jsonl")
    with pytest.raises(InputError, match="expected records in 'the monitor', got an empty file"):
        sg.report(sg.CollapseMonitor())
    with pytest.raises(InputError, match="expected runs as folders, files or a CollapseMonitor, got 7"):
        sg.report(7)
