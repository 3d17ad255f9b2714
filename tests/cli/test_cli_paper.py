"""`steadygan paper`: tables are listed, shown as they stand, and trained where rows are missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pictures
from steadygan.config.optimisation import Evaluate
from steadygan.recipes.papers import zero_gp

ROWS = "mnist-none-beta5-1k,mnist-zero-gp-beta5-1k"
WORDS = ("paper", "zero-gp-mnist", "--rows", ROWS, "--seeds", "2", "--iterations", "2", "--data", "digits")


def test_tables_are_listed_without_torch(torchless: Callable[..., list[Any]], tmp_path: Path) -> None:
    listed, nearest, row = torchless(
        [["paper"], ["paper", "fargan-tabel2"], ["paper", "sdp-table2", "--rows", "nothing"]], tmp_path
    )
    assert listed.code == 0
    for name in ("fargan-table2", "fargan-figure7", "zero-gp-mnist", "sdp-table1", "sdp-table2", "dual-table3"):
        assert name in listed.out
    assert "did you mean 'fargan-table2'?" in nearest.refused()
    assert "unknown row of sdp-table2 'nothing'" in row.refused()


def test_recipes_of_a_paper_with_what_it_printed(torchless: Callable[..., list[Any]], tmp_path: Path) -> None:
    printed, plain = torchless([["recipes", "--paper", "zhangsdp"], ["recipes", "cifar10/*"]], tmp_path)
    (line,) = [line for line in printed.out.splitlines() if line.startswith("paper/sdp/cifar10-lsgan-sdp ")]
    assert "printed: FID 32.58" in line
    assert not any(line.startswith("paper/") for line in plain.out.splitlines())
    (far,) = [line for line in plain.out.splitlines() if line.startswith("cifar10/far ")]
    assert far.endswith("[tao2020]; other settings than the paper's: paper/fargan/cifar10-resnet-ns-far")


def test_every_printed_figure_has_a_table(commands: Callable[..., list[Any]], tmp_path: Path) -> None:
    """The modes of Stacked MNIST beside their KL, both as printed; nothing was trained."""
    words = ["paper", "stacked-mnist", "--as-is", "--rows", "nsgan,pacgan"]
    text, data = commands([[*words, "--markdown"], [*words, "--json"]], tmp_path)
    kl, modes = (text.out.index(f"| row | published, {label} |") for label in ("KL of modes to the data's", "modes"))
    assert kl < text.out.index("| pacgan | 0.06 ± 0.01 |") < modes < text.out.index("| pacgan | 1000 ± 0 |")
    told = json.loads(data.out)
    assert told["others"]["modes"]["rows"]["nsgan"]["published"]["modes"]["mean"] == 99.0
    assert told["claims"][0] == {
        "claim": "packs of two are more even than single samples",
        "published": pytest.approx(1 - 0.06 / 3.40),
        "ours": None,
        "verdict": "not comparable",
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Few samples are measured, and there are digits to train on."""
    monkeypatch.setattr(zero_gp, "Evaluate", lambda **_: Evaluate(every=2, n=100))
    pictures.mnist(tmp_path / "digits")
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_table_is_trained_once_and_shown_in_three_forms(commands: Callable[..., list[Any]], quick: Path) -> None:
    missing, trained, again, shown, other = commands(
        [
            [*WORDS, "--as-is", "--json"],
            [*WORDS, "--json"],
            [*WORDS, "--markdown"],
            [*WORDS],
            [*WORDS[:-2], "--data", "elsewhere"],
        ],
        quick,
    )
    nothing = json.loads(missing.out)
    assert [row["final"] for row in nothing["rows"].values()] == [None, None]
    assert nothing["claims"][0]["verdict"] == "not comparable"
    told = json.loads(trained.out)
    assert told["figure"] == "frechet"
    rows = told["rows"]["mnist-zero-gp-beta5-1k"]
    assert rows["recipe"] == "paper/zero-gp/mnist-zero-gp-beta5-1k"
    assert len(rows["final"]["values"]) == 2
    (claim,) = [each for each in told["claims"] if "no penalty" in each["claim"]]
    assert claim["verdict"] in ("reproduced", "in the same direction", "within the noise", "not reproduced")
    assert again.err == ""  # nothing is trained again
    assert "| mnist-zero-gp-beta5-1k |" in again.out
    assert "standard errors" in shown.out
    assert "elsewhere" in other.refused()
    kept = quick / "runs" / "paper-zero-gp-mnist-none-beta5-1k" / "seed-0" / "settings.json"
    kept.write_text(kept.read_text(encoding="utf-8").replace('"batch_size": 128', '"batch_size": 64'), encoding="utf-8")
    (changed,) = commands([[*WORDS]], quick)
    assert "batch_size" in changed.refused()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rows", "nsgan"], "expected a table with these options, got none: steadygan paper lists them"),
        (
            ["stacked-mnist", "--rows", ","],
            "--rows: expected rows of stacked-mnist, got none: for example --rows n",
        ),
        (["stacked-mnist", "--rows", "nsgan,pacgna"], "unknown row of stacked-mnist 'pacgna': did you mean 'pacgan'?"),
        (["stacked-mnist", "--scale", "medium"], "unknown scale 'medium'"),
        (["stacked-mnist", "--data", "nowhere"], "expected a folder or file of images at 'nowhere', found none"),
        (["sdp-table2", "--rows", "tiny-imagenet-hinge-sdp"], "expected Tiny ImageNet in "),
    ],
)
def test_refused_in_one_line(
    words: list[str], told: str, commands: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    (answer,) = commands([["paper", *words]], tmp_path)
    assert told in answer.refused()
