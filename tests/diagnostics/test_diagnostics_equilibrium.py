"""Losses against their equilibrium: by hand, for both signs of it and none."""

import math

import pytest

from steadygan.diagnostics import off_equilibrium


@pytest.mark.parametrize(
    ("loss", "equilibrium", "off"),
    [
        (1.5, 2.0, -0.25),
        (3.0, 2.0, 0.5),
        (-1.5, -2.0, 0.25),  # a minimax G: above its equilibrium, though nearer to 0
        (-3.0, -2.0, -0.5),
        (0.7, 0.0, 0.7),
        (-0.7, 0.0, -0.7),
        (2.0, 2.0, 0.0),
        (math.inf, 2.0, math.inf),
        (None, 2.0, None),
        (2.0, None, None),
        (None, None, None),
    ],
)
def test_off_equilibrium(loss, equilibrium, off):
    assert off_equilibrium(loss, equilibrium) == off


def test_a_loss_that_is_no_number_shows():
    assert math.isnan(off_equilibrium(math.nan, 2.0))
