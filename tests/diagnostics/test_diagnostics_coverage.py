"""Over-coverage: ranks by hand, SciPy's Spearman correlation over random cells with ties, and where it is undefined."""

import math

import pytest
import torch
from scipy.stats import spearmanr

from steadygan.diagnostics import chosen_over_covered, over_coverage
from steadygan.errors import InputError


def values(n, seed=0):
    return torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cells_of(*counts):
    """counts[i] fakes in cell i."""
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def logits_of(means, cells):
    return torch.tensor(means, dtype=torch.float64)[cells]


@pytest.mark.parametrize(
    ("means", "rho"),
    [
        ((5.0, 2.0, 1.0, -3.0), -1.0),
        ((-3.0, 1.0, 2.0, 5.0), 1.0),
        ((5.0, 1.0, 2.0, -3.0), -0.8),  # ranks 4, 2, 3, 1 against 1, 2, 3, 4: 1 - 6 (3^2 + 3^2) / (4 * 15)
        ((2.0, 2.0, 1.0, 1.0), -2 / math.sqrt(5)),  # ranks 3.5, 3.5, 1.5, 1.5: cov -4 over sqrt(4 * 5)
    ],
)
def test_by_hand(means, rho):
    cells = cells_of(1, 2, 3, 4)
    assert over_coverage(logits_of(means, cells), cells, torch.ones(4)) == pytest.approx(rho, rel=1e-14)


def test_means_and_not_sums_or_medians():
    cells = cells_of(1, 2, 3)
    logits = torch.tensor([-1.0, 0.0, -1.0, -9.0, 3.0, 4.5])  # means -1, -1/2, -1/2
    assert over_coverage(logits, cells, torch.ones(3)) == pytest.approx(math.sqrt(3) / 2)


def test_fakes_count_beside_what_is_expected():
    cells = cells_of(8, 3, 2)  # over 16, 3, 1 expected: coverage 1/2, 1, 2
    expected = torch.tensor([16.0, 3.0, 1.0])
    logits = logits_of((3.0, 2.0, 1.0), cells)
    assert over_coverage(logits, cells, expected) == -1.0
    assert over_coverage(logits, cells, torch.ones(3)) == 1.0


def test_cells_without_fakes_do_not_count():
    cells = cells_of(1, 0, 2, 0, 0, 3)
    logits = logits_of((3.0, 99.0, 2.0, 99.0, 99.0, 1.0), cells)
    assert over_coverage(logits, cells, torch.ones(9)) == -1.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("even", [True, False])
def test_scipy(seed, even):
    draw = torch.Generator().manual_seed(seed)
    cells = torch.randint(0, 30, (60,), generator=draw)
    logits = values(60, seed)
    if seed % 2:
        logits = logits.round()  # ties among the means, too
    expected = (
        torch.ones(30, dtype=torch.float64) if even else 0.1 + torch.rand(30, generator=draw, dtype=torch.float64)
    )
    held = sorted(set(cells.tolist()))
    means = [logits[cells == cell].mean().item() for cell in held]
    coverage = [(cells == cell).sum().item() / expected[cell].item() for cell in held]
    assert len(held) < 30
    rho = spearmanr([round(mean, 12) for mean in means], coverage).statistic
    assert over_coverage(logits, cells, expected) == pytest.approx(rho, abs=1e-12)


def test_units_orders_and_monotone_maps_change_nothing():
    cells = torch.randint(0, 8, (50,), generator=torch.Generator().manual_seed(0))
    logits, expected = values(50), torch.arange(1.0, 9.0)
    rho = over_coverage(logits, cells, expected)
    assert 0.05 < abs(rho) < 0.95
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    assert over_coverage(logits[order], cells[order], expected) == rho
    assert over_coverage(logits, cells, 1e-3 * expected) == rho
    assert over_coverage(7 * logits + 100, cells, expected) == pytest.approx(rho)
    assert over_coverage(-logits, cells, expected) == pytest.approx(-rho)
    assert over_coverage(logits, 7 - cells, expected.flip(0)) == pytest.approx(rho)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_makes_no_correlation(dtype):
    """Cells that hold just what is expected are equally covered, and a constant D rates them the same."""
    shares = torch.tensor([0.1, 0.2, 0.7, 0.3], dtype=dtype)
    cells = cells_of(1, 2, 7, 3)
    assert over_coverage(values(13), cells, shares) is None
    constant = torch.full((13,), 0.1, dtype=dtype)
    assert over_coverage(constant, cells, torch.ones(4)) is None
    assert chosen_over_covered(cells, cells, shares) == 0.0


def test_undefined():
    for counts in ((), (5,), (1, 5), (1, 0, 5)):
        cells = cells_of(*counts) if counts else torch.zeros(0, dtype=torch.int64)
        assert over_coverage(values(cells.shape[0]), cells, torch.ones(6)) is None
    even, uneven = cells_of(2, 2, 2), cells_of(1, 2, 3)
    assert over_coverage(values(6), even, torch.ones(3)) is None
    assert over_coverage(torch.full((6,), -4.2), uneven, torch.ones(3)) is None
    for value in (math.nan, math.inf, -math.inf):
        logits = values(6)
        logits[3] = value
        assert over_coverage(logits, uneven, torch.ones(3)) is None


def test_a_cell_that_should_be_empty_is_the_most_over_covered():
    cells = cells_of(5, 4, 1)
    expected = torch.tensor([1.0, 1.0, 0.0])
    assert over_coverage(logits_of((2.0, 3.0, 1.0), cells), cells, expected) == -1.0
    assert chosen_over_covered(torch.tensor([2, 2, 0, 1]), cells, expected) == 0.5


def test_narrow_logits_and_cells():
    cells, logits = cells_of(1, 2, 3, 1, 4), values(11)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        found = over_coverage(logits.to(dtype).requires_grad_(), cells.to(torch.int32), torch.ones(5, dtype=dtype))
        assert found == over_coverage(logits.to(dtype).double(), cells, torch.ones(5))


def test_chosen_by_hand():
    cells = cells_of(4, 2, 1, 0, 3)  # ten over five cells: two are expected
    expected = torch.ones(5)
    assert chosen_over_covered(torch.tensor([0, 0, 1, 2, 3, 4]), cells, expected) == 3 / 6
    assert chosen_over_covered(torch.tensor([1]), cells, expected) == 0.0  # as many as expected
    assert chosen_over_covered(cells, cells, expected) == 7 / 10
    shares = torch.tensor([0.5, 0.1, 0.1, 0.1, 0.2])  # 5, 1, 1, 1, 2 are expected
    for unit in (1.0, 10.0, 3e-5):
        assert chosen_over_covered(torch.tensor([0, 1, 1, 2]), cells, unit * shares) == 2 / 4
    assert chosen_over_covered(torch.tensor([0, 4, 2, 2]), cells.flip(0), expected) == 2 / 4


def test_wrong_arguments():
    cells, logits, ones = cells_of(1, 2, 3), values(6), torch.ones(3)
    for wrong in (cells[:5], cells.unsqueeze(1)):
        with pytest.raises(InputError, match="one cell per logit"):
            over_coverage(logits, wrong, ones)
    for wrong in (cells.double(), cells.bool()):
        with pytest.raises(InputError, match="whole numbers"):
            over_coverage(logits, wrong, ones)
    for wrong in (cells + 1, cells - 1):
        with pytest.raises(InputError, match="cells from 0 to 2"):
            over_coverage(logits, wrong, ones)
    for wrong in (
        -ones,
        torch.tensor([2.0, -1.0, 2.0]),
        0 * ones,
        ones / 0,
        ones * math.nan,
        ones.unsqueeze(0),
        ones[:0],
    ):
        with pytest.raises(InputError, match="finite numbers of 0 or more"):
            over_coverage(logits, cells, wrong)
        with pytest.raises(InputError, match="finite numbers of 0 or more"):
            chosen_over_covered(cells, cells, wrong)
    for chosen, fakes in ((cells[:0], cells), (cells, cells[:0])):
        with pytest.raises(InputError, match="one or more of each"):
            chosen_over_covered(chosen, fakes, ones)
    with pytest.raises(InputError, match=r"cells \(n,\) as whole numbers, got \(6, 1\)"):
        chosen_over_covered(cells.unsqueeze(1), cells, ones)
    with pytest.raises(InputError, match="cells from 0 to 2, got 3 to 5"):
        chosen_over_covered(cells + 3, cells, ones)
