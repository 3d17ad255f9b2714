"""The field of one run: its own slopes at the iterations asked for, and one line where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from steadygan.errors import InputError
from steadygan.figures.field import draw_field
from steadygan.runs.folder import RunFolder


def kept(folder: Path, count: int = 3, numbers: int = 2, slope: bool = True) -> RunFolder:
    """What a run keeps: points at its iteration, slopes that are twice that."""
    made = RunFolder(folder)
    made.samples.mkdir(parents=True)
    for at in range(0, 100 * count, 100):
        arrays: dict[str, Any] = {"surface": np.zeros((4, 4)), "extent": np.array([-1.0, 2.0, -3.0, 4.0])}
        arrays |= {"slope": np.full((20, 20, 2), 2.0 * at)} if slope else {}
        np.savez(made.samples / f"{at:09d}.npz", points=np.full((5, numbers), float(at)), **arrays)
    np.savez(made.real, points=np.random.default_rng(0).normal(size=(50, 2)))
    return made


def test_the_numbers_are_those_that_were_kept(tmp_path: Path) -> None:
    paths = draw_field(kept(tmp_path / "run"), [200, 0], tmp_path / "out" / "field")
    assert [path.name for path in paths] == ["field.png", "field.pdf", "field.npz"]
    assert all(path.stat().st_size > 500 for path in paths)
    with np.load(paths[-1]) as arrays:
        assert arrays["iterations"].tolist() == [0, 200]
        assert (arrays["200: slope"] == 400.0).all()
        assert (arrays["200: points"] == 200.0).all()
        assert arrays["0: extent"].tolist() == [-1.0, 2.0, -3.0, 4.0]
        assert arrays["real"].shape == (50, 2)


def test_without_a_word_four_are_drawn_the_damaged_left_out(tmp_path: Path) -> None:
    made = kept(tmp_path, 12)
    (made.samples / "000001100.npz").write_bytes(b"cut short")
    *_, numbers = draw_field(made, [], tmp_path / "field")
    with np.load(numbers) as arrays:
        assert len(arrays["iterations"]) == 4
        assert arrays["iterations"][[0, -1]].tolist() == [0, 1000]
    with pytest.raises(InputError, match=r"000001100\.npz, found a file that cannot be read"):
        draw_field(made, [1100], tmp_path / "field")
    with pytest.raises(InputError, match=r"got 5: there are 0 100 200 300 \.\.\. 800 900 1,000 1,100$"):
        draw_field(made, [5], tmp_path / "field")


def test_runs_without_a_field_are_refused_in_one_line(tmp_path: Path) -> None:
    images = RunFolder(tmp_path / "images")
    images.samples.mkdir(parents=True)
    Image.new("L", (8, 8)).save(images.samples / "000000100.png")
    for made, told in (
        (images, "expected a run of points in the plane, got one of images in"),
        (kept(tmp_path / "space", numbers=3), "expected a run of points in the plane, got points of 3 numbers in"),
        (kept(tmp_path / "flat", slope=False), "expected D's slopes in .*found none: they are kept where D judges"),
        (RunFolder(tmp_path / "nothing"), "expected samples in .*found none: train the run"),
    ):
        with pytest.raises(InputError, match=told) as error:
            draw_field(made, [], tmp_path / "field")
        assert "\n" not in str(error.value)
