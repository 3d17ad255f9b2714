# ruff: noqa: ARG005 (discriminators as lambdas, whose parameters are found by their names)
"""Conditions travel with the samples, reach D by its parameters, and are never penalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import steadygan as sg
from known import F64, normal, tensor
from steadygan.errors import InputError
from steadygan.methods.sample_differences import nearest_real
from steadygan.penalties import Interpolated, one_gp, r1
from steadygan.types import Batch, cat, critic

N = 6
X, Y = normal(0, N, 1, 8, 8), normal(1, N, 1, 8, 8)
WAVE_X, WAVE_Y = normal(2, N, 16), normal(3, N, 16)
GIVEN: Mapping[str, Any] = {"text": normal(8, N, 4), "more": (torch.arange(N), normal(9, N, 1, 2, 2))}


class TestConditions:
    def test_they_travel_with_the_samples(self) -> None:
        batch = Batch(X, None, GIVEN).check()
        order = torch.tensor([3, 0, 3])
        taken = batch.take(order)
        assert_close(taken.given, {"text": GIVEN["text"][order], "more": tuple(each[order] for each in GIVEN["more"])})
        assert_close(cat(*batch.split(1, 2, 3)).given, GIVEN)
        assert cat(batch, Batch(X)).given is None
        assert_close(batch.first(2).given["text"], GIVEN["text"][:2])

    @pytest.mark.parametrize(
        "given", [normal(0, N - 1, 2), {"a": normal(0, N), "b": normal(0, 2)}, "text", tensor(1.0)]
    )
    def test_of_another_length(self, given: Any) -> None:
        with pytest.raises(InputError, match=f"expected conditions for {N} samples, got"):
            sg.d_loss(
                sg.losses.Hinge(), lambda x, given: x.sum((1, 2, 3)), Batch(X, None, given), Batch(Y, None, given)
            )

    def test_how_a_network_is_given_them(self) -> None:
        text = GIVEN["text"]

        def second(x: Tensor, words: Tensor) -> Tensor:
            return x.sum((1, 2, 3)) + words.sum(1)

        def named(x: Tensor, label: Tensor | None = None, *, text: Tensor, scale: float = 2.0) -> Tensor:
            return x.sum((1, 2, 3)) + scale * text.sum(1)

        def whole(x: Tensor, given: Any) -> Tensor:
            return x.sum((1, 2, 3)) + given["text"].sum(1)

        plain = X.sum((1, 2, 3))
        assert_close(critic(second)(Batch(X, None, text)).logits, plain + text.sum(1))
        assert_close(critic(named)(Batch(X, None, {"text": text})).logits, plain + 2 * text.sum(1))
        assert_close(critic(whole)(Batch(X, None, GIVEN)).logits, plain + text.sum(1))
        called = critic(second, call=lambda D, batch: D(batch.x, batch.given["text"]))
        assert_close(called(Batch(X, None, GIVEN)).logits, plain + text.sum(1))
        with pytest.raises(InputError, match=r"expected a forward with more, or with given, .* got \(x, lab"):
            critic(named)(Batch(X, None, GIVEN))
        with pytest.raises(InputError, match=r"expected a forward with a parameter for the samples' conditions"):
            critic(lambda x: x)(Batch(X, None, text))

    def test_slopes_are_of_the_sample_alone(self) -> None:
        """d = x * given: the gradient in x is given, and nothing is penalised of the condition."""
        given = normal(3, N, 16)
        value = r1(1.0).loss(lambda x, given: (x * given).sum(1), Batch(WAVE_X, None, given))
        assert_close(value, given.square().sum(1).mean())

    def test_nothing_lies_between_two_conditions(self) -> None:
        given = normal(3, N, 2)
        other = given.clone()
        other[3:] += 1.0
        mix = torch.full((N,), 0.25, dtype=F64)
        judge = critic(lambda x, given: x.square().sum(1) / 2)
        real, fake = (judge.score(Batch(x, None, g)) for x, g in ((WAVE_X, given), (WAVE_Y, other)))
        at = Interpolated(mix)(judge, real, fake).batch
        assert_close(at.x[:3], 0.25 * WAVE_X[:3] + 0.75 * WAVE_Y[:3])
        assert_close(at.x[3:], WAVE_X[3:])
        assert_close(one_gp(1.0).loss(lambda x, given: x.sum(1), real.batch, fake.batch), tensor(9.0))

    def test_the_nearest_real_of_a_pair_is_its_own_target(self) -> None:
        given = normal(3, N, 1, 4, 4)
        judge = critic(lambda x, given: x.sum(1))
        order = torch.tensor([4, 2, 0, 5, 1, 3])
        real = judge.score(Batch(WAVE_X, None, given))
        fake = judge.score(Batch(100 * WAVE_Y, None, given[order]))
        assert nearest_real(fake, real).tolist() == order.tolist()
