"""A user's way through the commands: train, go on, sample, compare; what is printed and what is left on disk."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steadygan.config import Settings, override
from steadygan.recipes import RECIPES

RHYTHM = ["log_every=10", "evaluate.every=20", "checkpoint_every=20"]
TINY = [*RHYTHM, "evaluate.n=200", "device=cpu", "threads=1", "compile=off"]
FAR = "runs/ring8-far/seed-0"
COMMANDS = {
    "train": ["train", "ring8/far", *TINY, "--iterations", "40"],
    "again": ["train", "ring8/far", *TINY, "--iterations", "40"],
    "go on": ["train", "ring8/far", *TINY, "--iterations", "50", "--resume"],
    "go on by folder": ["train", "--out", FAR, "--iterations", "60", "--resume"],
    "verbose": ["train", "--out", FAR, "--iterations", "60", "--resume", "--verbose"],
    "npz": ["sample", FAR, "-n", "16", "--out", "drawn/a.npz"],
    "npy": ["sample", FAR, "-n", "8", "--out", "drawn/a.npy"],
    "csv": ["sample", FAR, "-n", "8", "--out", "drawn/a.csv", "--weights", "live"],
    "png": ["sample", FAR, "-n", "200", "--out", "drawn/a.png"],
    "seed": ["sample", FAR, "-n", "8", "--seed", "1", "--out", "drawn/b.npy"],
    "default": ["sample", FAR],
    "points": ["train", "--data", "points.csv", *TINY, "--iterations", "20", "--seed", "3", "ema=none"],
    "points csv": ["sample", "runs/points-far/seed-3", "-n", "50", "--out", "drawn/points.csv"],
    "points png": ["sample", "runs/points-far/seed-3", "-n", "50", "--out", "drawn/points.png"],
    "compare": ["compare", "ring8/nsgan", "ring8/far", *TINY, "--iterations", "40", "--json"],
    "compare again": ["compare", "ring8/nsgan", "ring8/far", *TINY, "--iterations", "40"],
    "compare seeds": ["compare", "ring8/far", "ring8/nsgan", *TINY, "--iterations", "40", "--seeds", "2"],
    "compare further": ["compare", "ring8/far", "ring8/nsgan", *TINY, "--iterations", "45"],
    "changed": ["train", "ring8/far", *TINY, "lr_d=0.002", "--iterations", "20"],
    "changed on": ["train", "ring8/far", *TINY, "lr_d=0.002", "--iterations", "40", "--resume"],
    "begun": ["train", "ring8/r1", *TINY, "--iterations", "10", "--resume"],
    "folders": ["compare", "runs/ring8-far-2", "ring8/far", *TINY, "--iterations", "40", "--json"],
    "as they are": ["compare", "runs/ring8-far", "runs/ring8-r1/seed-0"],
    "grid": ["train", "grid25/r1", *TINY, "compile=auto", "--iterations", "2", "--out", "grid"],
    "non-finite": ["train", "ring8/nsgan", *TINY, "loss=wasserstein", "optimizer=sgd", "lr_g=1e9", "--out", "wild"],
}


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        x = np.random.default_rng(0).normal(size=(300, 3)) * [1.0, 50.0, 0.01] + [0.0, 1000.0, 0.0]
        np.savetxt(here / "points.csv", x, delimiter=",", header="a,b,c", comments="")
        return dict(zip(COMMANDS, commands(list(COMMANDS.values()), here, drawn=True), strict=True))

    here, answers = once("cli-user", make)
    return {"here": here, **answers}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("again", "non-finite")])
def test_it_succeeds_in_silence(user: dict[str, Any], name: str) -> None:
    answer = user[name]
    assert answer.code == 0, answer
    assert answer.complaints == [], answer


def test_lines_are_told_on_the_way_and_a_page_at_the_end(user: dict[str, Any]) -> None:
    """A sentence, four rows and the next commands on stdout; what was seen meanwhile on stderr."""
    lines = user["train"].err.splitlines()
    assert lines[0] == f"ring8/far seed 0: 40 iterations in {Path(FAR)}"
    (line,) = [line for line in lines if line.startswith("40/40, ")]
    for part in ("learning", "D loss 1.", "(equilibrium 1.386)", "G loss 0.", "(0.693)", "/8 modes", "max gradient "):
        assert part in line
    assert line.endswith(" it/s")
    first, head, *rows, took, following, report, diagnose, sample = user["train"].out.splitlines()
    assert first.startswith("learning: ")
    assert "of 8 modes" in first
    assert head.split() == ["final", "best", "at", "real", "data"]
    assert [re.split(r"  +", row)[0] for row in rows] == [
        "modes", "high-quality share", "balance (1 = as even as real)", "gradient at G, max",
    ]  # fmt: skip
    assert took.startswith("40 iterations in 0:0")
    assert following == "next:"
    assert report.split() == ["steadygan", "report", str(Path(FAR))]
    assert diagnose.split() == ["steadygan", "diagnose", str(Path(FAR))]
    assert sample.split() == ["steadygan", "sample", str(Path(FAR)), "-n", "1000", "--out", "samples.npz"]


def test_all_figures_and_their_protocol_are_told_where_they_are_asked_for(user: dict[str, Any]) -> None:
    text = user["verbose"].out
    assert "ring8/far, seed 0: 60 iterations, n = 200, EMA weights" in text
    for label in ("modes", "high-quality share", "emptiest mode", "balance", "energy distance"):
        assert f"│ {label}" in text
    for label in ("mean", "max", "max / mean", "top 1 % hold"):
        assert f"│ gradient at G, {label} " in text
    for told in ("measured with: ", "wall time 0:0", "iterations per second", f"figures: {Path(FAR) / 'figures'} ("):
        assert told in text
    assert "see why" not in text


def test_the_default_data_set_suggests_the_comparison(user: dict[str, Any]) -> None:
    assert user["grid"].out.endswith("see why: steadygan compare grid25/nsgan grid25/r1 grid25/far\n")


def test_settings_are_saved_as_dry_run_prints_them(user: dict[str, Any]) -> None:
    saved = (user["here"] / FAR / "settings.json").read_text(encoding="utf-8")
    assert Settings.check(json.loads(saved)) == override(RECIPES["ring8/far"](), TINY)
    assert saved.strip() == override(RECIPES["ring8/far"](), TINY).to_json()


def test_a_second_run_in_the_same_folder_is_refused(user: dict[str, Any]) -> None:
    assert "already holds a run: continue it with --resume" in user["again"].refused()


def test_resume_goes_on_where_the_run_stopped(user: dict[str, Any]) -> None:
    iterations = [record["iteration"] for record in records(user["here"] / FAR)]
    assert iterations == sorted(iterations)
    assert set(iterations) >= {0, 10, 20, 30, 40, 50, 60}
    assert "60 iterations in " in user["go on by folder"].out


def test_samples_come_in_the_kind_the_name_asks_for(user: dict[str, Any]) -> None:
    drawn = user["here"] / "drawn"
    with np.load(drawn / "a.npz") as archive:
        long = archive["samples"]
    short = np.load(drawn / "a.npy")
    assert (long.shape, short.shape, short.dtype) == ((16, 2), (8, 2), np.float32)
    assert np.array_equal(long[:8], short)
    assert not np.array_equal(short, np.load(drawn / "b.npy"))
    rows = np.loadtxt(drawn / "a.csv", delimiter=",")
    assert rows.shape == (8, 2)
    assert not np.allclose(rows, short)  # the live network's
    assert (drawn / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (user["here"] / FAR / "drawn-64-seed-0.npz").is_file()
    assert "EMA weights, seed 0" in user["npy"].out
    assert "live weights, seed 0" in user["csv"].out
    assert not [path for path in drawn.iterdir() if "part" in path.name]


def test_points_of_ones_own_are_trained_and_sampled_in_their_units(user: dict[str, Any]) -> None:
    out = user["points"].out
    assert "\nbalance" in out
    assert "modes" not in out
    with (user["here"] / "drawn" / "points.csv").open(encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    assert head == ["a", "b", "c"]
    rows = np.array([[float(cell) for cell in row] for row in lines])
    assert rows.shape == (50, 3)
    assert 800 < rows[:, 1].mean() < 1200
    assert (user["here"] / "drawn" / "points.png").is_file()


def test_compare_trains_what_is_missing_and_answers_in_json(user: dict[str, Any]) -> None:
    answer = user["compare"]
    report = json.loads(answer.out)
    assert f"ring8/far seed 0: already trained in {Path(FAR)}" in answer.err
    assert f"ring8/nsgan seed 0: 40 iterations in {Path('runs/ring8-nsgan/seed-0')}" in answer.err
    assert (report["iterations"], report["n"], report["weights"], report["seeds"]) == (40, 200, "ema", [0])
    assert list(report["recipes"]) == ["ring8/nsgan", "ring8/far"]
    far = report["recipes"]["ring8/far"]["figures"]
    measured = [r["energy_distance"] for r in records(user["here"] / FAR) if r["iteration"] in (20, 40)]
    assert far["energy_distance"]["final"] == {"mean": measured[-1], "std": None, "values": [measured[-1]]}
    assert far["energy_distance"]["best"]["mean"] == min(measured)
    assert {"final", "best", "peak"} == far["gradient_max"].keys()
    assert report["why"].startswith("ring8/nsgan ends with ")
    assert (user["here"] / report["figure"]).read_bytes().startswith(b"\x89PNG")


def test_compare_reuses_finished_runs(user: dict[str, Any]) -> None:
    text = user["compare again"].out
    assert "ring8/nsgan seed 0: already trained in" in user["compare again"].err
    assert "iterations in runs" not in user["compare again"].err
    assert "40 iterations, n = 200, EMA weights, 1 seed" in text
    assert text.startswith("why: ring8/nsgan ends with")
    assert "Fewer than three seeds" in text
    assert f"figure: {Path('runs/compare-ring8-nsgan-ring8-far.png')}" in text


def test_compare_resumes_an_unfinished_run(user: dict[str, Any]) -> None:
    text = user["compare further"].err
    assert f"ring8/far seed 0: already trained in {Path(FAR)}" in text
    assert f"ring8/nsgan seed 0: 45 iterations in {Path('runs/ring8-nsgan/seed-0')}" in text
    log = (user["here"] / "runs/ring8-nsgan/seed-0/log.txt").read_text(encoding="utf-8")
    assert log.count("resumed at iteration 40") == 1
    assert log.count("resumed") == 1


def test_compare_takes_means_over_seeds(user: dict[str, Any]) -> None:
    text = user["compare seeds"].out
    assert "2 seeds, mean ± standard deviation" in text
    assert user["compare seeds"].err.count("already trained in") == 2
    told = f"ring8/nsgan seed 1: 40 iterations in {Path('runs/ring8-nsgan/seed-1')}"
    assert told in user["compare seeds"].err
    assert " ± " in text.split("standard deviation")[1]


def test_a_term_that_is_not_finite_ends_with_exit_code_3(user: dict[str, Any]) -> None:
    answer = user["non-finite"]
    assert answer.code == 3
    (error,) = answer.complaints
    assert error.startswith("error: term ")
    assert "last good checkpoint: " in answer.err


def test_other_settings_go_to_a_folder_with_a_number(user: dict[str, Any]) -> None:
    moved = f"{Path('runs/ring8-far')} holds other runs: this run goes to {Path('runs/ring8-far-2')}"
    for name in ("changed", "changed on"):
        assert user[name].err.startswith(f"{moved}\nring8/far seed 0: ")
    assert {record["iteration"] for record in records(user["here"] / "runs/ring8-far-2/seed-0")} >= {0, 20, 40}
    assert json.loads((user["here"] / FAR / "settings.json").read_text(encoding="utf-8"))["lr_d"] is None


def test_resuming_nothing_says_that_it_begins(user: dict[str, Any]) -> None:
    assert user["begun"].err.startswith(f"no run in {Path('runs/ring8-r1/seed-0')} yet: starting a new one\n")


def test_compare_takes_runs_by_their_folders(user: dict[str, Any]) -> None:
    report = json.loads(user["folders"].out)["recipes"]
    assert list(report) == ["runs/ring8-far-2", "ring8/far"]
    own = records(user["here"] / "runs/ring8-far-2/seed-0")[-1]["energy_distance"]
    assert report["runs/ring8-far-2"]["figures"]["energy_distance"]["final"]["values"] == [own]
    assert "trained in" not in user["as they are"].err
    assert "10 to 60 iterations, n = 200" in user["as they are"].out
    assert records(user["here"] / "runs/ring8-r1/seed-0")[-1]["iteration"] == 10  # nothing was trained
