"""Seeds that cannot be members of a stack are trained one after the other, exactly as alone, and it is said why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import batch_norm, dropout, pair, partly_trained
from torch import Tensor, nn

import steadygan as sg
from images import images
from several import EXACT, FIFTH, folder, normalised, one, records, several, stacked
from steadygan.engine.optim import OptimizerSettings
from steadygan.errors import InputError
from steadygan.types import Constraint, Method, Opponent, Term
from tiny import assert_same, built, networks, said, saved, small_d, small_g, trainer


class Host(Method):
    """A part of the user's own that looks at numbers on the host, in G's step: D's step is done by then."""

    name = "host"

    def g_terms(self, critic, real, fake):
        return {"host": Term(fake.logits.square() * float(fake.logits.detach().abs().max()))}


class Random(Method):
    """A part that draws from torch's global generator."""

    name = "random"

    def d_terms(self, critic, real, fake):
        return {"random": Term(fake.logits * torch.rand_like(fake.logits))}


class Rebound(Constraint):
    """A constraint that replaces parameters, where the others change them in place."""

    def after_d_step(self, network: Any, parameters: Any) -> None:
        for p in parameters:
            p.data = p.data.clamp(-0.05, 0.05)


class Head(nn.Module):
    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk, self.last = trunk, nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.trunk(x)))


def dual(seed: int) -> dict[str, Any]:
    """Two opponents with a layer in common."""
    trunk, G = built(seed, lambda: nn.Linear(2, 5), small_g)
    first, second = built(seed + 9, lambda: Head(trunk), lambda: Head(trunk))
    loss = sg.losses.NonSaturating()
    return {"G": G, "D": {"a": Opponent(first, loss), "b": Opponent(second, loss, weight=0.5)}}


class Counting(nn.Module):
    """A discriminator that counts its calls in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.calls = small_d(), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.network(x)


def slope(seed: int) -> nn.Module:
    """Networks that differ in a number that is no weight."""
    return nn.Sequential(nn.Linear(2, 5), nn.LeakyReLU(0.1 * (1 + seed)), nn.Linear(5, 1))


DECAY = OptimizerSettings(weight_decay=0.1)
CASES: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "dropout": (lambda _: pair(dropout), "G draws random numbers in its forward"),
    "batch norm": (lambda _: pair(batch_norm), "G changes its buffer 1."),
    "Python state": (lambda seed: {"D": built(seed, Counting)[0]}, "D holds Python state: its forward changes the"),
    "numbers that differ": (lambda seed: {"D": built(seed, lambda: slope(seed))[0]}, "'negative_slope' of 1"),
    "an optimiser that mixes": (lambda _: {"optimizer": normalised}, "the optimiser Normed mixes the entries"),
    "a latent from nowhere": (
        lambda _: {"latent": lambda n, _: torch.randn(n, 2, dtype=torch.float64), "latent_dim": None},
        "latent draws from torch's global generator",
    ),
    "a part on the host": (lambda _: {"method": Host()}, "a step of all seeds at once fails (vmap"),
    "a part that draws": (lambda _: {"method": Random()}, "a step of all seeds at once fails (vmap"),
    "a constraint that replaces": (lambda _: {"constraint": Rebound()}, "a constraint replaced parameters"),
    "a parameter without a slope": (lambda _: {**partly_trained(), "optimizer": DECAY}, "takes no part in its output"),
    "a layer of two opponents": (dual, "share parameters"),
}


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate parameters")
@pytest.mark.parametrize("name", CASES)
def test_each_is_the_lone_run_of_its_seed(tmp_path: Path, name: str) -> None:
    """Bit for bit: whatever was tried before, a step of all of them included, has left no trace."""
    settings, reason = CASES[name]

    def make(seed: int, out: Path | None, **more: Any) -> sg.Trainer:
        return one(seed, out, **settings(seed), **EXACT, **FIFTH, **more)

    made = several(tmp_path / "together", 2, make)
    runs = made.fit(11)
    assert reason in (made.reason or "")
    assert "\n" not in (made.reason or "")
    for seed, run in enumerate(runs):
        alone = make(seed, folder(tmp_path / "alone", seed)).fit(11)
        assert records(run) == records(alone)
        assert_same(saved(run.path), saved(alone.path))
        assert_same(dict(run.G_live.state_dict()), dict(alone.G_live.state_dict()))
    if name == "a latent from nowhere":  # a lone run of it cannot go on exactly either
        return
    again = several(tmp_path / "together", 2, make, resume=True).fit(18)
    for seed, run in enumerate(again):
        assert said(run) == []
        assert records(run) == records(make(seed, folder(tmp_path / "longer", seed)).fit(18))


def test_convolutional_networks_are_trained_one_after_the_other(tmp_path: Path) -> None:
    order: list[tuple[int, int]] = []

    def make(seed: int, out: Path | None) -> sg.Trainer:
        return images(out, seed=seed, callbacks=[lambda run, i, _: order.append((run.settings["seed"], i))])

    made = several(tmp_path, 2, make)
    assert made.reason == "convolutional networks train faster one after the other on a CPU"
    runs = made.fit(20)
    assert order == [(0, 0), (0, 20), (0, 20), (1, 0), (1, 20), (1, 20)]
    assert [run.beside for run in runs] == [1, 1]
    for seed, run in enumerate(runs):
        alone = images(tmp_path / "alone" / str(seed), seed=seed).fit(20)
        assert_same(saved(run.path), saved(alone.path))
        assert records(run) == records(alone)
        assert f"one seed after the other: {made.reason}" in (run.path / "log.txt").read_text()


def test_side_by_side_seeds_tick_by_turns() -> None:
    """What a progress bar counts: all seeds of a stack at one iteration, then all of them at the next."""
    order: list[tuple[int, int, int]] = []

    def make(seed: int, out: Path | None) -> sg.Trainer:
        return one(seed, callbacks=[lambda run, i, _: order.append((run.settings["seed"], i, run.beside))])

    made = several(
        None,
        3,
        make,
    )
    runs = made.fit(40)
    assert stacked(made)
    assert order == [(seed, i, 3) for i in (0, 20, 40, 40) for seed in range(3)]
    assert all(run.iterations_per_second > 0 and run.wall_time > 0 for run in runs)


def test_wrong_shapes_are_told_as_ever(tmp_path: Path) -> None:
    def make(seed: int, out: Path | None) -> sg.Trainer:
        return trainer(out, G=nn.Linear(2, 3), D=nn.Linear(3, 1), seed=seed)

    with pytest.raises(InputError, match=r"the generator must return samples of shape \(2,\), like the data, but"):
        several(tmp_path, 2, make).fit(10)
    assert not any(tmp_path.rglob("*.pt"))


def test_seeds_leave_modes_flags_and_the_host_as_they_were() -> None:
    def make(seed: int, out: Path | None) -> sg.Trainer:
        G, D = networks(seed)
        G[0].bias.requires_grad_(False)
        D[1].eval()
        return trainer(G=G, D=D, seed=seed)

    torch.manual_seed(7)
    before = torch.get_rng_state(), torch.get_num_threads()
    made = several(None, 2, make)
    runs = made.fit(20)
    assert stacked(made)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    for run in runs:
        flags = [name for name, p in (*run.G_live.named_parameters(),) if not p.requires_grad]
        assert flags == ["0.bias"]
        assert all(p.requires_grad and p.grad is None for p in run.D.parameters())
        assert [part.training for part in run.D] == [True, False, True]


def test_one_that_ends_early_tells_its_reason_once(tmp_path: Path) -> None:
    """Found out only when a step of all of them is tried: nothing of the attempt is left in the folders."""
    made = several(tmp_path, 2, method=Host())
    assert made.reason is None
    runs = made.fit(10)
    assert made.reason is not None
    assert made.reason.startswith("a step of all seeds at once fails (vmap")
    for run in runs:
        assert run.path is not None
        log = (run.path / "log.txt").read_text()
        assert log.count("started at iteration 0") == 1
        assert "executor eager, members 1" in log
