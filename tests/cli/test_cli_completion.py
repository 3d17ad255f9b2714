"""What a shell completes, and what is said where no command is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import steadygan
from steadygan import cli
from steadygan.recipes import RECIPES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three runs, two of them seeds of one, and a folder of something else."""
    for age, folder in enumerate(("runs/alone", "runs/several/seed-0", "runs/several/seed-1")):
        place = tmp_path / folder
        place.mkdir(parents=True)
        (place / "settings.json").write_text("{}", encoding="utf-8")
        os.utime(place, (1_000 + age, 1_000 + age))
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """What bash is told for a line whose last word is to be completed."""

    def asked(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_STEADYGAN_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as ended:
            cli.main([])
        assert ended.value.code == 0
        return capsys.readouterr().out.split()

    return asked


def test_commands_and_options(completed: Callable[[str], list[str]]) -> None:
    assert completed("steadygan diag") == ["diagnose"]
    assert completed("steadygan train --init") == ["--init-from"]


def test_recipes_then_keys(completed: Callable[[str], list[str]]) -> None:
    assert completed("steadygan train ring8/") == [name for name in RECIPES if name.startswith("ring8/")]
    keys = completed("steadygan train ring8/far penalty.r1.w")
    assert keys == ["penalty.r1.weight="]
    assert completed("steadygan train ring8/far lr_") == ["lr_g=", "lr_d="]


def test_runs(here: Path, completed: Callable[[str], list[str]]) -> None:
    both = ["runs/several/seed-0", "runs/several/seed-1"]
    assert completed("steadygan diagnose ") == ["runs/alone", *both]
    assert completed("steadygan sample runs/s") == both
    assert completed("steadygan report ph") == ["photos"]
    assert completed(f"steadygan export {here}/runs/a") == [f"{here.as_posix()}/runs/alone"]
    assert completed("steadygan compare runs/a") == ["runs/alone"]
    assert completed("steadygan diagnose nowhere/x") == []


def test_the_papers_tables_and_figures(completed: Callable[[str], list[str]]) -> None:
    assert completed("steadygan paper zero-gp-m") == ["zero-gp-mnist"]
    assert completed("steadygan figure evo") == ["evolution"]


def test_a_script_for_each_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--show-completion", "bash"])
    assert ended.value.code == 0
    assert "complete -o default -F _steadygan_completion steadygan" in capsys.readouterr().out


def test_three_things_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"steadygan {steadygan.__version__}: ")
    assert [line.split()[1] for line in lines if line.startswith("  ")] == ["train", "train", "recipes"]
    assert "steadygan --help" in lines[-1]


def test_they_are_about_the_newest_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [words[1:3] for words in told] == [
        ["diagnose", "runs/several/seed-1"],
        ["report", "runs/several/seed-1"],
        ["sample", "runs/several/seed-1"],
    ]


def test_help_is_by_one_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command in one sentence that begins with a verb in the imperative and ends with a full stop."""
    for name, told in cli.COMMANDS.items():
        first = told.partition("\n")[0]
        assert first.endswith("."), name
        assert first[0].isupper(), name
        assert len(first) <= 105, name
        assert not first.split()[0].endswith(("s", "ing")), name
