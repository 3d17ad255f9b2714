"""A seed whose term is not finite is dumped and stops; the others never hear of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_nonfinite import dumped
from torch import Tensor, nn

import steadygan as sg
from several import FIFTH, Make, normalised, records, several, stacked, states, written
from steadygan.errors import NonFiniteError
from steadygan.types import Batch, Method, Term, critic
from tiny import Spread, assert_same, built, differs, saved, small_d, small_g, trainer, weights

FAR = {"penalties": [sg.penalties.r1(0.1)], **FIFTH}
NEVER = -1
pytestmark = pytest.mark.usefixtures("short_blocks")


class Marked(nn.Module):
    """A discriminator that knows at which iteration its seed comes to grief."""

    def __init__(self, mark: int) -> None:
        super().__init__()
        self.network = small_d()
        self.register_buffer("mark", torch.tensor(float(mark)))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.network(x), {"mark": self.mark.expand(x.shape[0])}


@dataclass(frozen=True)
class Fuse(Method):
    """NaN in the step of D, or of G, of the iteration that the critic is marked with."""

    player: str = "g"
    now: Tensor | int = 0

    name = "fuse"

    def at(self, now):
        return replace(self, now=now.iteration)

    def terms(self, player, fake):
        mark = fake.features["mark"]
        return {"fuse": Term(torch.where(mark == self.now, nan, 0.0))} if player == self.player else {}

    def d_terms(self, critic, real, fake):
        return self.terms("d", fake)

    def g_terms(self, critic, real, fake):
        return self.terms("g", fake)


def marked(*marks: int, player: str = "g", **more: Any) -> Make:
    """Seeds that come to grief at these iterations."""

    def make(seed: int, out: Path | None, **settings: Any) -> sg.Trainer:
        G, D = built(seed, small_g, partial(Marked, marks[seed]))
        own = {"G": G, "D": D, "seed": seed, "method": Fuse(player), "optimizer": sgd}
        return trainer(out, **{**own, **FAR, **more, **settings})

    return make


def sgd(parameters: Any, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr, momentum=0.5)


def trained(out: Path | None, *marks: int, until: int = 32, **more: Any) -> tuple[sg.Seeds, list[Any]]:
    made = several(out, len(marks), marked(*marks, **more))
    runs = made.fit(until)
    assert stacked(made)
    return made, runs


def without_marks(state: Any) -> Any:
    D = {key: value for key, value in state.networks["D"].items() if key != "mark"}
    return state._replace(networks={**state.networks, "D": D})


def assert_undisturbed(here: sg.Seeds, there: sg.Seeds, seeds: Sequence[int]) -> None:
    """To the last bit, in memory and on disk."""
    for seed in seeds:
        assert_same(without_marks(states(here)[seed]), without_marks(states(there)[seed]))
        ours, theirs = (made.trainers[seed].out for made in (here, there))
        assert (ours / "metrics.jsonl").read_text() == (theirs / "metrics.jsonl").read_text()
        assert_same(without_marks(saved(ours)["state"]), without_marks(saved(theirs)["state"]))
        assert list(ours.glob("non_finite_*")) == []


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], sg.Seeds]:
    """Three seeds of which none comes to grief, by the player that would."""
    base = tmp_path_factory.mktemp("wholes")
    return cache(lambda player: trained(base / player / "whole", NEVER, NEVER, NEVER, player=player)[0])


@pytest.mark.parametrize(("player", "iteration"), [("d", 0), ("g", 7), ("d", 14), ("g", 19), ("d", 31)])
def test_one_stops_and_the_others_end_as_without_it(
    tmp_path: Path, player: str, iteration: int, wholes: Callable[[str], sg.Seeds]
) -> None:
    whole = wholes(player)
    made, runs = trained(tmp_path / "hurt", NEVER, iteration, NEVER, player=player)
    out = tmp_path / "hurt" / "seed-1"
    good = max(i for i in (0, 14, 28) if i <= iteration)
    failure = runs[1].failure
    assert isinstance(failure, NonFiniteError)
    assert str(failure).startswith(f"term {player}/D/method/fuse was nan at iteration {iteration} (|grad D| = ")
    assert str(failure).endswith(
        f"batch and networks are in {out}/non_finite_{iteration:09d}.pt; last good checkpoint: "
        f"{out}/checkpoints/{good:09d}.pt; lower the learning rates or raise the penalty"
    )
    assert "\n" not in str(failure)
    assert str(failure).removesuffix("; lower the learning rates or raise the penalty") in (out / "log.txt").read_text()
    assert [run.failure for run in (runs[0], runs[2])] == [None, None]
    assert [run.iteration for run in (runs[0], runs[2])] == [32, 32]
    assert iteration < runs[1].iteration <= iteration + 4  # where it was noticed
    assert runs[1].metrics == [r for r in whole_records(whole, 1) if r["iteration"] <= iteration]
    assert records(out) == runs[1].metrics
    assert_undisturbed(made, whole, (0, 2))


def whole_records(whole: sg.Seeds, seed: int) -> list[dict[str, Any]]:
    return [record for record in records(whole.trainers[seed].out) if not record.get("final")]


def test_the_first_one_may_be_the_one_and_a_later_fit_goes_on(
    tmp_path: Path, wholes: Callable[[str], sg.Seeds]
) -> None:
    whole = wholes("g")
    made = several(tmp_path / "hurt", 3, marked(7, NEVER, NEVER))
    first = [(run.iteration, str(run.failure)) for run in made.fit(20)]
    runs = made.fit(32)
    assert stacked(made)
    assert (runs[0].iteration, str(runs[0].failure)) == first[0] == (8, first[0][1])
    assert "was nan at iteration 7 " in first[0][1]
    assert [run.iteration for run in runs[1:]] == [32, 32]
    assert_undisturbed(made, whole, (1, 2))


def test_one_that_stopped_is_left_alone(tmp_path: Path) -> None:
    """Nothing more is written of it, and its networks stay as they were when it stopped."""
    seen: list[Any] = []
    beside: dict[int, int] = {}  # a progress bar counts the runs that are left

    def look(run: Any, iteration: int, record: Any) -> None:
        beside[iteration] = run.beside
        if iteration in (12, 24):
            seen.append((written(tmp_path / "seed-1"), weights(*made.trainers[1].setup.networks)))

    made = several(tmp_path, 2, marked(NEVER, 7, callbacks=[look]))
    run = made.fit(32)[1]
    seen.append((written(tmp_path / "seed-1"), weights(run.G_live, run.D)))
    assert (beside[4], beside[12], len(seen)) == (2, 1, 3)
    for files, networks in seen:
        assert files == seen[0][0]
        assert_same(networks, seen[0][1])
    before, _ = trained(None, NEVER, 7, until=7)
    assert differs(seen[0][1][0], states(before)[1].networks["G"])


@pytest.mark.parametrize("player", ["d", "g"])
def test_the_dump_is_the_members_own_step(tmp_path: Path, player: str) -> None:
    """Its batch, with its networks, gives the bad term again; gradient norms are those of that step alone."""
    trained(tmp_path, NEVER, 7, NEVER, player=player, d_steps=2)
    dump = dumped(tmp_path / "seed-1")
    before, _ = trained(None, NEVER, 7, NEVER, until=7, player=player, d_steps=2)
    assert_same(dump["networks_before"], states(before)[1].networks)
    assert (dump["iteration"], dump["term"]) == (7, f"{player}/D/method/fuse")
    draw = before._stacks[0].members[1].draws.block(0)[7]
    assert_same(dump["z"], [step.z for step in draw.d])
    assert_same(dump["real"], [step.real.x for step in draw.d])
    assert_same(dump["z_g"], draw.g.z)
    G, D = small_g(), Marked(NEVER)
    G.load_state_dict(dump["networks_before"]["G"])
    D.load_state_dict(dump["networks_before"]["D"])
    for fake, z in zip(dump["fake"], dump["z"], strict=True):
        torch.testing.assert_close(fake, G(z).detach(), rtol=0, atol=1e-6)
    fuse = Fuse(player, torch.tensor(dump["iteration"]))
    assert fuse.terms(player, critic(D).score(Batch(dump["fake"][0])))["fuse"].value.isnan().all()
    assert [key for key, value in dump["terms"][-1].items() if isnan(value)] == [dump["term"]]
    lone = marked(NEVER, 7, NEVER, player=player, d_steps=2)(1, tmp_path / "alone")
    with pytest.raises(NonFiniteError):
        lone.fit(32)
    expected = dumped(tmp_path / "alone")
    assert expected.keys() == dump.keys()
    assert dump["gradient_norms"] == pytest.approx(expected["gradient_norms"], rel=1e-3)
    for ours, theirs in zip(dump["terms"], expected["terms"], strict=False):
        assert ours == pytest.approx(theirs, rel=1e-3, nan_ok=True)


def test_an_overflow_of_its_own_making(tmp_path: Path) -> None:
    """One seed's first weights are so large that its loss overflows: the dumped batch does it again."""

    def make(seed: int, out: Path | None) -> sg.Trainer:
        G, D = built(seed, small_g, small_d)
        if seed == 1:
            with torch.no_grad():
                D[2].bias.fill_(1e38)
        return trainer(out, G=G, D=D, seed=seed, **FIFTH)

    made = several(tmp_path, 3, make)
    runs = made.fit(12)
    assert stacked(made)
    assert [run.failure is None for run in runs] == [True, False, True]
    assert "term d/D/loss was inf at iteration 0 " in str(runs[1].failure)
    dump = dumped(tmp_path / "seed-1")
    D = small_d()
    D.load_state_dict(dump["networks_before"]["D"])
    assert (F.softplus(-D(dump["real"][0])).mean() + F.softplus(D(dump["fake"][0])).mean()).item() == inf


def test_one_whose_samples_cannot_be_measured_stops_alone(tmp_path: Path) -> None:
    """Its evaluator says so, at iteration 10 or at the very end."""

    class Fails(Spread):
        calls = 0

        def __call__(self, samples: Tensor) -> dict[str, float]:
            self.calls += 1
            if self.calls == self.last:
                raise NonFiniteError("the samples are not finite")
            return super().__call__(samples)

        def __init__(self, last: int) -> None:
            self.last = last

    whole, _ = trained(tmp_path / "whole", NEVER, NEVER, NEVER)
    for call, iteration in ((2, 10), (5, 32)):  # calls at 0, 10, 20, 30 and 32

        def make(seed: int, out: Path | None, call: int = call) -> sg.Trainer:
            return marked(NEVER, NEVER, NEVER, evaluator=Fails(call if seed == 1 else NEVER))(seed, out)

        made = several(tmp_path / f"{iteration}", 3, make)
        runs = made.fit(32)
        assert stacked(made)
        assert str(runs[1].failure).startswith(f"iteration {iteration}: the samples are not finite; last good checkpoi")
        assert [run.iteration for run in runs] == [32, iteration, 32]
        assert [run.failure for run in (runs[0], runs[2])] == [None, None]
        assert_undisturbed(made, whole, (0, 2))
        assert f"iteration {iteration}: the samples are not finite;" in (runs[1].path / "log.txt").read_text()


def test_several_in_one_segment_and_all_at_last(tmp_path: Path) -> None:
    made, runs = trained(tmp_path, 7, 6, 18)
    for run, iteration in zip(runs, (7, 6, 18), strict=True):
        assert f"was nan at iteration {iteration} (" in str(run.failure)
        assert run.iteration <= 20
        dump = dumped(run.path)
        before, _ = trained(None, 7, 6, 18, until=iteration)
        assert_same(dump["networks_before"], states(before)[run.settings["seed"]].networks)
    assert made._stacks[0].iteration <= 20  # nobody is left to train for


def test_resumed_it_meets_it_again_and_the_others_are_the_same(tmp_path: Path) -> None:
    trained(tmp_path / "whole", NEVER, NEVER)
    _, first = trained(tmp_path / "hurt", NEVER, 18, until=22)
    made = several(tmp_path / "hurt", 2, marked(NEVER, 18), resume=True)
    runs = made.fit(32)
    assert str(runs[1].failure) == str(first[1].failure)
    assert runs[0].iteration == 32
    whole = tmp_path / "whole" / "seed-0"
    assert records(runs[0].path) == records(whole)
    assert_same(*(without_marks(saved(path)["state"]) for path in (runs[0].path, whole)))


def test_a_seed_that_is_trained_alone_stops_alone(tmp_path: Path) -> None:
    made = several(tmp_path, 2, marked(7, NEVER, optimizer=normalised))
    runs = made.fit(12)
    assert made.reason is not None
    assert "was nan at iteration 7 " in str(runs[0].failure)
    assert [run.iteration for run in runs] == [8, 12]
