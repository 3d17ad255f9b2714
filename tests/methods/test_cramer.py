"""Cramer GAN against its formulas in NumPy, against SciPy's energy distance, and with penalties written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import energy_distance
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64, Linear, gradients, normal, seeded, tensor, uniform
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import Hinge, NonSaturating, Nothing
from steadygan.methods import FakeAsReal, Packing, Plain, chain
from steadygan.methods.cramer import Cramer, length
from steadygan.penalties import one_gp, r1
from steadygan.types import Batch, Critic, Method, Now, Opponent, critic
from steadygan.types.output import as_output


class Embedding(nn.Module):
    """h(v) of three numbers, and their mean as the logit."""

    def __init__(self) -> None:
        super().__init__()
        self.h = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = self.h(x)
        return h.mean(1), {"h": h}


class Itself(nn.Module):
    """h(v) = v; `shift` is there to have something to train."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros((), dtype=F64))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return x.sum(1), {"h": x + self.shift}


def functional(D: nn.Module) -> Critic:
    return Critic(lambda batch: as_output(D(batch.x), batch.size), functional=True)


ways = pytest.mark.parametrize("way", [critic, functional])
sizes = pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 5), (6, 4)])


def opponent(D: nn.Module, *penalties: Any) -> dict[str, Opponent]:
    return {"D": Opponent(D, Nothing(), penalties, Cramer())}


def samples(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Reals, fakes y, and as many further ones y'."""
    return normal(1, n, 2) + 0.5, normal(2, m, 2), normal(3, m, 2)


def norm(h: np.ndarray) -> np.ndarray:
    return np.sqrt((h**2).sum(1))


def embedded(D: nn.Module, *sides: Tensor) -> list[np.ndarray]:
    return [D(side)[1]["h"].detach().numpy() for side in sides]


def d_step(D: nn.Module, way: Any, n: int, m: int, *penalties: Any, noise: Any = None) -> tuple[Tensor, Any]:
    x, y, other = samples(n, m)
    now = Now(torch.tensor(0), {}, {"D": noise or {}})
    fake = Batch(torch.cat([y, other]))
    value, (means, _) = d_objective(opponent(D, *penalties), {"D": way(D)}, Batch(x), fake, now, Sides(n, m))
    return value, means


@ways
@sizes
def test_the_discriminators_objective(way: Callable[[nn.Module], Critic], n: int, m: int) -> None:
    """E [||h(y) - h(y')|| - ||h(y)||] - E [||h(x) - h(y')|| - ||h(x)||], y' repeated for more reals."""
    D = seeded(0, Embedding)
    value, means = d_step(D, way, n, m)
    x, y, other = embedded(D, *samples(n, m))
    for_x = other[np.arange(n) % m]
    below, above = norm(y - other) - norm(y), norm(x - for_x) - norm(x)
    assert_close(value.item(), below.mean() - above.mean())
    assert means.keys() == {"D/loss"}
    assert_close(means["D/loss"], value.detach())


@ways
def test_the_discriminators_slopes(way: Callable[[nn.Module], Critic]) -> None:
    """h(y') is trained through, unlike in a penalty."""
    D = seeded(0, Embedding)
    value, _ = d_step(D, way, 4, 4)
    x, y, other = (D(side)[1]["h"] for side in samples(4, 4))
    held = other.detach()

    def by_hand(other: Tensor) -> Tensor:
        below = (y - other).norm(dim=1) - y.norm(dim=1)
        return (below - (x - other).norm(dim=1) + x.norm(dim=1)).mean()

    assert_close(gradients(value, D), gradients(by_hand(other), D))
    assert (gradients(value, D)["h.0.weight"] - gradients(by_hand(held), D)["h.0.weight"]).abs().max() > 1e-2


@ways
@sizes
def test_the_generators_objective(way: Callable[[nn.Module], Critic], n: int, m: int) -> None:
    """E ||h(x) - h(y)|| + ||h(x) - h(y')|| - ||h(y) - h(y')||, slopes for both halves of the fakes."""
    D = seeded(0, Embedding)
    x, y, other = samples(n, m)
    fake = torch.cat([y, other]).requires_grad_()
    now = Now(torch.tensor(0), {}, {})
    value, means = g_objective(opponent(D), {"D": way(D)}, Batch(x), Batch(fake), now, Sides(n, m))
    hx, hy, ho = embedded(D, x, y, other)
    top = max(n, m)
    hx, hy, ho = hx[np.arange(top) % n], hy[np.arange(top) % m], ho[np.arange(top) % m]
    assert_close(value.item(), (norm(hx - hy) + norm(hx - ho) - norm(hy - ho)).mean())
    assert means.keys() == {"D/loss"}
    (slope,) = torch.autograd.grad(value, fake)
    for i in range(2 * m):  # by central differences
        for j in range(2):
            moved = []
            for step in (1e-6, -1e-6):
                z = fake.detach().clone()
                z[i, j] += step
                moved.append(g_objective(opponent(D), {"D": way(D)}, Batch(x), Batch(z), now, Sides(n, m))[0].item())
            assert slope[i, j].item() == pytest.approx((moved[0] - moved[1]) / 2e-6, abs=1e-7)
    assert (slope.abs().sum(1) > 1e-4).all()


def test_an_energy_distance() -> None:
    """h(v) = v, every real with every pair of fakes: L_G - E ||x - x'|| is SciPy's energy distance squared."""
    x, y = normal(1, 7).numpy() + 0.5, 1.5 * normal(2, 5).numpy()
    each = torch.cartesian_prod(torch.arange(7), torch.arange(5), torch.arange(5)).numpy()
    real, fake = x[each[:, 0]], np.concatenate([y[each[:, 1]], y[each[:, 2]]])
    value, _ = g_objective(
        opponent(Itself()),
        {"D": critic(Itself())},
        Batch(tensor(real)[:, None]),
        Batch(tensor(fake)[:, None]),
        Now(torch.tensor(0), {}, {}),
        Sides(175, 175),
    )
    among_reals = np.abs(x[:, None] - x).mean()
    assert_close(value.item() - among_reals, energy_distance(x, y) ** 2)


def test_least_where_the_samples_are_alike() -> None:
    """E over many pairs of N(0, 1) against N(shift, 1): 2 E|x - y| - E|y - y'| is least at shift 0, 2 / sqrt(pi)."""
    x, y, other = (normal(seed, 200_000, 1) for seed in (1, 2, 3))
    found = []
    for shift in (0.0, 0.3, -0.3):
        fake = torch.cat([y, other]) + shift
        opponents, now = opponent(Itself()), Now(torch.tensor(0), {}, {})
        sides = Sides(200_000, 200_000)
        found.append(g_objective(opponents, {"D": critic(Itself())}, Batch(x), Batch(fake), now, sides)[0].item())
    assert found[0] == pytest.approx(2 / np.sqrt(np.pi), abs=0.01)
    assert min(found[1:]) > found[0] + 0.02


class TestPenalties:
    """Their critic is v -> ||h(v) - h(y')|| - ||h(v)||, trained through h(y') too."""

    def hand(self, D: nn.Module, mix: Tensor, constant: bool) -> Tensor:
        """10 E (||grad crit(a x + (1 - a) y)|| - 1)^2."""
        x, y, other = samples(4, 4)
        v = (mix[:, None] * x + (1 - mix[:, None]) * y).requires_grad_()
        h, held = D(v)[1]["h"], D(other)[1]["h"]
        crit = (h - (held.detach() if constant else held)).norm(dim=1) - h.norm(dim=1)
        (slope,) = torch.autograd.grad(crit.sum(), v, create_graph=True)
        return 10.0 * (slope.norm(dim=1) - 1).square().mean()

    @ways
    def test_one_gp(self, way: Callable[[nn.Module], Critic]) -> None:
        D, mix = seeded(0, Embedding), uniform(4, 4)
        plain, _ = d_step(D, way, 4, 4)
        value, means = d_step(D, way, 4, 4, one_gp(10.0), noise={"penalty/one_gp": {"mix": mix}})
        expected, detached = (self.hand(D, mix, constant) for constant in (False, True))
        assert_close(means["D/penalty/one_gp"], expected.detach())
        assert_close(value - plain, expected)
        found, wanted, other = (gradients(each, D) for each in (value - plain, expected, detached))
        assert_close(found, wanted)
        assert (found["h.0.weight"] - other["h.0.weight"]).abs().max() > 1e-2

    @ways
    def test_r1(self, way: Callable[[nn.Module], Critic]) -> None:
        D = seeded(0, Embedding)
        _, means = d_step(D, way, 4, 4, r1(2.0))
        x, _, other = samples(4, 4)
        x.requires_grad_()
        h, held = D(x)[1]["h"], D(other)[1]["h"].detach()
        (slope,) = torch.autograd.grad(((h - held).norm(dim=1) - h.norm(dim=1)).sum(), x)
        assert_close(means["D/penalty/r1"], 2.0 * slope.square().sum(1).mean())


def test_without_an_embedding_the_logit_is_one() -> None:
    """d = v_1: |d(y) - d(y')| - |d(y)| and so on, for x = 1, y = 3, y' = -2 and x = -1, y = 0, y' = 2."""
    D, x, fake = Linear([1, 0]), tensor([[1, 7], [-1, 7]]), tensor([[3, 7], [0, 7], [-2, 7], [2, 7]])
    now, sides = Now(torch.tensor(0), {}, {}), Sides(2, 2)
    value, _ = d_objective(opponent(D), {"D": critic(D)}, Batch(x), Batch(fake), now, sides)
    assert_close(value.item(), ((5 - 3) + (2 - 0)) / 2 - ((3 - 1) + (3 - 1)) / 2)
    value, _ = g_objective(opponent(D), {"D": critic(D)}, Batch(x), Batch(fake), now, sides)
    assert_close(value.item(), ((2 + 3 - 5) + (1 + 3 - 2)) / 2)


def test_the_slope_of_a_length_at_zero_is_zero() -> None:
    h = tensor([[0, 0], [3, 4]]).requires_grad_()
    found = length(h)
    assert found.tolist() == [0, 5]
    assert_close(torch.autograd.grad(found.sum(), h)[0], tensor([[0, 0], [0.6, 0.8]]))
    assert length(tensor([[float("nan")]])).isnan().all()


def test_counts() -> None:
    """Twice the fakes in either step; the second half is held back. Candidates of fake-as-real come on top."""
    assert (Cramer().draws_d(6, 8), Cramer().draws_g(6, 8)) == ((6, 16), (6, 16))
    assert Cramer().needs_real
    fake = torch.arange(8.0)[:, None]
    shown = Cramer().edit(Batch(fake[:2]), Batch(fake), critic(Linear([1])))
    assert shown.held is not None
    assert [side.x.flatten().tolist() for side in (shown.real, shown.fake, shown.held)] == [
        [0, 1], [0, 1, 2, 3], [4, 5, 6, 7],
    ]  # fmt: skip
    assert chain(FakeAsReal(2, 3), Cramer()).draws_d(6, 8) == (4, 22)
    assert chain(Packing(2), Cramer()).raw(16) == 32


@pytest.mark.parametrize("methods", [(FakeAsReal(2, 3), Cramer()), (Cramer(), FakeAsReal(2, 3))])
def test_beside_fake_as_real(methods: tuple[Method, ...]) -> None:
    """In either order: two of the six candidates count as real, and all else is Cramer's; its loss stays the loss."""
    D, both = seeded(0, Embedding), chain(*methods)
    assert both.replaces_loss
    real, fake = both.draws_d(4, 4)
    opponents = {"D": Opponent(D, Nothing(), (), both)}
    x, y = normal(1, real, 2), normal(2, fake, 2)
    value, (means, _) = d_objective(
        opponents, {"D": critic(D)}, Batch(x), Batch(y), Now(torch.tensor(0), {}, {}), Sides(4, 4)
    )
    assert means.keys() == {"D/loss"}
    shown = both.edit(Batch(x), Batch(y), critic(D))
    assert shown.held is not None
    assert (shown.real.size, shown.fake.size) == (4, 4)
    a, b, held = embedded(D, shown.real.x, shown.fake.x, shown.held.x[:4])
    assert_close(value.item(), (norm(b - held) - norm(b)).mean() - (norm(a - held) - norm(a)).mean())


@dataclass(frozen=True)
class Other(Method):
    """Another method that would change what the critic is."""

    name = "other"
    single = True


class TestRefuses:
    def test_a_loss_beside_it(self) -> None:
        with pytest.raises(InputError, match=r"no loss with the method cramer, .* got hinge: leave out the loss"):
            Opponent(Itself(), Hinge(), (), Cramer())
        with pytest.raises(InputError, match=r"no loss with the method chain, .* got nonsaturating"):
            Opponent(Itself(), NonSaturating(), (), chain(FakeAsReal(2), Cramer()))
        with pytest.raises(InputError, match="no loss with the method cramer"):
            self.trainer(loss=Hinge(), method=Cramer())

    def test_no_loss_without_it(self) -> None:
        for method in (Plain(), FakeAsReal(2)):
            with pytest.raises(InputError, match=f"expected a loss with the method {method.name}, got one without ter"):
                Opponent(Itself(), Nothing(), (), method)
        with pytest.raises(InputError, match="expected a loss with the method plain"):
            self.trainer(loss=Nothing())

    def test_two_such_methods(self) -> None:
        with pytest.raises(InputError, match="one method that changes the critic, got cramer and other on one c"):
            chain(Cramer(), FakeAsReal(2), Other())
        with pytest.raises(InputError, match="may occur once"):
            chain(Cramer(), Cramer())

    def test_a_generator_step_without_reals(self) -> None:
        with pytest.raises(TypeError, match="needs real samples in the generator step"):
            Cramer().g_terms(critic(Itself()), None, critic(Itself()).score(Batch(normal(1, 4, 2))))

    def trainer(self, **settings: Any) -> sg.Trainer:
        G = seeded(0, lambda: sg.models.mlp(2, 2, 4))
        return sg.Trainer(G, Itself(), normal(0, 20, 2), latent_dim=2, batch_size=8, dtype=F64, **settings)

    def test_the_loss_is_left_out_by_itself(self) -> None:
        for method in (Cramer(), [FakeAsReal(2), Cramer()]):
            assert self.trainer(method=method).setup.opponents["D"].loss == Nothing()
