"""Comparisons over seeds, what is seen while several train, and how they are stopped and gone on with."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from interrupting import interrupted
from test_cli_seeds import poison

from steadygan.commands.job import first_folder

QUICK = ["device=cpu", "threads=1", "compile=off", "dtype=float64"]  # rounding is carried on, not far
TINY = ["log_every=20", "evaluate.every=30", "evaluate.n=200", "batch_size=16", *QUICK]
PAIR = ["ring8/far", "ring8/nsgan"]
COMMANDS = {
    "one before": ["train", "ring8/far", *TINY, "--iterations", "60"],
    "compare": ["compare", *PAIR, *TINY, "--iterations", "60", "--seeds", "3"],
    "again": ["compare", *PAIR, *TINY, "--iterations", "60", "--seeds", "3", "--json"],
    "further": ["compare", *PAIR, *TINY, "--iterations", "80", "--seeds", "3", "--json"],
    "alone": ["train", "ring8/nsgan", *TINY, "--iterations", "60", "--seed", "2", "--out", "alone"],
    "whole": ["compare", *PAIR, *TINY, "--iterations", "60", "--seeds", "3", "--out", "hurt"],
    "wild": [
        "compare", "ring8/nsgan", *TINY, "loss=wasserstein", "optimizer=sgd", "lr_g=1e200", "--iterations", "60",
        "--seeds", "2", "--out", "wild",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        answers = dict(zip(COMMANDS, commands(list(COMMANDS.values()), here), strict=True))
        poison(here / "hurt" / "ring8-nsgan" / "seed-1" / "checkpoints" / "000000060.pt")
        (hurt,) = commands([[word if word != "60" else "70" for word in COMMANDS["whole"]]], here)
        return answers | {"hurt": hurt}

    here, answers = once("cli-seeds-together", make)
    return {"here": here, **answers}


def plan(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_compare_trains_what_is_missing_together_and_reads_what_is_there(user: dict[str, Any]) -> None:
    answer = user["compare"]
    assert (answer.code, answer.complaints) == (0, [])
    assert f"ring8/far seed 0: already trained in {Path('runs/ring8-far/seed-0')}" in answer.err
    assert f"ring8/far seeds 1, 2: 60 iterations each in {Path('runs/ring8-far')}\n" in answer.err
    assert f"ring8/nsgan seeds 0-2: 60 iterations each in {Path('runs/ring8-nsgan')}\n" in answer.err
    assert answer.err.count("already trained in") == 1
    assert "60 iterations, n = 200, EMA weights, 3 seeds, mean ± standard deviation" in answer.out
    assert "Fewer than three seeds" not in answer.out


def test_compare_reads_all_of_them_again(user: dict[str, Any]) -> None:
    answer = user["again"]
    assert answer.err.count("already trained in") == 6
    report = json.loads(answer.out)
    assert (report["seeds"], report["iterations"]) == ([0, 1, 2], 60)
    for name in PAIR:
        figure = report["recipes"][name]["figures"]["energy_distance"]["final"]
        own = [
            [r["energy_distance"] for r in records(run) if r["iteration"] == 60][-1]
            for run in (user["here"] / "runs" / name.replace("/", "-") / f"seed-{seed}" for seed in range(3))
        ]
        assert figure["values"] == own
        assert figure["mean"] == pytest.approx(sum(own) / 3)
        assert len(set(own)) == 3


def test_compare_goes_on_with_those_that_stand_together(user: dict[str, Any]) -> None:
    """Seed 0 of one recipe was trained alone: it shares its checkpoints' iterations with the others."""
    answer, runs = user["further"], user["here"] / "runs"
    assert answer.code == 0
    assert json.loads(answer.out)["iterations"] == 80
    assert "ring8/far seeds 0-2: 80 iterations each in" in answer.err
    for name in ("ring8-far", "ring8-nsgan"):
        assert [plan(runs / name / f"seed-{seed}")["members"] for seed in range(3)] == [3, 3, 3]
    told = "seed 0: not bit-identical: executor: eager then, functional now; members: 1 then, 3 now"
    assert answer.err.count(told) == 1


def test_a_compared_seed_is_the_lone_run(user: dict[str, Any]) -> None:
    together, alone = (records(user["here"] / name) for name in ("runs/ring8-nsgan/seed-2", "alone"))
    for here, there in zip(together, alone[:-1], strict=False):
        assert list(here) == list(there)
        numbers = [[value for value in each.values() if not isinstance(value, str)] for each in (here, there)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-6)


def test_a_recipe_of_which_no_seed_came_to_an_end_cannot_be_compared(user: dict[str, Any]) -> None:
    answer = user["wild"]
    assert answer.code == 3
    (error,) = answer.complaints
    assert "term " in error


def test_a_seed_that_did_not_is_left_out_and_told(user: dict[str, Any]) -> None:
    answer = user["hurt"]
    assert answer.code == 3
    (line,) = answer.complaints
    assert line.startswith("error: ring8/nsgan seed 1: term ")
    assert "70 iterations, n = 200, EMA weights" in answer.out
    for seed in (0, 2):
        assert records(user["here"] / "hurt" / "ring8-nsgan" / f"seed-{seed}")[-1]["iteration"] == 70


def test_the_first_folder_is_that_of_the_lowest_seed(tmp_path: Path) -> None:
    assert first_folder(tmp_path) == tmp_path
    for name in ("seed-10", "seed-9", "seed-x", "seed-1"):
        (tmp_path / name).mkdir()
    for name in ("seed-10", "seed-9", "seed-x"):
        (tmp_path / name / "settings.json").write_text("{}")
    assert first_folder(tmp_path) == tmp_path / "seed-9"


WORDS = ["ring8/far", "--seeds", "2", "--iterations", "3000", "log_every=20", "evaluate.every=1000", *QUICK]


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_signal_saves_all_seeds_and_prints_the_command_that_continues(
    tmp_path: Path, surroundings: Mapping[str, str], commands: Callable[..., Any]
) -> None:
    command = [sys.executable, "-m", "steadygan", "train", *WORDS, "evaluate.n=100", "--out", "my runs"]
    code, err = interrupted(command, signal.SIGINT, tmp_path, surroundings, ": 3,000 iterations")  # the first tick
    assert code == 130
    said, _, continuation = err.partition("; continue with: ")
    assert said.startswith("interrupted after iteration ")
    assert said.endswith("saved in my runs")
    words = shlex.split(continuation)
    assert words == ["python", "-m", "steadygan", "train", *WORDS, "evaluate.n=100", "--out", "my runs", "--resume"]
    at = int(said.split()[3].rstrip(","))
    (done,) = commands([[word if word != "3000" else str(at + 30) for word in words[3:]]], tmp_path)
    assert (done.code, done.complaints) == (0, [])
    for seed in range(2):
        folder = tmp_path / "my runs" / f"seed-{seed}"
        assert f"resumed at iteration {at}:" in (folder / "log.txt").read_text(encoding="utf-8")
        assert records(folder)[-1]["iteration"] == at + 30
