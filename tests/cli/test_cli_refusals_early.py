"""What is wrong with the words alone is said in one line before torch is imported: here importing it fails loudly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steadygan import __version__
from steadygan.config import Settings, override
from steadygan.recipes import RECIPES

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def torchless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An import path on which torch, numpy and matplotlib cannot be imported."""
    folder = tmp_path_factory.mktemp("torchless")
    for name in ("torch", "numpy", "matplotlib", "sklearn"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n", encoding="utf-8")
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working folder with one run in it, as far as its settings go, and a data file."""
    folder = tmp_path / "runs" / "ring8-far" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(RECIPES["ring8/far"]().to_json(), encoding="utf-8")
    mine = tmp_path / "mine"
    mine.mkdir()
    (tmp_path / "mine.npz").mkdir()
    (mine / "settings.json").write_text('{"batch_size": 64}', encoding="utf-8")
    (tmp_path / "points.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    return tmp_path


REFUSALS = {
    "train ring8/fra": "unknown recipe 'ring8/fra': did you mean 'ring8/far'? known: cifar10/began, ",
    "train ring8/far grid25/far": "expected one recipe, got ring8/far, grid25/far: write settings as key=value",
    "train btach_size=3": "unknown setting 'btach_size': did you mean 'batch_size'?",
    "train method.fake_as_real.count=65": "method.fake_as_real.count: expected at most the batch of 64, got 65",
    "train method.fake_as_real.factor=0": "method.fake_as_real.factor: expected a whole number of 1 or more, got 0",
    "train penalty.r1.weight=-1": "penalty.r1.weight: expected a number of 0 or more, got -1",
    "train batch_size=many": "batch_size: expected a whole number of 1 or more, got 'many'",
    "train --iterations -3": "Invalid value for '--iterations': expected a whole number of 0 or more, got -3",
    "train --iterations 1.5": "Invalid value for '--iterations': expected a whole number of 0 or more, got 1.5",
    "train --seed x": "Invalid value for '--seed': expected a whole number of 0 or more, got x",
    "train seed=3 --seed 4": "expected one seed, got --seed 4 beside seed=...: give one of them",
    "train --itreations 3": "No such option",
    "train points/far": "points/far: expected your data, got none: add --data points.npy (or .npz, .csv)",
    "train grid25/far --data points.csv": "grid25/far: expected no --data, as it makes its own, got points.csv: use",
    "train points/far --data none.csv": "expected a data file at 'none.csv', found none: check the path",
    "train --data points.txt": "expected data in a .npy, .npz or .csv file, got 'points.txt': convert it or rename it",
    "train ring8/far": f"{Path('runs/ring8-far/seed-0')} already holds a run: continue it with --resume, or choose",
    "train ring8/far --resume batch_size=32 penalty.r1=2": (
        f"{Path('runs/ring8-far/seed-0')} was made with other settings: batch_size: 64 in the run, 32 now; "
        "penalty.r1.weight: 0.1 in the run, 2.0 now: resume with the same ones, or choose another --out"
    ),
    "train ring8/far --out mine": "mine already holds a run: continue it with --resume, or choose another folder with",
    "train ring8/far --resume --out mine": "expected a recipe's settings in ",
    "trian": "No such command 'trian'",
    "recipes --paper tao": "unknown paper 'tao': did you mean 'tao2020'? known: ",
    "sample": "Missing argument 'RUN'",
    "sample nowhere": "nowhere holds no run (no settings.json): give the folder that train printed",
    "sample runs/ring8-far": f"did you mean {Path('runs/ring8-far/seed-0')}?",
    "sample runs/ring8-far/seed-0 -n 0": "Invalid value for '-n': expected a whole number of 1 or more, got 0",
    "sample runs/ring8-far/seed-0 --weights best": "unknown weights 'best': known: ema, live",
    "sample runs/ring8-far/seed-0 --out x.txt": "expected --out folder, zip, npz or png-grid, or a path that ends in",
    "sample runs/ring8-far/seed-0 --out folder": "expected npz, .npy, .csv or .png for points, got folder: add",
    "sample runs/ring8-far/seed-0 --label 1": "expected no --label, as the generator of ",
    "sample runs/ring8-far/seed-0 --truncation 0": "'--truncation': expected a number above 0, got 0",
    "sample runs/ring8-far/seed-0 --interpolate 1": "'--interpolate': expected a whole number of 2 or more, got 1",
    "sample runs/ring8-far/seed-0 --interpolate 65": "expected --interpolate of at most -n 64, a whole row, got 65",
    "sample runs/ring8-far/seed-0 --out mine.npz/": "expected a file to write at mine.npz, found a folder: choose",
    "export nowhere": "nowhere holds no run (no settings.json): give the folder that train printed",
    "export runs/ring8-far/seed-0 --weights best": "unknown weights 'best': known: ema, live",
    "report mine --port 9000": "expected --follow beside --port, got --port 9000 alone: add --follow, or leave it out",
    "report mine --follow --out a.html": "expected no --out beside --follow, which writes no file, got a.html: write",
    "report mine --follow --port 65536": "'--port': expected a whole number from 0 to 65535, got 65536",
    "report mine --follow --port -1": "'--port': expected a whole number from 0 to 65535, got -1",
    "report nowhere --follow": "expected a run in 'nowhere', found no such folder: check the path",
    "report points.csv --follow": "expected the folder of a run, got the file 'points.csv': give .",
    "diagnose": "Missing argument 'RUN'",
    "diagnose nowhere": "expected a run in 'nowhere', found no such folder: check the path",
    "diagnose points.csv": "expected the folder of a run, got the file 'points.csv': give .",
    "diagnose runs": "expected a run in 'runs', found no metrics.jsonl there: give the folder that train printed",
    "diagnose runs/ring8-far/seed-0": "found none: go on with training, --out",
    "compare": "Missing argument",
    "compare batch_size=3": "expected recipes to compare, got none: write for instance grid25/r1 grid25/far",
    "compare ring8/far ring8/nsgn": "unknown recipe 'ring8/nsgn': did you mean 'ring8/nsgan'?",
    "compare ring8/far --seeds 0": "Invalid value for '--seeds': expected a whole number of 1 or more, got 0",
    "compare ring8/far seed=1": "seed: expected no seed, as several are compared, got seed=...: use --seeds K",
    "compare ring8/far batch_size=32": "was made with other settings: batch_size: 64 in the run, 32 now",
    "compare points/r1 points/far": "points/r1: expected your data, got none: add --data",
}


@pytest.mark.parametrize("words", REFUSALS)
def test_bad_input_is_one_line_and_exit_code_2(words: str, here: Path, torchless: Path, command: Run) -> None:
    before = sorted(here.rglob("*"))
    message = command(*words.split(), cwd=here, before=[torchless]).refused()
    assert REFUSALS[words] in message
    assert sorted(here.rglob("*")) == before  # nothing lost, nothing left behind


@pytest.fixture
def ask(here: Path, torchless: Path, command: Run) -> Callable[[str], str]:
    """What a command prints that must succeed, without torch and without a word on stderr."""

    def asked(words: str) -> str:
        answer = command(*words.split(), cwd=here, before=[torchless])
        assert (answer.code, answer.err) == (0, ""), answer
        return str(answer.out)

    return asked


@pytest.mark.parametrize("words", ["", "--help", "train --help", "compare -h", "sample --help", "doctor --help"])
def test_help_needs_no_torch(words: str, ask: Callable[[str], str]) -> None:
    assert "Usage: steadygan" in ask(words)


def test_the_commands_are_those_of_this_stage(ask: Callable[[str], str]) -> None:
    text = ask("--help")
    for name in (
        "train",
        "recipes",
        "sample",
        "export",
        "compare",
        "evaluate",
        "report",
        "diagnose",
        "doctor",
        "--version",
    ):
        assert name in text
    for name in ("theory", "--install-completion"):
        assert name not in text


def test_version(ask: Callable[[str], str]) -> None:
    assert ask("--version") == f"steadygan {__version__}\n"


def test_recipes_are_listed_one_a_line(ask: Callable[[str], str]) -> None:
    lines = ask("recipes").splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(line.endswith("]") for line in lines)
    far = ask("recipes --paper tao2020").splitlines()
    assert {line.split("/")[1].split()[0] for line in far} == {"far"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", RECIPES["grid25/far"]()),
        ("ring8/r1 --seed 4", RECIPES["ring8/r1"](seed=4)),
        ("penalty.r1.weight=0.5 lr_d=2e-3", override(RECIPES["grid25/far"](), ["penalty.r1=0.5", "lr_d=0.002"])),
        ("--data points.csv", override(RECIPES["points/far"](), ["data.path=points.csv"])),
        ("points/r1 --data points.csv seed=2", override(RECIPES["points/r1"](seed=2), ["data.path=points.csv"])),
        ("--resume --out runs/ring8-far/seed-0", RECIPES["ring8/far"]()),
    ],
)
def test_dry_run_prints_the_settings_and_writes_nothing(
    words: str, expected: Settings, here: Path, ask: Callable[[str], str]
) -> None:
    before = sorted(here.rglob("*"))
    printed = ask(f"train {words} --dry-run")
    assert printed == expected.to_json() + "\n"
    assert Settings.check(json.loads(printed)) == expected
    assert sorted(here.rglob("*")) == before
