"""The page of runs that may still train: as new as their files, not made too often, and never gone."""

import os

import pytest
from runs_made import grown, points, run

from steadygan.reporting import page as pages
from steadygan.reporting import server as serving
from steadygan.reporting.server import PAUSE, SHARE, PageServer
from steadygan.runs.history import run_folders


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    passing = Clock()
    monkeypatch.setattr(serving, "monotonic", passing)
    return passing


@pytest.fixture
def latest():
    """(*folders) -> a server that nobody asks but the test."""
    servers = []

    def made(*folders):
        servers.append(PageServer(folders, 0))
        return servers[-1]

    yield made
    for server in servers:
        server.server_close()


def longer(path):
    """Within one tick of the file system's clock."""
    before = path.stat().st_mtime_ns
    path.write_text("xyz", encoding="utf-8")
    os.utime(path, ns=(before, before))


def test_a_page_is_made_when_files_change_and_not_too_often(tmp_path, clock, latest, monkeypatch):
    made = []
    monkeypatch.setattr(pages, "render", lambda *words: made.append(words) or f"page {len(made)}")
    folder = run(tmp_path / "a")
    server = latest(folder)
    first = server.page()
    clock.now += 100 * PAUSE
    assert server.page() == first
    (folder / "report.html").write_text("x")  # nothing that a page tells of
    assert server.page() == first
    grown(folder, 500, d_loss=1.0)
    second = server.page()
    assert (second[1], second[0] != first[0]) == (b"page 2", True)
    for change in (
        lambda: (folder / "log.txt").write_text("x", encoding="utf-8"),
        lambda: points(folder, iterations=(500,)),
        lambda: os.utime(folder / "samples/000000500.npz", (1, 1)),  # of the same size
        lambda: longer(folder / "log.txt"),
        lambda: (folder / "checkpoints/000000400.pt").unlink(),
    ):
        before = server.page()
        change()
        clock.now += PAUSE - 0.01
        assert server.page() == before
        clock.now += 0.02
        assert server.page()[0] not in (before[0], first[0])
    assert len(made) == 7


def test_pages_take_a_tenth_of_the_time_at_most(tmp_path, clock, latest, monkeypatch):
    def slow(*_):
        clock.now += 3.0
        return "slow"

    folder = run(tmp_path / "a")
    server = latest(folder)
    monkeypatch.setattr(pages, "render", slow)
    clock.now += PAUSE
    grown(folder, 500)
    second = server.page()
    grown(folder, 600)
    clock.now += 3.0 / SHARE - 0.01
    assert server.page() == second
    clock.now += 0.02
    assert server.page() != second


def test_what_fails_keeps_the_last_good_page(tmp_path, clock, latest, monkeypatch):
    folder = run(tmp_path / "a")
    server = latest(folder)
    good = server.page()
    with monkeypatch.context() as broken:
        broken.setattr(pages, "render", lambda *_: 1 / 0)
        grown(folder, 500, d_loss=1.0)
        clock.now += PAUSE
        kept = server.page()
    assert kept == good  # its state too: else browsers open it on and on
    clock.now += PAUSE
    again = server.page()
    assert again[0] != good[0]
    for spoil in (lambda: (folder / "metrics.jsonl").write_text("{"), lambda: folder.rename(tmp_path / "b")):
        spoil()
        clock.now += PAUSE
        assert server.page() == again


def test_a_run_that_begins_is_waited_for(tmp_path, clock, latest):
    folder = tmp_path / "<b>"
    folder.mkdir()
    (folder / ".lock").touch()
    server = latest(folder)
    for name, content in (("settings.json", "{}"), ("metrics.jsonl", ""), ("metrics.jsonl", '{"iter')):
        html = server.page()[1].decode()
        assert 'http-equiv="refresh"' in html
        assert "Waiting for the first record" in html
        assert f"{tmp_path}/&lt;b&gt;" in html.replace(os.sep, "/")
        (folder / name).write_text(content, encoding="utf-8")
        clock.now += PAUSE
    (folder / "metrics.jsonl").write_text('{"iteration": 0, "modes": 1}\n', encoding="utf-8")
    assert "Modes found" in server.page()[1].decode()


def test_seeds_join_when_they_have_records(tmp_path, clock, latest):
    run(tmp_path / "far/seed-0")
    for seed in (1, 2):
        (tmp_path / f"far/seed-{seed}").mkdir()
        (tmp_path / f"far/seed-{seed}/settings.json").write_text("{}", encoding="utf-8")
    (tmp_path / "far/seed-2/metrics.jsonl").touch()
    server = latest(tmp_path / "far")
    told = [f"{tmp_path / 'far' / name} is left out: it holds no records yet" for name in ("seed-1", "seed-2")]
    for words in told:
        assert words in server.page()[1].decode()
    grown(tmp_path / "far/seed-1", 0, modes=1)
    run(tmp_path / "far/seed-3", seed=3)
    clock.now += PAUSE
    html = server.page()[1].decode()
    assert [words in html for words in told] == [False, True]
    assert "2 seeds" in html


def test_a_run_is_itself_whatever_lies_in_its_folder(tmp_path):
    folder = run(tmp_path / "a")
    run(folder / "seed-0", recipe="ring8/far")
    for begun in (True, False):
        assert run_folders([folder, tmp_path / "a/../a"], begun) == ([folder], [])
