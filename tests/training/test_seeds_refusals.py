"""What `Seeds` refuses: trainers that differ in more than their seed, seeds and lengths that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from several import EXACT, folder, one, several, stacked
from steadygan.engine.optim import Linear, OptimizerSettings
from steadygan.errors import InputError
from steadygan.types import Method, Opponent, Term
from tiny import assert_same, networks, points, saved

losses, penalties, methods = sg.losses, sg.penalties, sg.methods


class Pull(Method):
    """A part of the user's that is a plain class: every `Pull()` is like the other."""

    name = "pull"

    def d_terms(self, critic, real, fake):
        return {"mean": Term(real.logits.square(), 0.5)}


@pytest.mark.parametrize(
    "settings",
    [
        lambda _: {"method": Pull()},
        lambda _: {"optimizer": lambda parameters, lr: torch.optim.Adamax(parameters, lr)},
        lambda seed: {"D": {"a": Opponent(networks(seed)[1], losses.NonSaturating())}},
    ],
    ids=["a part of a plain class", "an optimiser made anew", "an opponent's default method"],
)
def test_what_is_built_alike_is_alike(settings: Callable[[int], dict[str, Any]]) -> None:
    made = sg.Seeds(lambda seed: one(seed, **EXACT, **settings(seed)), 2)
    runs = made.fit(10)
    assert stacked(made)
    for seed, run in enumerate(runs):
        alone = one(seed, **EXACT, **settings(seed)).fit(10)
        torch.testing.assert_close(run.sample(9), alone.sample(9), rtol=0, atol=1e-10)


def opponent(seed: int, **changes: Any) -> dict[str, Any]:
    return {"D": {"a": replace(Opponent(networks(seed)[1], losses.NonSaturating()), **changes)}}


DIFFERING: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "seed": (lambda _: {"seed": 3}, "expected a different seed for each run, got 3 twice: pass seed=seed to Trainer"),
    "batch size": (lambda seed: {"batch_size": 4 + seed}, "batch_size"),
    "D steps": (lambda seed: {"d_steps": 1 + seed}, "d_steps"),
    "loss": (lambda seed: {"loss": losses.Hinge() if seed else losses.Minimax()}, "loss"),
    "penalty": (lambda seed: {"penalties": [penalties.r1(1.0 + seed)]}, "r1"),
    "one more penalty": (lambda seed: {"penalties": [penalties.r1(1.0)] * seed}, "r1"),
    "method": (lambda seed: {"method": methods.FakeAsReal(1 + seed)}, "method"),
    "opponents": (lambda seed: {"D": {f"d{seed}": Opponent(networks(seed)[1], losses.Hinge())}}, "opponents"),
    "weight": (lambda seed: opponent(seed, weight=1.0 + seed), "weight"),
    "constraint": (lambda seed: {"constraint": penalties.WeightClipping(0.1 + seed)}, "constraint"),
    "rate of G": (lambda seed: {"lr_g": 0.1 + seed, "lr_d": 0.1}, "lr_g"),
    "rate of D": (lambda seed: {"lr_d": 0.1 + seed}, "lr_d"),
    "optimiser": (lambda seed: {"optimizer": OptimizerSettings("sgd", momentum=0.1 * seed)}, "optimizer"),
    "schedule": (lambda seed: {"schedule": Linear(start=0.1 + 0.1 * seed), "horizon": 9}, "schedule"),
    "horizon": (lambda seed: {"schedule": Linear(start=0.1), "horizon": 9 + seed}, "horizon"),
    "threads": (lambda seed: {"threads": 1 + seed}, "threads"),
    "compile": (lambda seed: {"compile": "auto" if seed else "off"}, "compile"),
    "average": (lambda seed: {"ema": 0.5 + 0.1 * seed}, "ema"),
    "data": (lambda seed: {"data": points(50 + seed)}, "data"),
    "dtype": (lambda seed: {"dtype": torch.float64 if seed else torch.float32}, "dtype"),
    "rhythm": (lambda seed: {"log_every": 10 + seed}, "rhythm"),
    "evaluation": (lambda seed: {"evaluate_n": 100 + seed}, "evaluate_n"),
    "resume": (lambda seed: {"resume": bool(seed)}, "resume"),
    "latent size": (lambda seed: {"latent_dim": 2 + seed, "G": nn.Linear(2 + seed, 2)}, "latent_dim"),
}


@pytest.mark.parametrize("name", DIFFERING)
def test_trainers_that_differ_in_more_than_their_seed(name: str) -> None:
    settings, told = DIFFERING[name]
    with pytest.raises(InputError) as error:
        several(None, 2, lambda seed, out: one(**{"seed": seed, "out": out, **settings(seed)}))
    message = str(error.value)
    assert "\n" not in message
    assert told in message
    assert message.startswith("expected ")
    assert "build them" in message or name == "seed"


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (0, "seeds must be a whole number of 1 or more, not 0"),
        (True, "seeds must be a whole number of 1 or more, not True"),
        ([0, -1], "seed must be a whole number of 0 or more, not -1"),
        ([0, 1.5], "seed must be a whole number of 0 or more, not 1.5"),
        ([2, 0, 2], "expected a different seed for each run, got 2 twice"),
        ([], "seed"),
    ],
    ids=repr,
)
def test_seeds_that_make_no_sense(seeds: Any, told: str) -> None:
    with pytest.raises(InputError) as error:
        several(None, seeds)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("iterations", [-1, 2.5, True, "5"], ids=repr)
def test_iterations_that_make_no_sense(iterations: Any) -> None:
    with pytest.raises(InputError, match="iterations must be a whole number of 0 or more, not"):
        several(None, 2).fit(iterations)


def test_folders_that_hold_a_run_are_refused(tmp_path: Path) -> None:
    one(1, folder(tmp_path, 1)).fit(5)
    before = saved(tmp_path / "seed-1")["state"]
    with pytest.raises(InputError, match=r"seed-1 already holds a run: continue it with --resume"):
        several(tmp_path, 2).fit(10)
    assert_same(saved(tmp_path / "seed-1")["state"], before)
    assert not (tmp_path / "seed-0" / "checkpoints").exists()


def test_networks_that_two_seeds_share() -> None:
    """Each would train what the other trains."""
    networks_of = {seed: networks(seed) for seed in range(3)}

    def make(seed: int, out: Path | None, shared: str = "") -> sg.Trainer:
        first, own = networks_of[0], networks_of[seed]
        G, D = (first[0] if shared == "G" else own[0]), (first[1] if shared == "D" else own[1])
        return one(seed, out, G=G, D=D)

    assert stacked_after(several(None, 3, make))
    for name in ("G", "D"):
        told = f"expected separate networks for each seed, got one {name} for seeds 0 and 1: create them inside build"
        with pytest.raises(InputError, match=told):
            several(None, 3, make, shared=name)


def stacked_after(made: sg.Seeds) -> bool:
    made.fit(2)
    return stacked(made)


def test_folders_that_two_seeds_share(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a folder for each seed, got .* twice: make out depend on the seed"):
        several(None, 2, lambda seed, **_: one(seed, tmp_path / "same"))
    with pytest.raises(InputError, match=r"expected a folder for each seed or for none, got some without"):
        several(None, 2, lambda seed, **_: one(seed, tmp_path / "some" if seed else None))
    assert list(tmp_path.iterdir()) == []
