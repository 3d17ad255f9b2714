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
    constraint, D = make(CONSTRAINTS[name]), seeded(0, lambda: mlp(2, 1, 8)).to(dtype)
    before = [(p, p.detach().clone()) for p in D.parameters()]
    constraint.after_d_step(D.parameters())
    assert any(not torch.equal(p, was) for p, was in before)
    assert all(p.is_leaf and p.requires_grad and p.dtype == dtype and torch.isfinite(p).all() for p, _ in before)
    once = [p.detach().clone() for p in D.parameters()]
    constraint.after_d_step(D.parameters())
    assert_close(list(D.parameters()), once, rtol=0, atol=0)
    assert torch.is_grad_enabled()


@constraints
def test_a_constraint_leaves_gradients_alone(name: str) -> None:
    D = seeded(1, lambda: mlp(2, 1, 8))
    D(normal(3, 4, 2)).sum().backward()
    slopes = [p.grad.clone() for p in D.parameters() if p.grad is not None]
    make(CONSTRAINTS[name]).after_d_step(D.parameters())
    assert_close([p.grad for p in D.parameters()], slopes, rtol=0, atol=0)
