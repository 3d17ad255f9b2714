"""Where a gradient penalty measures: between real and fake samples, and around the reals, by loop and by numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Quadratic, eager, functional, normal, scored, tensor, uniform, weighted
from steadygan.penalties import AroundReal, GradientPenalty, Interpolated, dragan, one_gp, r1, r2, zero_gp
from steadygan.types import Batch, Critic, Draw, Now, critic

ways = pytest.mark.parametrize("way", [eager, functional])
counts = pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 7), (7, 3), (1, 4), (4, 1)])


def drawn(penalty: GradientPenalty, n: int, m: int, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """The random numbers a penalty asks for; the order is one that moves every sample."""
    numbers = {key: uniform(i, *draw.shape) for i, (key, draw) in enumerate(penalty.noise(n, m, shape).items())}
    if "order" in numbers:
        numbers["order"] = torch.arange(min(n, m), dtype=torch.float64).roll(1) / min(n, m)
    return numbers


def at(penalty: GradientPenalty, noise: dict[str, Tensor]) -> GradientPenalty:
    return penalty.at(Now(torch.tensor(0), {}, noise))


def between(x: Tensor, y: Tensor, noise: dict[str, Tensor]) -> Tensor:
    """a x + (1 - a) y in a loop; the smaller side is shuffled by the ranks of `order`, then goes round and round."""
    n, m = len(x), len(y)
    ranks = sorted(range(min(n, m)), key=lambda i: noise["order"][i].item()) if n != m else []
    points = []
    for i in range(max(n, m)):
        left = x[i] if n >= m else x[ranks[i % n]]
        right = y[i] if m >= n else y[ranks[i % m]]
        a = noise["mix"][i].item()
        points.append(a * left + (1 - a) * right)
    return torch.stack(points)


class TestInterpolated:
    @counts
    @ways
    @pytest.mark.parametrize(("make", "target"), [(zero_gp, 0.0), (one_gp, 1.0)])
    def test_by_loop(
        self, make: Callable[..., GradientPenalty], target: float, way: Callable[[nn.Module], Critic], n: int, m: int
    ) -> None:
        """weight * mean (||S v|| - target)^2 at v = a x + (1 - a) y."""
        x, y, model = normal(1, n, 2), normal(2, m, 2), Quadratic([[2.0, 1.0], [3.0, -1.0]])
        penalty = make(10.0)
        noise = drawn(penalty, n, m, (2,))
        norms = [(model.S @ v).norm().item() for v in between(x, y, noise)]
        c = way(model)
        term = at(penalty, noise)(c, scored(c, x), scored(c, y))
        assert term.value.shape == (max(n, m),)
        assert_close(weighted(term).item(), 10.0 * sum((norm - target) ** 2 for norm in norms) / max(n, m))

    @counts
    def test_draws(self, n: int, m: int) -> None:
        """One a per sample, and an order for the smaller side only where the sides differ."""
        draws = zero_gp().noise(n, m, (3, 4, 4))
        order = {} if n == m else {"order": Draw((min(n, m),))}
        assert draws == {"mix": Draw((max(n, m),), "uniform")} | order

    def test_images_share_one_a(self) -> None:
        x, y = normal(3, 4, 3, 2, 2), normal(4, 4, 3, 2, 2)
        seen: list[Tensor] = []
        c = critic(lambda v: seen.append(v) or v.flatten(1).sum(1))
        noise = {"mix": tensor([0.0, 0.25, 0.5, 1.0])}
        Interpolated().at(Now(torch.tensor(0), {}, noise))(c, scored(c, x), scored(c, y))
        assert_close(seen[-1][0], y[0])
        assert_close(seen[-1][1], 0.25 * x[1] + 0.75 * y[1])
        assert_close(seen[-1][2], (x[2] + y[2]) / 2)
        assert_close(seen[-1][3], x[3])

    def test_every_sample_of_the_smaller_side_takes_part(self) -> None:
        """Pairs go round: with 3 reals and 7 fakes every real meets 2 or 3 fakes, every fake one real."""
        x, y = torch.arange(3.0)[:, None].double(), torch.zeros(7, 1, dtype=torch.float64)
        noise = {"mix": torch.ones(7, dtype=torch.float64), "order": uniform(0, 3)}
        c = eager(Quadratic([[1.0]]))
        points = Interpolated().at(Now(torch.tensor(0), {}, noise))(c, scored(c, x), scored(c, y)).batch.x
        assert sorted(torch.bincount(points.flatten().long()).tolist()) == [2, 2, 3]

    def test_labels_are_the_reals(self) -> None:
        c = critic(lambda v, label=None: v.sum(1))  # noqa: ARG005
        for n, m in ((3, 3), (2, 5), (5, 2)):
            real = c.score(Batch(torch.arange(float(n))[:, None], torch.arange(n)))
            fake = c.score(Batch(torch.zeros(m, 1), torch.full((m,), 99)))
            noise = {"mix": torch.ones(max(n, m)), "order": uniform(0, min(n, m))}
            points = Interpolated().at(Now(torch.tensor(0), {}, noise))(c, real, fake).batch
            assert points.label is not None
            assert points.label.tolist() == points.x.flatten().tolist()

    @ways
    def test_nothing_reaches_the_generator(self, way: Callable[[nn.Module], Critic]) -> None:
        y = normal(5, 4, 2).requires_grad_()
        c = way(Quadratic([[1.0, 0], [0, 1]]))
        points = Interpolated()(c, scored(c, normal(6, 4, 2)), scored(c, 2 * y))
        (slope,) = torch.autograd.grad(points.input_gradient().sum() + points.logits.sum(), y, allow_unused=True)
        assert slope is None

    def test_alone_it_draws_for_itself(self) -> None:
        """In anybody's own loop: points lie on the segments, different ones each time."""
        c = eager(Quadratic([[1.0]]))
        x, y = scored(c, torch.zeros(50, 1, dtype=torch.float64)), scored(c, torch.ones(50, 1, dtype=torch.float64))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            one, two = Interpolated()(c, x, y).batch.x, Interpolated()(c, x, y).batch.x
        assert ((one >= 0) & (one <= 1)).all()
        assert one.unique().numel() == 50
        assert not torch.equal(one, two)


class TestAroundReal:
    @ways
    @pytest.mark.parametrize("scale", [0.5, 2.0])
    def test_by_numpy(self, way: Callable[[nn.Module], Critic], scale: float) -> None:
        """x' = x + scale * std * u: std per coordinate with ddof 0, u in (0, 1) per coordinate and not centred."""
        x, u, A = normal(7, 4, 3).numpy(), uniform(8, 4, 3).numpy(), normal(9, 3, 3).numpy()
        around = x + scale * np.std(x, axis=0) * u
        norms = np.linalg.norm(around @ (A + A.T) / 2, axis=1)
        c = way(Quadratic(torch.from_numpy(A)))
        penalty = at(dragan(10.0, scale=scale), {"u": torch.from_numpy(u)})
        term = penalty(c, scored(c, torch.from_numpy(x)), scored(c, normal(10, 9, 3)))
        assert_close(term.value.detach().numpy(), (norms - 1) ** 2)
        assert_close(weighted(term).item(), 10.0 * np.mean((norms - 1) ** 2))

    def test_std_of_two_samples(self) -> None:
        """(0, 2) and (4, 2): std (2, 0) with ddof 0; u = (1/2, 1), (1, 1)."""
        c = eager(Quadratic([[1.0, 0], [0, 1]]))
        x = scored(c, tensor([[0, 2], [4, 2]]))
        points = AroundReal().at(Now(torch.tensor(0), {}, {"u": tensor([[0.5, 1], [1, 1]])}))(c, x, x)
        assert_close(points.batch.x, tensor([[0.5, 2], [5, 2]]))

    def test_draws_one_per_coordinate_of_the_reals(self) -> None:
        assert dragan().noise(5, 9, (3, 4, 4)) == {"u": Draw((5, 3, 4, 4), "uniform")}

    def test_labels_are_the_reals(self) -> None:
        c = critic(lambda v, label=None: v.sum(1))  # noqa: ARG005
        real = c.score(Batch(normal(11, 3, 2), torch.tensor([4, 5, 6])))
        assert AroundReal()(c, real, real).batch.label is real.batch.label

    def test_the_default_is_half_a_std(self) -> None:
        assert dragan().points == AroundReal(0.5)


def test_the_sides_themselves_need_no_draws() -> None:
    for penalty in (r1(), r2()):
        assert penalty.noise(5, 7, (2,)) == {}
        assert penalty.at(Now(torch.tensor(0), {}, {})) is penalty


def test_at_changes_the_points_alone() -> None:
    penalty = one_gp(3.0, of="probability", interval=2)
    mix = uniform(0, 4)
    put_in = at(penalty, {"mix": mix})
    assert (put_in.weight, put_in.of, put_in.interval, put_in.target, put_in.name) == (
        3.0,
        "probability",
        2,
        1.0,
        "one_gp",
    )
    assert put_in.points == Interpolated(mix)
    assert penalty.points == Interpolated()
