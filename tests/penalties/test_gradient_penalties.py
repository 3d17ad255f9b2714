"""r1, r2, zero_gp, one_gp and dragan on critics whose gradient is known: values, and their slopes in D's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Constant, Linear, Quadratic, eager, functional, gradients, normal, scored, seeded, tensor, weighted
from steadygan.errors import InputError
from steadygan.models import mlp
from steadygan.penalties import GradientPenalty, OnFake, OnReal, dragan, one_gp, r1, r2, zero_gp
from steadygan.penalties.gradient import safe_sqrt
from steadygan.types import Critic, critic

X = tensor([[1, 2], [3, -1], [0, 0.5]])
Y = tensor([[0, 1], [2, 2], [-1, 0]])
ALL: dict[str, Callable[..., GradientPenalty]] = {
    "r1": r1, "r2": r2, "zero_gp": zero_gp, "one_gp": one_gp, "dragan": dragan,
}  # fmt: skip
TARGET = {"r1": 0.0, "r2": 0.0, "zero_gp": 0.0, "one_gp": 1.0, "dragan": 1.0}

each = pytest.mark.parametrize("name", ALL)
ways = pytest.mark.parametrize("way", [eager, functional])


def evaluate(penalty: GradientPenalty, model: Critic | nn.Module, real: Tensor = X, fake: Tensor = Y) -> Tensor:
    """weight * mean; points that are drawn and not given come from a seeded generator of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        c = model if isinstance(model, Critic) else eager(model)
        return weighted(penalty(c, scored(c, real), scored(c, fake)))


class TestLinearCritic:
    """d = w.v + b with w = (3, -4): the gradient is w and its norm 5, wherever it is measured."""

    @each
    @ways
    def test_value(self, name: str, way: Callable[[nn.Module], Critic]) -> None:
        """weight (5 - target)^2, and no factor 1/2."""
        value = evaluate(ALL[name](10.0), way(Linear([3, -4], 1)))
        assert_close(value.item(), 10.0 * (5 - TARGET[name]) ** 2)

    @each
    @ways
    def test_slope_in_the_weights(self, name: str, way: Callable[[nn.Module], Critic]) -> None:
        """d/dw weight (|w| - t)^2 = 2 weight (|w| - t) w / |w|; nothing for b."""
        model = Linear([3, -4], 1)
        slopes = gradients(evaluate(ALL[name](10.0), way(model)), model)
        assert_close(slopes["w"], 20.0 * (5 - TARGET[name]) / 5 * tensor([3, -4]))
        assert_close(slopes["b"].item(), 0.0)

    @each
    def test_probability_value(self, name: str) -> None:
        """d = 0 everywhere: the gradient of D is w / 4, so that r1 is a 16th of the logit's."""
        model, zeros = Linear([3, -4]), torch.zeros(3, 2, dtype=torch.float64)
        value = evaluate(ALL[name](10.0, of="probability"), model, zeros, zeros)
        assert_close(value.item(), 10.0 * (5 / 4 - TARGET[name]) ** 2)

    @ways
    def test_probability_slope_in_the_weights(self, way: Callable[[nn.Module], Critic]) -> None:
        """P = s^2 |w|^2, s = D (1 - D): dP/dw = 2 s^2 w + 2 s^2 (1 - 2 D) |w|^2 v, dP/db = 2 s^2 (1 - 2 D) |w|^2."""
        model = Linear([0.3, -0.4], 0.2)
        w, d = tensor([0.3, -0.4]), X @ tensor([0.3, -0.4]) + 0.2
        D = torch.sigmoid(d)
        s = D * (1 - D)
        slopes = gradients(evaluate(r1(7.0, of="probability"), way(model)), model)
        common = 2 * s.square() * (1 - 2 * D) * 0.25
        assert_close(slopes["w"], 7 * (2 * s.square()[:, None] * w + common[:, None] * X).mean(0))
        assert_close(slopes["b"], 7 * common.mean())


class TestQuadraticCritic:
    """d = v'Av / 2: the gradient at v is S v with S the symmetric part of A."""

    A = ((2.0, 1.0), (3.0, -1.0))  # S = [[2, 2], [2, -1]]

    @pytest.mark.parametrize(("penalty", "expected"), [
        # S x = (6, 0), (4, 7), (1, -1/2): squares 36, 65, 1.25; S y = (2, -1), (8, 2), (-2, -2): 5, 68, 8
        (r1(1.0), 102.25 / 3), (r2(1.0), 81 / 3), (r1(4.0), 4 * 102.25 / 3),
        (GradientPenalty(1.0, OnReal(), target=1.0), (25 + (65**0.5 - 1) ** 2 + (1.25**0.5 - 1) ** 2) / 3),
        (GradientPenalty(1.0, OnFake(), target=2.5), sum((q**0.5 - 2.5) ** 2 for q in (5, 68, 8)) / 3),
    ])  # fmt: skip
    @ways
    def test_value(self, penalty: GradientPenalty, expected: float, way: Callable[[nn.Module], Critic]) -> None:
        assert_close(evaluate(penalty, way(Quadratic(self.A))).item(), expected)

    @ways
    def test_slope_in_the_weights(self, way: Callable[[nn.Module], Critic]) -> None:
        """|S v|^2 has the slope S v v' + v v' S in A; (|S v| - t)^2 that times (|S v| - t) / |S v|."""
        for target in (0.0, 1.0):
            model, expected = Quadratic(self.A), torch.zeros(2, 2, dtype=torch.float64)
            for v in X:
                g, outer = model.S @ v, torch.outer(v, v)
                expected += (1 - target / g.norm()) * (model.S @ outer + outer @ model.S) / 3
            value = evaluate(GradientPenalty(10.0, OnReal(), target=target), way(model))
            assert_close(gradients(value, model)["A"], 10 * expected)

    def test_norm_runs_over_all_axes_of_a_sample(self) -> None:
        """Images: sum over channels, rows and columns, mean over the batch alone."""
        A = normal(0, 12, 12)
        x = normal(1, 5, 3, 2, 2)
        model = Quadratic(A)
        expected = sum((model.S @ v).square().sum() for v in x.flatten(1)) / 5
        assert_close(evaluate(r1(1.0), model, x, x), expected)


@pytest.mark.parametrize("penalty", [r1, r2])
def test_probability_identity(penalty: Callable[..., GradientPenalty]) -> None:
    """||grad D||^2 = (D (1 - D))^2 ||grad d||^2 per sample: at most a 16th."""
    model = eager(seeded(3, lambda: mlp(2, 1, 8, 2, "tanh")))
    sides = scored(model, X), scored(model, Y)
    logit, probability = (penalty(1.0, of=of)(model, *sides).value for of in ("logit", "probability"))
    D = torch.sigmoid(sides[penalty is r2].logits)
    assert_close(probability, (D * (1 - D)).square() * logit)
    assert (probability <= logit / 16).all()


def test_on_the_sides_nothing_is_scored_again() -> None:
    """r1 and r2 read what the loss scored: the critic is not called."""

    def refuse(x: Tensor) -> Tensor:
        raise AssertionError("called")

    sides = scored(Linear([3, -4]), X), scored(Linear([0, 2]), Y)
    assert_close(weighted(r1(1.0)(Critic(refuse), *sides)).item(), 25.0)
    assert_close(weighted(r2(1.0)(Critic(refuse), *sides)).item(), 4.0)


def test_values_are_per_sample() -> None:
    model = eager(Quadratic([[1.0, 0], [0, 1]]))
    sides = scored(model, X), scored(model, Y[:2])
    assert r1(1.0)(model, *sides).value.tolist() == [5, 10, 0.25]
    assert r2(1.0)(model, *sides).value.tolist() == [1, 8]


class TestFlatCritic:
    """Where the critic is flat the norm is 0, its slope is taken as 0, and no weight turns into NaN."""

    @each
    @ways
    @pytest.mark.parametrize("of", ["logit", "probability"])
    def test_zero_weights(self, name: str, way: Callable[[nn.Module], Critic], of: Any) -> None:
        model = Linear([0, 0], 3)
        value = evaluate(ALL[name](10.0, of=of), way(model))
        assert value.item() == 10.0 * TARGET[name] ** 2
        slopes = gradients(value, model)
        assert slopes["w"].tolist() == [0, 0]
        assert slopes["b"].item() == 0

    @each
    @ways
    def test_no_path_from_the_input(self, name: str, way: Callable[[nn.Module], Critic]) -> None:
        model = Constant(3.0)
        value = evaluate(ALL[name](10.0), way(model))
        assert value.item() == 10.0 * TARGET[name] ** 2
        if value.requires_grad:
            assert gradients(value, model)["b"].item() == 0

    @each
    @ways
    def test_dead_units(self, name: str, way: Callable[[nn.Module], Critic]) -> None:
        """All ReLU units off: the critic is constant, though not all its weights are 0."""
        model = seeded(4, lambda: nn.Sequential(mlp(2, 1, 8, 2, "relu"), nn.Flatten(0)))
        with torch.no_grad():
            model[0][0].bias.fill_(-100)
        value = evaluate(ALL[name](10.0), way(model))
        assert value.item() == 10.0 * TARGET[name] ** 2
        assert all((slope == 0).all() for slope in gradients(value, model).values())

    @each
    def test_flat_at_some_samples_only(self, name: str) -> None:
        """d = relu(v_1): flat for v_1 < 0. One such sample among others must not spoil the batch."""
        w = tensor([1, 0]).requires_grad_()
        c = critic(lambda v: torch.relu(v @ w))
        x = tensor([[2, 0], [-3, 1], [-5, 0], [-1, 1]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            term = ALL[name](10.0)(c, scored(c, x), scored(c, x))
        assert_close(term.value.sort().values, tensor([0, 0, 0, 1] if TARGET[name] == 0 else [0, 1, 1, 1]))
        (slope,) = torch.autograd.grad(weighted(term), w)
        assert_close(slope, tensor([5, 0] if TARGET[name] == 0 else [0, 0]))  # 10 / 4 * 2 (|w| - t) w / |w|


class TestSafeSqrt:
    def test_is_the_root(self) -> None:
        assert safe_sqrt(tensor([0, 1, 2.25, 1e-300, 1e300])).tolist() == [0, 1, 1.5, 1e-150, 1e150]

    def test_slope_is_half_over_root_and_zero_at_zero(self) -> None:
        squared = tensor([0, 0.25, 4, 1e-20]).requires_grad_()
        (slope,) = torch.autograd.grad(safe_sqrt(squared).sum(), squared, create_graph=True)
        assert_close(slope, tensor([0, 1, 0.25, 5e9]))
        (bend,) = torch.autograd.grad(slope[:3].sum(), squared)
        assert_close(bend, tensor([0, -2, -1 / 32, 0]))

    def test_hides_nothing(self) -> None:
        """A gradient that is not a number must be seen, not counted as flat."""
        assert torch.isnan(safe_sqrt(tensor([float("nan")]))).all()
        assert torch.isinf(safe_sqrt(tensor([float("inf")]))).all()


@each
def test_a_gradient_that_is_no_number_is_seen(name: str) -> None:
    """d is finite, its gradient is not: the objective must say so, whatever the target."""

    def model(x: Tensor) -> Tensor:
        return (x - x).abs().sqrt().sum(1)  # 0, with the slope 0 * inf

    c = Critic(lambda batch: eager(model)(batch))
    assert torch.isfinite(scored(c, X).logits).all()
    assert torch.isnan(evaluate(ALL[name](10.0), c))


class TestWeightAndInterval:
    @each
    def test_weight_times_interval(self, name: str) -> None:
        model = eager(Linear([3, -4]))
        term = ALL[name](2.5, interval=4)(model, scored(model, X), scored(model, Y))
        assert term.weight == 10.0
        assert term.value.shape == (3,)

    @each
    @pytest.mark.parametrize("interval", [1, 3, 16])
    def test_lazy_is_right_on_average(self, name: str, interval: int) -> None:
        """Over whole intervals the weights of the steps in which it acts sum to weight * steps."""
        penalty, steps = ALL[name](2.0, interval=interval), 3 * interval
        acting = [step for step in range(steps) if penalty.active(step)]
        assert acting == [0, interval, 2 * interval]
        model = eager(Linear([3, -4]))
        weight = penalty(model, scored(model, X), scored(model, Y)).weight
        assert len(acting) * weight == 2.0 * steps

    @each
    def test_weight_zero_adds_nothing(self, name: str) -> None:
        assert evaluate(ALL[name](0.0), Linear([3, -4])).item() == 0.0

    @each
    def test_papers_weight_is_the_default(self, name: str) -> None:
        penalty = ALL[name]()
        assert (penalty.weight, penalty.of, penalty.interval, penalty.name) == (10.0, "logit", 1, name)

    @each
    @pytest.mark.parametrize(("settings", "said"), [
        ({"weight": -1.0}, "weight: expected a number of 0 or more, got -1.0"),
        ({"weight": float("nan")}, "weight: expected a number of 0 or more, got nan"),
        ({"of": "logits"}, "of: expected one of logit, probability, sum, got 'logits': did you mean 'logit'?"),
        ({"interval": 0}, "interval: expected a whole number of 1 or more, got 0"),
    ])  # fmt: skip
    def test_refuses(self, name: str, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError) as caught:
            ALL[name](**settings)
        assert str(caught.value) == f"{name}.{said}"


@pytest.mark.parametrize("make", [r2, zero_gp, one_gp])
def test_alone_it_asks_for_the_fakes_it_needs(make):
    with pytest.raises(InputError, match="fake"):
        make(1.0).loss(torch.nn.Linear(2, 1), torch.randn(4, 2))
