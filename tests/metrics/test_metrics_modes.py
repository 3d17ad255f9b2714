"""Mode counting: figures worked out by hand, the protocol's edges, and every way to call it wrongly."""

import math

import numpy as np
import pytest
import torch

from steadygan.data import grid25, ring8
from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import class_modes, expected_kl, mixture_modes

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]], dtype=torch.float64)


def at(*counts, offset=(0.0, 0.0)):
    """So many samples at each centre, moved by `offset`."""
    shift = torch.tensor(offset, dtype=torch.float64)
    return torch.cat([(CENTRES[k] + shift).expand(count, 2) for k, count in enumerate(counts)])


def test_even_cover():
    assert mixture_modes(at(25, 25, 25, 25), CENTRES, 0.1) == {
        "modes": 4,
        "high_quality": 1.0,
        "emptiest_mode": 1.0,
        "mode_kl": 0.0,
    }


def test_collapse_on_one_mode():
    figures = mixture_modes(at(100, 0, 0, 0), CENTRES, 0.1)
    assert figures["modes"] == 1
    assert figures["emptiest_mode"] == 0.0
    assert figures["mode_kl"] == pytest.approx(math.log(4))  # KL(one mode || even)


def test_uneven_cover_by_hand():
    figures = mixture_modes(at(50, 30, 15, 5), CENTRES, 0.1)
    assert figures["emptiest_mode"] == pytest.approx(5 / 25)
    expected = sum(p * math.log(4 * p) for p in (0.5, 0.3, 0.15, 0.05))
    assert figures["mode_kl"] == pytest.approx(expected)


def test_quality_ends_at_three_standard_deviations():
    assert mixture_modes(at(5, 5, 5, 5, offset=(1.5, 0.0)), CENTRES, 0.5)["high_quality"] == 1.0
    assert mixture_modes(at(5, 5, 5, 5, offset=(1.5001, 0.0)), CENTRES, 0.5)["high_quality"] == 0.0
    assert mixture_modes(at(5, 5, 5, 5, offset=(1.2, 1.2)), CENTRES, 0.5)["high_quality"] == 0.0  # a disc, no square


def test_bad_samples_count_for_the_emptiest_mode_but_not_for_the_modes():
    x = torch.cat([at(40, 40, 40, 0), at(0, 0, 0, 40, offset=(1.0, 1.0))])
    figures = mixture_modes(x, CENTRES, 0.1)
    assert figures["modes"] == 3
    assert figures["high_quality"] == 0.75
    assert figures["emptiest_mode"] == 1.0
    assert figures["mode_kl"] == 0.0


@pytest.mark.parametrize(("n", "enough"), [(2500, 20), (10_000, 80), (1000, 8), (2510, 21), (100, 1), (10, 1)])
def test_twenty_of_2500_make_a_mode(n, enough):
    few, many = at(n - enough + 1, enough - 1, 0, 0), at(n - enough, enough, 0, 0)
    assert mixture_modes(few, CENTRES, 0.1)["modes"] == 1
    assert mixture_modes(many, CENTRES, 0.1)["modes"] == 2


def test_own_threshold():
    x = at(90, 6, 3, 1)
    counted = [mixture_modes(x, CENTRES, 0.1, threshold=t)["modes"] for t in (0, 1, 2, 4, 7, 91)]
    assert counted == [4, 4, 3, 2, 1, 0]
    assert mixture_modes(at(100, 0, 0, 0), CENTRES, 0.1, threshold=0)["modes"] == 1  # empty modes never count


@pytest.mark.parametrize("source", [ring8(), ring8(scale=10.0), grid25()])
def test_real_data_is_good(source):
    x = source.fresh(10_000, torch.Generator().manual_seed(0))
    figures = mixture_modes(x, source.centres, source.std)
    assert figures["modes"] == len(source.centres)
    assert figures["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.004)  # P(|N(0, I_2)| <= 3)
    assert figures["emptiest_mode"] > 0.85
    assert figures["mode_kl"] < 0.003


def test_against_numpy_in_float64():
    rng = np.random.default_rng(0)
    centres, x = rng.normal(size=(7, 3)), rng.normal(size=(999, 3))
    distance = np.sqrt(((x[:, None] - centres) ** 2).sum(2))
    nearest = distance.argmin(1)
    good = distance.min(1) <= 3 * 0.2
    share = np.bincount(nearest, minlength=7) / 999
    figures = mixture_modes(torch.from_numpy(x), torch.from_numpy(centres), 0.2)
    assert figures["high_quality"] == pytest.approx(good.mean())
    assert figures["modes"] == (np.bincount(nearest[good], minlength=7) >= 20 / 2500 * 999).sum()
    assert figures["emptiest_mode"] == pytest.approx(share.min() * 7)
    assert figures["mode_kl"] == pytest.approx((share * np.log(share * 7)).sum())


def test_order_of_samples_and_modes_does_not_matter():
    source = grid25()
    x = source.fresh(2000, torch.Generator().manual_seed(1))
    before = mixture_modes(x, source.centres, source.std)
    after = mixture_modes(x.flip(0), source.centres.flip(0), source.std)
    assert after == pytest.approx(before)


def test_wrong_samples():
    with pytest.raises(InputError, match="at least one sample"):
        mixture_modes(torch.zeros(0, 2), CENTRES, 0.1)
    with pytest.raises(InputError, match=r"samples \(n, 2\), got \(5, 3\)"):
        mixture_modes(torch.zeros(5, 3), CENTRES, 0.1)
    with pytest.raises(NonFiniteError, match="1 of 5"):
        mixture_modes(torch.tensor([[0.0, 0.0]] * 4 + [[float("nan"), 0.0]]), CENTRES, 0.1)


def labels(*counts):
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def test_classes_by_hand():
    figures = class_modes(labels(50, 30, 20, 0), 4)
    assert figures["modes"] == 3
    assert figures["emptiest_mode"] == 0.0
    assert figures["mode_kl"] == pytest.approx(sum(p * math.log(4 * p) for p in (0.5, 0.3, 0.2)))
    assert set(figures) == {"modes", "emptiest_mode", "mode_kl"}


@pytest.mark.parametrize("reference", [torch.tensor([10, 60, 30]), torch.tensor([0.1, 0.6, 0.3])])
def test_classes_against_an_uneven_reference(reference):
    figures = class_modes(labels(20, 50, 30), 3, reference)
    assert figures["emptiest_mode"] == pytest.approx(0.5 / 0.6)
    expected = 0.2 * math.log(2.0) + 0.5 * math.log(5 / 6)
    assert figures["mode_kl"] == pytest.approx(expected, rel=1e-6)


def test_real_class_shares_are_perfect():
    figures = class_modes(labels(10, 60, 30), 3, torch.tensor([1.0, 6.0, 3.0]))
    assert figures["emptiest_mode"] == pytest.approx(1.0)
    assert figures["mode_kl"] == pytest.approx(0.0, abs=1e-12)


def test_class_thresholds():
    assert class_modes(labels(2480, 19, 1), 3)["modes"] == 1
    assert class_modes(labels(2480, 20, 0), 3)["modes"] == 2
    assert class_modes(labels(2480, 19, 1), 3, threshold=1)["modes"] == 3


@pytest.mark.parametrize(
    ("found", "classes", "reference"),
    [
        (torch.zeros(0, dtype=torch.int64), 3, None),
        (labels(1, 1, 1, 1), 3, None),
        (torch.tensor([-1, 0]), 3, None),
        (labels(1, 1, 1), 3, torch.tensor([1.0, 0.0, 1.0])),
        (labels(1, 1, 1), 3, torch.tensor([1.0, float("nan"), 1.0])),
        (labels(1, 1, 1), 3, torch.ones(4)),
    ],
)
def test_wrong_labels(found, classes, reference):
    with pytest.raises(InputError, match="expected"):
        class_modes(found, classes, reference)


def test_a_perfect_model_of_mnist_s_digits_is_not_even():
    # MNIST's own counts of its ten digits; three of them are a class of Stacked MNIST
    counts = torch.tensor([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], dtype=torch.float64)
    share = counts / counts.sum()
    classes = torch.einsum("a,b,c->abc", share, share, share).flatten()
    even = expected_kl(classes, 26_000, against=torch.ones(1000))
    assert even == pytest.approx(0.0237, abs=2e-4)
    bias = 999 / (2 * 26_000)  # of a histogram of n draws, to first order
    assert expected_kl(classes, 26_000) == pytest.approx(bias, rel=0.02)
    own = 3 * float((share * (10 * share).log()).sum())  # of the classes themselves, exactly
    assert even == pytest.approx(bias + own, rel=0.01)


def test_expected_kl_of_one_sample_and_of_many():
    assert expected_kl(torch.ones(4), 1) == pytest.approx(math.log(4))  # a single class holds everything
    assert expected_kl(torch.ones(10), 10**7) < 1e-5
    assert expected_kl(torch.tensor([3.0, 1.0]), 50) == pytest.approx(expected_kl(torch.tensor([0.75, 0.25]), 50))
    with pytest.raises(InputError, match="empty class"):
        expected_kl(torch.tensor([1.0, 0.0]), 10)
    with pytest.raises(InputError, match="whole number"):
        expected_kl(torch.ones(2), 0)


def test_expected_kl_by_a_loop():
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    total, n = 0.0, 4
    for a in range(n + 1):
        for b in range(n + 1 - a):
            c = n - a - b
            p = torch.tensor([a, b, c], dtype=torch.float64) / n
            ways = math.factorial(n) / (math.factorial(a) * math.factorial(b) * math.factorial(c))
            chance = ways * 0.5**a * 0.3**b * 0.2**c
            total += chance * float(torch.special.xlogy(p, p / shares).sum())
    assert expected_kl(shares, n, draws=200_000) == pytest.approx(total, rel=0.01)


def test_three_classes_of_ten_are_three_modes():
    labels = torch.tensor([1, 4, 7]).repeat(500)
    found = class_modes(labels, 10)
    assert found["modes"] == 3
    assert found["emptiest_mode"] == 0.0
    assert found["mode_kl"] == pytest.approx(math.log(10 / 3))
