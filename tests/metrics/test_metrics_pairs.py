"""Fakes beside the reals that they reconstruct: their distance, and their fine detail."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from known import F64, normal
from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics.pairs import detail, paired_distance, paired_match

IMAGES = normal(0, 32, 3, 16, 16)


def test_a_pair_that_is_equal_is_at_0_and_another_real_one_at_1() -> None:
    corners = torch.eye(6, dtype=F64)  # all equally far apart
    assert paired_distance(corners, corners) == 0.0
    assert paired_distance(corners.roll(1, 0), corners) == pytest.approx(1.0, rel=1e-12)
    assert paired_distance(corners.roll(1, 0).float() * 3 + 7, corners * 3 + 7) == pytest.approx(1.0, rel=1e-6)


def test_the_paired_distance_by_hand() -> None:
    x = torch.tensor([[0.0], [4.0]], dtype=F64)
    assert paired_distance(x + torch.tensor([[1.0], [-3.0]]), x) == pytest.approx((1 + 3) / 2 / 4)


def test_a_match_by_hand() -> None:
    x = torch.tensor([[0.0], [4.0], [10.0]], dtype=F64)
    y = x + torch.tensor([[1.0], [-3.0], [0.0]])  # 1, 1, 10: others are 3 + 9, 1 + 9, 10 + 6 away
    assert paired_match(y, x) == pytest.approx((1 + 3 + 0) / 3 / ((3 + 9 + 1 + 9 + 10 + 6) / 6))
    assert paired_match(x, x) == 0.0
    assert paired_match(torch.zeros(5, 2), torch.zeros(5, 2)) == 1.0
    with pytest.raises(InputError, match="expected one fake per real sample, 3, got 2"):
        paired_match(y[:2], x)


def test_fakes_in_another_order_match_nothing() -> None:
    x = normal(0, 200, 3)
    assert paired_match(x.roll(1, 0), x) == pytest.approx(1.0, abs=0.05)


def test_what_is_no_pair_is_refused() -> None:
    x = normal(0, 4, 3)
    with pytest.raises(InputError, match="expected one fake per real sample, 4, got 3"):
        paired_distance(x[:3], x)
    with pytest.raises(InputError, match="copies of one sample"):
        paired_distance(x, x[:1].expand(4, 3))
    with pytest.raises(InputError, match="expected fake samples"):
        paired_distance(x[:, :2], x)
    with pytest.raises(NonFiniteError):
        paired_distance(x * float("nan"), x)


def test_detail_by_hand() -> None:
    """Of one signal: differences 1 and -3 against 2 and 2."""
    real, fake = torch.tensor([[[0.0, 2.0, 4.0]]]), torch.tensor([[[0.0, 1.0, -2.0]]])
    assert detail(fake, real) == pytest.approx((10 / 8) ** 0.5)


@pytest.mark.parametrize("scale", [0.5, 1.0, -3.0])
def test_detail_follows_contrast_and_not_brightness(scale: float) -> None:
    assert detail(scale * IMAGES + 5.0, IMAGES) == pytest.approx(abs(scale), rel=1e-12)


def test_every_axis_but_channels_counts() -> None:
    flat = IMAGES.mean(dim=1, keepdim=True).expand_as(IMAGES)
    assert detail(IMAGES.mean(dim=(2, 3), keepdim=True).expand_as(IMAGES), IMAGES) == 0.0
    assert detail(flat, flat + normal(1, 1, 3, 1, 1)) == pytest.approx(1.0)  # channels may differ as they like
    rows = IMAGES.mean(dim=3, keepdim=True).expand_as(IMAGES)
    turned = detail(rows.transpose(2, 3), IMAGES.transpose(2, 3))
    assert turned is not None
    assert 0.0 < turned < 1.0
    assert detail(rows, IMAGES) == pytest.approx(turned)


def test_averages_are_smooth_and_noise_is_not() -> None:
    blurred = [F.avg_pool2d(F.pad(IMAGES, [k // 2] * 4, mode="reflect"), k, 1) for k in (3, 5)]
    found = [detail(x, IMAGES) for x in (*blurred[::-1], IMAGES, IMAGES + 0.5 * normal(1, *IMAGES.shape))]
    assert found == sorted(found)
    assert found[2] == 1.0


def test_samples_without_neighbours_have_no_detail() -> None:
    assert detail(normal(0, 4, 8), normal(1, 4, 8)) is None
    assert detail(normal(0, 4, 8, 1), normal(1, 4, 8, 1)) is None
    assert detail(normal(0, 4, 1, 8), torch.ones(4, 1, 8)) is None
    with pytest.raises(InputError, match="expected fakes of shape"):
        detail(normal(0, 4, 1, 8), normal(0, 4, 1, 9))
