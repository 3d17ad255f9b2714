"""Critics whose values and input gradients are known by hand, and samples from explicit generators; all in float64."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steadygan.engine.compiler import too_old
from steadygan.types import Batch, Critic, Output, Scored, Term, critic

F64 = torch.float64

compiles = pytest.mark.skipif(too_old() is not None, reason=str(too_old()))
needs_cpp = pytest.mark.skipif(
    too_old() is not None or (shutil.which("g++") is None and shutil.which("clang++") is None),
    reason=too_old() or "no C++ compiler here",
)


class Linear(nn.Module):
    """d(v) = w.v + b, with gradient w everywhere."""

    def __init__(self, w: Sequence[float], b: float = 0.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=F64))
        self.b = nn.Parameter(torch.tensor(b, dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + self.b


class Quadratic(nn.Module):
    """d(v) = v'Av / 2, with gradient S v where S = (A + A') / 2."""

    def __init__(self, A: Sequence[Sequence[float]] | Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.as_tensor(A, dtype=F64).clone())

    @property
    def S(self) -> Tensor:
        return (self.A.detach() + self.A.detach().T) / 2

    def forward(self, x: Tensor) -> Tensor:
        v = x.flatten(1)
        return ((v @ self.A) * v).sum(1) / 2


class Constant(nn.Module):
    """d(v) = b, whatever v: there is not even a graph from v to d."""

    def __init__(self, b: float = 0.0) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.tensor(b, dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return self.b.expand(x.shape[0])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def uniform(seed: int, *shape: int, dtype: torch.dtype = F64) -> Tensor:
    return torch.rand(shape, generator=generator(seed), dtype=dtype)


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """A module in float64 whose initial weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().double()


def sp(t: float) -> float:
    """log(1 + e^t), in plain Python."""
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t)) if t >= 0 else math.exp(t) / (1 + math.exp(t))


def weighted(term: Term) -> Tensor:
    """What a term adds to an objective: weight * mean."""
    return term.weight * term.value.mean()


def total(terms: Mapping[str, Term]) -> Tensor:
    return torch.stack([weighted(term) for term in terms.values()]).sum()


def eager(model: nn.Module) -> Critic:
    return critic(model)


def functional(model: nn.Module) -> Critic:
    """The critic whose input gradients come from torch.func.vjp."""
    return Critic(lambda batch: Output(model(batch.x), {}), functional=True)


def scored(model: Critic | nn.Module, x: Tensor) -> Scored:
    return (model if isinstance(model, Critic) else critic(model)).score(Batch(x))


def gradients(value: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """d value / d parameter, 0 where the value does not depend on one."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(value, parameters, allow_unused=True, retain_graph=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))
