"""Pixels and values: each of the 256 goes there and back, and what lies between goes to the nearest."""

from __future__ import annotations

import pytest
import torch

from steadygan.pixels import to_pixels, to_values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_pixel_comes_back(dtype: torch.dtype) -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    values = to_values(pixels, dtype)
    assert values.dtype == dtype
    torch.testing.assert_close(values, torch.linspace(-1.0, 1.0, 256, dtype=dtype), rtol=0, atol=2e-7)
    assert torch.equal(to_pixels(values), pixels)


def test_values_go_to_the_nearest_pixel_and_never_wrap() -> None:
    step = 2.0 / 255.0
    x = torch.tensor([-9.0, -1.0, -1.0 + 0.49 * step, -1.0 + 0.51 * step, 0.0, 1.0 - 0.49 * step, 1.0, 9.0])
    assert to_pixels(x).tolist() == [0, 0, 0, 1, 128, 255, 255, 255]


def test_what_comes_in_stays_as_it_was() -> None:
    x, pixels = torch.zeros(3, requires_grad=True), torch.zeros(3, dtype=torch.uint8)
    to_pixels(x)
    to_values(pixels)
    assert torch.equal(x.detach(), torch.zeros(3))
    assert torch.equal(pixels, torch.zeros(3, dtype=torch.uint8))
