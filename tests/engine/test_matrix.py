"""Every registered loss with every method, and each of them with every penalty, for a while: finite.

Every triple of them, for longer, is slow. The first iteration is of a stack, too, whose gradients come about otherwise.

What makes none is told in one clear line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from enrolled import IMAGES, Pictured, make
from stacks import Case, rows, trained
from steadygan.errors import InputError
from steadygan.losses import LOSSES, Nothing
from steadygan.methods import METHODS
from steadygan.models import mlp, mlp_discriminator
from steadygan.penalties import PENALTIES
from steadygan.types import Loss, Method, Opponent, Penalty

REPLACING = [name for name, entry in METHODS.items() if entry.replaces_loss]
BESIDE = [name for name in METHODS if name not in REPLACING]
WITHOUT = "no penalty"


def d_of(method: str) -> Callable[[int], nn.Module]:
    """A discriminator that has what the method needs."""
    more = {"cramer": {"embedding": 4}, "denoising_feature_matching": {"denoiser": 8, "denoiser_depth": 2}}
    return lambda features: mlp_discriminator((features,), width=8, depth=1, **more.get(method, {}))


def method_of(name: str) -> Method:
    """Acting from the first iteration on, with what it finds out of D before training."""
    made = make(METHODS[name])
    if name == "sample_differences":
        made = replace(made, start=0, feature_layers=("1",))
    return Pictured(made) if name in IMAGES else made.on(d_of(name)(2))


def penalties_of(name: str) -> tuple[Penalty, ...]:
    return () if name == WITHOUT else (make(PENALTIES[name]),)


def case(loss: Loss, penalty: str, method: str) -> Case:
    opponent = Opponent(None, loss, penalties_of(penalty), method_of(method))
    return Case({"D": opponent}, lambda: mlp(2, 2, 8, 1), d_of(method), ema=None)


def assert_trains(case: Case, iterations: int = 5) -> None:
    """Terms and weights stay finite, and both players move: of a stack of two, and of a lone run for longer."""
    stack, blocks = case.stack(2)
    lone, draws = case.member(0)
    runs = (*stack.members, lone)
    before = [trained(run) for run in runs]
    told = rows(stack, blocks, 1, case.factor) + rows(lone, draws.block, iterations, case.factor)
    stack.settle()
    for row in told:
        for key, value in row.items():
            assert value.isfinite().all(), key
    for run, were in zip(runs, before, strict=True):
        for player, weights in trained(run).items():
            assert weights.isfinite().all(), player
            assert not torch.equal(weights, were[player]), player


BETWEEN = [(loss, method) for loss in LOSSES for method in BESIDE]


def covering(loss: str, method: str) -> set[str]:
    """The penalties beside these two, so that every pair of loss, penalty and method occurs."""
    all_of_them, methods = (WITHOUT, *PENALTIES), len(BESIDE)
    first = list(LOSSES).index(loss) + BESIDE.index(method)
    return {all_of_them[n % len(all_of_them)] for n in range(first, first + len(all_of_them), methods)}


@pytest.mark.parametrize(("loss", "method"), BETWEEN)
def test_beside_a_penalty(loss: str, method: str) -> None:
    for penalty in covering(loss, method):
        assert_trains(case(make(LOSSES[loss]), penalty, method))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "method"), BETWEEN)
def test_beside_every_penalty_for_longer(loss: str, method: str) -> None:
    for penalty in (WITHOUT, *PENALTIES):
        assert_trains(case(make(LOSSES[loss]), penalty, method), 20)


def test_every_pair_is_covered() -> None:
    triples = {(loss, method, penalty) for loss, method in BETWEEN for penalty in covering(loss, method)}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        kinds = (LOSSES, BESIDE, (WITHOUT, *PENALTIES))
        assert len({(t[one], t[other]) for t in triples}) == len(kinds[one]) * len(kinds[other])


@pytest.mark.parametrize("method", REPLACING)
def test_methods_that_bring_the_objective(method: str) -> None:
    for penalty in (WITHOUT, *PENALTIES):
        assert_trains(case(Nothing(), penalty, method))


class TestWhereItMakesNoSense:
    """Told in one line before the first step."""

    @pytest.mark.parametrize("method", REPLACING)
    @pytest.mark.parametrize("loss", LOSSES)
    def test_a_loss_beside_an_objective(self, loss: str, method: str) -> None:
        self.refused("expected no loss with the method", method=make(METHODS[method]), loss=make(LOSSES[loss]))

    @pytest.mark.parametrize("method", BESIDE)
    def test_no_loss(self, method: str) -> None:
        if method not in IMAGES and method != "denoising_feature_matching":
            self.refused("expected a loss with the method", method=make(METHODS[method]), loss=Nothing())

    @pytest.mark.parametrize("loss", LOSSES)
    def test_a_denoiser_that_is_not_there(self, loss: str) -> None:
        method = make(METHODS["denoising_feature_matching"])
        self.refused("expected a D with a denoiser of its features", method=method, loss=make(LOSSES[loss]))

    def test_images_alone(self) -> None:
        for name in IMAGES:
            self.refused("expected images", method=make(METHODS[name]))

    def test_another_shape(self) -> None:
        """Packs of two have four numbers, which a discriminator of two does not take."""
        self.refused("cannot take samples", method=make(METHODS["packing"]))

    def refused(self, said: str, **settings: Any) -> None:
        G, D = mlp(2, 2, 8, 1), mlp(2, 1, 8, 1)
        with pytest.raises(InputError, match=said) as caught:
            sg.Trainer(G, D, torch.randn(20, 2), latent_dim=2, batch_size=8, evaluator=None, **settings).fit(1)
        assert "\n" not in str(caught.value)
