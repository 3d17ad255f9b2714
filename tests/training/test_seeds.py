"""Several seeds in one program: each leaves what it would leave alone, and goes on alone or together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from several import EXACT, folder, one, records, several, stacked, states
from steadygan.runs import checkpoint
from steadygan.runs.interventions import Intervention, note
from steadygan.runs.run import Run
from steadygan.training.seeds import SIZES, cut, standing
from tiny import assert_same, leaves, networks, said, saved, trainer

FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.r1(0.1)]}


def assert_near(found: Any, expected: Any, within: float = 1e-8) -> None:
    """The same places, types and shapes, the same whole numbers; other numbers within rounding."""
    here, there = dict(leaves(found)), dict(leaves(expected))
    assert here.keys() == there.keys()
    for path, value in there.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            torch.testing.assert_close(here[path], value, rtol=0, atol=within)
        elif isinstance(value, float):
            assert here[path] == pytest.approx(value, rel=1e-6, abs=within), path
        else:
            assert_same(here[path], value)


def without_host(state: Any) -> Any:
    """Torch's global generator, from which nothing in a stack draws, is that of the first seed."""
    return state._replace(random={"run": state.random["run"]})


def files(run: Run) -> set[str]:
    assert run.path is not None
    return {str(path.relative_to(run.path)) for path in run.path.rglob("*") if "events" not in str(path)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run], list[Run]]:
    """Three seeds together, in a folder each, and the same three alone."""
    base = tmp_path_factory.mktemp("seeds")
    made = several(base / "together", **FAR, **EXACT)
    runs = made.fit(150)
    assert stacked(made)
    return base, runs, [one(seed, folder(base / "alone", seed), **FAR, **EXACT).fit(150) for seed in range(3)]


@pytest.mark.parametrize("seed", range(3))
class TestEveryFolderIsALoneRun:
    def test_its_files_settings_and_plan(self, trained: Any, seed: int) -> None:
        _, runs, lone = trained
        run, alone = runs[seed], lone[seed]
        assert run.path.name == f"seed-{seed}"
        assert files(run) == files(alone)
        for name in ("settings.json", "plan.json"):
            here, there = (json.loads((each.path / name).read_text()) for each in (run, alone))
            change = {"executor": "functional", "members": 3, "compile": "off"} if name == "plan.json" else {}
            assert here == {**there, **change}
        assert json.loads((run.path / "settings.json").read_text())["seed"] == seed
        times = [json.loads(line)["iteration"] for line in (run.path / "timing.jsonl").read_text().splitlines()]
        assert times == [record["iteration"] for record in records(run)]

    def test_its_checkpoints(self, trained: Any, seed: int) -> None:
        _, runs, lone = trained
        for path in sorted((lone[seed].path / "checkpoints").iterdir()):
            here = runs[seed].path / "checkpoints" / path.name
            found, expected = (checkpoint.read(each) for each in (here, path))
            assert found.keys() == expected.keys()
            for key in found.keys() - {"state", "plan"}:
                assert_same(found[key], expected[key])
            assert_near(without_host(found["state"]), without_host(expected["state"]))
            assert abs(here.stat().st_size / path.stat().st_size - 1.0) < 0.05  # not all members' weights in each

    def test_its_records(self, trained: Any, seed: int) -> None:
        _, runs, lone = trained
        found, expected = records(runs[seed]), records(lone[seed])
        assert_near(found, expected)
        assert runs[seed].metrics == found
        assert found[-1]["d_loss"] != expected[0].get("d_loss")
        assert [record["iteration"] for record in found] == [0, 20, 40, 50, 60, 80, 100, 120, 140, 150]
        assert (runs[seed].iteration, runs[seed].failure, said(runs[seed])) == (150, None, [])

    def test_it_is_loaded_and_sampled(self, trained: Any, seed: int) -> None:
        _, runs, lone = trained
        for weights in ("ema", "live"):
            loaded = sg.load(runs[seed].path, *networks(7)).sample(20, 5, weights=weights)
            assert torch.equal(loaded, runs[seed].sample(20, 5, weights=weights))
            torch.testing.assert_close(loaded, lone[seed].sample(20, 5, weights=weights), rtol=0, atol=1e-8)
        assert not torch.equal(runs[seed].sample(20), runs[(seed + 1) % 3].sample(20))


def test_a_member_goes_on_alone_and_says_so(tmp_path: Path) -> None:
    several(tmp_path, 2, **FAR, **EXACT).fit(75)
    run = one(1, folder(tmp_path, 1), resume=True, **FAR, **EXACT).fit(150)
    assert run.events == ["not bit-identical: executor: functional then, eager now; members: 2 then, 1 now"]
    assert run.events[0] in (tmp_path / "seed-1" / "log.txt").read_text()
    whole = one(1, tmp_path / "whole", **FAR, **EXACT)
    expected = whole.fit(150)
    assert_near(records(run), records(expected))
    states = (saved(tmp_path / name)["state"] for name in ("seed-1", "whole"))
    assert_near(*map(without_host, states))


def test_lone_runs_go_on_together_and_say_so(tmp_path: Path) -> None:
    for seed in range(2):
        one(seed, folder(tmp_path, seed), **FAR, **EXACT).fit(75)
    made = several(tmp_path, 2, resume=True, **FAR, **EXACT)
    runs = made.fit(150)
    assert stacked(made)
    for seed, run in enumerate(runs):
        assert run.events == ["not bit-identical: executor: eager then, functional now; members: 1 then, 2 now"]
        expected = one(seed, tmp_path / f"whole-{seed}", **FAR, **EXACT).fit(150)
        assert_near(records(run), records(expected))
        assert_near(*(without_host(saved(each.path)["state"]) for each in (run, expected)))


@pytest.mark.parametrize("n", [*range(1, 41), 64, 100])
def test_stacks_are_as_large_as_caches_allow_and_of_equal_size(n: int) -> None:
    members = [object() for _ in range(n)]
    stacks = cut(members)
    sizes = [len(stack) for stack in stacks]
    assert [member for stack in stacks for member in stack] == members
    assert max(sizes) <= 10
    assert max(sizes) - min(sizes) <= 1
    assert n <= 10 or min(sizes) >= 4
    assert (len(sizes) == 1) == (n <= 10)
    if any(n % size == 0 for size in SIZES):
        assert len(set(sizes)) == 1
    assert {16: [8] * 2, 20: [10] * 2, 12: [6] * 2, 11: [5, 6]}.get(n, sizes) == sizes


def test_more_seeds_than_a_stack_holds_keep_their_order() -> None:
    made = several(None, [*range(10, -1, -1)], **EXACT)
    runs = made.fit(5)
    assert [len(session.members) for session in made._stacks] == [5, 6]
    assert [run.settings["seed"] for run in runs] == [*range(10, -1, -1)]
    for seed in (10, 6, 5, 0):
        torch.testing.assert_close(runs[10 - seed].sample(9), one(seed, **EXACT).fit(5).sample(9), rtol=0, atol=1e-10)
    assert [run.iteration for run in made.fit(8)] == [8] * 11


def with_checkpoints(out: Path, *iterations: int, resume: bool = True) -> sg.Trainer:
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    for iteration in iterations:
        (out / "checkpoints" / f"{iteration:09d}.pt").touch()
    (out / "metrics.jsonl").write_text(json.dumps({"iteration": max(iterations, default=0), "final": True}) + "\n")
    return trainer(out, resume=resume)


def test_who_stands_where(tmp_path: Path) -> None:
    a, b, c, d, e = (tmp_path / name for name in "abcde")
    early, late, gone = with_checkpoints(a, 0, 70), with_checkpoints(b, 0, 70, 140), with_checkpoints(c, 0, 70, 140)
    done, new = with_checkpoints(d, 140, 200), with_checkpoints(e)
    assert standing([late, gone], 200) == [[late, gone]]
    assert standing([gone, early, late], 200) == [[gone, early, late]]  # a kill while checkpoints were written
    assert standing([early, done, late], 200) == [[done], [early, late]]
    assert standing([late, new], 200) == [[new], [late]]
    assert standing([done, done], 200) == [[done], [done]]
    begun = with_checkpoints(tmp_path / "i", 0)
    assert standing([begun, new], 200) == [[begun, new]]  # a kill while the first ones were written
    assert standing([begun, early], 200) == [[begun, early]]
    assert standing([begun, new, early], 200) == [[begun, new], [early]]
    back = with_checkpoints(tmp_path / "j", 70)
    note(tmp_path / "j" / "interventions.json", [Intervention(100, 70, "losing", "", "")])
    assert standing([back, early], 200) == [[back], [early]]  # it left the stack
    closing = with_checkpoints(tmp_path / "k", 140, 200)
    (tmp_path / "k" / "metrics.jsonl").unlink()
    assert standing([done, closing], 200) == [[done, closing]]  # a kill while the last records were written
    stopped = with_checkpoints(tmp_path / "f", 0, 20, 70)  # long before the others did
    onward = [with_checkpoints(tmp_path / name, 70, 140, 160) for name in "gh"]
    assert standing([onward[0], stopped, onward[1]], 200) == [[stopped], onward]
    fresh = [with_checkpoints(path, resume=False) for path in (a, b, d)]
    assert standing(fresh, 200) == [fresh]  # what is there is refused later


def test_members_at_different_checkpoints_are_regrouped(tmp_path: Path) -> None:
    """Two stacks that stopped at different times: each goes on together, and ends as if all had gone on at once."""
    whole = several(tmp_path / "whole", 5, **FAR, **EXACT).fit(160)
    cut = tmp_path / "cut"
    several(cut, [0, 2, 4], keep=1, **FAR, **EXACT).fit(75)
    several(cut, [1, 3], keep=1, **FAR, **EXACT).fit(90)
    made = several(cut, 5, resume=True, keep=1, **FAR, **EXACT)
    runs = made.fit(160)
    assert [[t.setup.seed for t in session.members] for session in made._stacks] == [[0, 2, 4], [1, 3]]
    for run, expected in zip(runs, whole, strict=True):
        assert said(run) == []  # executor and members are those of the checkpoint
        assert_near(records(run), records(expected))


def test_finished_runs_are_left_as_they_are(tmp_path: Path) -> None:
    """Members of a stack that was done are opened, not written to, when a further seed is trained."""
    several(tmp_path, 2, **EXACT).fit(100)
    names = ("metrics.jsonl", "settings.json", "plan.json", "checkpoints/000000100.pt")
    before = [[(tmp_path / f"seed-{seed}" / name).read_bytes() for name in names] for seed in range(2)]
    runs = several(tmp_path, 3, resume=True, **EXACT).fit(100)
    assert [run.iteration for run in runs] == [100] * 3
    assert [[(tmp_path / f"seed-{seed}" / name).read_bytes() for name in names] for seed in range(2)] == before
    assert [said(run) for run in runs] == [[], [], []]
    assert_near(records(runs[2]), records(one(2, tmp_path / "whole", **EXACT).fit(100)))


def test_build_is_called_with_the_global_generator_seeded() -> None:
    """Networks built without a thought of seeds are those of the seed, and the host's generator is left alone."""

    def build(seed: int) -> sg.Trainer:
        return trainer(G=nn.Linear(2, 2), D=nn.Linear(2, 1), seed=seed)

    before = torch.get_rng_state()
    first, again = (sg.Seeds(build, [5, 6]) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [[dict(t.setup.G.state_dict()) for t in made.trainers] for made in (first, again)]
    assert_same(weights[0], weights[1])
    assert not torch.equal(weights[0][0]["weight"], weights[0][1]["weight"])


def test_one_seed_is_a_lone_run() -> None:
    made = several(None, 1)
    made.fit(30)
    alone = one(0)
    alone.fit(30)
    assert_same(states(made)[0].networks, alone.session.members[0].state().networks)
    assert (made.reason, made._stacks) == (None, [])
