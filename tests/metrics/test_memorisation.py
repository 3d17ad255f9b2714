"""Memorisation: copies, fresh samples, and both figures counted by NumPy over all pairs."""

import math

import numpy as np
import pytest
import torch

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import Memorisation


def memorisation(fakes, training, held_out):
    return Memorisation(training, held_out)(fakes)


def points(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def nearest(x, training):
    return np.sqrt(((x.double()[:, None] - training.double()[None]) ** 2).sum(2).numpy()).min(1)


@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("m", [99, 198, 199, 250])
def test_all_pairs_counted(dim, m):
    training, held_out = points(80, dim), points(m, dim, 1)
    fakes = torch.cat([training[:5], training[5:30] + 0.01 * points(25, dim, 2), 0.8 * points(40, dim, 3)])
    found = memorisation(fakes, training, held_out)
    d, h = nearest(fakes, training), nearest(held_out, training)
    j = {99: 1, 198: 1, 199: 2, 250: 2}[m]
    assert found["memorised"] == pytest.approx(np.mean(d <= np.sort(h)[j - 1]))
    assert found["nearer_than_held_out"] == pytest.approx(np.mean(d[:, None] < h[None]), rel=1e-12)
    assert 0.05 < found["memorised"] < found["nearer_than_held_out"] < 0.99


def test_a_line_by_hand():
    training = torch.zeros(1, 1)
    held_out = torch.arange(1.0, 101.0).view(100, 1)  # the bar is 1.0
    found = memorisation(torch.tensor([[0.5], [-1.0], [2.0], [50.5], [900.0]]), training, held_out)
    assert found["memorised"] == pytest.approx(2 / 5)
    assert found["nearer_than_held_out"] == pytest.approx((1.0 + 0.995 + 0.985 + 0.5 + 0.0) / 5)


@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies(dim, dtype):
    training, held_out = points(300, dim, dtype=dtype) + 10.0, points(200, dim, 1, dtype=dtype) + 10.0
    copies = training[torch.randint(0, 300, (500,), generator=torch.Generator().manual_seed(2))]
    assert memorisation(copies, training, held_out) == {"memorised": 1.0, "nearer_than_held_out": 1.0}


@pytest.mark.parametrize("dim", [2, 16])
def test_fresh_samples(dim):
    n, m, k = 200, 399, 400
    found = [
        memorisation(points(k, dim, 3 * s), points(n, dim, 3 * s + 1), points(m, dim, 3 * s + 2)) for s in range(40)
    ]
    for name, exact in (("memorised", 3 + 1), ("nearer_than_held_out", 200)):  # j / (m + 1), and a half
        values = np.array([figures[name] for figures in found])
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - exact / 400) < 4 * error
        assert error < 0.004


def test_half_copies():
    training, held_out = points(500, 16), points(500, 16, 1)
    found = memorisation(torch.cat([training[:200], points(200, 16, 2)]), training, held_out)
    assert found["memorised"] == pytest.approx((1.0 + 0.01) / 2, abs=0.01)
    assert found["nearer_than_held_out"] == pytest.approx((1.0 + 0.5) / 2, abs=0.03)


def test_fakes_far_away():
    found = memorisation(points(50, 4) + 100.0, points(300, 4), points(200, 4, 1))
    assert found == {"memorised": 0.0, "nearer_than_held_out": 0.0}


def test_held_out_samples_that_are_copies_hide_none():
    training = points(200, 4)
    held_out = torch.cat([training[:10], points(190, 4, 1)])
    found = memorisation(training, training, held_out)
    assert found == {"memorised": 1.0, "nearer_than_held_out": pytest.approx(1.0 - 0.05 / 2)}


def test_class_and_function_agree_and_images_are_flattened():
    fakes, training, held_out = points(30, 12), points(50, 12, 1), points(120, 12, 2)
    figures = memorisation(fakes, training, held_out)
    measure = Memorisation(training.view(50, 3, 2, 2), held_out.view(120, 3, 2, 2))
    assert measure(fakes.view(30, 3, 2, 2)) == figures
    assert measure(fakes.view(30, 3, 2, 2)) == figures


def test_held_out_distances_are_computed_once(monkeypatch):
    fakes, training, held_out = points(30, 2), points(50, 2, 1), points(120, 2, 2)
    measure = Memorisation(training, held_out)
    asked, lookup = [], type(measure._lookup).assign
    monkeypatch.setattr(type(measure._lookup), "assign", lambda self, x: asked.append(len(x)) or lookup(self, x))
    measure(fakes)
    assert asked == [30]


def test_wrong_arguments():
    training, held_out = points(50, 2), points(99, 2, 1)
    Memorisation(training, held_out)
    with pytest.raises(InputError, match=r"held-out samples \(n >= 99, 2\), got \(98, 2\): draw more"):
        Memorisation(training, held_out[:98])
    with pytest.raises(InputError, match="training samples"):
        Memorisation(training[:0], held_out)
    with pytest.raises(InputError, match=r"fake samples \(n >= 1, 2\), got \(0, 2\)"):
        Memorisation(training, held_out)(training[:0])
    with pytest.raises(InputError, match=r"got \(4, 3\): reshape"):
        Memorisation(training, held_out)(points(4, 3))
    bad = torch.full((120, 2), math.nan)
    for call in (lambda: Memorisation(bad, held_out), lambda: Memorisation(training, bad)):
        with pytest.raises(NonFiniteError):
            call()
    with pytest.raises(NonFiniteError):
        Memorisation(training, held_out)(bad)
