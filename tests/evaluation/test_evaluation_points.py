"""Points and runs judged: against data by name, by path, and against a run's own data."""

import numpy as np
import pytest
import torch

import steadygan as sg
from steadygan.data import DATA, from_user
from steadygan.metrics import Manifold, mixture_modes
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer


def ring(n=3000, seed=5):
    source = DATA["ring8"]()
    return source, source.fresh(n, torch.Generator().manual_seed(seed))


def test_real_points_read_as_real_data():
    source, x = ring(10_000)
    found = sg.evaluate(x, "ring8")
    assert found.figures["modes"] == found.figures["veegan_modes"] == 8
    for name in ("balance", "density", "recall", "precision", "coverage", "high_quality"):
        assert found.figures[name] == pytest.approx(found.reference[name], abs=0.03)
    assert found.figures["mode_kl"] < 3 * found.reference["mode_kl"]
    assert found.reference["mode_kl"] == pytest.approx(7 / 20_000, rel=0.1)
    few = mixture_modes(x[:2500], source.centres, source.std, threshold=1)
    assert found.figures["veegan_high_quality"] == few["high_quality"]


def test_too_few_for_the_literature_s_protocol():
    _, x = ring(1000)
    assert "veegan_modes" not in sg.evaluate(x, "ring8").figures


def test_a_mode_that_a_single_sample_hits():
    source, _ = ring()
    x = source.centres[0].repeat(2500, 1)
    x[7] = source.centres[3]
    found = sg.evaluate(x, source)
    assert (found.figures["modes"], found.figures["veegan_modes"]) == (1, 2)


def test_files_of_points(tmp_path):
    _, x = ring()
    np.save(tmp_path / "x.npy", x.numpy())
    np.savetxt(tmp_path / "x.csv", x.numpy(), delimiter=",", fmt="%.9g")
    by_array = sg.evaluate(x, "ring8").figures
    assert sg.evaluate(tmp_path / "x.npy", "ring8").figures == by_array
    assert sg.evaluate(str(tmp_path / "x.csv"), "ring8").figures == by_array
    assert sg.evaluate(tmp_path / "x.npy", tmp_path / "x.csv").figures["coverage"] > 0.9


def test_memorisation_of_finite_data():
    source = DATA["gaussian"]()
    copies = source.train.repeat(5, 1)
    found = sg.evaluate(copies, source)
    assert found.figures["memorised"] == 1.0
    new = sg.evaluate(source.fresh(2000, torch.Generator().manual_seed(3)), source)
    assert new.figures["memorised"] == pytest.approx(0.01, abs=0.01)
    assert new.figures["nearer_than_held_out"] == pytest.approx(0.5, abs=0.03)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on a ring that is not the default one."""
    out = tmp_path_factory.mktemp("run")
    recipe = RECIPES["ring8/nsgan"](0)
    settings = type(recipe).check(recipe.plain() | {"data": {"name": "ring8", "scale": 10.0}, "horizon": 20})
    return trainer(settings, out=out).fit(20)


def test_a_run_is_judged_against_its_own_data(run):
    own, named = sg.evaluate(run, "own", n=500), sg.evaluate(run.path, "ring8", n=500)
    assert own.figures == named.figures  # ring8 means the ring it was trained on
    other = sg.evaluate(run, DATA["ring8"](), n=500)
    assert other.figures["energy_distance"] != own.figures["energy_distance"]
    source = DATA["ring8"](scale=10.0)
    expected = mixture_modes(run.sample(500), source.centres, source.std)
    assert own.figures["mode_kl"] == pytest.approx(expected["mode_kl"])
    assert own.protocols["modes"].weights == "EMA"
    assert sg.evaluate(run, "own", n=500, weights="live").protocols["modes"].weights == "live"


def test_a_run_is_drawn_with_the_seed(run):
    first, again, other = (sg.evaluate(run, "own", n=300, seed=seed) for seed in (0, 0, 1))
    assert first.figures == again.figures
    assert first.figures != other.figures
    assert "fakes 1" in other.protocols["modes"].seeds


def test_a_run_that_was_read_back_is_the_same(run):
    assert sg.evaluate(sg.load(run.path), "own", n=300).figures == sg.evaluate(run, "own", n=300).figures


def test_standardised_points_come_back_in_their_units(tmp_path):
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.1]) + 7.0
    source = from_user(x).standardised()
    other = torch.randn(400, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([3.0, 0.1]) + 7.0
    assert sg.evaluate(other, source).figures["coverage"] > 0.9
    lone = Manifold((x - source.offset) / source.scale)((other - source.offset) / source.scale)
    assert 0.9 < lone["coverage"] <= 1.0


def test_numbers_far_from_zero_are_compared_before_they_lose_their_digits(tmp_path):
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    far = x + torch.tensor([5.4e7, 3e6], dtype=torch.float64)
    np.save(tmp_path / "far.npy", far[300:].numpy())
    near, moved = sg.evaluate(x[300:], x[:300]).figures, sg.evaluate(tmp_path / "far.npy", far[:300]).figures
    assert moved["energy_distance"] == pytest.approx(near["energy_distance"], rel=1e-3)
    assert moved["coverage"] == near["coverage"]


def test_columns_are_matched_by_their_names(tmp_path):
    _, x = ring(300)
    for names, columns in (("x,y", x), ("y,x", x.flip(1)), ("a,b", x)):
        np.savetxt(tmp_path / f"{names[0]}.csv", columns.numpy(), delimiter=",", header=names, comments="")
    wanted = sg.evaluate(tmp_path / "x.csv", tmp_path / "x.csv")
    turned, other = (sg.evaluate(tmp_path / f"{name}.csv", tmp_path / "x.csv") for name in "ya")
    assert turned.figures == wanted.figures
    assert "columns y, x of y.csv and x, y of x.csv are matched by name" in turned.notes
    assert "columns a, b of a.csv and x, y of x.csv are compared in their order" in other.notes
    assert wanted.notes == ("x.csv: 300 points of 2 numbers, columns x, y",)
