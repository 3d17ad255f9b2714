"""What logits say: by hand, against a loop in plain Python, and what shifts, scales and orders change."""

import math
from statistics import mean, variance

import pytest
import torch

from steadygan.diagnostics import output_figures
from steadygan.errors import InputError

KEYS = {
    "accuracy_real",
    "accuracy_fake",
    "accuracy_held_out",
    "overfitting_gap",
    "logit_gap",
    "separation",
    "saturation",
}


def logits(n, seed, shift=0.0, scale=1.0):
    return shift + scale * torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_hand(values):
    return torch.tensor(values, dtype=torch.float64)


def test_figures_by_hand():
    found = output_figures(
        by_hand([1.0, 3.0, -1.0, 0.0]), by_hand([-2.0, -11.0, 0.0, 10.5, 10.0]), by_hand([2.0, -4.0])
    )
    # real: mean 3/4, squares about it 35/4; held out: mean -1, squares 18; s^2 = (35/4 + 18) / (4 + 2 - 2)
    # fake: mean 3/2, squares about it 324; s^2 = (35/4 + 324) / (4 + 5 - 2)
    assert found == {
        "accuracy_real": (1 + 1 + 0 + 1 / 2) / 4,
        "accuracy_fake": (1 + 1 + 1 / 2) / 5,
        "accuracy_held_out": 1 / 2,
        "overfitting_gap": pytest.approx(1.75 / math.sqrt(107 / 16), rel=1e-14),
        "logit_gap": pytest.approx(0.75 - 1.5, rel=1e-14),
        "separation": pytest.approx(-0.75 / math.sqrt((35 / 4 + 324) / 7), rel=1e-14),
        "saturation": 2 / 9,  # 10 itself is not beyond
    }


def test_a_loop():
    real, fake, held = logits(40, 0, 1.0, 4.0), logits(30, 1, -2.0, 9.0), logits(7, 2, 0.0, 2.0)
    found = output_figures(real, fake, held)
    r, f, h = (x.tolist() for x in (real, fake, held))
    pooled = (39 * variance(r) + 6 * variance(h)) / 45
    both = (39 * variance(r) + 29 * variance(f)) / 68
    assert found == pytest.approx(
        {
            "accuracy_real": sum(x > 0 for x in r) / 40,
            "accuracy_fake": sum(x < 0 for x in f) / 30,
            "accuracy_held_out": sum(x > 0 for x in h) / 7,
            "overfitting_gap": (mean(r) - mean(h)) / math.sqrt(pooled),
            "logit_gap": mean(r) - mean(f),
            "separation": (mean(r) - mean(f)) / math.sqrt(both),
            "saturation": sum(abs(x) > 10 for x in r + f) / 70,
        },
        rel=1e-12,
    )
    assert 0 < found["saturation"] < 0.5


def test_signs_and_unequal_sizes():
    """A gap of one pooled deviation, up or down, whatever the groups' sizes."""
    pair = by_hand([-1.0, 1.0]).repeat(50)  # variance 100/99
    for sign in (1.0, -1.0):
        gap = output_figures(pair + sign, pair, pair[:10])["overfitting_gap"]
        assert gap == pytest.approx(sign / math.sqrt((100 + 10) / 108), rel=1e-12)
        found = output_figures(pair + sign, pair[:10])
        assert found["logit_gap"] == pytest.approx(sign, rel=1e-12)
        assert found["separation"] == pytest.approx(sign / math.sqrt((100 + 10) / 108), rel=1e-12)


def test_without_held_out():
    assert output_figures(logits(5, 0), logits(5, 1)).keys() == KEYS - {"accuracy_held_out", "overfitting_gap"}
    assert output_figures(logits(5, 0), logits(5, 1), logits(5, 2)).keys() == KEYS


def test_one_logit_each_has_no_spread():
    assert output_figures(logits(1, 0), logits(1, 1), logits(1, 2)).keys() == KEYS - {"overfitting_gap", "separation"}
    assert output_figures(by_hand([1.0, 3.0]), logits(1, 1), by_hand([1.0]))["overfitting_gap"] == pytest.approx(
        1 / math.sqrt(2.0)
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6 / 3])
def test_a_discriminator_that_answers_the_same_to_all(value):
    same = torch.full((7,), value, dtype=torch.float64)
    found = output_figures(same, same[:3], same[:5])
    assert found["overfitting_gap"] == found["separation"] == 0.0
    assert found["logit_gap"] == pytest.approx(0.0, abs=1e-15 * abs(value))
    side = 0.5 if value == 0.0 else float(value > 0)
    assert found["accuracy_real"] == found["accuracy_held_out"] == side
    assert found["accuracy_fake"] == 1.0 - side


def test_training_reals_known_by_heart():
    """Constant on either, and not the same: no spread to measure the gap by."""
    for sign in (1.0, -1.0):
        real, held = (torch.full((7,), sign * value, dtype=torch.float64) for value in (0.3, 0.1))
        assert output_figures(real, real, held)["overfitting_gap"] == sign * math.inf
        assert output_figures(real, held)["separation"] == sign * math.inf


def test_a_common_shift_moves_accuracies_alone():
    real, fake, held = logits(20, 0), logits(20, 1), logits(20, 2)
    one, other = output_figures(real, fake, held), output_figures(real + 3, fake + 3, held + 3)
    for key in ("overfitting_gap", "logit_gap", "separation"):
        assert other[key] == pytest.approx(one[key], rel=1e-9)
    assert other["accuracy_real"] > one["accuracy_real"]
    assert other["accuracy_fake"] < one["accuracy_fake"]


def test_scale_and_order():
    real, fake, held = logits(20, 0), logits(20, 1), logits(20, 2)
    one, other = output_figures(real, fake, held), output_figures(2 * real.flip(0), 2 * fake.flip(0), 2 * held.flip(0))
    assert other["logit_gap"] == pytest.approx(2 * one["logit_gap"], rel=1e-12)
    same = ("overfitting_gap", "separation", "accuracy_real", "accuracy_fake", "accuracy_held_out")
    assert {key: other[key] for key in same} == pytest.approx({key: one[key] for key in same}, rel=1e-12)


def test_non_finite_logits_show():
    fine = by_hand([1.0, 2.0])
    found = output_figures(by_hand([math.nan, 1.0]), fine, fine)
    assert all(math.isnan(found[key]) for key in KEYS - {"accuracy_fake", "accuracy_held_out"})
    assert found["accuracy_fake"] == 0.0
    assert math.isnan(output_figures(fine, fine, by_hand([math.nan]))["accuracy_held_out"])
    assert math.isnan(output_figures(fine, by_hand([math.nan]))["accuracy_fake"])
    found = output_figures(by_hand([math.inf, 1.0]), by_hand([-math.inf, 1.0]), fine)
    assert (found["accuracy_real"], found["accuracy_fake"], found["saturation"]) == (1.0, 0.5, 0.5)
    assert found["logit_gap"] == math.inf
    assert math.isnan(found["overfitting_gap"])
    assert math.isnan(found["separation"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_logits_are_widened(dtype):
    real, fake, held = (logits(300, seed, 1.0, 5.0).to(dtype).requires_grad_() for seed in range(3))
    assert output_figures(real, fake, held) == output_figures(real.double(), fake.double(), held.double())


def test_nothing_is_disturbed():
    state = torch.random.get_rng_state()
    output_figures(logits(5, 0).requires_grad_(), logits(5, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_no_logits():
    some, none = logits(3, 0), torch.zeros(0)
    for groups, name in (((none, some), "real"), ((some, none), "fake"), ((some, some, none), "held-out real")):
        with pytest.raises(InputError, match=f"at least one {name} logit"):
            output_figures(*groups)
