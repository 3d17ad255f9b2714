"""What holds for every registered model and constraint."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from enrolled import make
from known import F64, normal, seeded
from steadygan.critics import probe_coupling
from steadygan.models import MODELS, mlp
from steadygan.penalties import CONSTRAINTS
from steadygan.types import Batch, critic

models = pytest.mark.parametrize("name", MODELS)
constraints = pytest.mark.parametrize("name", CONSTRAINTS)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, F64], ids=["float32", "float64"])


def built(name: str, seed: int = 0) -> nn.Module:
    return seeded(seed, lambda: make(MODELS[name]))


@models
@dtypes
def test_a_model_is_a_critic(name: str, dtype: torch.dtype) -> None:
    """One logit per sample, in the dtype of its weights; gradients reach every parameter."""
    model = built(name).to(dtype)
    scored = critic(model).score(Batch(normal(0, 5, 2, dtype=dtype)))
    assert (scored.logits.shape, scored.logits.dtype) == ((5,), dtype)
    assert scored.input_gradient().dtype == dtype
    scored.logits.sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    assert not probe_coupling(model.eval(), normal(1, 5, 2, dtype=dtype))


@models
def test_a_model_s_weights_follow_the_seed_and_nothing_else(name: str) -> None:
    before = torch.get_rng_state()
    one, again, other = (built(name, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert_close(one, again, rtol=0, atol=0)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@models
def test_a_model_s_weights_travel(name: str) -> None:
    """A state dict of one loads into another: the same function."""
    one, other, x = built(name, 0), built(name, 1), normal(2, 5, 2)
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))


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
