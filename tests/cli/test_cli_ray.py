"""Runs on a local Ray whose workers are killed at random moments: each ends as it would alone, bit for bit."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from steadygan.commands.batch import cluster
from steadygan.commands.batch.cluster import Mark, greet
from steadygan.errors import InputError
from steadygan.runs.folder import RunFolder
from steadygan.runs.records import objects
from tiny import assert_same, saved

WORDS = [
    *(
        "ring8/far",
        "--iterations",
        "200",
        "log_every=20",
        "evaluate.every=200",
        "evaluate.n=100",
        "checkpoint_every=10",
    ),
    *("batch_size=16", "device=cpu", "threads=1", "compile=off", "generator.width=16", "discriminator.width=16"),
]


def training(pid: int, out: Path) -> list[Any]:
    """The processes below this one in which Ray trains a run that has a checkpoint to go on from."""
    psutil = pytest.importorskip("psutil")
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                name = re.fullmatch(r"ray::ring8/far seed (\d+).*", " ".join(process.cmdline()))
                if name and max(RunFolder(out / f"seed-{name[1]}").saved, default=0) > 0:
                    found.append(process)
    return found


@pytest.mark.skipif(find_spec("ray") is None, reason="steadygan[ray] is not installed")
@pytest.mark.skipif(os.name != "posix", reason="kills processes")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("runs", "kills"), [(4, 2), pytest.param(20, 8, marks=pytest.mark.full)])
def test_runs_of_workers_that_are_killed_end_as_they_would_alone(
    runs: int, kills: int, tmp_path: Path, commands: Callable[..., Any], surroundings: Mapping[str, str]
) -> None:
    dice, killed, out = random.Random(23), 0, tmp_path / "many" / "ring8-far"
    words = ["compare", *WORDS, "--seeds", str(runs), "--jobs", str(runs), "--on", "ray", "--out", "many", "--json"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "steadygan", *words], cwd=tmp_path, env=surroundings, stdout=subprocess.DEVNULL
    )
    while driver.poll() is None:
        time.sleep(0.05)
        if killed < kills and (busy := training(driver.pid, out)):
            time.sleep(dice.uniform(0.0, 0.5))
            dice.choice(busy).kill()
            killed += 1
    assert driver.returncode == 0
    assert killed == kills
    commands([["train", *WORDS, "--seed", str(seed), "--out", f"alone/seed-{seed}"] for seed in range(runs)], tmp_path)
    resumed = 0
    for seed in range(runs):
        there, alone = RunFolder(out / f"seed-{seed}"), RunFolder(tmp_path / "alone" / f"seed-{seed}")
        assert there.metrics.read_bytes() == alone.metrics.read_bytes()
        assert_same(saved(there.path), saved(alone.path))
        told = [line["message"] for line in objects(there.timeline) if line is not None]
        assert not [message for message in told if "not bit-identical" in message]
        resumed += any(message.startswith("resumed at") for message in told)
    assert not [*(tmp_path / "many").glob(".shared-*")]
    print(f"{killed} workers killed, {resumed} of {runs} runs continued from a checkpoint")


def test_storage_is_shared_if_each_side_reads_what_the_other_wrote(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "runs" / ".shared-1")
    mark.set()
    mark.check({"a": lambda: greet(str(mark.path), mark.word, "a")})
    elsewhere = str(tmp_path / "another disk" / ".shared-1")
    assert greet(elsewhere, mark.word, "b", wait=0.0) == ""
    with pytest.raises(InputError, match=r"expected storage that all machines share at .*runs, but another machine"):
        mark.check({"b": lambda: greet(elsewhere, mark.word, "b", wait=0.0)}, wait=0.0)
    (tmp_path / "another disk").mkdir()
    shutil.copy(mark.path, elsewhere)  # a copy is no shared storage: the answer does not come back
    with pytest.raises(InputError, match=r"but .+ has its own there: choose another --out"):
        mark.check({"c": lambda: greet(elsewhere, mark.word, "c")}, wait=0.0)
    mark.clear()
    assert [*(tmp_path / "runs").iterdir()] == []


def test_a_worker_refuses_folders_that_it_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WAIT", 0.0)
    code, told = cluster.work([], (), (str(tmp_path), str(tmp_path / ".shared-1"), "word"))
    assert (code, told.count("\n")) == (2, 0)
    assert told.startswith(f"expected {tmp_path} and {tmp_path} on ")
