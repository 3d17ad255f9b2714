"""The page of runs that may still train: as new as their files, not made too often, and never gone."""

import os

import pytest
from runs_made import grown, points, run

from steadygan.reporting import page as pages
from steadygan.reporting.folders import awaited, found
from steadygan.reporting.latest import PAUSE, SHARE, Latest


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def longer(path):
    """Within one tick of the file system's clock."""
    before = path.stat().st_mtime_ns
    path.write_text("xyz", encoding="utf-8")
    os.utime(path, ns=(before, before))


def test_a_page_is_made_when_files_change_and_not_too_often(tmp_path, clock, monkeypatch):
    made = []
    monkeypatch.setattr(pages, "render", lambda *words: made.append(words) or f"page {len(made)}")
    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    first = latest.page()
    clock.now += 100 * PAUSE
    assert latest.page() == first
    (folder / "report.html").write_text("x")  # nothing that a page tells of
    assert latest.page() == first
    grown(folder, 500, d_loss=1.0)
    second = latest.page()
    assert (second.html, second.state != first.state) == (b"page 2", True)
    for change in (
        lambda: (folder / "log.txt").write_text("x", encoding="utf-8"),
        lambda: points(folder, iterations=(500,)),
        lambda: os.utime(folder / "samples/000000500.npz", (1, 1)),  # of the same size
        lambda: longer(folder / "log.txt"),
        lambda: (folder / "checkpoints/000000400.pt").unlink(),
    ):
        before = latest.page()
        change()
        clock.now += PAUSE - 0.01
        assert latest.page() == before
        clock.now += 0.02
        assert latest.page().state not in (before.state, first.state)
    assert len(made) == 7


def test_pages_take_a_tenth_of_the_time_at_most(tmp_path, clock, monkeypatch):
    def slow(*_):
        clock.now += 3.0
        return "slow"

    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    monkeypatch.setattr(pages, "render", slow)
    clock.now += PAUSE
    grown(folder, 500)
    second = latest.page()
    grown(folder, 600)
    clock.now += 3.0 / SHARE - 0.01
    assert latest.page() == second
    clock.now += 0.02
    assert latest.page() != second


def test_what_fails_keeps_the_last_good_page(tmp_path, clock, monkeypatch):
    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    good = latest.page()
    with monkeypatch.context() as broken:
        broken.setattr(pages, "render", lambda *_: 1 / 0)
        grown(folder, 500, d_loss=1.0)
        clock.now += PAUSE
        kept = latest.page()
    assert (kept.state, kept.html) == (good.state, good.html)  # its state too: else browsers open it on and on
    assert kept.note == "No newer page could be made yet (ZeroDivisionError: division by zero)."
    clock.now += PAUSE
    assert latest.page().state != good.state
    assert latest.page().note == ""
    settings = (folder / "settings.json").rename(tmp_path / "settings.json")
    clock.now += PAUSE
    with monkeypatch.context() as broken:
        broken.setattr(pages, "render", lambda *_: 1 / 0)
        assert latest.page().note
    settings.rename(folder / "settings.json")  # as it was: there is nothing newer
    clock.now += PAUSE
    again = latest.page()
    assert again.note == ""
    for spoil in (lambda: (folder / "metrics.jsonl").write_text("{"), lambda: folder.rename(tmp_path / "b")):
        spoil()
        clock.now += PAUSE
        assert latest.page().html == again.html
        assert "InputError: expected" in latest.page().note


def test_a_run_that_begins_is_waited_for(tmp_path, clock):
    folder = tmp_path / "<b>"
    folder.mkdir()
    (folder / ".lock").touch()
    latest = Latest([folder], clock)
    for name, content in (("settings.json", "{}"), ("metrics.jsonl", ""), ("metrics.jsonl", '{"iter')):
        html = latest.page().html.decode()
        assert "Waiting for the first record" in html
        assert f"{tmp_path}/&lt;b&gt;" in html.replace(os.sep, "/")
        assert f'data-state="{latest.page().state}"' in html
        assert "connect-src 'self'" in html
        (folder / name).write_text(content, encoding="utf-8")
        clock.now += PAUSE
    (folder / "metrics.jsonl").write_text('{"iteration": 0, "modes": 1}\n', encoding="utf-8")
    assert "Modes found" in latest.page().html.decode()


def test_seeds_join_when_they_have_records(tmp_path, clock):
    run(tmp_path / "far/seed-0")
    for seed in (1, 2):
        (tmp_path / f"far/seed-{seed}").mkdir()
        (tmp_path / f"far/seed-{seed}/settings.json").write_text("{}", encoding="utf-8")
    (tmp_path / "far/seed-2/metrics.jsonl").touch()
    latest = Latest([tmp_path / "far"], clock)
    told = [f"{tmp_path / 'far' / name} is left out: it holds no records yet" for name in ("seed-1", "seed-2")]
    for words in told:
        assert words in latest.page().html.decode()
    grown(tmp_path / "far/seed-1", 0, modes=1)
    run(tmp_path / "far/seed-3", seed=3)
    clock.now += PAUSE
    html = latest.page().html.decode()
    assert [words in html for words in told] == [False, True]
    assert "2 seeds" in html


def test_a_run_is_itself_whatever_lies_in_its_folder(tmp_path):
    folder = run(tmp_path / "a")
    run(folder / "seed-0", recipe="ring8/far")
    assert awaited([folder, tmp_path / "a/../a"]) == found([folder])[0] == [folder]
