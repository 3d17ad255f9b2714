"""What is wrong with the words alone is said in one line before torch is imported: here importing it fails loudly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from steadygan import __version__
from steadygan.commands.recipes import matrix
from steadygan.config import Settings, override
from steadygan.recipes import RECIPES

Asked = Callable[[Sequence[Sequence[str]], Path], list[Any]]


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
    "train ring8/fra": "unknown recipe 'ring8/fra': did you mean 'ring8/far'? known: ring8/far, ring8/",
    "train ring8/far grid25/far": "expected one recipe, got ring8/far, grid25/far: write settings as key=value",
    "train btach_size=3": "unknown setting 'btach_size': did you mean 'batch_size'?",
    "train method.fake_as_real.count=65": "method.fake_as_real.count: expected at most the batch of 64, got 65",
    "train method.fake_as_real.factor=0": "method.fake_as_real.factor: expected a whole number of 1 or more, got 0",
    "train penalty.r1.weight=-1": "penalty.r1.weight: expected a number of 0 or more, got -1",
    "train batch_size=many": "batch_size: expected a whole number of 1 or more, got 'many'",
    "train batch_size=1e30": "batch_size: expected a whole number of at most 1,048,576, got 1e30",
    "train batch_size=\uff11\uff16": "batch_size: expected a whole number of 1 or more, got \uff11\uff16",
    "train generator.width=1e12": "generator.width: expected a whole number of at most 65,536, got 1e12",
    "train threads=1e9": "threads: expected a whole number of at most 1,024, got 1e9",
    "train mnist/far workers=1e9": "data.workers: expected a whole number of at most 256, got 1e9",
    "train --seed 18446744073709551616": "'--seed': expected a whole number of at most 9,223,372,036,854,775,807",
    "train --seeds 1e9": "'--seeds': expected a whole number of at most 10,000, got 1e9",
    "train --iterations 1e400": "'--iterations': expected a whole number of 0 or more, got 1e400",
    "train penalty=,": "penalty: expected names separated by commas, each once, or none, got ',': for",
    "train penalty=r1,r1": "penalty: expected names separated by commas, each once, or none, got 'r1,r1': for",
    f"train batch_size={1500 * 'x'}": f"got '{149 * 'x'}...{99 * 'x'}'",
    f"train {1500 * 'x'}": f"unknown recipe '{149 * 'x'}...",
    "train ring8/far --out nowhere/\x1b[31m --seed \x1b[31m": "got \\x1b[31m",
    "train --iterations -3": "Invalid value for '--iterations': expected a whole number of 0 or more, got -3",
    "train --iterations 1.5": "Invalid value for '--iterations': expected a whole number of 0 or more, got 1.5",
    "train --seed x": "Invalid value for '--seed': expected a whole number of 0 or more, got x",
    "train seed=3 --seed 4": "expected one seed, got --seed 4 and seed=...: use one of them",
    "train --itreations 3": "No such option",
    "train points/far": "points/far: expected your data, got none: add --data points.npy (or .npz, .csv)",
    "train grid25/far --data points.csv": "grid25/far: expected no --data, because it generates its own, got points",
    "train points/far --data none.csv": "expected a data file at 'none.csv', found none: check the path",
    "train --data points.txt": "expected data in a .npy, .npz or .csv file, got 'points.txt': convert it or rename it",
    "train ring8/far": f"{Path('runs/ring8-far/seed-0')} already holds a run: continue it with --resume, or choose",
    "train ring8/far --resume batch_size=32 penalty.r1=2": (
        f"{Path('runs/ring8-far/seed-0')} was trained with other settings: batch_size: 64 in the run, 32 now; "
        "penalty.r1.weight: 0.1 in the run, 2.0 now: resume with the same settings, or choose another --out"
    ),
    "train ring8/far --out mine": "mine already holds a run: continue it with --resume, or choose another folder with",
    "train ring8/far --resume --out mine": "expected a recipe's settings in ",
    "train ring8/far --out .": "expected a new or empty folder, or a run, at ., found mine, mine.npz, points.csv and",
    "train ring8/far --resume --out points.csv": "cannot use points.csv as a run folder: File exists: choose another",
    "trian": "No such command 'trian'",
    "recipes nothing/*": "expected recipes that match 'nothing/*', got none: see steadygan recipes",
    "recipes mnist/sdp --paper tao2020": "expected recipes of tao2020 that match mnist/sdp, got none: see steadygan",
    "recipes ring8/fra": "unknown recipe 'ring8/fra': did you mean 'ring8/far'? known: ",
    "recipes --paper tao": "unknown paper 'tao': did you mean 'tao2020'? known: ",
    "sample": "Missing argument 'RUN'",
    "sample nowhere": "nowhere holds no run (no settings.json): use the folder that train printed",
    "sample runs/ring8-far": f"did you mean {Path('runs/ring8-far/seed-0')}?",
    "sample runs/ring8-far/seed-0 -n 1e30": "'-n': expected a whole number of at most 1,000,000,000, got 1e30",
    "sample runs/ring8-far/seed-0 -n 0": "Invalid value for '-n': expected a whole number of 1 or more, got 0",
    "sample runs/ring8-far/seed-0 --weights best": "unknown weights 'best': known: ema, live",
    "sample runs/ring8-far/seed-0 --out x.txt": "expected --out folder, zip, npz or png-grid, or a path that ends in",
    "sample runs/ring8-far/seed-0 --out folder": "expected npz, .npy, .csv or .png for points, got folder: add",
    "sample runs/ring8-far/seed-0 --label 1": "expected no --label, because the generator of ",
    "sample runs/ring8-far/seed-0 --truncation 0": "'--truncation': expected a number above 0, got 0",
    "sample runs/ring8-far/seed-0 --interpolate 1": "'--interpolate': expected a whole number of 2 or more, got 1",
    "sample runs/ring8-far/seed-0 --interpolate 65": "expected --interpolate of at most -n 64, a whole row, got 65",
    "sample runs/ring8-far/seed-0 --out mine.npz/": "expected a file to write at mine.npz, found a folder: choose",
    "export nowhere": "nowhere holds no run (no settings.json): use the folder that train printed",
    "export runs/ring8-far/seed-0 --weights best": "unknown weights 'best': known: ema, live",
    "report mine --port 9000": "expected --follow beside --port, got --port 9000 alone: add --follow, or leave it out",
    "report mine --follow --out a.html": "expected no --out beside --follow, which writes no file, got a.html: write",
    "report mine --follow --port 65536": "'--port': expected a whole number from 0 to 65535, got 65536",
    "report mine --follow --port -1": "'--port': expected a whole number from 0 to 65535, got -1",
    "report nowhere --follow": "expected a run in 'nowhere', found no such folder: check the path",
    "report points.csv --follow": "expected the folder of a run, got the file 'points.csv': use .",
    "diagnose": "Missing argument 'RUN'",
    "diagnose nowhere": "expected a run in 'nowhere', found no such folder: check the path",
    "diagnose points.csv": "expected the folder of a run, got the file 'points.csv': use .",
    "diagnose runs": "expected a run in 'runs', found no metrics.jsonl there: use the folder that train printed",
    "diagnose runs/ring8-far/seed-0": "found none: continue training, --out",
    "compare": "Missing argument",
    "compare ring8/far mine.npz": "expected a run, or runs of several seeds, in mine.npz, found none: give the folder",
    "compare batch_size=3": "expected recipes to compare, got none: for example grid25/r1 grid25/far",
    "compare ring8/far ring8/nsgn": "unknown recipe 'ring8/nsgn': did you mean 'ring8/nsgan'?",
    "compare ring8/far --seeds 0": "Invalid value for '--seeds': expected a whole number of 1 or more, got 0",
    "compare ring8/far seed=1": "seed: expected no seed, because several are compared, got seed=...: use --seeds K",
    "compare ring8/far batch_size=32 --out runs": "was trained with other settings: batch_size: 64 in the run, 32 now",
    "compare points/r1 points/far": "points/r1: expected your data, got none: add --data",
}


def test_bad_input_is_one_line_and_exit_code_2(here: Path, torchless: Asked) -> None:
    before = sorted(here.rglob("*"))
    for words, answer in zip(REFUSALS, torchless([words.split() for words in REFUSALS], here), strict=True):
        assert REFUSALS[words] in answer.refused(), words
    assert sorted(here.rglob("*")) == before  # nothing lost, nothing left behind


def test_so_it_is_in_a_process_of_its_own(here: Path, command: Callable[..., Any]) -> None:
    assert REFUSALS["train ring8/fra"] in command("train", "ring8/fra", cwd=here).refused()
    help = command("--help", cwd=here)  # noqa: A001
    assert (help.code, help.err) == (0, "")
    assert "Usage: steadygan" in help.out


@pytest.fixture
def ask(here: Path, torchless: Asked) -> Callable[..., list[str]]:
    """What commands print that must succeed, without torch and without a word on stderr."""

    def asked(*lines: str) -> list[str]:
        answers = torchless([line.split() for line in lines], here)
        assert [(answer.code, answer.err) for answer in answers] == [(0, "")] * len(lines), answers
        return [answer.out for answer in answers]

    return asked


def test_help_needs_no_torch(ask: Callable[..., list[str]]) -> None:
    for out in ask("--help", "train --help", "compare -h", "sample --help", "doctor --help"):
        assert "Usage: steadygan" in out


COMMANDS = (
    "train",
    "recipes",
    "sample",
    "export",
    "push",
    "compare",
    "paper",
    "evaluate",
    "report",
    "diagnose",
    "doctor",
    "--version",
)


def test_the_commands_are_those_of_this_stage(ask: Callable[..., list[str]]) -> None:
    text, version = ask("--help", "--version")
    for name in (*COMMANDS, "--version"):
        assert name in text
    assert "--install-completion" in text
    assert version == f"steadygan {__version__}\n"


def test_recipes_are_listed_one_a_line(ask: Callable[..., list[str]]) -> None:
    whole, ring, far = (
        out.splitlines() for out in ask("recipes *", "recipes ring8/* grid25/r1", "recipes --paper tao2020")
    )
    assert [line.split()[0] for line in whole] == [*RECIPES]
    own = [line for line in whole if not line.startswith("paper/")]
    assert all(line.partition("; other settings than the paper's: paper/")[0].endswith("]") for line in own)
    assert [line.split()[0] for line in ring] == [name for name in RECIPES if name.startswith("ring8/")] + ["grid25/r1"]
    assert {line.split()[0].split("/")[1] for line in far} == {"far", "fargan", "stacked-mnist"}


def test_without_a_pattern_data_stand_against_methods(ask: Callable[..., list[str]]) -> None:
    (page,) = ask("recipes")
    assert len(page.splitlines()) < 50
    assert max(map(len, page.splitlines()[:-5])) <= 80
    for word in ("gaussian", "swissroll", "tiny-imagenet", "diffaugment", "mnist/cgan-far", "two-gaussians/more-data"):
        assert word in page
    assert "paper/" not in page


def test_data_with_the_same_methods_share_a_column() -> None:
    names = ["a/x", "a/y", "b/y", "b/x", "c/x", "c/own", "d/p", "d/q", "d/y"]
    columns, others = matrix(names)
    assert columns == {("a", "b"): ["x", "y"]}
    assert others == ["c/x", "c/own", "d/p", "d/q", "d/y"]
    columns, others = matrix([*names, "c/y"])
    assert columns == {("a", "b", "c"): ["x", "y"]}
    assert others == ["c/own", "d/p", "d/q", "d/y"]


DRY: dict[str, Settings] = {
    "": RECIPES["grid25/far"](),
    "ring8/r1 --seed 4": RECIPES["ring8/r1"](seed=4),
    "penalty.r1.weight=0.5 lr_d=2e-3": override(RECIPES["grid25/far"](), ["penalty.r1=0.5", "lr_d=0.002"]),
    "--data points.csv": override(RECIPES["points/far"](), ["data.path=points.csv"]),
    "points/r1 --data points.csv seed=2": override(RECIPES["points/r1"](seed=2), ["data.path=points.csv"]),
    "--resume --out runs/ring8-far/seed-0": RECIPES["ring8/far"](),
}


def test_dry_run_prints_the_settings_and_writes_nothing(here: Path, ask: Callable[..., list[str]]) -> None:
    before = sorted(here.rglob("*"))
    for expected, printed in zip(DRY.values(), ask(*(f"train {words} --dry-run" for words in DRY)), strict=True):
        assert printed == expected.to_json() + "\n"
        assert Settings.check(json.loads(printed)) == expected
    assert sorted(here.rglob("*")) == before
