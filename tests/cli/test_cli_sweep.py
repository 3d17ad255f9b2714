"""Sweeps and comparisons in several processes: trained once, pruned, ranked, written; stopped and continued."""

from __future__ import annotations

import csv
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from steadygan.runs.folder import RunFolder
from tiny import assert_same, saved

QUICK = ["device=cpu", "threads=1", "compile=off"]
TINY = ["log_every=20", "evaluate.every=30", "evaluate.n=100", "batch_size=16", *QUICK]
WILD = ["ring8/nsgan", "loss=wasserstein", "optimizer=sgd", "lr_g=1e-4,1e200", *TINY, "--iterations", "60"]
PAIR = ["ring8/far", "ring8/nsgan", *TINY, "--iterations", "60"]


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], command: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        first = command("sweep", *WILD, "--jobs", "2", cwd=here)
        before = left(here)
        again, other = commands([["sweep", *WILD], ["sweep", *WILD, "--by", "energy_distance", "--print-jobs"]], here)
        assert left(here) == before, "a run was trained again"
        compared = command("compare", *PAIR, "--jobs", "2", "--json", cwd=here)
        commands([["train", PAIR[0], *PAIR[2:], "--out", "far"], ["train", *PAIR[1:], "--out", "nsgan"]], here)
        return {"first": first, "again": again, "other": other, "compared": compared}

    here, answers = once("cli-sweep", make)
    return {"here": here, **answers}


def left(here: Path) -> dict[str, tuple[int, int]]:
    """All files of runs, with size and time."""
    files = [path for path in here.rglob("seed-*/**/*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def lines(here: Path) -> list[dict[str, str]]:
    with (here / "runs" / "sweep-lr_g" / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def test_a_run_that_meets_no_finite_term_gives_its_place_up_and_fails_nobody(user: dict[str, Any]) -> None:
    answer = user["first"]
    assert (answer.code, answer.complaints) == (0, [])
    good, wild = lines(user["here"])
    assert (good["lr_g"], good["state"], good["iteration"], good["told"]) == ("1e-4", "finished", "60", "")
    assert (wild["lr_g"], wild["state"]) == ("1e200", "non_finite")
    assert int(wild["iteration"]) < 60
    assert "was nan at iteration 0" in wild["told"] or "was inf at iteration 0" in wild["told"]
    assert float(good["energy_distance"]) >= float(good["energy_distance_best"]) > 0
    assert wild["folder"] == str(Path("runs/sweep-lr_g/ring8-nsgan") / Path(wild["folder"]).parts[-2] / "seed-0")
    assert "2 runs: 1 finished, 1 stopped before their end; sorted by " in answer.out
    assert answer.out.index("1e-4") < answer.out.index("1e200")
    assert "lr_g=1e200 seed 0" in answer.err
    assert "stopped at iteration" in answer.err
    assert (user["here"] / "runs" / "sweep-lr_g" / "sweep.html").stat().st_size > 10**5


def test_what_was_trained_or_stopped_is_not_trained_again(user: dict[str, Any]) -> None:
    again, other = user["again"], user["other"]
    assert (again.code, again.err) == (0, "")
    assert again.out == user["first"].out
    assert (other.code, other.out) == (0, "")
    assert other.err == "2 of 2 are trained already, and need no command\n"


def test_a_comparison_in_processes_is_that_of_lone_runs_bit_for_bit(user: dict[str, Any]) -> None:
    assert (user["compared"].code, user["compared"].complaints) == (0, [])
    assert "2 runs in 2 jobs\n" in user["compared"].err
    for alone in ("far", "nsgan"):
        there, here = RunFolder(user["here"] / "runs" / f"ring8-{alone}" / "seed-0"), RunFolder(user["here"] / alone)
        assert there.metrics.read_bytes() == here.metrics.read_bytes()
        assert_same(saved(there.path), saved(here.path))


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_saves_every_run_and_the_same_command_continues_them(
    tmp_path: Path, surroundings: Mapping[str, str], command: Callable[..., Any], commands: Callable[..., Any]
) -> None:
    own = ["ring8/far", "batch_size=12,16", *TINY[:3], *QUICK, "--out", "o u't"]
    words = ["sweep", *own, "--iterations", "30000", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "steadygan", *words], cwd=tmp_path, env=surroundings, stderr=subprocess.PIPE, text=True
    )
    while len([*tmp_path.rglob("metrics.jsonl")]) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    *_, last = err.strip().splitlines()
    said, _, continuation = last.partition("; continue with: ")
    assert said == "interrupted, 0 of 2 jobs done"
    assert shlex.split(continuation) == ["python", "-m", "steadygan", *words]
    folders = [RunFolder(path.parent) for path in sorted(tmp_path.rglob("settings.json"))]
    assert len(folders) == 2
    until = str(max(folder.saved[-1] for folder in folders) + 20)
    done = command("sweep", *own, "--iterations", until, "--jobs", "2", cwd=tmp_path)
    assert (done.code, done.complaints) == (0, []), done
    for folder, size in zip(folders, ("12", "16"), strict=True):
        alone = ["train", "ring8/far", f"batch_size={size}", *own[2:-2], "monitor.policy=stop"]
        commands([[*alone, "--iterations", until, "--out", f"alone-{size}"]], tmp_path)
        assert f'"batch_size": {size},' in folder.settings.read_text(encoding="utf-8")
        assert folder.metrics.read_bytes() == (tmp_path / f"alone-{size}" / "metrics.jsonl").read_bytes()
        assert_same(saved(folder.path), saved(tmp_path / f"alone-{size}"))


def test_what_would_be_trained_and_how_long_it_takes(commands: Callable[..., Any], tmp_path: Path) -> None:
    (told,) = commands([["sweep", *WILD[:3], "lr_g=1e-4,1e-3", *WILD[4:], "--seeds", "2", "--dry-run"]], tmp_path)
    assert told.code == 0
    first, second, count, took = told.out.splitlines()
    assert first.startswith("ring8/nsgan lr_g=1e-4: runs/sweep-lr_g/ring8-nsgan/")
    assert second.startswith("ring8/nsgan lr_g=1e-3: ")
    assert count == "4 runs in runs/sweep-lr_g, 4 to be trained, in 2 jobs"
    assert took.startswith("roughly 0:")
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_other_settings_is_refused(commands: Callable[..., Any], tmp_path: Path) -> None:
    run = tmp_path / "runs" / "sweep-lr_g" / "ring8-nsgan" / "lr_g-1e-3" / "seed-0"
    (made,) = commands(
        [["train", "ring8/nsgan", "batch_size=32", *QUICK, "--iterations", "0", "--out", str(run)]], tmp_path
    )
    assert made.code == 0
    (answer,) = commands([["sweep", "ring8/nsgan", "lr_g=1e-3,1e-2"]], tmp_path)
    assert "was trained with other settings: batch_size: 32 in the run, 64 now" in answer.refused()
