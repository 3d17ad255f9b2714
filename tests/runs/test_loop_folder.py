"""The folder that a monitor leaves of a loop of one's own: records, samples, and what a report reads of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import steadygan as sg
from steadygan.errors import InputError
from steadygan.runs.history import history
from steadygan.runs.loop import scale_of
from tiny import trainer


def looked(monitor: sg.CollapseMonitor, iterations: range, shape: tuple[int, ...] = (2,), seed: int = 0) -> Any:
    """A loop whose G makes noise around the data."""
    rng = torch.Generator().manual_seed(seed)
    draw = torch.randn if len(shape) == 1 else torch.rand
    for i in iterations:
        real, fake = (draw(32, *shape, generator=rng) for _ in range(2))
        monitor.observe(D=lambda x: x.flatten(1).sum(1), real=real, fake=fake, d_loss=1.0, iteration=i)
    return monitor


def test_records_and_samples_are_read_as_those_of_a_run(tmp_path: Path) -> None:
    loss = sg.losses.NonSaturating()
    monitor = looked(sg.CollapseMonitor(every=5, loss=loss, out=tmp_path / "loop", horizon=50), range(1, 51))
    lines = [json.loads(line) for line in (tmp_path / "loop" / "metrics.jsonl").read_text().splitlines()]
    assert lines == monitor.records
    found = history(tmp_path / "loop")
    assert [row["iteration"] for row in found.rows] == [*range(5, 51, 5)]
    assert found.equilibrium == tuple(loss.equilibrium)
    assert (found.notes, found.settings, found.tree) == ((), None, {"horizon": 50})
    assert [int(path.stem) for path in sorted((tmp_path / "loop" / "samples").iterdir())] == [*range(5, 51, 5)]
    with np.load(tmp_path / "loop" / "real.npz") as real, np.load(tmp_path / "loop/samples/000000050.npz") as fake:
        assert (real["points"].shape[1], fake["points"].shape[1]) == (2, 2)
    assert (tmp_path / "loop" / "figures" / "latest.png").is_file()


def test_a_long_loop_keeps_samples_further_and_further_apart(tmp_path: Path) -> None:
    monitor = sg.CollapseMonitor(every=2, out=tmp_path / "loop")
    looked(monitor, range(1, 17))
    looked(monitor, range(1000, 1100))
    kept = sorted(int(path.stem) for path in (tmp_path / "loop" / "samples").iterdir())
    assert kept[-2:] == [1001, 1053]
    assert len(monitor.records) == 58


def test_images_are_grids_in_the_colours_of_the_real_ones(tmp_path: Path) -> None:
    looked(sg.CollapseMonitor(every=4, out=tmp_path / "loop"), range(1, 9), shape=(1, 8, 8))
    with Image.open(tmp_path / "loop" / "samples" / "000000008.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.min() < 20  # from 0 to 1, black is 0
    assert (tmp_path / "loop/figures/latest.png").read_bytes() == (tmp_path / "loop/samples/000000008.png").read_bytes()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.9], (0.0, 1.0)), ([-0.9, 1.0], (-1.0, 1.0)), ([-2.5, 3.0], (-2.5, 3.0)), ([7.0, 7.0], (7.0, 8.0))],
)
def test_black_and_white(values: list[float], expected: tuple[float, float]) -> None:
    assert scale_of(np.array([*values, np.nan])) == expected


def test_samples_of_other_shapes_are_left_out(tmp_path: Path) -> None:
    looked(sg.CollapseMonitor(every=4, out=tmp_path / "loop"), range(1, 9), shape=(2, 3))
    assert not (tmp_path / "loop" / "samples").exists()
    assert len(history(tmp_path / "loop").rows) == 2


def test_a_loop_that_goes_on_forgets_what_came_after_its_state(tmp_path: Path) -> None:
    monitor = looked(sg.CollapseMonitor(every=5, out=tmp_path / "loop"), range(1, 21))
    state = monitor.state_dict()
    looked(monitor, range(21, 31))
    again = sg.CollapseMonitor(every=5, out=tmp_path / "loop")
    again.load_state_dict(state)
    folder = tmp_path / "loop"
    assert [row["iteration"] for row in history(folder).rows] == [5, 10, 15, 20]
    assert max(int(path.stem) for path in (folder / "samples").iterdir()) == 20
    looked(again, range(21, 26))
    assert [row["iteration"] for row in history(folder).rows] == [5, 10, 15, 20, 25]


def test_a_new_loop_begins_its_folder_anew_with_its_first_look(tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    looked(sg.CollapseMonitor(every=5, out=folder), range(1, 31))
    monitor = sg.CollapseMonitor(every=5, out=folder)
    assert len(history(folder).rows) == 6
    looked(monitor, range(1, 11))
    assert [row["iteration"] for row in history(folder).rows] == [5, 10]
    assert sorted(int(path.stem) for path in (folder / "samples").iterdir()) == [5, 10]


def test_folders_that_are_in_use_are_refused(tmp_path: Path) -> None:
    trainer(tmp_path / "run").fit(5)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="expected a folder for the records of a loop, got the run"):
        sg.CollapseMonitor(out=tmp_path / "run")
    with pytest.raises(InputError, match=r"found thesis\.txt"):
        sg.CollapseMonitor(out=tmp_path / "mine")
    with pytest.raises(InputError, match="expected a monitor without out"):
        trainer(tmp_path / "new", monitor=sg.CollapseMonitor(out=tmp_path / "loop"))


def test_a_loop_s_file_that_is_damaged_costs_the_equilibrium_alone(tmp_path: Path) -> None:
    looked(sg.CollapseMonitor(every=5, out=tmp_path / "loop"), range(1, 11))
    (tmp_path / "loop" / "loop.json").write_text("{")
    assert history(tmp_path / "loop").equilibrium == (None, None)
