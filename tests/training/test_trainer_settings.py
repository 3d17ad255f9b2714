"""What a trainer refuses, each in one line, before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import steadygan as sg
from steadygan.errors import InputError
from steadygan.types import Opponent
from tiny import small_d, small_g, trainer

losses, penalties, methods = sg.losses, sg.penalties, sg.methods


def refused(told: str, iterations: int = 0, **settings: Any) -> None:
    with pytest.raises(InputError) as error:
        trainer(**settings).fit(iterations)
    assert told in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (np.array([[0.0, np.nan]]), "expected finite float32 numbers in data, got nan in row 0"),
        ([[0.0, 1.0]], "expected data as a tensor, an array, a torch Dataset or a steadygan Source, got list"),
        (torch.zeros(5), "expected samples of shape (n, dim) in data, got (5,)"),
    ],
)
def test_data_that_is_none(data, told):
    refused(told, data=data)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of 1 or more, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of 1 or more, not 2.5"),
        ({"d_steps": 0}, "d_steps must be"),
        ({"log_every": 0}, "log_every must be"),
        ({"evaluate_every": -1}, "evaluate_every must be"),
        ({"checkpoint_every": True}, "checkpoint_every must be"),
        ({"keep": 0}, "keep must be"),
        ({"lr_g": 0.0}, "lr_g must be a finite number above 0, not 0.0"),
        ({"lr_d": float("nan")}, "lr_d must be a finite number above 0, not nan"),
        ({"device": "abacus"}, "device 'abacus' is not available here"),
        ({"method": methods.FakeAsReal(9)}, "count must be at most the real batch of 8, not 9"),
        ({"method": [methods.Packing(2), methods.Packing(3)]}, "each method may occur once in a chain"),
        ({"method": "fake_as_real"}, "method must be one such as methods.FakeAsReal(8), not 'fake_as_real'"),
        ({"method": [methods.Plain(), "packing"]}, "a method must be one such as methods.FakeAsReal(8), not 'packing'"),
        ({"loss": "hinge"}, "loss must be a steadygan loss such as losses.Hinge(), not 'hinge'"),
        ({"penalties": penalties.r1(1.0)}, "penalties must be a list such as [penalties.r1(10)], not GradientPenalty("),
        ({"penalties": [10.0]}, "a penalty must be one such as penalties.r1(10), not 10.0"),
        ({"penalties": [penalties.r1(1.0), penalties.r1(2.0)]}, "expected each penalty once"),
        ({"D": {"d": Opponent(small_d(), losses.Hinge())}, "G": small_g(), "loss": losses.Hinge()}, "on each of them"),
        ({"ema": 1.0}, "ema.decay: expected a number from 0 to below 1, or none, got 1.0"),
        ({"horizon": 0}, "horizon must be a whole number of 1 or more, not 0"),
        ({"threads": 0}, "threads must be a whole number of 1 or more, not 0"),
    ],
)
def test_settings_that_make_no_sense(settings, told):
    refused(told, **settings)


@pytest.mark.parametrize("iterations", [-1, 2.5, True, "100"])
def test_iterations_that_make_no_sense(iterations):
    refused(f"iterations must be a whole number of 0 or more, not {iterations!r}", iterations)
