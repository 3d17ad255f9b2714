"""Weight clipping: every parameter into [-c, c], outside autograd."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from known import Linear, seeded
from steadygan.errors import InputError
from steadygan.models import mlp
from steadygan.penalties import CONSTRAINTS, WeightClipping


def test_by_hand() -> None:
    D = Linear([0.5, -0.5, 0.05, -0.1, 0.1], 7)
    WeightClipping(0.1).after_d_step(D, D.parameters())
    assert D.w.tolist() == [0.1, -0.1, 0.05, -0.1, 0.1]
    assert D.b.item() == 0.1
    assert D.w.requires_grad
    assert D.w.grad_fn is None  # still a leaf that an optimiser holds


def test_every_parameter_in_place() -> None:
    D = seeded(0, lambda: mlp(2, 1, 16))
    before = {name: (p, p.detach().clone()) for name, p in D.named_parameters()}
    WeightClipping().after_d_step(D, D.parameters())
    for name, p in D.named_parameters():
        assert p is before[name][0]
        assert_close(p.detach(), before[name][1].clamp(-0.01, 0.01), rtol=0, atol=0)
    assert max(p.abs().max().item() for p in D.parameters()) == 0.01


def test_nan_stays_visible() -> None:
    D = Linear([float("nan"), 1])
    WeightClipping().after_d_step(D, D.parameters())
    assert torch.isnan(D.w[0])


@pytest.mark.parametrize("c", [0.0, -1.0, float("nan")])
def test_refuses(c: float) -> None:
    with pytest.raises(InputError, match=f"weight_clipping.c: expected a number above 0, got {c}"):
        WeightClipping(c)


def test_is_registered() -> None:
    assert CONSTRAINTS["weight_clipping"]() == WeightClipping(0.01)
