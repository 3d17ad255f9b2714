"""Networks beside D, and objectives that a method brings: stacked and compiled, their members are the eager runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64
from several import several, stacked, states
from stacks import PLAIN, Case, assert_members_are_lone_runs, assert_near, tanh
from steadygan.engine.compiler import Compiler
from steadygan.engine.optim import OptimizerSettings
from steadygan.losses import Nothing
from steadygan.models import mlp
from steadygan.types import Opponent
from tiny import points
from tracing import traced_steps

methods, penalties = sg.methods, sg.penalties
DFM = methods.DenoisingFeatureMatching(weight=0.3, features=5)
DENOISED = replace(PLAIN, method=DFM)
CRAMER = Opponent(None, Nothing(), (penalties.one_gp(1.0),), methods.Cramer())


class Denoised(nn.Module):
    """Five features, a logit of them, and a denoiser that the forward does not use."""

    auxiliaries = ("denoiser",)
    features = 5

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body, self.head = mlp(features, 5, 6, 1, "tanh", "tanh"), nn.Linear(5, 1)
        self.denoiser = mlp(5, 5, 7, 1, "tanh")

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x)
        return self.head(h), {"h": h}


class Embedded(nn.Module):
    """An embedding of four numbers; the logit is their sum."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = tanh(features, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x)
        return h.sum(1), {"h": h}


CASES: dict[str, Case] = {
    "a denoiser": Case({"D": DENOISED}, d=Denoised),
    "a denoiser, a penalty, several D steps": Case(
        {"D": replace(DENOISED, penalties=(penalties.r1(0.3),))}, d=Denoised, d_steps=2
    ),
    "a denoiser after fake-as-real": Case(
        {"D": replace(DENOISED, method=methods.chain(methods.FakeAsReal(2, factor=3), DFM))}, d=Denoised
    ),
    "cramer": Case({"D": CRAMER}, d=Embedded, d_steps=2),
    # The last bias often has the slope 0, whose rounding Adam would make steps of.
    "cramer without a penalty, on the logit": Case(
        {"D": replace(CRAMER, penalties=())}, d=lambda f: tanh(f, 1), optimizer=OptimizerSettings("sgd")
    ),
    "cramer after fake-as-real": Case(
        {"D": replace(CRAMER, method=methods.chain(methods.FakeAsReal(2, factor=3), methods.Cramer()))}, d=Embedded
    ),
    "cramer on packs": Case(
        {"D": replace(CRAMER, method=methods.chain(methods.Packing(2), methods.Cramer()))}, d=Embedded
    ),
}


@pytest.mark.parametrize(("name", "members"), [*((name, 3) for name in CASES), ("cramer", 1)])
def test_members_are_lone_runs(name: str, members: int) -> None:
    assert_members_are_lone_runs(CASES[name], members)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a denoiser, a penalty, several D steps", "cramer", "cramer after fake-as-real"])
def test_traced_steps_train_the_same_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, compiler = traced_steps(monkeypatch), Compiler(on=True)
    assert_members_are_lone_runs(CASES[name], 2, compiler=compiler)
    assert (compiler.failures, len(found)) == ([], 2)


def test_the_denoiser_is_trained_with_d() -> None:
    """By its optimiser and its rate; without the method it stays, and D does what it does without a denoiser."""
    starts = CASES["a denoiser"].member(0)[0]
    run, _ = CASES["a denoiser"].alone(0, 20)
    names = [name for name in run.trained("D") if name.startswith("D.denoiser.")]
    assert len(names) == 4
    for name in names:
        assert (run.trained("D")[name] - starts.trained("D")[name]).abs().max() > 1e-3
    plain, _ = Case({"D": PLAIN}, d=Denoised).alone(0, 20)
    assert all(torch.equal(plain.trained("D")[name], starts.trained("D")[name]) for name in names)


def test_weight_zero_leaves_the_two_players_alone() -> None:
    """L_r has no gradient to D and L_G none of weight 0: both networks end where they end without the method."""
    alone = {
        method.name: Case({"D": replace(PLAIN, method=method)}, d=Denoised, ema=None).alone(0, 20)[0]
        for method in (replace(DFM, weight=0.0), methods.Plain())
    }
    for player in ("G", "D"):
        for name, p in alone["plain"].trained(player).items():
            if "denoiser" not in name:
                assert_close(alone["denoising_feature_matching"].trained(player)[name], p, rtol=0, atol=1e-12)


class Near(nn.Module):
    """h(v) = v, up to a shift that cancels in differences."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return x.sum(1), {"h": x + self.shift}


def test_cramer_lowers_an_energy_distance() -> None:
    """L_G - E ||x - x'||, the energy distance squared between samples, goes from above 1 to about 0."""
    case = Case({"D": replace(CRAMER, penalties=())}, d=Near, ema=None)
    _, told = case.alone(0, 400)
    x = points().double()
    among_reals = torch.cdist(x, x).mean()
    energies = torch.stack([row["g/D/loss"] for row in told]) - among_reals
    assert energies[:20].mean() > 0.5
    assert energies[-100:].mean().abs() < 0.15


class TestSeedsSideBySide:
    """Neither a denoiser nor an embedding is a reason to train one seed after the other."""

    @pytest.mark.parametrize(
        ("build", "settings"),
        [
            (Denoised, {"method": methods.DenoisingFeatureMatching(weight=0.3)}),
            (Embedded, {"method": methods.Cramer(), "penalties": [penalties.one_gp(1.0)], "d_steps": 2}),
        ],
        ids=["denoiser", "cramer"],
    )
    def test_is_the_lone_run(self, build: Any, settings: dict[str, Any]) -> None:
        def one(seed: int, out: None = None, **more: Any) -> sg.Trainer:
            return self.trainer(seed, build, **settings)

        made = several(None, 2, make=one)
        made.fit(8)
        assert stacked(made), made.reason
        for found, seed in zip(states(made), range(2), strict=True):
            alone = several(None, [seed], make=one)
            alone.fit(8)
            (expected,) = states(alone)
            assert_near(found.networks, expected.networks, 1e-10)

    @staticmethod
    def trainer(seed: int, build: Any, **settings: Any) -> sg.Trainer:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            G, D = mlp(2, 2, 6, 2), build(2)
        data = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)) + 1.0
        return sg.Trainer(
            G, D, data, latent_dim=2, batch_size=8, seed=seed, dtype=F64, evaluator=None, device="cpu", **settings
        )
