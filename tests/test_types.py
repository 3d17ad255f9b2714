"""The seams: batches, critics, scores and their input gradients by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Constant, Linear, Quadratic, eager, functional, normal, scored, seeded, tensor
from steadygan.models import mlp
from steadygan.types import Batch, Critic, Forward, Output, Scored, cat, critic

POINTS = tensor([[1, 2], [3, -1], [0, 0.5]])
LABELS = torch.tensor([7, 8, 9])
ways = pytest.mark.parametrize("way", [eager, functional])


class TestBatch:
    def test_take_split_first_carry_labels(self) -> None:
        batch = Batch(POINTS, LABELS)
        taken = batch.take(torch.tensor([2, 0, 2]))
        assert taken.x.tolist() == [[0, 0.5], [1, 2], [0, 0.5]]
        assert taken.label is not None
        assert taken.label.tolist() == [9, 7, 9]
        one, two = batch.split(1, 2)
        assert (one.x.tolist(), two.x.tolist()) == ([[1, 2]], [[3, -1], [0, 0.5]])
        assert one.label is not None
        assert two.label is not None
        assert (one.label.tolist(), two.label.tolist()) == ([7], [8, 9])
        first = batch.first(2)
        assert first.label is not None
        assert (first.x.tolist(), first.label.tolist()) == ([[1, 2], [3, -1]], [7, 8])
        assert batch.first(3) is batch
        assert batch.first(0).size == 0

    def test_without_labels(self) -> None:
        batch = Batch(POINTS)
        parts = (batch.take(torch.tensor([1])), *batch.split(2, 1), batch.first(1), cat(batch, batch))
        assert [part.label for part in parts] == [None] * 5
        assert [part.size for part in parts] == [1, 2, 1, 1, 6]

    def test_more_than_there_is_raises(self) -> None:
        with pytest.raises(RuntimeError):
            Batch(POINTS).first(4)
        with pytest.raises(RuntimeError):
            Batch(POINTS).split(2, 2)

    def test_cat_is_the_inverse_of_split(self) -> None:
        batch = Batch(POINTS, LABELS)
        again = cat(*batch.split(1, 0, 2))
        assert_close(again.x, POINTS, rtol=0, atol=0)
        assert again.label is not None
        assert again.label.tolist() == [7, 8, 9]

    def test_cat_keeps_labels_only_where_all_have_them(self) -> None:
        assert cat(Batch(POINTS, LABELS), Batch(POINTS)).label is None

    def test_is_a_pytree(self) -> None:
        """vmap and compile take a batch as it is."""
        axes: Any = (Batch(0, 0, None),)  # type: ignore[arg-type]
        sums = torch.func.vmap(lambda batch: batch.x.sum() + batch.label, axes)(Batch(POINTS, LABELS))
        assert_close(sums, POINTS.sum(1) + LABELS)


class TestScored:
    @ways
    def test_linear(self, way: Callable[[nn.Module], Critic]) -> None:
        """d = 3 v_1 - 4 v_2 + 1: gradient (3, -4) everywhere; of D it is D (1 - D) times that."""
        s = scored(way(Linear([3.0, -4.0], 1.0)), POINTS)
        assert_close(s.logits, tensor([-4, 14, -1]))
        assert_close(s.input_gradient(), tensor([[3, -4]] * 3))
        D = torch.sigmoid(tensor([-4, 14, -1]))
        assert_close(s.input_gradient("probability"), (D * (1 - D))[:, None] * tensor([[3, -4]]))

    @ways
    def test_quadratic(self, way: Callable[[nn.Module], Critic]) -> None:
        """d = v'Av / 2 with A = [[2, 1], [3, -1]]: gradient [[2, 2], [2, -1]] v."""
        s = scored(way(Quadratic([[2, 1], [3, -1]])), POINTS)
        assert_close(s.logits, tensor([3, 2.5, -0.125]))
        assert_close(s.input_gradient(), tensor([[6, 0], [4, 7], [1, -0.5]]))

    @ways
    def test_image_gradients_are_flat(self, way: Callable[[nn.Module], Critic]) -> None:
        model = Linear(list(range(24)))
        assert_close(scored(way(model), normal(0, 5, 2, 3, 4)).input_gradient(), model.w.detach().expand(5, 24))

    @ways
    def test_probability_is_the_gradient_of_the_sigmoid(self, way: Callable[[nn.Module], Critic]) -> None:
        model = seeded(0, lambda: mlp(2, 1, 8, 2, "tanh"))
        x = normal(1, 6, 2).requires_grad_()
        (expected,) = torch.autograd.grad(torch.sigmoid(model(x)).sum(), x)
        s = scored(way(nn.Sequential(model, nn.Flatten(0))), x.detach())
        assert_close(s.input_gradient("probability"), expected)

    @ways
    def test_pull_sends_a_cotangent_back(self, way: Callable[[nn.Module], Critic]) -> None:
        s = scored(way(Quadratic([[2.0, 0], [0, 1]])), POINTS)
        (pulled,) = s.pull(tensor([0, 2, -1]))
        assert_close(pulled, tensor([[0, 0], [12, -2], [0, -0.5]]))

    @ways
    def test_differentiable_in_the_weights(self, way: Callable[[nn.Module], Critic]) -> None:
        """sum of ||w||^2 over 3 points: gradient 6 w."""
        model = Linear([3.0, -4.0])
        scored(way(model), POINTS).input_gradient().square().sum().backward()
        assert model.w.grad is not None
        assert_close(model.w.grad, tensor([18, -24]))

    def test_both_ways_agree_to_the_second_derivative(self) -> None:
        model = nn.Sequential(seeded(2, lambda: mlp(2, 1, 8, 2, "silu")), nn.Flatten(0))
        x, found = normal(3, 5, 2), []
        for way in (eager, functional):
            value = scored(way(model), x).input_gradient("probability").square().sum()
            found.append([value, *torch.autograd.grad(value, list(model.parameters())[:-1])])
        assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)

    @ways
    def test_a_critic_that_ignores_its_input_is_flat(self, way: Callable[[nn.Module], Critic]) -> None:
        assert_close(scored(way(Constant(2.0)), POINTS).input_gradient(), torch.zeros(3, 2, dtype=POINTS.dtype))

    def test_no_graph_means_no_slope(self) -> None:
        with torch.no_grad():
            s = scored(Linear([3.0, -4.0]), POINTS)
            assert_close(s.input_gradient(), torch.zeros_like(POINTS))

    def test_the_callers_tensor_is_left_as_it_was(self) -> None:
        x = POINTS.clone()
        s = scored(Linear([1.0, 1.0]), x)
        s.input_gradient()
        assert (x.requires_grad, x.grad) == (False, None)

    def test_fakes_keep_their_way_back_to_the_generator(self) -> None:
        """In the G step x has a graph of its own: the input gradient is that at y, and z's is still to be had."""
        z = POINTS.clone().requires_grad_()
        s = scored(Linear([3.0, -4.0]), 2 * z)
        assert_close(s.input_gradient(), tensor([[3, -4]] * 3))
        s.logits.sum().backward()
        assert z.grad is not None
        assert_close(z.grad, tensor([[6, -8]] * 3))

    def test_one_forward_serves_all(self) -> None:
        calls: list[int] = []

        def model(x: Tensor) -> Tensor:
            calls.append(x.shape[0])
            return x.sum(1)

        s = scored(critic(model), POINTS)
        s.input_gradient()
        s.input_gradient("probability")
        assert calls == [3]

    def test_features_and_labels_come_along(self) -> None:
        def model(x: Tensor, label: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return x.sum(1) * label, {"h": 2 * x}

        both: list[Scored] = []
        for is_functional in (False, True):
            way = replace(critic(model), functional=is_functional)
            both.append(way.score(Batch(POINTS, LABELS)))
        for s in both:
            assert_close(s.logits, tensor([21, 16, 4.5]))
            assert_close(s.features["h"], 2 * POINTS)
            assert_close(s.input_gradient(), tensor([[7, 7], [8, 8], [9, 9]]))
            assert s.batch.label is LABELS


class TestCriticConstant:
    def test_is_constant(self) -> None:
        def model(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return w * x.sum(1), {"h": w * x, "itself": x}

        w = torch.ones((), dtype=torch.float64, requires_grad=True)
        logits, features, *_ = critic(model).constant(Batch(POINTS.clone().requires_grad_()))
        assert_close(logits, tensor([3, 2, 0.5]))
        assert not any(value.requires_grad for value in (logits, *features.values()))

    @pytest.mark.parametrize(("couples", "chunk", "sizes"), [
        (False, 2, [5]), (True, None, [5]), (True, 5, [5]), (True, 8, [5]), (True, 2, [2, 2, 1]), (True, 1, [1] * 5),
    ])  # fmt: skip
    def test_chunks(self, couples: bool, chunk: int | None, sizes: list[int]) -> None:
        """Coupled samples are scored in batches of the usual size, others in one go."""
        seen: list[int] = []

        def model(x: Tensor, label: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            seen.append(x.shape[0])
            return x.sum(1) - x.mean() + label, {"h": x - x.mean(0)}

        x, label = normal(4, 5, 2), torch.arange(5)
        logits, features, *_ = critic(model, couples_samples=couples).constant(Batch(x, label), chunk)
        assert seen == sizes
        assert_close(logits, torch.cat([p.sum(1) - p.mean() for p in x.split(sizes)]) + label)
        assert_close(features["h"], torch.cat([p - p.mean(0) for p in x.split(sizes)]))

    def test_buffers_stay(self) -> None:
        model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).double()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        critic(model).constant(Batch(POINTS))
        assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
        critic(model)(Batch(POINTS))  # one that is trained through moves them
        assert model[0].num_batches_tracked == 1

    def test_wrap_changes_both_forwards(self) -> None:
        def doubled(forward: Forward) -> Forward:
            return lambda batch: Output(2 * forward(batch).logits, {})

        for model in (Linear([1.0, 1.0]), nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).double().eval()):
            plain, twice = critic(model), critic(model).wrap(doubled)
            assert_close(twice(Batch(POINTS)).logits, 2 * plain(Batch(POINTS)).logits)
            assert_close(twice.constant(Batch(POINTS)).logits, 2 * plain(Batch(POINTS)).logits)
            assert_close(twice.score(Batch(POINTS)).input_gradient(), 2 * plain.score(Batch(POINTS)).input_gradient())
            assert (twice.untracked is None) == (plain.untracked is None)


class TestCriticRank:
    """d(v) = v_1 + v_2 and, where samples are only ranked, its negative: so that one sees which forward was asked."""

    @staticmethod
    def negative(batch: Batch) -> Output:
        return Output(-batch.x.sum(1), {})

    def test_is_the_constant_one_by_itself(self) -> None:
        model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).double()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        logits = critic(model).rank(Batch(POINTS.clone().requires_grad_()))
        assert torch.equal(logits, critic(model).constant(Batch(POINTS)).logits)
        assert not logits.requires_grad
        assert_close(dict(model.state_dict()), before, rtol=0, atol=0)

    def test_has_a_forward_of_its_own(self) -> None:
        two = replace(critic(Linear([1, 1])), ranked=self.negative)
        assert_close(two.rank(Batch(POINTS)), tensor([-3, -2, -0.5]))
        for logits in (two(Batch(POINTS)).logits, two.constant(Batch(POINTS)).logits, two.score(Batch(POINTS)).logits):
            assert_close(logits.detach(), tensor([3, 2, 0.5]))

    def test_is_without_a_graph_and_in_chunks(self) -> None:
        seen: list[tuple[int, bool]] = []

        def watch(batch: Batch) -> Output:
            seen.append((batch.size, torch.is_grad_enabled()))
            return self.negative(batch)

        for couples in (True, False):
            Critic(self.negative, couples_samples=couples, ranked=watch).rank(Batch(normal(4, 5, 2)), chunk=2)
        assert seen == [(2, False), (2, False), (1, False), (5, False)]

    def test_wrap_changes_it_too(self) -> None:
        def tripled(forward: Forward) -> Forward:
            return lambda batch: Output(3 * forward(batch).logits, {})

        two = replace(critic(Linear([1, 1])), ranked=self.negative)
        assert_close(two.wrap(tripled).rank(Batch(POINTS)), tensor([-9, -6, -1.5]))
        assert critic(Linear([1, 1])).wrap(tripled).ranked is None


class TestHalfPrecision:
    """w = (3, 1/16) is a bf16 number, |w|^2 = 9 + 1/256 is none: it would be 9."""

    @ways
    @pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
    def test_an_input_gradient_is_float32(self, way: Callable[[nn.Module], Critic], kind: torch.dtype) -> None:
        gradient = scored(way(Linear([3, 0.0625]).to(kind)), POINTS.to(kind)).input_gradient()
        assert gradient.dtype == torch.float32
        assert gradient.tolist() == [[3, 0.0625]] * 3
        assert gradient.square().sum(1).tolist() == [9.00390625] * 3

    @ways
    @pytest.mark.parametrize("kind", [torch.float32, torch.float64])
    def test_others_keep_their_own(self, way: Callable[[nn.Module], Critic], kind: torch.dtype) -> None:
        found = scored(way(Linear([3, 0.0625]).to(kind)), POINTS.to(kind))
        assert (found.logits.dtype, found.input_gradient().dtype) == (kind, kind)
