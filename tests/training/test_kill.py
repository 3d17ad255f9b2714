"""A run killed at any moment goes on as if nothing had happened, whatever it was about to write, remove or draw."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import steadygan as sg
from elsewhere import process, work
from images import images
from images import source as pictures
from known import needs_cpp
from several import one, several
from steadygan import cli
from steadygan.runs.folder import RunFolder
from steadygan.runs.interventions import interventions
from steadygan.runs.run import Run
from tiny import LOSS, assert_same, ring, saved, trainer, wide

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")

OFTEN = {"log_every": 20, "evaluate_every": 40, "checkpoint_every": 30, "keep": 2}
FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.zero_gp(1.0)]}


def plain(out: Path) -> None:
    """Something of everything: candidates, noise, two D steps, an average, ticks and checkpoints close together."""
    ring(out=out, resume=True, d_steps=2, **FAR, **OFTEN).fit(100)


def rolled_back(out: Path) -> None:
    """Thrown out of the data once, and back with a remedy; a push that is the same whenever it is killed."""

    def push(run: Run, iteration: int, record: dict[str, float]) -> None:
        if iteration == 60 and not interventions(out / "interventions.json"):
            with torch.no_grad():
                for parameter in run.G_live.parameters():
                    parameter.mul_(1e4 if parameter.ndim > 1 else 1.0)

    watching = sg.CollapseMonitor(policy="rollback", remedy=sg.Remedy(lr_d=0.5), thresholds=LOSS)
    settings = {**wide(), **OFTEN, "checkpoint_every": 45}
    trainer(out, resume=True, monitor=watching, callbacks=[push], **settings).fit(140)


def stacked(out: Path, seeds: int = 3, **more: Any) -> None:
    several(out, seeds, one, resume=True, **FAR, **{**OFTEN, **more}).fit(100)


def compiled(out: Path) -> None:
    stacked(out, 2, compile="on")


def with_workers(out: Path) -> None:
    images(out, data=pictures(workers=2), resume=True, **OFTEN).fit(100)


def compared(out: Path) -> None:
    settings = ["log_every=20", "evaluate.every=20", "checkpoint_every=30", "evaluate.n=200", "compile=off"]
    words = ["compare", "ring8/r1", "ring8/nsgan", "--seeds", "2", "--iterations", "60", "--out", str(out)]
    assert cli.main([*words, *settings]) == 0


def drawn(out: Path) -> None:
    trainer(out, resume=True, **OFTEN).fit(60)


JOBS: dict[str, Callable[[Path], None]] = {
    "plain": plain,
    "rolled back": rolled_back,
    "stacked": stacked,
    "stacked, keep=1": partial(stacked, keep=1),
    "stacked and compiled": compiled,
    "images with workers": with_workers,
    "compare in progress": compared,
    "figures drawn": drawn,
}
KILLS = {"plain": (16, 8), "rolled back": (16, 4), "stacked": (12, 6), "stacked, keep=1": (12, 0)} | {
    "stacked and compiled": (4, 0),
    "images with workers": (6, 4),
    "compare in progress": (8, 0),
    "figures drawn": (8, 0),
}  # fmt: skip  (by file operation, by time)
FEW = {"plain": (0, 1), "rolled back": (1, 0), "stacked, keep=1": (1, 0)}


def left(out: Path) -> dict[str, bytes]:
    """What is left that must not depend on how it got there: not what tells of times, and no checkpoints."""
    told = {"log.txt", "events.jsonl", "timing.jsonl", ".lock"}
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".pt" and path.name not in told]
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.parent.name != "events"}


def kept(out: Path) -> dict[str, list[int]]:
    """The checkpoints of each run."""
    return {str(path.parent.relative_to(out)): RunFolder(path.parent).saved for path in out.rglob("settings.json")}


def do(job: Callable[[Path], None], out: Path, draw: bool, at: int | None = None, after: float | None = None) -> Any:
    """Does the job in a process of its own, killed at its file operation `at`, or `after` seconds.

    Returns how many operations there were, and seconds; None of a process that was killed.
    """
    with process(work, job, out, draw, at) as (running, connection):
        assert connection.recv() == "begins"
        began = time.perf_counter()
        if after is not None:
            time.sleep(after)
            running.kill()
        running.join()
        seconds = time.perf_counter() - began
        try:
            return (connection.recv(), seconds) if connection.poll() else None
        except EOFError:
            return None


def killed(tmp_path: Path, name: str, by_operation: int, by_time: int) -> None:
    """Kills that job so often, in as many stretches of its operations and of its time, and compares what it leaves."""
    seed = int(os.environ.get("STEADYGAN_KILL_SEED") or random.SystemRandom().randrange(10**6))
    dice, job, draw, whole = random.Random(seed), JOBS[name], name == "figures drawn", tmp_path / "whole" / "run"
    operations, seconds = do(job, whole, draw)
    expected, states = left(whole), kept(whole)
    moments: list[dict[str, Any]] = []
    moments += [{"at": 1 + int((k + dice.random()) * operations / by_operation)} for k in range(by_operation)]
    moments += [{"after": (k + dice.random()) * seconds / by_time} for k in range(by_time)]
    cut = 0
    for number, moment in enumerate(moments):
        out = tmp_path / str(number) / "run"  # figures bear its name
        was = do(job, out, draw, **moment)
        reached = kept(out)
        cut += was is None
        assert do(job, out, draw) is not None
        what = f"{name}, seed {seed}, {moment}, checkpoints {reached}"  # STEADYGAN_KILL_SEED repeats the moments
        assert left(out) == expected, what
        assert kept(out) == states, what
        for run in states:
            assert_same(saved(out / run)["state"], saved(whole / run)["state"])
    print(f"\n| {name} | {operations} | {by_operation} | {by_time} | {cut} | 0 |")
    assert cut >= by_operation


@pytest.mark.parametrize("name", FEW)
def test_killed_at_a_few_moments(tmp_path: Path, name: str) -> None:
    killed(tmp_path, name, *FEW[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_cpp) if "compiled" in n else n for n in KILLS])
def test_killed_a_hundred_times(tmp_path: Path, name: str) -> None:
    """`pytest -m slow tests/training/test_kill.py -n 0 -s` prints the rows of docs/robustness.md."""
    killed(tmp_path, name, *KILLS[name])


def test_the_hundred_are_a_hundred() -> None:
    assert sum(map(sum, KILLS.values())) >= 100
    assert KILLS.keys() == JOBS.keys() >= FEW.keys()
