"""`steadygan figure`: figures are listed, trained where runs are missing, drawn once more from what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
