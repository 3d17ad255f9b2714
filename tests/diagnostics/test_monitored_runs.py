"""The harness of runs that the collapse monitor is judged by: the truth that it tells, its kinds, what it keeps."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import steadygan as sg
from steadygan.data import Source
from steadygan.data.build import built

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module


@pytest.fixture
def truth(benchmark: Any) -> Any:
    return benchmark("monitored_truth")


def on_line(*numbers: float) -> Tensor:
    return torch.tensor(numbers).unsqueeze(1)


def test_truth_of_a_few_points(truth: Any) -> None:
    """Shares 1/2, 1/4, 1/4 of four modes: exp(H) = 2 sqrt 2; one fake counts nowhere; two of three reals are near."""
    mode = torch.tensor([0, 0, 1, 2, truth.NOWHERE])
    real, radius = on_line(0.0, 1.0, 9.0), torch.tensor([0.1, 0.5, 1.0])
    found = truth.truth(mode, 4.0, on_line(0.1, 0.2, 0.6, 5.0, 3.0), real, radius.double() + 1e-6)
    assert found["evenness"] == pytest.approx(2 * math.sqrt(2) / 4)
    assert found["quality"] == pytest.approx(4 / 5)
    assert found["coverage"] == pytest.approx(2 / 3)


def test_a_fake_at_the_edge_is_near_and_one_behind_it_is_not(truth: Any) -> None:
    real, radius, mode = on_line(0.0, 4.0), torch.tensor([1.0, 0.5]), torch.tensor([0, 0])
    assert truth.truth(mode, 1.0, on_line(1.0, 4.75), real, radius)["coverage"] == 0.5


def test_fakes_that_are_not_finite_count_nowhere(truth: Any) -> None:
    real, radius = on_line(0.0), torch.tensor([1.0])
    lost = on_line(math.nan, math.inf)
    assert truth.truth(torch.tensor([0, 1]), 2.0, lost, real, radius) == {
        "evenness": 0.0,
        "quality": 0.0,
        "coverage": 0.0,
    }
    found = truth.truth(torch.tensor([0, 1]), 2.0, on_line(math.nan, 0.5), real, radius)
    assert found == {"evenness": 0.5, "quality": 0.5, "coverage": 1.0}


@pytest.mark.parametrize("dim", [2, 8])
def test_the_nearest_of_others_by_tree_and_by_all_pairs(truth: Any, dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, among = torch.randn(20, dim, generator=generator), torch.randn(30, dim, generator=generator)
    wanted = torch.linalg.vector_norm((x[:, None] - among).double(), dim=2).amin(1)
    assert torch.allclose(truth.nearest(x, among).double(), wanted, rtol=1e-6)


def test_modes_of_the_ring(truth: Any) -> None:
    """Fakes on two of eight modes, a third of them off: evenness 1/4, quality 2/3."""
    source = built("ring8")
    ground = truth.ground_of(source)
    assert source.centres is not None
    on = source.centres[:2].repeat(100, 1)
    found = ground.truth(torch.cat([on, torch.zeros(100, 2)]))
    assert found["evenness"] == pytest.approx(0.25)
    assert found["quality"] == pytest.approx(2 / 3)
    assert found["coverage"] < 0.25
    assert ground.known == 8


def test_fresh_reals_are_even_and_everywhere(truth: Any) -> None:
    """With modes, without any, and of classes: what a perfect generator gets."""
    for name in ("ring8", "swissroll", "digits"):
        source = built(name)
        found = truth.ground_of(source).of_reals(source)
        assert found["evenness"] == pytest.approx(1.0, abs=0.05)
        assert found["coverage"] > 0.9
        assert found["quality"] > 0.95


def test_one_point_fills_one_cell(truth: Any) -> None:
    ground = truth.ground_of(built("swissroll"))
    found = ground.truth(torch.zeros(50, 2))
    assert found["evenness"] == pytest.approx(1 / ground.modes)
    assert ground.known is None


def test_classes_that_were_asked_for(truth: Any) -> None:
    source = built("ring8")
    assert source.centres is not None
    found = truth.ground_of(source).truth(source.centres, torch.tensor([0, 1, 2, 3, 0, 0, 0, 0]))
    assert found["agreement"] == 0.5


def test_kinds(benchmark: Any) -> None:
    """Enough of both sorts, in all groups; each name once, in the table; what happens does so before the end."""
    module = benchmark("monitored_kinds")
    kinds = module.kinds()
    names = [kind.name for kind in kinds]
    assert len({*names}) == len(names)
    assert sum(kind.failing for kind in kinds) >= 32
    assert sum(not kind.failing for kind in kinds) >= 17
    assert {kind.group for kind in kinds} == {"shock", "poison", "settings", "network", "data", "healthy"}
    lines = module.table().splitlines()
    assert [line.split()[0] for line in lines] == ["kind", *names]
    for kind in kinds:
        every = int(kind.rhythm[0].removeprefix("log_every="))
        assert kind.iterations % every == 0
        assert all(0 <= at < kind.iterations for at in (kind.fault, kind.change_at) if at is not None)


def test_what_is_kept(benchmark: Any, tmp_path: Path) -> None:
    """A tiny kind: every look before anything is done to it, the first included; it is not trained again."""
    module, runs = benchmark("monitored_kinds"), benchmark("monitored_runs")
    faults = benchmark("monitored_faults")

    def zeroed(run: sg.Run) -> None:
        for parameter in run.G_live.parameters():
            parameter.zero_()

    kind = module.Kind(
        "tiny", "shock", "ring8/r1", 20, ("log_every=10", "evaluate.every=20", "compile=off", "generator.depth=1"),
        lambda made: faults.at(made, 10, zeroed), fault=10, seeds=2,
    )  # fmt: skip
    assert runs.write(kind, tmp_path).startswith("tiny (failing)")
    told = json.loads((tmp_path / "tiny" / "runs.json").read_text())
    assert told["fault"] == 10
    assert told["modes"] == 8
    (first, second) = told["runs"]
    assert [record["iteration"] for record in first["records"]] == first["truth"]["iteration"] == [0, 10, 20]
    assert len(first["truth"]["average"]["coverage"]) == 3
    with np.load(tmp_path / "tiny" / "seed-1.npz") as kept:
        assert kept["live"].shape == kept["average"].shape == (3, 512, 2)
        assert kept["live"].dtype == np.float32
        assert np.ptp(kept["live"][1]) > 0.1  # the look came before the fault
        assert np.ptp(kept["live"][2]) < 0.1
    assert second["seed"] == 1
    with np.load(tmp_path / "tiny" / "real.npz") as real:
        assert real["x"].shape == (2000, 2)
    assert runs.write(kind, tmp_path) is None


def test_a_changed_setup_reaches_what_trains(benchmark: Any) -> None:
    """Rates, optimisers, data and parts of the trainer and of its member are the same thing."""
    module = benchmark("monitored_kinds")
    for name in ("rate-spike-50", "one-d-step-of-ten", "data-add", "n0-grows", "unscaled"):
        (kind,) = (kind for kind in module.kinds() if kind.name == name)
        made = kind.build(0)
        assert made.setup is made.member.setup is made.session.members[0].setup


def test_data_that_change(benchmark: Any) -> None:
    """Before half-way four modes, after it all eight; the same samples at each visit."""
    module = benchmark("monitored_kinds")
    (kind,) = (kind for kind in module.kinds() if kind.name == "data-add")
    source = kind.build(0).setup.source
    centres = benchmark("monitored_points").ring().centres

    def modes(iteration: int) -> list[int]:
        x = source.stream(0).take(64 * iteration, 640, torch.Generator().manual_seed(0)).x
        return sorted({*torch.cdist(x, centres).argmin(1).tolist()})

    assert isinstance(source, Source)
    assert modes(0) == [0, 1, 2, 3]
    assert modes(2500) == [*range(8)]


def test_paced_steps(benchmark: Any) -> None:
    """No step where the pace is 0, half a step where it is one half: Adam's first step is its rate."""
    faults = benchmark("monitored_faults")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = faults.Paced([weight], 0.1, lambda k: (0.0, 0.5)[k])
    for wanted in (0.0, -0.05):
        weight.grad = torch.ones(1)
        optimizer.step()
        assert weight.item() == pytest.approx(wanted)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_penalty_that_changes(benchmark: Any) -> None:
    """1e-4 of its weight at the horizon, a hundredth of it half-way."""
    faults = benchmark("monitored_faults")
    penalty = faults.Changing(sg.penalties.r1(1.0), 1e-4, 100)
    now = sg.types.Now(torch.tensor(50), {}, {})
    assert float(penalty.at(now).factor) == pytest.approx(0.01)
