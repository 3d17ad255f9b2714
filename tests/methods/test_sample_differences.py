"""Sample differences against equations 3 to 10 in loops: which pairs, how far apart, what each player's slopes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import F64, Linear, eager, gradients, normal, seeded, tensor
from stacks import Case, assert_members_are_lone_runs
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.engine.optim import OptimizerSettings
from steadygan.errors import InputError
from steadygan.losses import NonSaturating, Wasserstein
from steadygan.methods import FakeAsReal, chain
from steadygan.methods.sample_differences import SampleDifferences
from steadygan.types import Batch, Critic, Now, Opponent, Output, critic
from steadygan.types.output import as_output

N, M = 6, 8
SIDES = Sides(N, M)
LAYERS = ("net.2", "net.5")


class Looking(nn.Module):
    """Two convolutional blocks, their activations at net.2 and net.5."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 3, 3, 1, 1), nn.GroupNorm(1, 3), nn.Tanh(),
            nn.Conv2d(3, 4, 3, 2, 1), nn.Identity(), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Telling(Looking):
    """The same, handing its activations out by itself."""

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        first = self.net[:3](x)
        second = self.net[3:6](first)
        return self.net[6:](second), {"net.2": first, "net.5": second}


def now(iteration: int = 0) -> Now:
    return Now(torch.tensor(iteration), {}, {})


def functional(D: nn.Module) -> Critic:
    """As in a stacked step, where input gradients come from torch.func.vjp; `D` tells its features itself."""
    return Critic(lambda b: as_output(D(b.x), b.size), functional=True)


def images(seed: int, n: int) -> Tensor:
    return normal(seed, n, 1, 4, 4)


def squared(a: Tensor, b: Tensor) -> float:
    return sum((p - q) ** 2 for p, q in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))


def pairs(fake: Batch, real: Batch, scores: Tensor, k: int) -> list[tuple[int, int]]:
    """(eq. 3, 4): the k fakes of the highest score, each with its nearest real of its own class."""
    found = []
    for i in sorted(range(fake.size), key=lambda i: -scores[i].item())[:k]:
        allowed = [s for s in range(real.size) if real.label is None or real.label[s] == fake.label[i]]
        found.append((i, min(allowed, key=lambda s: squared(fake.x[i], real.x[s]))))
    return found


def q(maps: Tensor, normalise: str) -> Tensor:
    """(eq. 6) of one sample's maps (c, ...)."""
    p = torch.stack([channel.flatten()[channel.flatten().argmax()] for channel in maps])
    norm2 = sum(value * value for value in p)
    return {"squared": p / norm2, "l2": p / norm2**0.5, "none": p}[normalise]


def l_sdp(
    fake: Batch, real: Batch, on_fake: Output, on_real: Output, k: int, normalise: str = "squared"
) -> tuple[Tensor, dict[str, Tensor]]:
    """(eq. 8): the score part, and the features' part of each layer."""
    score, layers = torch.zeros((), dtype=F64), {}
    for i, s in pairs(fake, real, on_fake.logits, k):
        score = score + (on_fake.logits[i] - on_real.logits[s]) ** 2
        for name in on_fake.features:
            apart = q(on_fake.features[name][i], normalise) - q(on_real.features[name][s], normalise)
            layers[name] = layers.get(name, 0.0) + sum(value * value for value in apart)
    return score, layers


def constant(output: Output) -> Output:
    return Output(output.logits.detach(), {key: value.detach() for key, value in output.features.items()})


def d_step(D: nn.Module, method: Any, x: Batch, y: Batch, way: Callable[[nn.Module], Critic] = critic, at: int = 0):
    """What the method adds to D's objective, and what is logged of it."""
    opponent = {"D": Opponent(D, Wasserstein(), (), method)}
    value, (means, _) = d_objective(opponent, {"D": way(D)}, x, y, now(at), SIDES)
    return value - means["D/loss"], told(means)


def g_step(D: nn.Module, method: Any, x: Batch, y: Batch, way: Callable[[nn.Module], Critic] = critic, at: int = 0):
    opponent = {"D": Opponent(D, Wasserstein(), (), method)}
    value, means = g_objective(opponent, {"D": way(D)}, x, y, now(at), SIDES)
    return value - means["D/loss"], told(means)


def told(means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("D/method/"): value for key, value in means.items() if "method" in key}


class TestByHand:
    """d(v) = v_1, k = 2. Of d(y) = 1, 5, 9, 3 the highest are 9 and 5; next to them are the reals of d = 10 and 3."""

    D = Linear([1, 0])
    X = Batch(tensor([[0, 0], [3, 0], [10, 3]]))
    Y = Batch(tensor([[1, 1], [5, 1], [9, 0], [3.5, 0]]))
    SCORE = (9 - 10) ** 2 + (5 - 3) ** 2

    def step(self, player: Any = d_objective, **settings: Any) -> tuple[Tensor, Any]:
        D, method = Linear([1, 0]), SampleDifferences(**({"weight": 0.5, "start": 0, "count": 2} | settings))
        opponent = {"D": Opponent(D, Wasserstein(), (), method)}
        return player(opponent, {"D": eager(D)}, self.X, self.Y, now(), Sides(3, 4))

    def test_score_alone(self) -> None:
        """Without features, lambda / k L_SDP is lambda times the mean over the k pairs, not over the batch."""
        value, (means, _) = self.step()
        plain = (1 + 5 + 9 + 3.5) / 4 - 13 / 3
        assert_close(value.item(), plain + 0.5 / 2 * self.SCORE)
        assert {key: mean.item() for key, mean in means.items()} == {
            "D/loss": pytest.approx(plain),
            "D/method/score": pytest.approx(0.5 / 2 * self.SCORE),
        }

    def test_the_literal_sum(self) -> None:
        """lambda / m times the mean over the k = 2 pairs, m = 4 the fakes of the batch."""
        _, (means, _) = self.step(batch_sum=True)
        assert_close(means["D/method/score"].item(), 0.5 / 4 / 2 * self.SCORE)

    def test_for_the_generator(self) -> None:
        value, means = self.step(g_objective)
        assert_close(value.item(), -(1 + 5 + 9 + 3.5) / 4 + 0.5 / 2 * self.SCORE)
        assert_close(means["D/method/score"].item(), 0.5 / 2 * self.SCORE)

    def test_all_fakes_where_k_is_the_batch(self) -> None:
        """d(y) = 3.5 and 1 belong to the reals of d = 3 and 0; two fakes share a real."""
        _, (means, _) = self.step(count=4)
        assert_close(means["D/method/score"].item(), 0.5 / 4 * (self.SCORE + 0.5**2 + 1))

    def test_slopes_of_d(self) -> None:
        """d = w.v + b: d/dw of the mean (w.(y - x))^2 over the pairs is 2 (w.(y - x)) (y - x), through both sides."""
        D = Linear([1, 0])
        added, _ = self.added(D, d_objective)
        expected = 0.5 / 2 * 2 * (-1 * tensor([-1, -3]) + 2 * tensor([2, 1]))
        assert_close(gradients(added, D), {"w": expected, "b": tensor(0.0)})

    def test_slopes_of_g(self) -> None:
        """2 (d(y) - d(x)) grad d(y) at the two fakes that were chosen, none at the others."""
        D = Linear([1, 0])
        added, y = self.added(D, g_objective)
        (slope,) = torch.autograd.grad(added, y)
        assert_close(slope, 0.5 / 2 * 2 * tensor([[0, 0], [2, 0], [-1, 0], [0, 0]]))

    def added(self, D: nn.Module, player: Any) -> tuple[Tensor, Tensor]:
        y = self.Y.x.clone().requires_grad_()
        method = SampleDifferences(weight=0.5, start=0, count=2)
        values = []
        for each in (method, SampleDifferences(weight=0.0, start=0, count=2)):
            opponent = {"D": Opponent(D, NonSaturating(), (), each)}
            values.append(player(opponent, {"D": eager(D)}, self.X, Batch(y), now(), Sides(3, 4))[0])
        return values[0] - values[1], y


class TestAgainstLoops:
    @pytest.mark.parametrize("normalise", ["squared", "l2", "none"])
    @pytest.mark.parametrize("k", [1, 5, 8])
    @pytest.mark.parametrize("way", [critic, functional])
    def test_d_step(self, normalise: str, k: int, way: Callable[[nn.Module], Critic]) -> None:
        D = seeded(3, Telling)
        x, y = Batch(images(1, N)), Batch(images(2, M))
        method = SampleDifferences(weight=0.3, start=0, count=k, normalise=normalise)
        _, logged = d_step(D, method, x, y, way)
        on_real, on_fake = (as_output(D(side.x), side.size) for side in (x, y))
        score, layers = l_sdp(y, x, on_fake, on_real, k, normalise)
        assert_close(logged["score"], 0.3 / k * score.detach())
        for name in LAYERS:
            assert_close(logged[f"features/{name}"], 0.3 / k * layers[name].detach())
            assert layers[name] > 1e-3
        self.same_slopes(D, method, x, y, 0.3 / k * (score + sum(layers.values())), way)

    def same_slopes(self, D: nn.Module, method: Any, x: Batch, y: Batch, expected: Tensor, way: Any) -> None:
        found = []
        for each in (method, SampleDifferences(weight=0.0, start=0)):
            opponent = {"D": Opponent(D, NonSaturating(), (), each)}
            value, _ = d_objective(opponent, {"D": way(D)}, x, y, now(), SIDES)
            found.append(gradients(value, D))
        added = {key: found[0][key] - found[1][key] for key in found[0]}
        assert_close(added, gradients(expected, D), rtol=1e-7, atol=1e-12)
        assert max(slope.abs().max() for slope in added.values()) > 1e-3

    @pytest.mark.parametrize("normalise", ["squared", "l2", "none"])
    def test_g_step(self, normalise: str) -> None:
        """Reals are constants: that shows in D's slopes, which nobody uses, and which differ from the D step's."""
        D = seeded(3, Telling)
        x, y = Batch(images(1, N)), Batch(images(2, M).requires_grad_())
        method = SampleDifferences(weight=0.3, start=0, count=5, normalise=normalise)
        opponent = {"D": Opponent(D, Wasserstein(), (), method)}
        value, means = g_objective(opponent, {"D": critic(D)}, x, y, now(), SIDES)
        on_real, on_fake = (as_output(D(side.x), side.size) for side in (x, y))
        score, layers = l_sdp(y, x, on_fake, constant(on_real), 5, normalise)
        expected = -on_fake.logits.mean() + 0.3 / 5 * (score + sum(layers.values()))
        assert_close(value, expected)
        assert_close(
            torch.autograd.grad(value, y.x, retain_graph=True), torch.autograd.grad(expected, y.x, retain_graph=True)
        )
        assert_close(gradients(value, D), gradients(expected, D))
        score, layers = l_sdp(y, x, on_fake, on_real, 5, normalise)
        live = gradients(-on_fake.logits.mean() + 0.3 / 5 * (score + sum(layers.values())), D)
        assert (gradients(value, D)["net.0.weight"] - live["net.0.weight"]).abs().max() > 1e-4
        assert_close(means["D/method/score"], 0.3 / 5 * score.detach())

    def test_slopes_are_those_of_small_steps(self) -> None:
        """The whole of it in NumPy for d(v) = u . tanh(W v), tanh the feature; slopes by central differences."""
        W, u = normal(5, 4, 2).numpy(), normal(6, 4).numpy()
        x, y = normal(1, N, 2).numpy(), normal(2, M, 2).numpy()

        def objective(weights: np.ndarray) -> float:
            W, u = weights[:8].reshape(4, 2), weights[8:]
            hx, hy = np.tanh(x @ W.T), np.tanh(y @ W.T)
            total = 0.0
            for i in np.argsort(-(hy @ u))[:3]:
                s = np.argmin(((x - y[i]) ** 2).sum(1))
                total += (hy[i] @ u - hx[s] @ u) ** 2
                total += ((hy[i] / (hy[i] @ hy[i]) - hx[s] / (hx[s] @ hx[s])) ** 2).sum()
            return 0.7 / 3 * total

        D = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Tanh(), nn.Linear(4, 1, bias=False)).double()
        with torch.no_grad():
            D[0].weight.copy_(torch.from_numpy(W))
            D[2].weight.copy_(torch.from_numpy(u))
        method = SampleDifferences(weight=0.7, start=0, count=3, feature_layers=("1",))
        values = []
        for each in (method, SampleDifferences(weight=0.0, start=0, count=3, feature_layers=("1",))):
            opponent = {"D": Opponent(D, NonSaturating(), (), each)}
            own = critic(D, layers=("1",))
            values.append(d_objective(opponent, {"D": own}, Batch(tensor(x)), Batch(tensor(y)), now(), SIDES)[0])
        weights = np.concatenate([W.ravel(), u])
        assert_close((values[0] - values[1]).item(), objective(weights))
        steps = np.eye(12) * 1e-6
        expected = [(objective(weights + step) - objective(weights - step)) / 2e-6 for step in steps]
        found = torch.cat([slope.flatten() for slope in gradients(values[0] - values[1], D).values()])
        assert_close(found, tensor(expected), rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("size", [4, 5])
    def test_the_nearest_in_few_and_in_many_dimensions(self, size: int) -> None:
        """16 numbers a sample and 25, which are compared in two ways; reals crowd, so that fakes share them."""
        x, y = Batch(normal(1, N, 1, size, size)), Batch(normal(2, M, 1, size, size))
        D = nn.Sequential(nn.Flatten(), Linear(normal(4, size * size).tolist()))
        _, logged = d_step(D, SampleDifferences(weight=1.0, start=0, count=M), x, y)
        score, _ = l_sdp(y, x, as_output(D(y.x), M), as_output(D(x.x), N), M)
        assert_close(logged["score"], score.detach() / M)
        assert len({s for _, s in pairs(y, x, as_output(D(y.x), M).logits, M)}) < M


class TestPairs:
    """Chosen for each player, or once for both, before D's step."""

    @pytest.mark.parametrize("pairs_", ["again", "once"])
    @pytest.mark.parametrize("k", [1, 3, M])
    def test_whose_scores_choose(self, pairs_: str, k: int) -> None:
        """G's objective by a D that has changed, over the pairs of the D before it or of itself."""
        before, after, x, y = seeded(3, Telling), seeded(4, Telling), Batch(images(1, N)), Batch(images(2, M))
        method = SampleDifferences(weight=0.3, start=0, count=k, reuse_batch=True, pairs=pairs_)
        opponent = {"D": Opponent(None, Wasserstein(), (), method)}
        states = {"D": opponent["D"].initial_states(*SIDES)}
        _, (_, found) = d_objective(opponent, {"D": critic(before)}, x, y, now()._replace(state=states), SIDES)
        assert {key: {name: v.shape for name, v in own.items()} for key, own in found["D"].items()} == {
            key: {name: v.shape for name, v in own.items()} for key, own in states["D"].items()
        }
        _, means = g_objective(opponent, {"D": critic(after)}, x, y, now()._replace(state=found), SIDES)

        def expected(chooser: nn.Module) -> tuple[float, float]:
            on_fake, on_real = as_output(after(y.x), M), as_output(after(x.x), N)
            score, features = 0.0, 0.0
            for i, s in pairs(y, x, as_output(chooser(y.x), M).logits, k):
                score += (on_fake.logits[i] - on_real.logits[s]).item() ** 2
                apart = q(on_fake.features["net.5"][i], "squared") - q(on_real.features["net.5"][s], "squared")
                features += apart.square().sum().item()
            return 0.3 / k * score, 0.3 / k * features

        logged = (means["D/method/score"].item(), means["D/method/features/net.5"].item())
        assert logged == pytest.approx(expected(before if pairs_ == "once" else after), rel=1e-10)
        if k < M:
            assert logged != pytest.approx(expected(after if pairs_ == "once" else before), rel=1e-3)

    @pytest.mark.parametrize(("pairs_", "reuse"), [("again", False), ("again", True), ("once", True)])
    def test_a_whole_iteration(self, pairs_: str, reuse: bool) -> None:
        """Two D steps and a G step of plain descent, beside a loop of our own on the same draws."""
        method = SampleDifferences(weight=0.5, start=0, count=2, reuse_batch=reuse, pairs=pairs_)
        case = Case({"D": Opponent(None, Wasserstein(), (), method)}, optimizer=OptimizerSettings("sgd"), d_steps=2)
        made, draws = case.member(0)
        draw = draws.block(0)[0]
        G, D = deepcopy(made.G).requires_grad_(), deepcopy(made.networks["D"]).requires_grad_()
        assert (draw.g.z is draw.d[-1].z or draw.g.z.equal(draw.d[-1].z)) is reuse
        assert draw.g.real.x.equal(draw.d[-1].real.x) is reuse
        made.iteration(draw, 0, 1.0)

        def objective(x: Tensor, y: Tensor, player: str, chooser: Tensor | None) -> Tensor:
            on_y, on_x = D(y)[:, 0], D(x)[:, 0]
            on_x = on_x.detach() if player == "G" else on_x
            chosen = pairs(Batch(y.detach()), Batch(x), on_y.detach() if chooser is None else chooser, 2)
            plain = -on_y.mean() if player == "G" else on_y.mean() - on_x.mean()
            return plain + 0.5 / 2 * sum((on_y[i] - on_x[s]) ** 2 for i, s in chosen)

        def descend(network: nn.Module, value: Tensor, rate: float) -> None:
            slopes = torch.autograd.grad(value, [*network.parameters()])
            with torch.no_grad():
                for p, slope in zip(network.parameters(), slopes, strict=True):
                    p -= rate * slope

        for step in draw.d:
            y = G(step.z).detach()
            ranks = D(y)[:, 0].detach()
            descend(D, objective(step.real.x, y, "D", None), 2e-2)
        descend(G, objective(draw.g.real.x, G(draw.g.z), "G", ranks if pairs_ == "once" else None), 1e-2)
        for ours, theirs in ((made.G, G), (made.networks["D"], D)):
            assert_close([*ours.parameters()], [p.detach() for p in theirs.parameters()], rtol=1e-10, atol=1e-12)

    def test_side_by_side(self) -> None:
        method = SampleDifferences(weight=0.5, start=1, count=2, reuse_batch=True, pairs="once")
        opponents = {"D": Opponent(None, NonSaturating(), (), chain(FakeAsReal(2, 2), method))}
        assert_members_are_lone_runs(Case(opponents), 2, 4)

    def test_pairs_are_of_one_batch(self) -> None:
        with pytest.raises(InputError, match=r"reuse_batch: expected true with pairs=once, .* got false: set it"):
            SampleDifferences(pairs="once")
