"""What holds for every registered constraint."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from enrolled import make
from known import F64, normal, seeded
from steadygan.models import mlp
from steadygan.penalties import CONSTRAINTS

constraints = pytest.mark.parametrize("name", CONSTRAINTS)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, F64], ids=["float32", "float64"])


@constraints
@dtypes
def test_a_constraint_works_in_place_and_settles(name: str, dtype: torch.dtype) -> None:
    """It changes weights or buffers, where they are, and has less to do the next time."""
    constraint, D = make(CONSTRAINTS[name]), seeded(0, lambda: mlp(2, 1, 8)).to(dtype)
    constraint.prepare(D)
    with torch.no_grad():
        for p in D.parameters():
            p.add_(torch.linspace(0.0, 1.0, p.numel(), dtype=dtype).view(p.shape))  # as a step would
    held = {key: (value, value.clone()) for key, value in D.state_dict().items()}
    constraint.after_d_step(D, D.parameters())
    moved = [torch.linalg.vector_norm(value - was) for value, was in held.values()]
    assert max(moved) > 1e-6
    assert {key: value.data_ptr() for key, value in D.state_dict().items()} == {
        key: value.data_ptr() for key, (value, _) in held.items()
    }
    assert all(p.is_leaf and p.requires_grad and p.dtype == dtype and torch.isfinite(p).all() for p in D.parameters())
    for _ in range(200):
        constraint.after_d_step(D, D.parameters())
    settled = {key: value.clone() for key, value in D.state_dict().items()}
    constraint.after_d_step(D, D.parameters())
    assert_close(dict(D.state_dict()), settled, rtol=1e-5, atol=1e-6)
    assert torch.is_grad_enabled()


@constraints
def test_a_constraint_leaves_gradients_alone(name: str) -> None:
    constraint, D = make(CONSTRAINTS[name]), seeded(1, lambda: mlp(2, 1, 8))
    constraint.prepare(D)
    D(normal(3, 4, 2)).sum().backward()
    slopes = [p.grad.clone() for p in D.parameters() if p.grad is not None]
    constraint.after_d_step(D, D.parameters())
    assert_close([p.grad for p in D.parameters()], slopes, rtol=0, atol=0)
