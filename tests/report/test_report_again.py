"""The command of a run leads back to its settings, whatever was changed."""

import shlex

import pytest
from runs_made import records, run

from steadygan.commands.job import chosen
from steadygan.config import override
from steadygan.recipes import RECIPES
from steadygan.reporting.groups import command, grouped
from steadygan.runs.history import history
from steadygan.runs.settings import changed

CHANGES = [
    [],
    ["batch_size=128", "lr_d=2e-4", "ema=none"],
    ["penalty.r1=none"],
    ["penalty=none", "method=none"],
    ["loss=hinge", "penalty=zero_gp"],
    ["method.fake_as_real.count=16", "optimizer.betas=0,0.99"],
    ["loss=least_squares", "loss.a=-1", "loss.c=0"],
    ["generator.width=128", "schedule=constant", "evaluate.n=2000"],
    ["constraint=spectral_norm", "penalty=none"],
    ["d_steps=3", "horizon=20000", "data.scale=10"],
]


def told(folder, *others):
    (group,) = grouped([history(each) for each in (folder, *others)])
    return command(group)


def read_back(line):
    """The settings that `steadygan train` makes of these words."""
    program, name, *words = shlex.split(line)
    assert (program, name) == ("steadygan", "train")
    options = dict(zip(words[-4::2], words[-3::2], strict=True))
    plain = [word for word in words[:-4] if not word.startswith("--") and word not in ("small", "full")]
    scale = "small" if "--scale" in words else "full"
    return chosen(plain, None, None, int(options["--seed"]), scale), int(options["--iterations"])


@pytest.mark.parametrize("changes", CHANGES, ids=" ".join)
def test_changed_settings_come_back(tmp_path, changes):
    settings = override(RECIPES["grid25/far"](3), changes)
    line = told(run(tmp_path / "run", rows=records(6, a=1.0), settings=settings.plain()))
    again, iterations = read_back(line)
    assert changed(settings.plain(), again.plain(), reading=True) == []
    assert iterations == 500


@pytest.mark.parametrize("recipe", ["mnist/cgan-far", "ring8/nsgan", "folder/r1"])
def test_small_scale_and_paths(tmp_path, recipe):
    settings = RECIPES[recipe](0, "small")
    if recipe != "ring8/nsgan":
        settings = override(settings, ["data.path=/some where/é"])
    line = told(run(tmp_path / "run", settings=settings.plain()))
    again, _ = read_back(line)
    assert changed(settings.plain(), again.plain(), reading=True) == []


def test_a_recipe_as_it_is_needs_no_more_than_its_name(tmp_path):
    line = told(run(tmp_path / "run", rows=records(3, a=1.0), seed=4))
    assert line == "steadygan train grid25/far --seed 4 --iterations 200"


def test_seeds_in_a_row_are_one_command_and_others_several(tmp_path):
    runs = [run(tmp_path / f"seed-{s}", rows=records(3, a=1.0), seed=s) for s in (1, 2, 3)]
    assert told(*runs) == "steadygan train grid25/far --seed 1 --seeds 3 --iterations 200"
    assert told(runs[0], runs[2]).splitlines() == [
        "steadygan train grid25/far --seed 1 --iterations 200",
        "steadygan train grid25/far --seed 3 --iterations 200",
    ]


def test_what_words_cannot_say_has_no_command(tmp_path):
    assert told(run(tmp_path / "own", settings={"batch_size": 3})) is None
    assert told(run(tmp_path / "gone", settings=RECIPES["grid25/far"](0).plain() | {"recipe": "gone/far"})) is None
