"""Where runs go that were given no folder: one of other settings never meets them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from steadygan.commands.job import finished_jobs, own_folders
from steadygan.config import Settings, override
from steadygan.errors import InputError
from steadygan.recipes import RECIPES

FAR = RECIPES["ring8/far"]()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(folder: str, *changes: str, seeds: Sequence[int] = (0,)) -> None:
    """Runs, as far as their settings go."""
    for seed in seeds:
        path = Path("runs", folder, f"seed-{seed}")
        path.mkdir(parents=True)
        own = override(replace(FAR, seed=seed), changes)
        (path / "settings.json").write_text(own.to_json(), encoding="utf-8")


def seeds(*numbers: int) -> list[Settings]:
    return [replace(FAR, seed=seed) for seed in numbers]


def place(each: Sequence[Settings], resume: bool) -> str:
    """The folder that was chosen; there is a word just where it is not the first."""
    folders, told = own_folders(each, resume)
    assert [folder.name for folder in folders] == [f"seed-{own.seed}" for own in each]
    assert len({folder.parent for folder in folders}) == 1
    name = folders[0].parent.name
    assert told == (
        ""
        if name == "ring8-far"
        else f"{Path('runs/ring8-far')} holds other runs: this run goes to {Path('runs') / name}"
    )
    return name


@pytest.mark.parametrize("resume", [False, True])
def test_nothing_is_there(resume: bool) -> None:
    assert place(seeds(0), resume) == place(seeds(0, 1), resume) == "ring8-far"


def test_the_same_run_is_met_again() -> None:
    begin("ring8-far", "lr_d=0.002")
    begin("ring8-far-2")
    assert place(seeds(0), resume=False) == "ring8-far-2"  # where it will be refused: it is there already
    assert place(seeds(0), resume=True) == "ring8-far-2"
    assert place([override(FAR, ["lr_d=0.002"])], resume=True) == "ring8-far"


def test_other_settings_get_the_next_number() -> None:
    begin("ring8-far")
    begin("ring8-far-2", "lr_d=0.002")
    other = [override(FAR, ["lr_d=0.003"])]
    assert place(other, resume=False) == "ring8-far-3"
    assert place(other, resume=True) == "ring8-far"  # where it is said in what they differ
    folders, told = own_folders(other, resume=True, compared=True)
    assert folders == [Path("runs/ring8-far-3/seed-0")]
    assert told.endswith(f"this run goes to {Path('runs/ring8-far-3')}")


def test_a_seed_that_is_not_taken_stays_beside_the_others() -> None:
    begin("ring8-far", seeds=(0, 1))
    assert place(seeds(2), resume=False) == "ring8-far"


def test_seeds_stay_together() -> None:
    begin("ring8-far")
    assert place(seeds(0, 1, 2), resume=False) == "ring8-far-2"
    begin("ring8-far-2", seeds=(0, 1))  # of which one had no time to begin
    assert place(seeds(0, 1, 2), resume=True) == "ring8-far-2"


def test_what_may_go_on_with_other_words_is_gone_on_with() -> None:
    """The monitor's policy may change in mid-run, but a new run with another one is a run of its own."""
    begin("ring8-far")
    stopping = [override(FAR, ["monitor.policy=stop"])]
    assert place(stopping, resume=True) == "ring8-far"
    assert place(stopping, resume=False) == "ring8-far-2"
    begin("ring8-far-2", "monitor.policy=stop")
    assert place(stopping, resume=True) == "ring8-far-2"


@pytest.mark.parametrize("tree", ['{"batch_size": 64}', "{", '{"recipe": "ring8/far", "colour": 3}'])
def test_a_run_that_cannot_be_read_is_passed_by(tree: str) -> None:
    begin("ring8-far")
    Path("runs/ring8-far/seed-0/settings.json").write_text(tree, encoding="utf-8")
    assert place(seeds(0), resume=False) == "ring8-far-2"


def test_the_runs_of_a_folder() -> None:
    begin("ring8-far", seeds=(0, 10, 2))
    every = finished_jobs(Path("runs/ring8-far"))
    assert [(job.settings.seed, job.name, job.length) for job in every] == [
        (seed, str(Path("runs/ring8-far")), FAR.horizon) for seed in (0, 2, 10)
    ]
    (one,) = finished_jobs(Path("runs/ring8-far/seed-10"), iterations=7)
    assert (one.folder, one.length) == (Path("runs/ring8-far/seed-10"), 7)
    assert finished_jobs(Path("ring8/far")) == []
    Path("runs/ring8-far/seed-0/settings.json").write_text('{"batch_size": 64}', encoding="utf-8")
    with pytest.raises(InputError, match="continue such a run from Python; to see any runs side by side: steadygan"):
        finished_jobs(Path("runs/ring8-far"))
