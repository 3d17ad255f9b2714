"""Several discriminators, each with a loss and methods of its own: alone, stacked, compiled, and through a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
import torch
from test_auxiliaries import CRAMER, DFM, Denoised, Embedded
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from enrolled import SIDES
from known import F64, normal, seeded
from stacks import PLAIN, Case, assert_members_are_lone_runs, leaky, tanh
from steadygan.engine.compiler import Compiler
from steadygan.engine.objective import d_objective, g_objective
from steadygan.types import Batch, Now, Opponent, critic
from tiny import built, points, small_g
from tracing import traced_steps

losses, methods, penalties = sg.losses, sg.methods, sg.penalties
SDP = methods.SampleDifferences(weight=0.5, start=2, count=2, grow_every=6, feature_layers=("1", "3"))


def in_turn(*builds: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    """A builder of one network after the other, for as many opponents: they are built in their order."""
    turn = cycle(builds)
    return lambda features: next(turn)(features)


def comparing(features: int) -> nn.Module:
    return nn.Sequential(sg.models.MinibatchDiscrimination(features, 3, 2), tanh(features + 3, 1))


def selu(features: int) -> nn.Module:
    return sg.models.mlp(features, 1, 6, 2, "selu")


CASES: dict[str, Case] = {
    "a dual pair": Case(
        {"d1": replace(PLAIN, penalties=(penalties.r1(0.1),)), "d2": replace(PLAIN, loss=losses.Minimax())},
        d=in_turn(comparing, selu),
    ),
    "a dual pair with hinge": Case(
        {name: replace(PLAIN, loss=losses.Hinge(), weight=0.5) for name in ("d1", "d2")}, d=in_turn(comparing, selu)
    ),
    "d2gan": Case({"d1": Opponent(None, losses.D2GAN()), "d2": Opponent(None, losses.D2GAN(second=True))}),
    "three opponents": Case(
        {
            "pulled": replace(PLAIN, method=methods.chain(methods.FakeAsReal(2, factor=3), SDP)),
            "denoised": replace(PLAIN, loss=losses.LeastSquares(), method=DFM, weight=0.5),
            "energy": replace(CRAMER, weight=2.0),
        },
        d=in_turn(lambda f: leaky(f, 1), Denoised, Embedded),
        d_steps=2,
    ),
}


@pytest.mark.parametrize(("name", "members"), [*((name, 3) for name in CASES), ("a dual pair", 1)])
def test_members_are_lone_runs(name: str, members: int) -> None:
    assert_members_are_lone_runs(CASES[name], members)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a dual pair", "three opponents"])
def test_traced_steps_train_the_same_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, compiler = traced_steps(monkeypatch), Compiler(on=True)
    assert_members_are_lone_runs(CASES[name], 2, compiler=compiler)
    assert (compiler.failures, len(found)) == ([], 2)


class TestObjectives:
    """The sum of each opponent's own, times its weight; each takes what it draws from the front."""

    def test_three(self) -> None:
        chained = methods.chain(methods.FakeAsReal(2, factor=3), replace(SDP, start=0))
        opponents = {
            "pulled": Opponent(seeded(1, lambda: leaky(2, 1)), losses.NonSaturating(), (), chained),
            "energy": replace(CRAMER, critic=seeded(2, lambda: Embedded(2)), penalties=(), weight=2.0),
            "plain": Opponent(seeded(3, lambda: selu(2)), losses.Hinge(), weight=0.0),
        }
        critics = {name: critic(o.critic, layers=o.method.layers) for name, o in opponents.items()}
        real, fake = Batch(normal(1, SIDES.real, 2)), Batch(normal(2, 2 * SIDES.fake, 2))
        now = Now(torch.tensor(5), {}, {})
        for objective in (d_objective, g_objective):
            together, told = objective(opponents, critics, real, fake, now, SIDES)
            parts = [objective({n: o}, critics, real, fake, now, SIDES) for n, o in opponents.items()]
            assert_close(together, parts[0][0] + parts[1][0] + parts[2][0])
            assert parts[2][0] == 0
            means, own = (
                (told, [p[1] for p in parts]) if objective is g_objective else (told[0], [p[1][0] for p in parts])
            )
            assert_close(means, {key: value for each in own for key, value in each.items()})
            assert {
                "pulled/method/sample_differences.score",
                "pulled/loss",
                "energy/loss",
                "plain/loss",
            } <= means.keys()

    def test_a_loss_of_zero_weight_does_not_hide_cramers_fakes(self) -> None:
        """The others see M fakes, Cramer twice as many of the same batch."""
        seen: dict[str, list[int]] = {"a": [], "b": []}

        def watched(name: str) -> Callable[[Tensor], Tensor]:
            def d(x: Tensor) -> Tensor:
                seen[name].append(x.shape[0])
                return x.sum(1)

            return d

        opponents = {"a": replace(CRAMER, critic=None, penalties=()), "b": Opponent(None, losses.Hinge())}
        critics = {name: critic(watched(name)) for name in opponents}
        real, fake = Batch(normal(1, 6, 2)), Batch(normal(2, 16, 2))
        now = Now(torch.tensor(0), {}, {})
        d_objective(opponents, critics, real, fake, now, SIDES)
        assert seen == {"a": [8, 6, 8], "b": [6, 8]}  # what is held back, then reals and fakes
        g_objective(opponents, critics, real, fake, now, SIDES)
        assert seen == {"a": [8, 6, 8, 6, 16], "b": [6, 8, 8]}


def run_of(opponents: dict[str, Opponent], iterations: int = 20, **settings: Any) -> Any:
    (G,) = built(0, small_g)
    made = {"latent_dim": 2, "batch_size": 8, "seed": 3, "dtype": F64, "evaluator": None, "log_every": 5} | settings
    trainer = sg.Trainer(G, opponents, points(), **made)
    before = [p.detach().clone() for network in trainer.setup.networks for p in network.parameters()]
    run = trainer.fit(iterations)
    after = [p.detach() for network in trainer.setup.networks for p in network.parameters()]
    assert all((a - b).abs().max() > 1e-6 for a, b in zip(before, after, strict=True))
    for record in run.metrics:
        assert all(math.isfinite(value) for value in record.values() if isinstance(value, float))
    return run


def test_everything_on_a_dual_pair() -> None:
    """Fake-as-real, sample differences and 0-GP on both of a dual pair, in one run."""
    method = methods.chain(methods.FakeAsReal(2, factor=3), replace(SDP, start=5, feature_layers=("1.1", "1.3")))
    d1, d2 = built(1, lambda: comparing(2), lambda: nn.Sequential(nn.Identity(), selu(2)))
    pair = {
        "d1": Opponent(d1, losses.NonSaturating(), (penalties.zero_gp(1.0),), method),
        "d2": Opponent(d2, losses.Minimax(), (penalties.zero_gp(1.0),), method),
    }
    run = run_of(pair)
    told = {
        f"d/{name}/method/sample_differences.{part}" for name in pair for part in ("score", "features/1.1", "norm/1.3")
    }
    assert told <= run.metrics[-1].keys()
    assert {f"d/{name}/penalty/zero_gp" for name in pair} <= run.metrics[-1].keys()
    assert [record["d/d1/method/sample_differences.score"] > 0 for record in run.metrics if "d_loss" in record] == [
        record["iteration"] > 5 for record in run.metrics if "d_loss" in record
    ]


def test_three_kinds_of_opponents() -> None:
    pulled, denoised, energy = built(1, lambda: leaky(2, 1), lambda: Denoised(2), lambda: Embedded(2))
    opponents = {
        "pulled": Opponent(pulled, losses.NonSaturating(), (), replace(SDP, reuse_batch=True)),
        "denoised": Opponent(denoised, losses.LeastSquares(), (), methods.DenoisingFeatureMatching()),
        "energy": replace(CRAMER, critic=energy),
    }
    run = run_of(opponents)
    assert {"g/pulled/method/score", "d/denoised/method/denoise", "d/energy/penalty/one_gp"} <= run.metrics[-1].keys()


def test_a_shared_batch_beside_fake_as_real() -> None:
    """G's step asks for as many reals as D shows, of which fake-as-real leaves D's own step less."""
    (D,) = built(1, lambda: leaky(2, 1))
    method = methods.chain(methods.FakeAsReal(3, factor=2), replace(SDP, reuse_batch=True))
    run_of({"D": Opponent(D, losses.NonSaturating(), (), method)})


def test_d2gan() -> None:
    d1, d2 = built(1, lambda: leaky(2, 1), lambda: leaky(2, 1))
    run_of({"d1": Opponent(d1, losses.D2GAN()), "d2": Opponent(d2, losses.D2GAN(second=True))})
