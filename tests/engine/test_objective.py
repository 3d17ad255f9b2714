"""The two pure functions: sums of weighted means by hand, who gets which gradient, what is logged and carried on."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Linear, Quadratic, eager, functional, normal, seeded, sigmoid, sp, tensor, uniform
from steadygan.engine.objective import Sides, d_objective, g_objective, times
from steadygan.errors import InputError
from steadygan.losses import Hinge, LeastSquares, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from steadygan.methods import FakeAsReal, Packing
from steadygan.models import mlp
from steadygan.penalties import dragan, one_gp, r1, r2, zero_gp
from steadygan.types import Batch, Draw, Now, Opponent, critic

NOW = Now(torch.tensor(0), {}, {})
X = tensor([[1, 2], [3, -1]])
Y = tensor([[0, 1], [2, 2], [-1, 0]])
SIDES = Sides(2, 3)


def d_step(opponent: Opponent, real: Tensor = X, fake: Tensor = Y, now: Now = NOW, sides: Sides = SIDES) -> Any:
    return d_objective({"D": opponent}, {"D": eager(opponent.critic)}, Batch(real), Batch(fake), now, sides)


def g_step(opponent: Opponent, fake: Tensor, real: Tensor | None = None, now: Now = NOW, sides: Sides = SIDES) -> Any:
    batch = None if real is None else Batch(real)
    return g_objective({"D": opponent}, {"D": eager(opponent.critic)}, batch, Batch(fake), now, sides)


class TestDiscriminator:
    def test_loss_and_penalties_by_hand(self) -> None:
        """d = w.v + b: mean sp(-d(x)) + mean sp(d(y)) + 10 |w|^2 + 3 |w|^2, and its slopes."""
        D = Linear([0.3, -0.4], 0.1)
        w = tensor([0.3, -0.4])
        dx, dy = (X @ w + 0.1).tolist(), (Y @ w + 0.1).tolist()
        adversarial = sum(map(sp, [-v for v in dx])) / 2 + sum(map(sp, dy)) / 3
        objective, (means, states) = d_step(Opponent(D, NonSaturating(), (r1(10.0), r2(3.0))))
        assert_close(objective.item(), adversarial + 13 * 0.25)
        assert {key: value.item() for key, value in means.items()} == pytest.approx(
            {"D/loss": adversarial, "D/penalty/r1": 2.5, "D/penalty/r2": 0.75}
        )
        assert states == {"D": {}}
        objective.backward()
        slope_x, slope_y = tensor([-sigmoid(-v) for v in dx]) / 2, tensor([sigmoid(v) for v in dy]) / 3
        assert D.w.grad is not None
        assert D.b.grad is not None
        assert_close(D.w.grad, slope_x @ X + slope_y @ Y + 26 * w)
        assert_close(D.b.grad, slope_x.sum() + slope_y.sum())

    def test_logged_means_are_constants_and_weighted(self) -> None:
        _, (means, _) = d_step(Opponent(Linear([0.3, -0.4]), LeastSquares(), (r1(10.0, interval=4),)))
        assert not any(value.requires_grad for value in means.values())
        assert means["D/penalty/r1"].item() == pytest.approx(10.0)  # 10 * 4 * |w|^2
        dx, dy = X @ tensor([0.3, -0.4]), Y @ tensor([0.3, -0.4])
        assert_close(means["D/loss"], 0.5 * (dx - 1).square().mean() + 0.5 * dy.square().mean())

    def test_opponents_add_up_with_their_weights(self) -> None:
        one, two = Linear([1, 0]), Linear([0, 1], 2)
        opponents = {
            "one": Opponent(one, Wasserstein(), weight=0.5),
            "two": Opponent(two, Hinge(), (r1(1.0),), weight=3.0),
        }
        objective, (means, _) = d_objective(
            opponents, {"one": eager(one), "two": eager(two)}, Batch(X), Batch(Y), NOW, SIDES
        )
        # Wasserstein on v_1: 1/3 - 2; hinge on v_2 + 2 = (4, 1) and (3, 4, 2): 0 + 4, r1 1
        assert_close(objective.item(), 0.5 * (1 / 3 - 2) + 3 * (0 + 4 + 1))
        logged = {key: value.item() for key, value in means.items()}
        assert logged == pytest.approx({"one/loss": 1 / 3 - 2, "two/loss": 4, "two/penalty/r1": 1})

    def test_each_opponent_takes_what_it_draws(self) -> None:
        """The batches hold enough for the most demanding; the others use their first samples only."""
        D, packed = Linear([1]), Linear([1, 1])
        opponents = {
            "plain": Opponent(D, Wasserstein()),
            "packed": Opponent(packed, Wasserstein(), (), Packing(2)),
            "far": Opponent(D, Wasserstein(), (), FakeAsReal(1, 2)),
        }
        real, fake = tensor([10, 20, 30, 40])[:, None], tensor([1, 2, 3, 4, 5, -6])[:, None]
        critics = {"plain": eager(D), "packed": eager(packed), "far": eager(D)}
        _, (means, _) = d_objective(opponents, critics, Batch(real), Batch(fake), NOW, Sides(2, 3))
        # plain: (1 + 2 + 3) / 3 - 15; packed: (3 + 7 - 1) / 3 - (30 + 70) / 2; far: the lower of 4, 5 joins 10
        assert {key: value.item() for key, value in means.items()} == {
            "plain/loss": 2 - 15, "packed/loss": 3 - 50, "far/loss": 2 - 7,
        }  # fmt: skip

    def test_too_few_samples_raise(self) -> None:
        with pytest.raises(RuntimeError):
            d_step(Opponent(Linear([1, 0]), Hinge(), (), FakeAsReal(1, 3)), sides=Sides(3, 3))

    def test_noise_reaches_the_penalty_it_belongs_to(self) -> None:
        """zero_gp at a = 1 is r1, at a = 0 it is r2; one_gp has a of its own."""
        D = Quadratic([[2.0, 0], [0, 1]])
        opponent = Opponent(D, NonSaturating(), (zero_gp(1.0), one_gp(1.0)))
        x, y = X, Y[:2]

        def penalties(a: float, b: float) -> tuple[float, float]:
            noise = {f"penalty/{name}": {"mix": tensor([v, v])} for name, v in (("zero_gp", a), ("one_gp", b))}
            _, (means, _) = d_step(opponent, x, y, Now(torch.tensor(0), {}, {"D": noise}), Sides(2, 2))
            return means["D/penalty/zero_gp"].item(), means["D/penalty/one_gp"].item()

        norms = [(v @ D.S).norm().item() for v in (*x, *y)]
        at_x = sum(v**2 for v in norms[:2]) / 2, sum((v - 1) ** 2 for v in norms[:2]) / 2
        at_y = sum(v**2 for v in norms[2:]) / 2, sum((v - 1) ** 2 for v in norms[2:]) / 2
        assert penalties(1, 0) == pytest.approx((at_x[0], at_y[1]))
        assert penalties(0, 1) == pytest.approx((at_y[0], at_x[1]))

    @pytest.mark.parametrize("penalty", [r1, r2, zero_gp, one_gp, dragan])
    def test_autograd_and_vjp_agree(self, penalty: Any) -> None:
        D = seeded(0, lambda: mlp(2, 1, 8, 2, "tanh"))
        flat = nn.Sequential(D, nn.Flatten(0))
        opponent = Opponent(D, RelativisticPairing(), (penalty(10.0),), FakeAsReal(1, 2))
        noise = {f"penalty/{opponent.penalties[0].name}": {}}
        for i, (key, draw) in enumerate(opponent.penalties[0].noise(3, 4, (2,)).items()):
            noise[f"penalty/{opponent.penalties[0].name}"][key] = uniform(i, *draw.shape)
        found = []
        for c in (eager(D), functional(flat)):
            now = Now(torch.tensor(0), {}, {"D": noise})
            value, _ = d_objective(
                {"D": opponent}, {"D": c}, Batch(normal(1, 2, 2)), Batch(normal(2, 6, 2)), now, Sides(3, 4)
            )
            found.append(
                [value, *torch.autograd.grad(value, list(D.parameters()), allow_unused=True, materialize_grads=True)]
            )
        assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)


class TestGenerator:
    """G(z) = theta z, a number times the noise; d = w.v: the slope in theta follows by the chain rule."""

    Z = Y

    def test_slope_by_hand(self) -> None:
        D, theta = Linear([1, -2]), tensor(1.5).requires_grad_()
        objective, means = g_step(Opponent(D, NonSaturating(), weight=2.0), theta * self.Z)
        d = (1.5 * self.Z @ tensor([1, -2])).tolist()
        assert_close(objective.item(), 2 * sum(sp(-v) for v in d) / 3)
        assert means["D/loss"].item() == pytest.approx(sum(sp(-v) for v in d) / 3)
        (slope,) = torch.autograd.grad(objective, theta)
        assert_close(slope.item(), 2 * sum(-sigmoid(-v) * v / 1.5 for v in d) / 3)

    def test_opponents_add_up(self) -> None:
        one, two = Linear([1, 0]), Linear([0, 1])
        opponents = {"one": Opponent(one, NonSaturating()), "two": Opponent(two, Minimax(), weight=0.5)}
        objective, means = g_objective(opponents, {"one": eager(one), "two": eager(two)}, None, Batch(Y), NOW, SIDES)
        first = sum(sp(-v) for v in (0, 2, -1)) / 3
        second = -sum(sp(v) for v in (1, 2, 0)) / 3
        assert_close(objective.item(), first + second / 2)
        assert {key: v.item() for key, v in means.items()} == pytest.approx({"one/loss": first, "two/loss": second})

    def test_no_penalty_for_the_generator(self) -> None:
        D = Linear([1, -2])
        plain, _ = g_step(Opponent(D, NonSaturating()), Y)
        penalised, means = g_step(Opponent(D, NonSaturating(), (r1(10.0), r2(10.0))), Y)
        assert plain.item() == penalised.item()
        assert list(means) == ["D/loss"]

    @pytest.mark.parametrize("penalty", [zero_gp, one_gp, dragan])
    def test_a_penalty_s_noise_is_wanted_in_the_d_step_only(self, penalty: Any) -> None:
        """Random numbers are drawn per D step: a G step goes without."""
        D = Linear([1, -2])
        value, _ = g_step(Opponent(D, NonSaturating(), (penalty(),)), Y)
        assert_close(value.item(), sum(sp(-v) for v in (-2, -2, -1)) / 3)

    def test_reals_are_constants(self) -> None:
        """mean sp(d(x_i) - d(y_i)): G's slope flows through the fakes alone, D's real side collects none."""
        D = Linear([1, -2])
        y = Y.clone().requires_grad_()
        x = X.clone().requires_grad_()
        objective, _ = g_step(Opponent(D, RelativisticPairing()), y, x)
        dx, dy = (X @ tensor([1, -2])).tolist(), (Y @ tensor([1, -2])).tolist()
        pairs = [(dx[i % 2], dy[i]) for i in range(3)]
        assert_close(objective.item(), sum(sp(a - b) for a, b in pairs) / 3)
        slope_y, slope_x, slope_w = torch.autograd.grad(objective, (y, x, D.w), allow_unused=True)
        assert slope_x is None
        slopes = -tensor([sigmoid(a - b) for a, b in pairs]) / 3
        assert_close(slope_y, slopes[:, None] * tensor([1, -2]))
        assert_close(slope_w, slopes @ Y)

    def test_reals_are_scored_only_where_wanted(self) -> None:
        seen: list[Tensor] = []
        D = critic(lambda v: seen.append(v) or v.sum(1))
        for loss, calls in ((NonSaturating(), 1), (RelativisticPairing(), 2)):
            seen.clear()
            g_objective({"D": Opponent(None, loss)}, {"D": D}, Batch(X), Batch(Y), NOW, SIDES)
            assert len(seen) == calls

    def test_reals_move_no_buffer(self) -> None:
        """Batch norm sees the fakes, which are trained through, and not the reals, which are looked at."""
        D = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).double()
        g_step(Opponent(D, RelativisticPairing()), Y, 100 + X)
        assert D[0].num_batches_tracked == 1
        assert_close(D[0].running_mean, 0.1 * Y.mean(0))

    def test_without_the_reals_it_needs(self) -> None:
        with pytest.raises(TypeError, match="real logits"):
            g_step(Opponent(Linear([1, 0]), RelativisticPairing()), Y)

    def test_draws_are_the_methods(self) -> None:
        """The packed critic sees 3 packs of 6 fakes, whatever else came."""
        D = Linear([1, 1])
        value, _ = g_step(Opponent(D, Wasserstein(), (), Packing(2)), tensor([1, 2, 3, 4, 5, 6, 99])[:, None])
        assert value.item() == -7


def test_a_wrong_shape_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="must return logits of each sample"):
        d_step(Opponent(lambda x: x.T, Hinge()))


def test_equilibrium_is_what_the_objective_says_there() -> None:
    """A constant critic: the logged losses are the loss's own equilibrium, penalties apart."""
    D = Linear([0, 0])
    opponent = Opponent(D, NonSaturating(), (one_gp(10.0),))
    now = Now(torch.tensor(0), {}, {"D": {"penalty/one_gp": {"mix": uniform(0, 3), "order": uniform(1, 2)}}})
    objective, (means, _) = d_step(opponent, now=now)
    assert means["D/loss"].item() == pytest.approx(2 * log(2))
    assert objective.item() == pytest.approx(2 * log(2) + 10)


def test_times_one_is_no_operation() -> None:
    value = tensor(3.0)
    assert times(1.0, value) is value
    assert times(2.0, value).item() == 6
    assert times(tensor(0.5), value).item() == 1.5


def test_noise_that_is_asked_for_is_what_is_used() -> None:
    """The names in `noise` are those that `at` reads: a penalty that asks for nothing works without."""
    for penalty in (r1(), r2(), zero_gp(), one_gp(), dragan()):
        draws = penalty.noise(2, 3, (2,))
        assert all(isinstance(draw, Draw) for draw in draws.values())
        noise = {"D": {f"penalty/{penalty.name}": {key: uniform(0, *draw.shape) for key, draw in draws.items()}}}
        state = torch.get_rng_state()
        d_step(Opponent(Linear([1, 2]), Hinge(), (penalty,)), now=Now(torch.tensor(0), {}, noise))
        assert torch.equal(torch.get_rng_state(), state)
