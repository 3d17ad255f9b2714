"""A run killed at any moment goes on as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

import steadygan as sg
from elsewhere import process, train
from steadygan.runs import folder as folder_files
from tiny import assert_same, ring, saved

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")

ITERATIONS = 160


def far(out: Path, resume: bool = False) -> sg.Trainer:
    """Something of everything: candidates, noise, two D steps, an average, ticks and checkpoints close together."""
    return ring(
        out=out,
        resume=resume,
        d_steps=2,
        method=sg.methods.FakeAsReal(2, factor=3),
        penalties=[sg.penalties.zero_gp(1.0)],
        log_every=20,
        evaluate_every=40,
        checkpoint_every=30,
        keep=2,
    )


def left(out: Path) -> dict[str, bytes]:
    """What a run leaves that must not depend on how it got there, wall times and checkpoints apart."""
    kept = [out / "metrics.jsonl", out / "settings.json", out / "plan.json", *(out / "samples").iterdir()]
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


@pytest.mark.slow
def test_killed_at_moments(tmp_path):
    kills = 20
    seed = int(os.environ.get("STEADYGAN_KILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")  # to see with a failure; STEADYGAN_KILL_SEED repeats the moments
    whole = tmp_path / "whole"
    with process(train, far, whole, ITERATIONS) as (_, connection):
        assert connection.recv() == "begins"
        began = time.perf_counter()
        assert connection.recv() == "done"
        duration = time.perf_counter() - began
    expected, reached, dice = left(whole), [], random.Random(seed)
    for number, moment in enumerate([(k + dice.random()) * duration / kills for k in range(kills)]):
        out = tmp_path / str(number)
        with process(train, far, out, ITERATIONS) as (running, connection):
            assert connection.recv() == "begins"
            time.sleep(moment)
            running.kill()
            running.join()
        newest = folder_files.latest(out / "checkpoints")
        reached.append(-1 if newest is None else int(newest.stem))
        print(f"killed after {moment:.3f} s of {duration:.3f} s, newest checkpoint {reached[-1]}")
        far(out, resume=True).fit(ITERATIONS)
        assert left(out) == expected
        assert_same(saved(out)["state"], saved(whole)["state"])
        assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["000000150.pt", "000000160.pt"]
    assert len({*reached} - {ITERATIONS}) > kills // 20, f"hardly any run was cut short: {reached}"


def test_killed_again_and_again(tmp_path):
    """Each piece is killed as soon as it has written one more checkpoint."""
    whole, out = tmp_path / "whole", tmp_path / "cut"
    far(whole).fit(100)
    for wanted in (0, 30, 60):
        with process(train, resumed, out, 100) as (running, connection):
            assert connection.recv() == "begins"
            deadline = time.monotonic() + 240
            while not (out / "checkpoints" / folder_files.name(wanted)).exists():
                assert time.monotonic() < deadline
                time.sleep(0.002)
            running.kill()
            running.join()
    far(out, resume=True).fit(100)
    assert left(out) == left(whole)
    assert_same(saved(out)["state"], saved(whole)["state"])


def resumed(out: Path) -> sg.Trainer:
    return far(out, resume=True)
