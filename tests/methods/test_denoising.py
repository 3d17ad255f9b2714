"""Denoising feature matching against its formulas: who is trained by what, and with which noise."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.testing import assert_close

import steadygan as sg
from known import F64, gradients, normal, seeded
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.methods import Plain, chain
from steadygan.methods.denoising import DenoisingFeatureMatching
from steadygan.types import Batch, Critic, Draw, Now, Opponent, critic

SIDES = Sides(4, 6)
X, Y, NOISE = normal(1, 4, 2) + 0.5, normal(2, 6, 2), normal(3, 4, 5)
METHOD = DenoisingFeatureMatching(weight=0.3, features=5)


class Judge(nn.Module):
    """Five features, a linear logit of them, and a denoiser in three layers."""

    auxiliaries = ("denoiser",)
    features = 5

    def __init__(self, norm: Callable[[int], nn.Module] = nn.Identity) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 5), nn.Tanh())
        self.head = nn.Linear(5, 1)
        self.denoiser = nn.Sequential(nn.Linear(5, 7), norm(7), nn.LeakyReLU(0.2), nn.Linear(7, 5))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.body(x)
        return self.head(h), {"h": h}


def functional(D: nn.Module) -> Critic:
    """The critic whose input gradients come from torch.func.vjp."""
    made = critic(D)
    return Critic(made.forward, functional=True, auxiliaries=made.auxiliaries)


ways = pytest.mark.parametrize("way", [critic, functional])


def now(noise: Tensor = NOISE) -> Now:
    return Now(torch.tensor(0), {}, {"D": {"method": {"n": noise}}})


def d_step(D: nn.Module, method: Any = METHOD, way: Any = critic, at: Now | None = None) -> tuple[Tensor, Any]:
    opponent = {"D": Opponent(D, NonSaturating(), (), method)}
    value, (means, _) = d_objective(opponent, {"D": way(D)}, Batch(X), Batch(Y), at or now(), SIDES)
    return value, means


def g_step(
    D: nn.Module, method: Any = METHOD, way: Any = critic, y: Tensor = Y, at: Now | None = None
) -> tuple[Tensor, Any]:
    opponent = {"D": Opponent(D, NonSaturating(), (), method)}
    return g_objective(opponent, {"D": way(D)}, None, Batch(y), at or now(), SIDES)


def split(slopes: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Those of the denoiser, and those of the rest."""
    own = {key: slope for key, slope in slopes.items() if key.startswith("denoiser.")}
    return own, {key: slope for key, slope in slopes.items() if key not in own}


@ways
def test_the_denoisers_objective(way: Callable[[nn.Module], Critic]) -> None:
    """(r(h(x) + n) - h(x))^2, a mean over the 4 reals and over the 5 features; beside it the plain loss, unchanged."""
    D = seeded(0, Judge)
    value, means = d_step(D, way=way)
    h = np.tanh(X.numpy() @ D.body[0].weight.detach().numpy().T + D.body[0].bias.detach().numpy())
    first, last = ([p.detach().numpy() for p in D.denoiser[i].parameters()] for i in (0, 3))
    hidden = (h + NOISE.numpy()) @ first[0].T + first[1]
    restored = np.where(hidden > 0, hidden, 0.2 * hidden) @ last[0].T + last[1]
    expected = sum((restored[i, j] - h[i, j]) ** 2 for i in range(4) for j in range(5)) / 20
    plain, plain_means = d_step(D, Plain())
    assert_close(means["D/method/denoise"].item(), expected)
    assert_close(value.item(), plain.item() + expected)
    assert_close(means["D/loss"], plain_means["D/loss"], rtol=0, atol=0)
    assert expected > 0.1


@ways
def test_the_denoiser_is_trained_and_d_is_not(way: Callable[[nn.Module], Critic]) -> None:
    """What it is given and what it is to restore are constants: D learns from its own loss alone."""
    D = seeded(0, Judge)
    value, _ = d_step(D, way=way)
    denoiser, rest = split(gradients(value, D))
    assert_close(rest, split(gradients(d_step(D, Plain(), way)[0], D))[1])
    h = D.body(X).detach()
    expected, _ = split(gradients((D.denoiser(h + NOISE) - h).square().mean(), D))
    assert_close(denoiser, expected)
    assert all(slope.abs().max() > 1e-4 for slope in denoiser.values())


@ways
def test_the_generators_objective(way: Callable[[nn.Module], Critic]) -> None:
    """E sp(-d(y)) + 0.3 E (h(y) - r(h(y)))^2: r(h(y)) is a constant, and no noise is added."""
    D, y = seeded(0, Judge), Y.clone().requires_grad_()
    value, means = g_step(D, way=way, y=y)
    h = D.body(y)
    goal = D.denoiser(h.detach()).detach()
    loss, match = softplus(-D.head(h)).mean(), 0.3 * (h - goal).square().mean()
    assert_close(value, loss + match)
    assert_close((means["D/loss"], means["D/method/match"]), (loss.detach(), match.detach()))
    expected = torch.autograd.grad(loss + match, y, retain_graph=True)
    assert_close(torch.autograd.grad(value, y, retain_graph=True), expected)
    assert all(slope.eq(0).all() for slope in split(gradients(value, D))[0].values())
    pulls = [(h - r).square().mean() for r in (goal, D.denoiser(h))]
    apart = [torch.autograd.grad(pull, y, retain_graph=True)[0] for pull in pulls]
    assert (apart[0] - apart[1]).abs().max() > 1e-3
    assert match > 0.01


def test_noise_is_for_the_discriminators_step_alone() -> None:
    D, other = seeded(0, Judge), now(normal(9, 4, 5))
    assert abs(d_step(D)[0].item() - d_step(D, at=other)[0].item()) > 1e-3
    assert g_step(D)[0].item() == g_step(D, at=other)[0].item()
    assert METHOD.noise(4, 6, (2,)) == {"n": Draw((4, 5), "normal")}


def test_without_a_step_noise_is_drawn() -> None:
    """In anybody's own loop, where nobody draws it before."""
    D = seeded(0, Judge)
    real = critic(D).score(Batch(X))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        found = METHOD.d_terms(critic(D), real, real)["denoise"].value
        torch.manual_seed(5)
        n = torch.randn(4, 5, dtype=F64)
    h = D.body(X)
    assert_close(found, (D.denoiser(h + n) - h).square().mean(1))


class TestBatchNorm:
    """r with batch norm: it counts while it is trained, and stands still where G looks at it."""

    def judge(self) -> nn.Module:
        D = seeded(0, lambda: Judge(nn.BatchNorm1d))
        with torch.no_grad():
            D.denoiser[1].running_mean.copy_(normal(4, 7))
            D.denoiser[1].running_var.copy_(normal(5, 7).square() + 0.5)
        return D

    def test_for_g_it_is_in_eval_mode(self) -> None:
        D = self.judge()
        before, twin = deepcopy(D.state_dict()), deepcopy(D)
        y = Y.clone().requires_grad_()
        value, means = g_step(D, y=y)
        value.backward()
        assert_close(dict(D.state_dict()), dict(before), rtol=0, atol=0)
        assert all(part.training for part in D.modules())
        h = twin.body(Y)
        expected = 0.3 * (h - twin.denoiser.eval()(h)).square().mean()
        assert_close(means["D/method/match"], expected.detach())
        training = 0.3 * (h - twin.denoiser.train()(h)).square().mean()
        assert (training - expected).abs() > 1e-3

    def test_what_counts_in_any_mode_is_put_back(self) -> None:
        class Counting(nn.Identity):
            def __init__(self, size: int) -> None:
                super().__init__()
                self.register_buffer("calls", torch.zeros(()))

            def forward(self, x: Tensor) -> Tensor:
                self.calls += 1
                return x

        D = seeded(0, lambda: Judge(Counting))
        g_step(D)
        assert D.denoiser[1].calls == 0
        d_step(D)
        assert D.denoiser[1].calls == 1

    def test_a_mode_of_its_own_is_kept(self) -> None:
        D = self.judge()
        D.denoiser[1].eval()
        g_step(D)
        assert [part.training for part in D.denoiser] == [True, False, True, True]

    def test_for_d_it_is_trained(self) -> None:
        D = self.judge()
        before, twin = D.denoiser[1].running_mean.clone(), deepcopy(D)
        _, means = d_step(D)
        h = twin.body(X)
        assert_close(means["D/method/denoise"], (twin.denoiser(h + NOISE) - h).square().mean().detach())
        assert_close(D.denoiser[1].running_mean, twin.denoiser[1].running_mean)
        assert (D.denoiser[1].running_mean - before).abs().max() > 1e-3
        assert D.denoiser[1].num_batches_tracked == 1


def test_maps_count_as_vectors() -> None:
    """h of any shape is flattened: the denoiser sees (n, numbers)."""

    class Mapped(Judge):
        def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            logits, features = super().forward(x)
            return logits, {"h": features["h"].view(-1, 5, 1, 1)}

    flat, mapped = seeded(0, Judge), seeded(0, Mapped)
    assert_close(d_step(mapped)[0], d_step(flat)[0], rtol=0, atol=0)
    assert_close(g_step(mapped)[0], g_step(flat)[0], rtol=0, atol=0)


def trainer(D: nn.Module, **settings: Any) -> sg.Trainer:
    G = seeded(1, lambda: sg.models.mlp(2, 2, 4))
    made = {"latent_dim": 2, "batch_size": 8, "dtype": F64, "evaluator": None, "method": DenoisingFeatureMatching()}
    return sg.Trainer(G, D, normal(0, 20, 2), **(made | settings))


@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm1d])
def test_a_run(norm: Callable[[int], nn.Module]) -> None:
    """D's optimiser trains the denoiser, too; how many features there are is found out."""
    D = seeded(0, lambda: Judge(norm))
    before = deepcopy(D.state_dict())
    made = trainer(D)
    assert made.setup.opponents["D"].method == DenoisingFeatureMatching(features=5)
    assert made.setup.needs.noise_d["D"]["method"] == {"n": Draw((8, 5), "normal")}
    run = made.fit(20)
    moved = {key for key, value in D.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == before.keys()
    assert {"method/denoise", "g/method/match"} <= run.metrics[-1].keys()


class TestRefuses:
    def test_settings(self) -> None:
        with pytest.raises(InputError, match=r"denoising_feature_matching\.weight: expected a number of 0 or more"):
            DenoisingFeatureMatching(weight=-0.1)
        with pytest.raises(
            InputError, match="denoising_feature_matching: features must be a whole number of 1 or more"
        ):
            DenoisingFeatureMatching(features=0)
        assert DenoisingFeatureMatching().weight == 0.03

    def test_no_denoiser(self) -> None:
        D = seeded(0, lambda: sg.models.mlp(2, 1, 4))
        for method in (DenoisingFeatureMatching(features=5), [sg.methods.FakeAsReal(2), DenoisingFeatureMatching()]):
            with pytest.raises(InputError, match="expected a D with a denoiser of its features, got one without: set"):
                trainer(D, method=method)

    def test_a_number_of_features_that_is_not_known(self) -> None:
        D = seeded(0, Judge)
        D.features = None
        with pytest.raises(InputError, match="expected the number of D's features, got none: pass features="):
            trainer(D)
        assert trainer(D, method=DenoisingFeatureMatching(features=5)).setup.opponents["D"].method.features == 5

    def test_no_feature_h(self) -> None:
        class Silent(Judge):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x)[0]

        with pytest.raises(InputError, match="expected a feature h of D, got none: return"):
            d_step(seeded(0, Silent))

    def test_an_auxiliary_that_is_not_there(self) -> None:
        class Wrong(Judge):
            auxiliaries = ("denoisr",)

        with pytest.raises(
            InputError, match="unknown auxiliary network 'denoisr': did you mean 'denoiser'\\? known: body"
        ):
            trainer(seeded(0, Wrong))

    def test_a_chain_hands_the_network_on(self) -> None:
        both = chain(sg.methods.FakeAsReal(2), DenoisingFeatureMatching()).on(Judge())
        assert both.methods[1].features == 5
        assert both.noise(4, 6, (2,)) == {"denoising_feature_matching.n": Draw((4, 5), "normal")}
