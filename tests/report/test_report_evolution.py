"""The film of a run: its pages, the GIF that fits a page, and files as they are written."""

import os
import stat
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from runs_made import grids, points, run

from steadygan.errors import InputError
from steadygan.reporting import evolution
from steadygan.reporting.evolution import draw_film, evolution_gif, evolution_pages
from steadygan.runs.folder import RunFolder
from steadygan.runs.history import history
from steadygan.viz.raster import HEAD, SIDE


def test_pages_of_points_are_of_one_size_and_few(tmp_path):
    folder = points(run(tmp_path / "a"), iterations=range(0, 4000, 100))
    pages = evolution_pages(history(folder))
    assert len(pages) == 24
    assert {page.shape for page in pages} == {(SIDE + HEAD, SIDE, 3)}
    assert len(evolution_pages(history(folder), most=3)) == 3


def test_points_move_as_they_did(tmp_path):
    """The cloud goes right with the iteration, on axes that stay."""
    pages = evolution_pages(history(points(run(tmp_path / "a"), iterations=(0, 1000))))

    def middle(page):
        vermilion = (np.abs(page[HEAD:].astype(int) - (213, 94, 0)).max(2) < 50).nonzero()[1]
        return vermilion.mean() / SIDE

    assert middle(pages[0]) == pytest.approx(0.5, abs=0.05)
    assert middle(pages[1]) == pytest.approx(0.75, abs=0.05)  # from -2 to 2


def test_one_column_and_more_than_two(tmp_path):
    for columns in (1, 5):
        folder = run(tmp_path / str(columns), settings={"lr": 1})
        (folder / "samples").mkdir()
        for i in (0, 100):
            cloud = np.random.default_rng(i).normal(size=(30, columns))
            np.savez(folder / f"samples/{i:09d}.npz", points=cloud)
        assert [page.shape for page in evolution_pages(history(folder))] == [(SIDE + HEAD, SIDE, 3)] * 2


def test_grids_are_pages_as_wide_as_is_asked(tmp_path):
    folder = grids(run(tmp_path / "a", recipe="mnist/far"), side=400)
    (folder / "samples/000000200.png").write_bytes(b"no picture")
    assert [page.shape for page in evolution_pages(history(folder))] == [(400 + HEAD, 400, 3)] * 3
    assert [page.shape for page in evolution_pages(history(folder), wide=100)] == [(100 + HEAD, 100, 3)] * 3


def test_a_gif_keeps_to_its_budget_with_fewer_and_smaller_pages_or_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(evolution, "ROUNDS", ((4, 1), (3, 1), (2, 2)))
    kept = history(points(run(tmp_path / "a"), iterations=(0, 100, 200, 300)))
    whole = evolution_gif(kept, 10_000_000)
    less = evolution_gif(kept, len(whole) - 1)
    least = evolution_gif(kept, len(less) - 1)
    found = []
    for content in (whole, less, least):
        with Image.open(BytesIO(content)) as image:
            found.append((image.n_frames, image.size))
    full, half = (SIDE, SIDE + HEAD), (SIDE // 2, (SIDE + HEAD) // 2)
    assert found == [(4, full), (3, full), (2, half)]
    assert evolution_gif(kept, 1000) is None
    assert evolution_gif(history(points(run(tmp_path / "b"), iterations=(0,))), 10_000_000) is None
    assert evolution_gif(history(run(tmp_path / "c")), 10_000_000) is None


def program(folder, body):
    folder.mkdir()
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def test_without_ffmpeg_there_is_a_gif_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = RunFolder(points(run(tmp_path / "a")))
    paths, missing = draw_film(folder, tmp_path / "out" / "evolution")
    assert [path.name for path in paths] == ["evolution.gif"]
    assert missing == "no MP4: ffmpeg is not installed"
    with Image.open(paths[0]) as image:
        assert image.n_frames == 3
    with pytest.raises(InputError, match=r"expected samples in .*, found none that can be drawn"):
        draw_film(RunFolder(run(tmp_path / "b")), tmp_path / "b")


def test_ffmpeg_is_given_every_page_and_the_last_one_longer(tmp_path, monkeypatch):
    """A stand-in writes down its words and its input."""
    body = f'for last; do :; done\necho "$@" > {tmp_path}/words\ncat > "$last"'
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin', body)}{os.pathsep}{os.environ['PATH']}")
    folder = RunFolder(points(run(tmp_path / "a")))
    paths, missing = draw_film(folder, tmp_path / "evolution")
    assert ([path.name for path in paths], missing) == (["evolution.gif", "evolution.mp4"], "")
    assert paths[1].stat().st_size == (3 + 5) * (SIDE + HEAD) * SIDE * 3
    words = (tmp_path / "words").read_text()
    assert f"-s {SIDE}x{SIDE + HEAD} -r 3 -i -" in words
    assert "-pix_fmt yuv420p" in words


def test_an_ffmpeg_that_fails_costs_the_mp4_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin', 'echo first >&2; echo no encoder >&2; exit 1')}")
    paths, missing = draw_film(RunFolder(points(run(tmp_path / "a"))), tmp_path / "evolution")
    assert ([path.name for path in paths], missing) == (["evolution.gif"], "no MP4: ffmpeg failed: no encoder")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["evolution.gif"]
