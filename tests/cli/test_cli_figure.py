"""`steadygan figure`: figures are listed, trained where runs are missing, drawn once more from what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steadygan.config.optimisation import Evaluate
from steadygan.recipes import RECIPES

WORDS = ("figure", "fargan-supplement-1", "--scale", "small", "--iterations", "4")


def test_figures_are_listed_without_torch(torchless: Callable[..., list[Any]], tmp_path: Path) -> None:
    listed, plain, nearest, row, scale = torchless(
        [
            ["figure", "--list"],
            ["figure"],
            ["figure", "fargan-71"],
            ["figure", "fargan-1", "--rows", "paper/fargan/gaussian-fa"],
            ["figure", "fargan-1", "--scale", "tiny"],
        ],
        tmp_path,
    )
    assert listed.code == 0
    assert listed.out == plain.out
    for name in ("fargan-1 ", "fargan-supplement-4", "zero-gp-8", "sdp-4", "dual-2"):
        assert name in listed.out
    assert "did you mean 'fargan-7'?" in nearest.refused()
    assert "did you mean 'paper/fargan/gaussian-far'?" in row.refused()
    assert "unknown scale 'tiny'" in scale.refused()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure's recipes measure few samples, often."""
    for name in ("grid25-far", "swissroll-far"):
        recipe = RECIPES[f"paper/fargan/{name}"]
        rhythm: Any = {"evaluate": Evaluate(every=2, n=100), "log_every": 2, "checkpoint_every": 2}
        short = partial(replace, RECIPES[recipe.name](scale="small"), **rhythm)
        monkeypatch.setitem(RECIPES._entries, recipe.name, replace(recipe, small=short))


def test_a_figure_is_trained_once_and_drawn_again(
    commands: Callable[..., list[Any]], quick: None, tmp_path: Path
) -> None:
    missing, one, drawn, again = commands(
        [
            [*WORDS, "--as-is"],
            [*WORDS, "--rows", "paper/fargan/grid25-far"],
            [*WORDS, "--json"],
            [*WORDS, "--as-is"],
        ],
        tmp_path,
    )
    assert "found none that can be read: train the run to its end" in missing.refused()
    assert one.code == 0
    told = json.loads(drawn.out)
    assert told["seeds"] == 1
    assert [Path(path).name for path in told["files"]] == [
        f"fargan-supplement-1-small.{ending}" for ending in ("png", "pdf", "npz")
    ]
    assert all((tmp_path / path).stat().st_size for path in told["files"])
    assert "both are covered evenly" in again.out


def test_the_field_of_a_run(commands: Callable[..., list[Any]], tmp_path: Path) -> None:
    words = ["evaluate.every=2", "evaluate.n=100", "log_every=2", "threads=1"]
    trained, drawn, elsewhere, word, none, nowhere, other = commands(
        [
            ["train", "ring8/nsgan", "--iterations", "4", "--out", "run", *words],
            ["figure", "field", "run", "--at", "0, 4"],
            ["figure", "field", "run", "--out", "there", "--json"],
            ["figure", "field", "run", "--at", "0,later"],
            ["figure", "field"],
            ["figure", "field", "nowhere"],
            ["figure", "fargan-1", "run"],
        ],
        tmp_path,
    )
    assert (trained.code, drawn.code, elsewhere.code) == (0, 0, 0)
    with np.load(tmp_path / "run" / "field.npz") as arrays:
        assert arrays["iterations"].tolist() == [0, 4]
        assert arrays["4: slope"].shape == (20, 20, 2)
    assert [Path(path).name for path in json.loads(elsewhere.out)["files"]] == ["field.png", "field.pdf", "field.npz"]
    assert (tmp_path / "there" / "field.pdf").exists()
    assert "got 'later': write --at 0,2000" in word.refused()
    assert "expected the folder of a run after 'figure field'" in none.refused()
    assert "found no such folder" in nowhere.refused()
    assert "with 'figure field' and 'figure evolution' alone" in other.refused()


def test_the_evolution_of_a_run(commands: Callable[..., list[Any]], tmp_path: Path) -> None:
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"iteration": 0}\n')
    for i in (0, 100):
        np.savez(tmp_path / "run" / "samples" / f"{i:09d}.npz", points=np.random.default_rng(i).normal(size=(9, 2)))
    drawn, elsewhere, at, none = commands(
        [
            ["figure", "evolution", "run"],
            ["figure", "evolution", "run", "--out", "there", "--json"],
            ["figure", "evolution", "run", "--at", "0"],
            ["figure", "evolution"],
        ],
        tmp_path,
    )
    assert drawn.out.splitlines()[:2] == ["evolution of run", "run/evolution.gif"]
    assert json.loads(elsewhere.out)["files"][0] == "there/evolution.gif"
    assert (tmp_path / "there" / "evolution.gif").read_bytes()[:6] == b"GIF89a"
    assert "expected no --at with 'figure evolution'" in at.refused()
    assert "expected the folder of a run after 'figure evolution'" in none.refused()


def test_a_gallery_of_drawn_figures(commands: Callable[..., list[Any]], quick: None, tmp_path: Path) -> None:
    nothing, drawn, told, page = commands(
        [
            ["figure", "--gallery", "runs/figures"],
            [*WORDS],
            ["figure", "--gallery", "runs/figures", "--json"],
            ["figure", "--gallery", "runs/figures"],
        ],
        tmp_path,
    )
    assert "expected a folder of drawn figures at 'runs/figures'" in nothing.refused()
    assert drawn.code == 0
    assert json.loads(told.out)["figures"] == ["fargan-supplement-1-small"]
    assert "gallery.html, with 1 figure\n" in page.out
    text = (tmp_path / "runs" / "figures" / "gallery.html").read_text(encoding="utf-8")
    assert "both are covered evenly" in text
