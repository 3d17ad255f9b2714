"""What only reading the data or a checkpoint can show to be wrong: one line, exit code 2, the run left as it was."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

STEPS = ["--iterations", "4", "checkpoint_every=2", "log_every=2"]
TINY = [*STEPS, "evaluate.every=4", "evaluate.n=100", "device=cpu", "threads=1", "compile=off"]
RING = ["train", "ring8/far", *TINY, "--resume"]


def write_data(folder: Path) -> None:
    """Data files with one thing wrong in each."""
    folder.mkdir()
    rows = [f"{i / 7},{i / 3},{i / 5}" for i in range(40)]
    (folder / "text.csv").write_text("\n".join([*rows[:11], "1,two,3", *rows[11:]]), encoding="utf-8")
    (folder / "nan.csv").write_text("\n".join([*rows[:4], "1,nan,3", *rows[4:]]), encoding="utf-8")
    (folder / "ragged.csv").write_text("\n".join([*rows, "1,2"]), encoding="utf-8")
    (folder / "empty.csv").write_text("", encoding="utf-8")
    array = np.random.default_rng(0).normal(size=(40, 3))
    array[17, 2] = np.inf
    np.save(folder / "inf.npy", array)
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "pickled.npy").write_bytes(pickle.dumps(array))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newer(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format": content["format"] + 1}, path)


def foreign(path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, path)


DATA = {
    "text.csv": "text.csv, line 12, column 2, got 'two': fix or remove the line",
    "nan.csv": "nan.csv, line 5, column 2, got nan: fix or remove the line",
    "ragged.csv": "got 2 in line 41",
    "empty.csv": "expected lines of numbers in empty.csv, got none",
    "inf.npy": "row 17",
    "objects.npy": "expected plain numbers in objects.npy, got a pickle, which could run code",
    "pickled.npy": "expected a .npy array in pickled.npy, got a pickle or another format",
}
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (truncate, "is not a complete checkpoint"),
    "newer": (newer, "but this steadygan reads formats up to"),
    "foreign": (foreign, "is not a checkpoint of steadygan"),
}


@pytest.fixture(scope="module")
def refusals(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder that all commands ran in."""
    here, answers = once("cli-refusals", lambda folder: refused(folder, commands))
    return {"here": here, **answers}


def refused(here: Path, commands: Callable[..., Any]) -> dict[str, Any]:
    """Makes two runs, spoils copies of one, and asks for what cannot be done."""
    write_data(here / "data")
    narrow = ["train", "ring8/far", *TINY, "generator.width=16", "--out", "narrow"]
    made = commands([[*RING, "--out", "whole"], narrow], here)
    assert [answer.code for answer in made] == [0, 0], made
    for name, (damage, _) in DAMAGE.items():
        shutil.copytree(here / "whole", here / name)
        damage(here / name / "checkpoints" / "000000004.pt")
    shutil.copytree(here / "whole", here / "other-model")
    shutil.copy(here / "narrow" / "checkpoints" / "000000004.pt", here / "other-model" / "checkpoints")
    shutil.copytree(here / "whole", here / "in-use")
    (here / "file").write_text("not a folder", encoding="utf-8")
    wanted = {name: ["train", "points/far", "--data", f"data/{name}", *TINY, "--out", f"out-{name}"] for name in DATA}
    for name in DAMAGE:
        wanted[f"resume {name}"] = [*RING, "--out", name]
        wanted[f"sample {name}"] = ["sample", name, "--out", "x.csv"]
    wanted["resume other-model"] = [*RING, "--out", "other-model"]
    wanted["in-use"] = [*RING, "--out", "in-use"]
    wanted["a file"] = [*RING, "--out", "file"]
    wanted["no device"] = [*RING, "device=cuda:99", "--out", "no-device"]
    with FileLock(here / "in-use" / ".lock"):
        return dict(zip(wanted, commands(list(wanted.values()), here), strict=True))


@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be_used_name_the_place(refusals: dict[str, Any], name: str) -> None:
    assert DATA[name] in refusals[name].refused()
    assert not (refusals["here"] / f"out-{name}").exists()


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("word", ["resume", "sample"])
def test_a_damaged_checkpoint_is_told_and_kept(refusals: dict[str, Any], name: str, word: str) -> None:
    message = refusals[f"{word} {name}"].refused()
    assert DAMAGE[name][1] in message
    assert "000000004.pt" in message
    kept = sorted(path.name for path in (refusals["here"] / name / "checkpoints").iterdir())
    assert kept == ["000000000.pt", "000000002.pt", "000000004.pt"]


def test_a_checkpoint_of_another_model_is_refused(refusals: dict[str, Any]) -> None:
    refusals["resume other-model"].refused()
    whole, other = (refusals["here"] / name / "metrics.jsonl" for name in ("whole", "other-model"))
    assert other.read_bytes() == whole.read_bytes()


def test_a_folder_in_use_is_left_alone(refusals: dict[str, Any]) -> None:
    assert "in use by another process: wait for it, or choose another --out" in refusals["in-use"].refused()


def test_a_file_is_no_run_folder(refusals: dict[str, Any]) -> None:
    assert "file" in refusals["a file"].refused()
    assert (refusals["here"] / "file").read_text(encoding="utf-8") == "not a folder"


def test_a_device_that_is_not_there_is_refused(refusals: dict[str, Any]) -> None:
    assert "device 'cuda:99' is not available here: use device=auto or device=cpu" in refusals["no device"].refused()


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as a full disk would")
def test_no_space_left_loses_no_checkpoint(
    tmp_path: Path, surroundings: Mapping[str, str], commands: Callable[..., Any]
) -> None:
    import resource

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # less than a checkpoint

    words = [*RING, "--out", "run"]
    full = subprocess.run(
        [sys.executable, "-m", "steadygan", *words],
        cwd=tmp_path, env=surroundings, capture_output=True, text=True, preexec_fn=limited, timeout=120,
    )  # fmt: skip
    assert full.returncode == 2, full
    assert full.stderr.splitlines()[-1].startswith("error: cannot write ")
    assert full.stderr.count("error: ") == 1
    assert not list((tmp_path / "run").rglob("*.part"))
    (after,) = commands([words], tmp_path)  # space was made: the same command goes on
    assert after.code == 0, after


def test_what_needs_a_generator_is_refused_of_a_run_without_one(tmp_path: Path, commands: Callable[..., Any]) -> None:
    words = ["two-gaussians/none", "--scale", "small", *TINY, "--out", "run"]
    trained, *asked, changed, again, reported = commands(
        [
            ["train", *words],
            ["sample", "run"],
            ["export", "run"],
            ["evaluate", "run", "--against", "own"],
            ["train", *words, "--resume", "fakes.seed=1"],
            ["train", *words, "--resume"],
            ["report", "run"],
        ],
        tmp_path,
    )
    assert trained.code == 0, trained
    assert "more with: steadygan sample" not in trained.out
    for answer in asked:
        assert "expected a run with a generator, got a discriminator trained alone" in answer.refused()
    assert "fakes.seed: 0 in the run, 1 now" in changed.refused()
    assert "nothing left to do" in again.out
    assert reported.code == 0
