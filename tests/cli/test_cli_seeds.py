"""Several seeds at the command line: trained together, each a run of its own, told as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steadygan.config import Settings, override
from steadygan.recipes import RECIPES

QUICK = ["device=cpu", "threads=1", "compile=off", "dtype=float64"]  # rounding is carried on, not far
TINY = ["log_every=20", "evaluate.every=30", "evaluate.n=200", "batch_size=16", *QUICK]
SMALL = ["--scale", "small", "generator.width=4", "discriminator.width=4", "evaluate.n=100", *QUICK]
FAR = ["train", "ring8/far", *TINY]
FIRST = {
    "train": [*FAR, "--seeds", "2", "--iterations", "60", "--out", "D"],
    "again": [*FAR, "--seeds", "2", "--iterations", "60", "--out", "D"],
    "alone": [*FAR, "--seed", "1", "--iterations", "60", "--out", "alone"],
    "resume": [*FAR, "--seeds", "2", "--iterations", "80", "--out", "D", "--resume"],
    "resume by folder": ["train", "--seeds", "2", "--iterations", "90", "--out", "D", "--resume"],
    "one goes on": ["train", "--out", "D/seed-1", "--iterations", "100", "--resume"],
    "more seeds": ["train", "--seeds", "3", "--iterations", "90", "--out", "D", "--resume"],
    "sample": ["sample", "D/seed-1", "-n", "8", "--out", "drawn.npy"],
    "from five": [*FAR, "--seed", "5", "--seeds", "2", "--iterations", "20"],
    "resume from five": ["train", "--seeds", "2", "--iterations", "30", "--out", "runs/ring8-far", "--resume"],
    "one seed": [*FAR, "--seeds", "1", "--iterations", "20", "--out", "one"],
    "one after the other": ["train", "digits/far", *SMALL, "--seeds", "2", "--iterations", "2", "--out", "digits"],
    "wild": [*FAR, "--seeds", "3", "--iterations", "30", "--out", "wild"],
    "tame": [*FAR, "--seeds", "3", "--iterations", "60", "--out", "tame", "--verbose"],
}
THEN = {
    "non-finite": ["train", "--seeds", "3", "--iterations", "60", "--out", "wild", "--resume"],
    "all non-finite": [
        "train", "ring8/nsgan", *TINY, "loss=wasserstein", "optimizer=sgd", "lr_g=1e200", "--seeds", "2",
        "--iterations", "60", "--out", "wilder",
    ],
}  # fmt: skip
REFUSED = {
    "--seeds 0": "expected a whole number of 1 or more, got 0",
    "--seeds two": "expected a whole number of 1 or more, got two",
    "--seeds -1": "expected a whole number of 1 or more, got -1",
    "--seeds 2 --out held": "seed-1 already holds a run: continue it with --resume, or choose another folder",
    "--seeds 2 --out D --resume lr_g=0.5": "seed-0 was trained with other settings: lr_g: ",
}


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        answers = dict(zip(FIRST, commands(list(FIRST.values()), here), strict=True))
        poison(here / "wild" / "seed-1" / "checkpoints" / "000000030.pt")
        held = [*FAR, "--seed", "1", "--iterations", "2", "--out", "held/seed-1"]
        refused = [[*FAR, *words.split()] for words in REFUSED]
        rest = commands([*THEN.values(), held, *refused], here)
        return answers | dict(zip([*THEN, "held", *REFUSED], rest, strict=True))

    here, answers = once("cli-seeds", make)
    return {"here": here, **answers}


def poison(path: Path) -> None:
    """As if a weight of D had become infinite right after this checkpoint."""
    content = torch.load(path, weights_only=True)
    next(iter(content["state"]["networks"]["D"].values()))[0] = torch.inf
    torch.save(content, path)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def final(folder: Path, key: str) -> float:
    return [record[key] for record in records(folder) if key in record][-1]


@pytest.mark.parametrize("name", [name for name in FIRST if name != "again"])
def test_it_succeeds_in_silence(user: dict[str, Any], name: str) -> None:
    assert (user[name].code, user[name].complaints) == (0, []), user[name]


def test_each_seed_has_a_folder_and_all_of_them_a_table(user: dict[str, Any]) -> None:
    answer, here = user["train"], user["here"]
    lines = answer.err.splitlines()
    assert lines[0] == "ring8/far seeds 0, 1: 60 iterations each in D"
    (live,) = [line for line in lines if line.startswith("60/60, ")]  # one line for both
    assert live.endswith(" it/s x 2 seeds")
    assert re.match(r"2 learning: \S+ of 8 modes on average\n", answer.out)
    assert re.search(r"\n60 iterations in 0:\d\d, 2 seeds, mean ± standard deviation\n", answer.out)
    assert re.search(r"\nhigh-quality share +\S+ ± \S+ % ", answer.out)
    assert f"\n  steadygan report {Path('D/seed-0')} {Path('D/seed-1')}\n" in answer.out
    assert f"\n  steadygan sample {Path('D/seed-0')} -n 1000 --out samples.npz\n" in answer.out
    for seed in range(2):
        plan = json.loads((here / "tame" / f"seed-{seed}" / "plan.json").read_text())
        assert (plan["members"], plan["executor"], plan["compile"]) == (3, "functional", "off")
        settings = Settings.check(json.loads((here / "D" / f"seed-{seed}" / "settings.json").read_text()))
        assert settings == override(RECIPES["ring8/far"](), [*TINY, f"seed={seed}"])


def test_the_table_holds_means_and_deviations(user: dict[str, Any]) -> None:
    own = [final(user["here"] / "tame" / f"seed-{seed}", "energy_distance") for seed in range(3)]
    row = next(row for row in user["tame"].out.splitlines() if row.startswith("│ energy distance"))
    assert row.split("│")[3].strip() == f"{np.mean(own):.3f} ± {np.std(own, ddof=1):.3f}"


def test_a_member_is_the_lone_run_of_its_seed(user: dict[str, Any]) -> None:
    together, alone = (records(user["here"] / name) for name in ("tame/seed-1", "alone"))
    assert [list(record) for record in together] == [list(record) for record in alone]
    for here, there in zip(together, alone, strict=True):
        assert [here.get("verdict"), here.get("final")] == [there.get("verdict"), there.get("final")]
        numbers = [[value for value in each.values() if not isinstance(value, str)] for each in (here, there)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-6)


def test_a_run_that_is_there_is_refused_before_anything_is_trained(user: dict[str, Any]) -> None:
    assert "seed-0 already holds a run: continue it with --resume" in user["again"].refused()
    assert not (user["here"] / "held" / "seed-0").exists()


def test_resumed_all_of_them_go_on(user: dict[str, Any]) -> None:
    assert user["resume"].err.startswith("ring8/far seeds 0, 1: 80 iterations each in D\n")
    assert user["resume by folder"].err.startswith("ring8/far seeds 0, 1: 90 iterations each in D\n")
    for seed in range(2):
        iterations = [record["iteration"] for record in records(user["here"] / "D" / f"seed-{seed}")]
        assert iterations[:8] == [0, 20, 30, 40, 60, 80, 90] + [100] * (seed == 1)
        log = (user["here"] / "D" / f"seed-{seed}" / "log.txt").read_text(encoding="utf-8")
        assert "resumed at iteration 60" in log
        assert "resumed at iteration 80" in log


def test_a_further_seed_begins_while_the_others_are_done(user: dict[str, Any]) -> None:
    assert user["more seeds"].err.startswith("ring8/far seeds 0-2: 90 iterations each in D\n")
    assert re.search(r"90 iterations in 0:\d\d, 3 seeds, mean ± standard deviation", user["more seeds"].out)
    assert records(user["here"] / "D" / "seed-2")[-1]["iteration"] == 90


def test_a_member_goes_on_and_is_sampled_by_itself(user: dict[str, Any]) -> None:
    told = "not bit-identical: executor: functional then, eager now; members: 2 then, 1 now"
    assert told in user["one goes on"].err
    assert "\n100 iterations in 0:0" in user["one goes on"].out
    assert np.load(user["here"] / "drawn.npy").shape == (8, 2)


def test_seeds_begin_where_the_seed_says(user: dict[str, Any]) -> None:
    assert user["from five"].err.startswith(f"ring8/far seeds 5, 6: 20 iterations each in {Path('runs/ring8-far')}\n")
    folders = sorted(path.name for path in (user["here"] / "runs" / "ring8-far").iterdir())
    assert folders == ["seed-5", "seed-6"]
    assert user["resume from five"].err.startswith("ring8/far seeds 5, 6: 30 iterations each in ")
    assert records(user["here"] / "runs" / "ring8-far" / "seed-6")[-1]["iteration"] == 30


def test_one_seed_is_a_run_in_its_own_folder(user: dict[str, Any]) -> None:
    assert user["one seed"].err.startswith(f"ring8/far seed 0: 20 iterations in {Path('one/seed-0')}\n")
    assert json.loads((user["here"] / "one" / "seed-0" / "plan.json").read_text())["executor"] == "eager"


def test_what_cannot_be_stacked_says_why_and_is_trained_all_the_same(user: dict[str, Any]) -> None:
    out = user["one after the other"].err
    assert "one seed after the other: convolutional networks train faster one after the other on a CPU" in out
    assert out.index("one seed after the other") < out.index("2/2") < out.index("\nseed 1:\n") < out.rindex("2/2")
    assert out.count("one seed after the other") == 1
    assert "2 seeds, mean ± standard deviation" in user["one after the other"].out
    for seed in range(2):
        assert records(user["here"] / "digits" / f"seed-{seed}")[-1]["iteration"] == 2


def test_a_seed_that_is_not_finite_is_told_and_the_others_are_complete(user: dict[str, Any]) -> None:
    answer, here = user["non-finite"], user["here"]
    assert answer.code == 3
    assert [line.split(" term ")[0] for line in answer.complaints] == ["error: ring8/far seed 1:"]
    assert f"last good checkpoint: {Path('wild/seed-1/checkpoints/000000030.pt')}" in answer.err
    assert "2 seeds, mean ± standard deviation" in answer.out  # of those that are complete
    for seed in (0, 2):
        assert records(here / "wild" / f"seed-{seed}") == records(here / "tame" / f"seed-{seed}")
        assert f"seed {seed}: term" not in answer.err
    assert [path.name for path in (here / "wild").glob("*/non_finite_*")] == ["non_finite_000000030.pt"]


def test_a_line_for_each_seed_that_is_not_finite(user: dict[str, Any]) -> None:
    answer = user["all non-finite"]
    assert answer.code == 3
    told = [line.split(": term ")[0] for line in answer.complaints]
    assert told == ["error: ring8/nsgan seed 0", "error: ring8/nsgan seed 1"]
    assert "mean ± standard deviation" not in answer.out


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_one_line_and_exit_code_2(user: dict[str, Any], words: str) -> None:
    assert REFUSED[words] in user[words].refused()
