"""A library leaves its host as it found it: drawing changes nothing in matplotlib, and importing imports none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from steadygan.files import beside
from steadygan.viz import evolution_strip, gradient_curves, image_grid, loss_curves, scatter_matrix
from steadygan.viz.canvas import canvas


def draw_all(folder: Path) -> None:
    points = np.random.default_rng(0).standard_normal((50, 2))
    evolution_strip(points, [(0, points, points @ points.T, (-1, 1, -1, 1))], folder / "strip.png")
    image_grid(np.zeros((2, 1, 3, 3)), folder / "grid.png")
    scatter_matrix(points, points, folder / "pairs.png")
    loss_curves([{"iteration": 0, "d_loss": 1.0, "g_loss": 1.0}], (None, None), folder / "losses.png")
    gradient_curves([{"iteration": 0, "gradient_mean": 1.0}], folder / "gradients.png")


def test_settings_and_random_numbers_survive_drawing_and_do_not_leak_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steadygan.viz.canvas.DPI", 30)
    random = np.random.get_state()[1].copy()  # noqa: NPY002
    with matplotlib.rc_context({"font.size": 31.0, "lines.linewidth": 9.0, "axes.grid": True, "figure.dpi": 40.0}):
        before = dict(matplotlib.rcParams)
        draw_all(tmp_path / "odd")
        assert dict(matplotlib.rcParams) == before
    draw_all(tmp_path / "usual")
    for picture in sorted((tmp_path / "usual").iterdir()):
        assert picture.read_bytes() == (tmp_path / "odd" / picture.name).read_bytes(), picture.name
    assert (np.random.get_state()[1] == random).all()  # noqa: NPY002


def test_importing_viz_imports_no_matplotlib_and_drawing_no_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys, steadygan.viz as viz\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"viz.loss_curves([{{'iteration': 1, 'd_loss': 1.0}}], (None, None), {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_error_while_drawing_leaves_settings_and_folder_as_they_were(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(RuntimeError), canvas(tmp_path / "a.png", 1.0, 1.0):
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with beside(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    with beside(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
