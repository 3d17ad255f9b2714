"""Penalties without second derivatives: a difference of D over a small random step has their mean."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64, Linear, Quadratic, eager, functional, normal, scored, tensor
from steadygan.errors import InputError
from steadygan.penalties import GradientPenalty, OnReal, dragan, one_gp, r1, r2, zero_gp
from steadygan.types import Batch, Critic, Draw, Now, critic

ALL: dict[str, Callable[..., GradientPenalty]] = {
    "r1": r1, "r2": r2, "zero_gp": zero_gp, "one_gp": one_gp, "dragan": dragan,
}  # fmt: skip
N = 20_000
X, Y = normal(0, N, 2), normal(1, N, 2)
each = pytest.mark.parametrize("name", ALL)
ways = pytest.mark.parametrize("way", [eager, functional])


def drawn(penalty: GradientPenalty, seed: int, real: int, fake: int, *shape: int) -> GradientPenalty:
    """The penalty with the numbers that it asks for."""
    generator = torch.Generator().manual_seed(seed)
    draws = {"uniform": torch.rand, "normal": torch.randn}
    noise = {
        name: draws[draw.kind](draw.shape, generator=generator, dtype=F64)
        for name, draw in penalty.noise(real, fake, shape).items()
    }
    return penalty.at(Now(torch.tensor(0), {}, noise))


@each
@ways
def test_its_mean_is_that_of_the_gradient(name: str, way: Callable[[nn.Module], Critic]) -> None:
    """d linear, w = (3, -4): s = w . n is N(0, 25), whatever sigma; within five standard errors of (5 - target)^2."""
    judge = way(Linear([3, -4], 1))
    made = drawn(ALL[name](1.0, by="difference"), 0, N, N, 2)
    value = made(judge, scored(judge, X), scored(judge, Y)).value.detach()
    wanted = (5 - made.target) ** 2
    assert abs(float(value.mean()) - wanted) < 5 * float(value.std()) / sqrt(N)
    assert float(value.std()) < 50.0


@ways
def test_by_hand(way: Callable[[nn.Module], Critic]) -> None:
    """d = v'Sv / 2: (d(x + sigma n) - d(x)) / sigma = x'Sn + sigma n'Sn / 2, exactly."""
    s = tensor([[2, 1], [1, 3]])
    judge = way(Quadratic([[2, 1], [1, 3]]))
    x, n = normal(2, 5, 2), normal(3, 5, 2)
    slope = ((x @ s) * n).sum(1) + 0.1 * ((n @ s) * n).sum(1) / 2
    for target, value in ((0.0, slope**2), (1.0, slope**2 - 2 * sqrt(pi / 2) * slope.abs() + 1)):
        made = GradientPenalty(7.0, OnReal(), target, by="difference", sigma=0.1, step=n)
        term = made(judge, scored(judge, x), scored(judge, x))
        assert_close((term.value.detach(), term.weight), (value, 7.0))


def test_of_the_probability_and_of_the_sum() -> None:
    x, n = normal(2, 5, 1, 4, 4), normal(3, 5, 1, 4, 4)
    D = nn.Conv2d(1, 1, 3, 1).double()
    judge = critic(D)
    ends = [D(v).flatten(1) for v in (x, x + 0.01 * n)]
    for of, told in (
        ("logit", [v.mean(1) for v in ends]),
        ("probability", [v.mean(1).sigmoid() for v in ends]),
        ("sum", [v.sum(1) for v in ends]),
    ):
        made = GradientPenalty(1.0, of=of, by="difference", step=n)  # type: ignore[arg-type]
        value = made(judge, judge.score(Batch(x)), judge.score(Batch(x))).value
        assert_close(value, ((told[1] - told[0]) / 0.01).square())


def test_it_pulls_the_weights_as_the_gradient_does() -> None:
    """d / dw E s^2 = 2 w for a linear D, and the bias does not matter."""
    model = Linear([3, -4], 1)
    made = drawn(r1(1.0, by="difference"), 1, N, N, 2)
    judge = eager(model)
    made(judge, scored(judge, X), scored(judge, X)).value.mean().backward()
    assert model.w.grad is not None
    assert_close(model.w.grad, tensor([6, -8]), rtol=0, atol=0.4)
    assert model.b.grad is None or abs(float(model.b.grad)) < 1e-9


def test_what_is_drawn() -> None:
    """One step for each point, beside what the points want; nothing more for the gradient itself."""
    assert r1(1.0).noise(4, 6, (2,)) == {}
    counts = {name: make(1.0, by="difference").noise(4, 6, (2, 3))["step"] for name, make in ALL.items()}
    assert counts == {
        "r1": Draw((4, 2, 3), "normal"),
        "r2": Draw((6, 2, 3), "normal"),
        "zero_gp": Draw((6, 2, 3), "normal"),
        "one_gp": Draw((6, 2, 3), "normal"),
        "dragan": Draw((4, 2, 3), "normal"),
    }


@pytest.mark.parametrize("bad", [{"by": "guess"}, {"sigma": 0.0}, {"sigma": -1.0}, {"of": "total"}])
def test_bad_settings(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        r1(1.0, **bad)


class Opaque(torch.autograd.Function):
    """A layer with a first derivative and no second one, as fused attention has none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return slope * (1 - x.tanh() ** 2)


def test_it_needs_no_second_derivative() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 8).double(), nn.Linear(8, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.b(Opaque.apply(self.a(x)))

    D = Network()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        r1(1.0).loss(D, X[:8]).backward()
    r1(1.0, by="difference").loss(D, X[:8]).backward()
    assert D.a.weight.grad is not None
    assert float(D.a.weight.grad.norm()) > 0


def test_dropout_is_said() -> None:
    D = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1)).double()
    said = "D has dropout: r1 by difference also measures how much two forwards of one sample differ"
    with pytest.warns(UserWarning, match=said):
        r1(1.0, by="difference").loss(D, X[:8])
    with pytest.warns(UserWarning, match=said):
        sg.d_loss(sg.losses.Hinge(), D, X[:8], Y[:8], [r1(1.0, by="difference")])
    judge = critic(D)
    with pytest.warns(UserWarning, match=said):
        r1(1.0, by="difference").loss(judge, X[:8])
    with pytest.warns(UserWarning, match=said):
        sg.d_loss(sg.losses.Hinge(), judge, X[:8], Y[:8], [r1(1.0, by="difference")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r1(1.0, by="difference").loss(D.eval(), X[:8])
        r1(1.0, by="difference").loss(judge, X[:8])
        r1(1.0).loss(D.train(), X[:8])


@pytest.mark.parametrize("normed", [
    torch.nn.utils.parametrizations.spectral_norm,
    torch.nn.utils.spectral_norm,
])  # fmt: skip
def test_spectral_norm_of_torch_is_said(normed: Any) -> None:
    """Its estimate of a norm moves in each forward in train mode."""
    D = nn.Sequential(nn.Linear(2, 8), normed(nn.Linear(8, 1))).double()
    with pytest.warns(UserWarning, match="D has torch's spectral norm: r1 by difference also measures how much two"):
        r1(1.0, by="difference").loss(D, X[:8])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r1(1.0, by="difference").loss(D.eval(), X[:8])
        r1(1.0).loss(D.train(), X[:8])


def test_a_trainer_says_so_too() -> None:
    G = nn.Linear(2, 2)
    D = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    trainer = sg.Trainer(G, D, X[:64].float(), latent_dim=2, penalties=[r1(0.1, by="difference")], threads=1)
    assert any("D has dropout: r1 by difference" in note for note in trainer.fit(2).notes)
