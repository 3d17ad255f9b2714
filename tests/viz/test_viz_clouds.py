from __future__ import annotations

import numpy as np
import pytest

from steadygan.viz.clouds import Snapshot, column_limits, logit_scale, pick_panels, share_outside, thin, view


def test_six_panels_of_a_long_run_are_even_in_log_scale_and_keep_both_ends() -> None:
    iterations = list(range(0, 40_001, 1000))
    assert [iterations[i] for i in pick_panels(iterations)] == [0, 1000, 3000, 6000, 16_000, 40_000]


def test_without_iteration_zero_all_panels_are_log_spaced() -> None:
    iterations = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert [iterations[i] for i in pick_panels(iterations, most=4)] == [1, 10, 100, 1000]


@pytest.mark.parametrize("count", range(1, 7))
def test_few_snapshots_are_all_shown(count: int) -> None:
    assert pick_panels(list(range(count))) == list(range(count))


@pytest.mark.parametrize("most", range(1, 9))
@pytest.mark.parametrize("step", [1, 37])
@pytest.mark.parametrize("first", [0, 5, 10_000])
def test_panels_are_distinct_increasing_and_no_more_than_asked(most: int, step: int, first: int) -> None:
    iterations = [first + step * i for i in range(50)]
    picked = pick_panels(iterations, most)
    assert len(picked) == most
    assert picked == sorted(set(picked))
    assert picked[-1] == 49
    assert picked[0] == 0 or most == 1


def test_no_panel_is_asked_for() -> None:
    assert pick_panels([0, 1, 2], most=0) == []


def test_colour_scale_is_centred_at_zero_when_logits_have_both_signs() -> None:
    surface = np.linspace(-1.0, 3.0, 101).reshape(1, -1)
    centre, half = logit_scale([surface])
    assert centre == 0.0
    assert half == pytest.approx(2.8)  # 95th percentile of |logit|


def test_colour_scale_of_a_one_sided_critic_is_centred_at_its_median() -> None:
    centre, half = logit_scale([np.array([[10.0, 11.0, 12.0]]), np.array([[np.nan, np.inf, 11.0]])])
    assert centre == 11.0
    assert 0.0 < half <= 1.0


def test_colour_scale_of_nothing_and_of_a_flat_critic() -> None:
    assert logit_scale([]) == (0.0, 1.0)
    assert logit_scale([np.full((2, 2), np.nan)]) == (0.0, 1.0)
    assert logit_scale([np.zeros((2, 2))]) == (0.0, 1e-6)


def test_view_is_the_union_of_extents_else_the_points_with_a_margin() -> None:
    points = np.array([[0.0, 0.0], [4.0, 8.0], [np.nan, 1.0]])
    two = [Snapshot(0, points, None, (-1, 1, -2, 2)), Snapshot(1, points, None, (-3, 0, 0, 5)), Snapshot(2, points)]
    assert view(points, two) == (-3.0, 1.0, -2.0, 5.0)
    assert view(points, [Snapshot(0, points)]) == (-1.0, 5.0, -2.0, 10.0)


def test_limits_of_a_constant_and_of_an_empty_column() -> None:
    assert column_limits(np.array([2.0, 2.0]), 0.5) == (1.0, 3.0)
    assert column_limits(np.array([np.nan]), 0.5) == (-1.0, 1.0)


def test_thin_keeps_finite_points_evenly() -> None:
    points = np.stack([np.arange(100.0), np.arange(100.0)], 1)
    points[50] = np.nan
    kept = thin(points, 10)
    assert len(kept) == 10
    assert kept[0, 0] == 0.0
    assert kept[-1, 0] == 99.0
    assert np.isfinite(kept).all()
    assert len(thin(points, 1000)) == 99


def test_share_outside_counts_non_finite_points() -> None:
    points = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0], [np.nan, 0.0]])
    assert share_outside(points, (-1.0, 1.0, -1.0, 1.0)) == 0.75
    assert share_outside(np.zeros((0, 2)), (-1.0, 1.0, -1.0, 1.0)) == 0.0
