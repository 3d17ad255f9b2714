"""Runs divided among processes: the same numbers as one process, whatever happens to a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import steadygan as sg
from steadygan.data import from_user
from steadygan.engine.draws import Draws
from steadygan.engine.needs import Cut, Needs
from steadygan.engine.objective import Sides
from steadygan.engine.ranks import Ranks
from steadygan.errors import InputError
from steadygan.latents import normal_latent
from steadygan.methods import FakeAsReal
from steadygan.processes import StopSignals
from steadygan.runs import checkpoint
from steadygan.training.session import Session
from steadygan.types import Opponent

HERE = Path(__file__).parent
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def launched(processes: int, *words: str, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    """What torchrun prints of so many processes."""
    command = [*LAUNCH, str(processes), "--max-restarts", str(restarts), *words]
    threads = {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    return subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("processes", "cases"), [(2, []), (3, ["fake-as-real", "two discriminators", "classes"])])
def test_processes_compute_what_one_does(processes: int, cases: list[str]) -> None:
    done = launched(processes, str(HERE / "divided.py"), "compare", *cases)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len(cases) or len(found) > 10
    for name, (weights, told) in found.items():
        assert weights <= 1e-10, name
        assert told <= 1e-10, name


def test_a_run_whose_process_dies_ends_as_if_none_had(tmp_path: Path) -> None:
    script, folders = str(HERE / "divided.py"), [str(tmp_path / "whole"), str(tmp_path / "killed")]
    assert launched(2, script, "resumable", folders[0]).returncode == 0
    dead = launched(2, script, "resumable", folders[1], "260", restarts=1)
    assert dead.returncode == 0, dead.stderr
    assert "resumed at iteration 40" in (tmp_path / "killed" / "log.txt").read_text()
    states = [checkpoint.read(Path(folder) / "checkpoints" / "000000060.pt")["state"] for folder in folders]
    for ours, theirs in zip(*(leaves(state) for state in states), strict=True):
        assert torch.equal(ours, theirs)


def leaves(tree: object) -> list[torch.Tensor]:
    """Every tensor of nested mappings and tuples."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    each = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ()
    return [leaf for part in each for leaf in leaves(part)]


def test_the_command_line_says_what_is_divided_and_refuses_in_one_line(tmp_path: Path) -> None:
    words = (
        "-m",
        "steadygan",
        "train",
        "ring8/far",
        "--iterations",
        "4",
        "batch_size=33",
        "--out",
        str(tmp_path / "a"),
    )
    done = launched(2, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("2 processes divide the batch of 33: 16, 17") == 1
    assert done.stdout.count("4 iterations in") == 1
    refused = launched(2, *words)  # the folder is taken
    assert refused.returncode != 0
    assert len(re.findall("^error: ", refused.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in refused.stderr.partition("ChildFailedError")[0].partition("elastic")[0]


class Pair(Ranks):
    """One of two, the other of which has been asked nothing."""

    world = 2

    def any(self, flag: bool) -> bool:
        return flag


def test_a_signal_is_kept_until_all_processes_are_asked() -> None:
    session, signals = object.__new__(Session), StopSignals()
    session.ranks, signals.asked = Pair(), 1
    assert [session._stops(signals, number) for number in range(9, 12)] == [False, True, False]
    session.ranks = Ranks()
    assert session._stops(signals, 9)


class Third(Ranks):
    """One of three."""

    world = 3

    def __init__(self, rank: int) -> None:
        self.rank = rank


def test_parts_of_a_block_make_the_whole_one() -> None:
    source = from_user(torch.randn(300, 2))
    opponents = {"D": Opponent(torch.nn.Linear(2, 1), sg.losses.NonSaturating(), method=FakeAsReal(7, factor=2))}
    sides = Sides(32, 32)
    whole = Needs.of(opponents, sides, (2,), 1)
    ranks = [Third(rank) for rank in range(3)]
    each = [Needs.of({"D": opponents["D"].among(own)}, Sides(*map(own.own, sides)), (2,), 1) for own in ranks]
    cuts = [None, *(Cut.of(whole, each, rank) for rank in range(3))]
    alone, *parts = (
        Draws(
            whole, source.stream(0), normal_latent(3, torch.float32), torch.Generator().manual_seed(0), cut=cut
        ).whole(0)
        for cut in cuts
    )
    joined = torch.cat([part.real_d.x for part in parts], 1)
    assert torch.equal(joined, alone.real_d.x)
    assert torch.equal(torch.cat([part.z_g for part in parts], 1), alone.z_g)
    shown = torch.cat([part.z_d[:, : own.own(32)] for part, own in zip(parts, ranks, strict=True)], 1)
    candidates = torch.cat([part.z_d[:, own.own(32) :] for part, own in zip(parts, ranks, strict=True)], 1)
    assert torch.equal(torch.cat([shown, candidates], 1), alone.z_d)


def test_samples_that_do_not_divide_are_refused() -> None:
    whole = Needs.of({"D": Opponent(torch.nn.Linear(2, 1), sg.losses.Hinge())}, Sides(32, 32), (2,), 1)
    with pytest.raises(InputError, match="expected samples that 2 processes can divide, got 32"):
        Cut.of(whole, [whole, whole], 0)
