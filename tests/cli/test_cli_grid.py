"""The combinations of a sweep: values, settings, folders; tasks, and the commands that they are printed as."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from steadygan import cli
from steadygan.commands.batch.grid import Axis, Combination, Grid, Runs, combinations, listed, place, spaced
from steadygan.commands.batch.task import Task, tasks
from steadygan.commands.compare import planned_jobs
from steadygan.commands.job import Job
from steadygan.config import override
from steadygan.recipes import RECIPES

RECIPE = "ring8/far"
COMPARED = ["compare", RECIPE]
MANY = ["sweep", RECIPE, "lr_d=lin(1,2,80000)", "--seeds", "2", "--yes"]


def swept(*words: str, recipes: tuple[str, ...] = (RECIPE,), seeds: int = 1, scale: str = "full") -> list[Combination]:
    return combinations(Grid.of(words), Runs(recipes, scale, seeds, 100, None), Path("out"), yes=False)


def test_values_at_equal_distances_and_at_equal_ratios() -> None:
    assert spaced("k", "lin(0, 1, 5)") == ("0", "0.25", "0.5", "0.75", "1")
    assert spaced("k", "lin(32,128,4)") == ("32", "64", "96", "128")
    told = [float(value) for value in spaced("k", "log(1e-4,1e-2,5)")]
    assert (told[0], told[-1]) == (1e-4, 1e-2)
    assert [b / a for a, b in pairwise(told)] == pytest.approx([math.sqrt(10)] * 4, rel=1e-5)
    assert spaced("k", "log(8,1,4)") == ("8", "4", "2", "1")


def test_values_in_brackets_stay_together() -> None:
    assert listed("k", "(0.5,0.9), (0,0.99)") == ("(0.5,0.9)", "(0,0.99)")
    first, second = swept("optimizer.betas=(0.5,0.9),(0,0.99)")
    assert first.jobs[0].settings.optimizer.betas == (0.5, 0.9)
    assert second.jobs[0].settings.optimizer.betas == (0.0, 0.99)


def test_every_combination_of_every_recipe_over_seeds() -> None:
    words = ("penalty.r1.weight=0.01,0.1,1", "lr_d=log(1e-4,1e-2,2)", "batch_size=32")
    found = swept(*words, recipes=(RECIPE, "ring8/nsgan"), seeds=2)
    assert len(found) == 3 * 2 * 2
    told = [(each.recipe, each.values["penalty.r1.weight"], each.values["lr_d"]) for each in found]
    assert len({*told}) == len(told)
    for each in found:
        assert [job.settings.seed for job in each.jobs] == [0, 1]
        for job in each.jobs:
            own = [f"{key}={value}" for key, value in each.values.items()]
            assert job.settings == override(RECIPES[each.recipe](job.settings.seed), ["monitor.policy=stop", *own])
            assert job.settings.batch_size == 32
    folders = [job.folder for each in found for job in each.jobs]
    assert len({*folders}) == len(folders)
    assert found[0].jobs[0].folder == Path("out/ring8-far/penalty.r1.weight-0.01+lr_d-0.0001+batch_size-32/seed-0")


def test_a_run_that_loses_what_it_had_is_stopped_unless_the_user_says_otherwise() -> None:
    def policy(*words: str) -> Any:
        monitor = swept("lr_d=1e-3,1e-2", *words)[0].jobs[0].settings.monitor
        return None if monitor is None else monitor.policy

    assert policy() == "stop"
    assert policy("monitor.policy=warn") == "warn"
    assert policy("monitor=none") is None


def test_places_tell_settings_and_leave_out_what_decides_nothing() -> None:
    assert place(["lr_d=0.001", "penalty.r1.weight=0.1"]) == "lr_d-0.001+penalty.r1.weight-0.1"
    assert place(["optimizer.betas=(0.5,0.9)"]) == "optimizer.betas-0.5_0.9"
    odd, other = place(["data.path=a/b c:d"]), place(["data.path=a/b c;d"])
    assert odd != other
    assert not {*odd} & {*"/: ;="}
    assert len(place(["lr_d=" + "1" * 500])) < 200
    (one, _) = swept("lr_d=1e-3,1e-2", "device=cpu", "threads=1", "monitor.times=3")
    assert one.jobs[0].folder == Path("out/ring8-far/lr_d-1e-3/seed-0")
    assert Grid.of(["lr_d=1,2", "batch_size=8", "lr_g=1,2"]).root() == Path("runs/sweep-lr_d+lr_g")
    assert Grid((Axis("lr_d", ("1",)),)).root() == Path("runs/sweep")


def test_a_task_is_a_command_that_means_its_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As the command line itself understands it."""

    def meant(task: Task) -> str:
        assert cli.main([*task.command(), "--dry-run"]) == 0
        return capsys.readouterr().out.strip()

    for scale in ("full", "small"):
        for each in swept("penalty.r1.weight=0.01,0.1", "generator.width=16", seeds=3, scale=scale):
            whole, alone = Task(tuple(each.jobs)), Task((each.jobs[2],))
            assert meant(whole) == each.jobs[0].settings.to_json().strip()
            assert meant(alone) == each.jobs[2].settings.to_json().strip()
            assert " --seeds 3 " in shlex.join(whole.command())
            assert f" --iterations 100 --out {each.jobs[0].folder.parent} --resume" in shlex.join(whole.command())
            assert " --seed 2 " in shlex.join(alone.command())
            assert str(each.jobs[2].folder) in alone.command()
            assert "--seeds" not in alone.command()
    (job,) = planned_jobs(RECIPE, ["lr_d=0.5"], "full", 1, None, None, Path("runs"))
    assert meant(Task((job,))) == job.settings.to_json().strip()
    assert "--plugin my_parts" in shlex.join(Task((job,)).command(["my_parts"]))


def test_a_printed_command_survives_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "it's $HOME & more"
    here.mkdir()
    monkeypatch.chdir(here)
    job = Job(RECIPES[RECIPE](), Path("o u't"), 5, changes=("optimizer.betas=(0.5,0.9)",))
    cd, folder, joint, *words = shlex.split(Task((job,)).shell())
    assert (cd, folder, joint) == ("cd", str(here), "&&")
    assert words[1:] == ["-m", "steadygan", *Task((job,)).command()]


@pytest.mark.parametrize(
    ("recipes", "at_once", "apart", "sizes"),
    [
        (["grid25/far"], 1, True, [8]),
        (["grid25/far"], 2, True, [4, 4]),
        (["grid25/far"], 3, True, [2, 3, 3]),
        (["grid25/far", "grid25/r1"], 2, True, [8, 8]),
        (["grid25/far", "grid25/r1"], 3, True, [4, 4, 4, 4]),
        (["grid25/far"], 100, True, [1] * 8),
        (["mnist/far"], 2, True, [1] * 8),
        (["mnist/far"], 1, False, [8]),
    ],
)
def test_how_seeds_are_divided(recipes: list[str], at_once: int, apart: bool, sizes: list[int], tmp_path: Path) -> None:
    groups = [planned_jobs(name, (), "full", 8, None, None, tmp_path) for name in recipes]
    found = tasks(groups, at_once, apart)
    assert [len(task.jobs) for task in found] == sizes
    assert [job for task in found for job in task.jobs] == [job for own in groups for job in own]


def test_commands_are_printed_without_torch(torchless: Callable[..., list[Any]], tmp_path: Path) -> None:
    words = ["sweep", "ring8/far", "lr_d=1e-3,1e-2", "--seeds", "2", "--print-jobs"]
    swept, compared, split = torchless(
        [words, [*COMPARED, "--print-jobs"], [*COMPARED, "--seeds", "4", "--jobs", "4", "--print-jobs"]],
        tmp_path,
    )
    assert [answer.code for answer in (swept, compared, split)] == [0, 0, 0]
    assert [answer.out.count("\n") for answer in (swept, compared, split)] == [2, 1, 4]
    assert all(line.endswith("--resume --plain") for line in split.out.splitlines())
    assert not (tmp_path / "runs").exists()


REFUSED = {
    "lr_d=log(0,1,3)": "lr_d: expected log(FROM,TO,COUNT) with numbers above 0, got log(0,1,3)",
    "lr_d=log(-1,1,3)": "with numbers above 0",
    "lr_d=lin(1,1,3)": "an empty range has no values",
    "lr_d=lin(0,1,0)": "a count of 2 or more, got lin(0,1,0)",
    "lr_d=lin(0,1)": "with two numbers and a count",
    "lr_d=lin(0,1,2,3)": "with two numbers and a count",
    "lr_d=lin(a,1,2)": "with two numbers and a count",
    "lr_d=": "expected values separated by commas, got ''",
    "lr_d=1,,2": "expected values separated by commas, got '1,,2'",
    "lr_d=1,1": "expected each value once",
    "lr_d=1,1.0": "got one run twice, ring8/far lr_d=1 and ring8/far lr_d=1.0",
    "lr_d=1,abc": "ring8/far: lr_d: expected a number above 0",
    "penalty.r1.wieght=1,2": "did you mean 'penalty.r1.weight'?",
    "lr_d=1,2 lr_d=3": "lr_d: expected one list of values, got two: write lr_d=1,2,3",
    "data.scale=1,2 scale=3": "expected one list of values, got two",
    "optimizer.betas=0.5,0.9": "write optimizer.betas=(0.5,0.9)",
    "seed=1,2": "expected --seeds K, got seed=...",
    "lr_d=lin(1,2,5000)": "expected at most 1,000 runs, got 5,000 (5000): add --yes",
    "lr_d=1,2 --jobs 0": "expected a whole number from 1 to 256, got 0",
    "lr_d=1,2 --on slurm": "unknown place 'slurm'",
    "lr_d=1,2 --by fidd": "did you mean 'fid'?",
    "lr_d=1,2 --scale tiny": "unknown scale 'tiny'",
}


def test_refused_in_one_line(torchless: Callable[..., list[Any]], tmp_path: Path) -> None:
    answers = torchless([["sweep", RECIPE, *words.split()] for words in REFUSED], tmp_path)
    for told, answer in zip(REFUSED.values(), answers, strict=True):
        assert told in answer.refused()
    none, one = torchless([["sweep", "lr_d=1,2"], MANY], tmp_path)
    assert "expected recipes to sweep over, got none" in none.refused()
    assert "expected at most 100,000 runs, got 160,000 (80000 x 2): sweep fewer values" in one.refused()
    assert not (tmp_path / "runs").exists()


def test_without_ray_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("steadygan.commands.batch.cluster.find_spec", lambda _: None)
    for command in (["sweep", RECIPE, "lr_d=1,2"], COMPARED, ["paper", "stacked-mnist"], ["figure", "fargan-1"]):
        assert cli.main([*command, "--on", "ray"]) == 2
        assert "--on ray: expected the package ray, found none: pip install 'steadygan[ray]'" in capsys.readouterr().err
