"""Few points keep every peak; several seeds are their mean with a standard deviation around it."""

import numpy as np
import pytest

from steadygan.reporting.charts import rounded, thinned
from steadygan.viz.series import Curve, curve


def whole(count, seed=0):
    rng = np.random.default_rng(seed)
    return Curve(np.arange(count, dtype=np.float64), rng.normal(size=count))


@pytest.mark.parametrize("at", [0, 1, 777, 19_998, 19_999])
@pytest.mark.parametrize("value", [50.0, -50.0])
def test_a_single_peak_survives_wherever_it_is(at, value):
    own = whole(20_000)
    own.y[at] = value
    few = thinned(own)
    assert len(few.x) <= 1000
    assert few.y[few.x == at].tolist() == [value]


def test_what_is_kept_are_points_of_the_curve_in_order_with_its_ends():
    own = whole(5000)
    few = thinned(own, 300)
    index = few.x.astype(int)
    assert (np.diff(index) > 0).all()
    assert (index[0], index[-1]) == (0, 4999)
    np.testing.assert_array_equal(few.y, own.y[index])
    assert 200 <= len(index) <= 300


def test_every_stretch_keeps_its_smallest_and_largest():
    own = whole(3000)
    kept = set(thinned(own, 302).x.astype(int).tolist())  # 300 / (2 + 1 for a gap): 100 stretches of 30
    for begin in range(0, 3000, 30):
        part = own.y[begin : begin + 30]
        assert begin + int(part.argmin()) in kept
        assert begin + int(part.argmax()) in kept


def test_a_gap_stays_a_gap():
    own = whole(10_000)
    own.y[4321] = np.nan
    few = thinned(own)
    assert np.isnan(few.y).sum() == 1
    assert few.x[np.isnan(few.y)] == 4321


def test_the_band_keeps_its_own_peaks():
    own = whole(9000)
    low, high = own.y - 1, own.y + 1
    low[123], high[8765] = -90, 80
    few = thinned(Curve(own.x, own.y, low, high))
    assert few.low.min() == -90
    assert few.high.max() == 80
    assert len(few.x) <= 1000


def test_short_curves_are_left_alone():
    own = whole(1000)
    assert thinned(own) is own


def test_the_mean_of_seeds_and_their_sample_deviation():
    runs = [[{"iteration": i, "a": i + seed} for i in (0, 10, 20)] for seed in (0.0, 1.0, 5.0)]
    found = curve(runs, "a")
    np.testing.assert_allclose(found.x, [0, 10, 20])
    np.testing.assert_allclose(found.y, [2, 12, 22])
    np.testing.assert_allclose(found.high - found.y, np.sqrt((4 + 1 + 9) / 2))
    np.testing.assert_allclose(found.y - found.low, np.sqrt((4 + 1 + 9) / 2))


def test_an_iteration_counts_when_all_that_got_there_have_it():
    """The second run stops at 10, and the first alone was measured at 5."""
    runs = [[{"iteration": i, "a": 1.0} for i in (0, 5, 10, 20)], [{"iteration": i, "a": 3.0} for i in (0, 10)]]
    found = curve(runs, "a")
    assert found.x.tolist() == [0, 10, 20]
    assert found.y.tolist() == [2, 2, 1]
    assert (found.high - found.y)[-1] == 0


def test_one_run_has_no_band_and_nothing_finite_is_no_curve():
    assert curve([[{"iteration": 1, "a": 2.0}]], "a").low is None
    assert curve([[{"iteration": 1, "a": float("nan")}], []], "a") is None
    assert curve([[{"iteration": 1}]], "a") is None


def test_numbers_for_json():
    assert rounded(np.array([1.23456789, np.nan, np.inf, -1e-9, 0.0])) == [1.2346, None, None, -1e-9, 0.0]
