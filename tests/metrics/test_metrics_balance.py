"""Balance: 1 for real data, small for a collapsed generator, and figures by hand."""

import math

import pytest
import torch

from steadygan.data import DATA
from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import Balance, balance

TRAINING = torch.tensor([[0.0], [1.0], [2.0], [3.0]])


def at(*counts):
    return torch.repeat_interleave(TRAINING, torch.tensor(counts), 0) + 0.1


def entropy(*shares):
    return -sum(p * math.log(p) for p in shares)


def test_by_hand():
    figures = balance(at(4, 3, 1, 0), TRAINING, at(2, 2, 2, 2))
    assert figures["balance"] == pytest.approx(math.exp(entropy(0.5, 0.375, 0.125)) / 4)
    assert figures["balance_tv"] == pytest.approx((0.25 + 0.125 + 0.125 + 0.25) / 2)


def test_the_reference_need_not_be_even():
    figures = balance(at(3, 4, 1, 0), TRAINING, at(4, 3, 1, 0))
    assert figures["balance"] == pytest.approx(1.0)  # as even as real data, though elsewhere
    assert figures["balance_tv"] == pytest.approx(1 / 8)


def test_collapse_on_one_cell():
    figures = balance(at(8, 0, 0, 0), TRAINING, at(2, 2, 2, 2))
    assert figures["balance"] == pytest.approx(1 / 4)
    assert figures["balance_tv"] == pytest.approx(3 / 4)


def test_more_even_than_real_data_is_above_1():
    assert balance(at(2, 2, 2, 2), TRAINING, at(7, 1, 0, 0))["balance"] > 1.0


def test_both_sides_have_the_same_number_of_samples():
    # groups (8, 0, 0, 0) and (2, 2, 2, 2), each against the 8 fresh ones; the 3 left over are not measured
    fakes = torch.cat([at(8, 0, 0, 0), at(2, 2, 2, 2), at(0, 0, 0, 3)])
    figures = balance(fakes, TRAINING, at(2, 2, 2, 2))
    assert figures["balance"] == pytest.approx((0.25 + 1.0) / 2)
    assert figures["balance_tv"] == pytest.approx((0.75 + 0.0) / 2)


def test_fewer_fakes_than_fresh_samples():
    fresh = torch.cat([at(1, 1, 0, 0), at(0, 0, 0, 40)])
    assert balance(at(1, 1, 0, 0), TRAINING, fresh)["balance"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["gaussian", "ring8", "grid25", "swissroll", "two_gaussians"])
def test_real_data_has_balance_1(name):
    source = DATA[name](n=200)
    draw = torch.Generator().manual_seed(5)
    figures = balance(source.fresh(10_000, draw), source.train, source.fresh(10_000, draw))
    assert figures["balance"] == pytest.approx(1.0, abs=0.02)
    assert figures["balance_tv"] < 0.09


def test_real_data_has_balance_1_also_from_a_small_reference():
    source = DATA["gaussian"](n=200)
    draw = torch.Generator().manual_seed(5)
    figures = balance(source.fresh(10_000, draw), source.train, source.fresh(400, draw))
    assert figures["balance"] == pytest.approx(1.0, abs=0.06)


def test_class_and_function_agree():
    measure = Balance(TRAINING, at(2, 2, 2, 2))
    assert measure(at(4, 3, 1, 0)) == balance(at(4, 3, 1, 0), TRAINING, at(2, 2, 2, 2))


def test_wrong_arguments():
    with pytest.raises(InputError, match="fresh"):
        Balance(TRAINING, TRAINING[:0])
    with pytest.raises(InputError, match="fake"):
        balance(TRAINING[:0], TRAINING, TRAINING)
    with pytest.raises(InputError, match="shape"):
        balance(torch.zeros(3, 2), TRAINING, TRAINING)
    with pytest.raises(NonFiniteError):
        balance(torch.full((3, 1), float("nan")), TRAINING, TRAINING)
