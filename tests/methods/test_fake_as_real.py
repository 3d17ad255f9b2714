"""Fake-as-real against batches worked out by hand and against FARGAN's equations 10 and 11 in loops."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Linear, Quadratic, eager, functional, normal, seeded, sp, tensor, total
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.methods import FakeAsReal, Plain
from steadygan.models import mlp
from steadygan.penalties import r1
from steadygan.types import Batch, Critic, DBatch, Method, Now, Opponent, Output, cat, critic

NOW = Now(torch.tensor(0), {}, {})
# d(v) = v_1; N = 4 with N0 = 2, M = 3, f = 3
D = Linear([1, 0])
REAL = tensor([[5, 1], [6, 2]])
FAKE = tensor([[0.1, 3], [0.2, 4], [0.3, 5]])
CANDIDATES = tensor([[4, 10], [-1, 11], [2, 12], [-3, 13], [0, 14], [1, 15]])
METHOD = FakeAsReal(count=2, factor=3)


def step(method: Method, model: nn.Module, real: Tensor, fake: Tensor, sides: Sides, k: float = 0.0) -> Tensor:
    opponents = {"D": Opponent(model, NonSaturating(), (r1(k),), method)}
    return d_objective(opponents, {"D": eager(model)}, Batch(real), Batch(fake), NOW, sides)[0]


def rows(x: Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(row) for row in x.flatten(1).tolist())


@dataclass(frozen=True)
class WrongWayRound(FakeAsReal):
    """The rule as it must not be: the candidates that D rates highest."""

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        fake, candidates = fake.split(fake.size - self.candidates, self.candidates)
        highest = critic.constant(candidates).logits.topk(self.count, largest=True).indices
        return DBatch(cat(real, candidates.take(highest)), fake)


class TestByHand:
    def test_the_two_sides(self) -> None:
        """Of d = 4, -1, 2, -3, 0, 1 the lowest two are -3 and -1; they join the reals, the first M fakes stay."""
        shown = METHOD.edit(Batch(REAL), Batch(torch.cat([FAKE, CANDIDATES])), eager(D))
        assert_close(shown.real.x[:2], REAL, rtol=0, atol=0)
        assert rows(shown.real.x[2:]) == [(-3, 13), (-1, 11)]
        assert_close(shown.fake.x, FAKE, rtol=0, atol=0)
        assert shown.held is None

    def test_draws(self) -> None:
        """N - N0 reals and M + f N0 fakes for D; the G step is the plain one."""
        assert METHOD.candidates == 6
        assert METHOD.draws_d(4, 3) == (2, 9)
        assert METHOD.draws_g(4, 3) == (4, 3)
        assert METHOD.raw(9) == 9
        assert FakeAsReal(32).draws_d(64, 64) == (32, 320)  # the paper's image setting, f = 8

    def test_objective(self) -> None:
        """mean of sp(-d) over (5, 6, -3, -1) + mean of sp(d) over (.1, .2, .3) + k |w|^2."""
        value = step(METHOD, D, REAL, torch.cat([FAKE, CANDIDATES]), Sides(4, 3), k=10.0)
        expected = (sp(-5) + sp(-6) + sp(3) + sp(1)) / 4 + (sp(0.1) + sp(0.2) + sp(0.3)) / 3 + 10
        assert_close(value.item(), expected)

    def test_the_other_way_round_is_another_objective(self) -> None:
        """Taking 4 and 2, the highest, would give this: what a flipped sign would compute, and ours must not."""
        fake = torch.cat([FAKE, CANDIDATES])
        wrong = (sp(-5) + sp(-6) + sp(-4) + sp(-2)) / 4 + (sp(0.1) + sp(0.2) + sp(0.3)) / 3
        assert_close(step(WrongWayRound(2, 3), D, REAL, fake, Sides(4, 3)).item(), wrong)
        assert step(METHOD, D, REAL, fake, Sides(4, 3)).item() > wrong + 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", [eager, functional])
def test_equations_10_and_11_by_loop(seed: int, way: type[Critic]) -> None:
    """N = 6 with N0 = 2, M = 5, f = 4; r1 of weight k on all N of c, the fakes among them included."""
    N, N0, M, f, k = 6, 2, 5, 4, 10.0
    model = Quadratic(normal(seed, 3, 3))
    x, y = normal(seed + 100, N - N0, 3), normal(seed + 200, M + f * N0, 3)
    d0 = [(v @ model.S @ v / 2).item() for v in y]
    ranking = sorted(range(M, M + f * N0), key=lambda i: d0[i])  # index of top N0 in {-D0(y_M+1), ...}
    c = [*x, *(y[i] for i in ranking[:N0])]
    expected = sum(sp(-(v @ model.S @ v / 2).item()) for v in c) / N
    expected += sum(sp(d0[i]) for i in range(M)) / M
    expected += k / N * sum((model.S @ v).square().sum().item() for v in c)

    opponents = {"D": Opponent(model, NonSaturating(), (r1(k),), FakeAsReal(N0, f))}
    value, (means, _) = d_objective(opponents, {"D": way(model)}, Batch(x), Batch(y), NOW, Sides(N, M))
    assert_close(value.item(), expected)
    penalty = k / N * sum((model.S @ v).square().sum().item() for v in c)
    assert_close(means["D/penalty/r1"].item(), penalty)
    reals_only = k / (N - N0) * sum((model.S @ v).square().sum().item() for v in x)
    assert abs(penalty - reals_only) > 0.1  # the kept fakes are seen in the figure


@pytest.mark.parametrize("seed", range(5))
def test_none_that_was_left_lies_below_one_that_was_kept(seed: int) -> None:
    model = seeded(seed, lambda: mlp(2, 1, 16))
    candidates = normal(seed, 40, 2)
    shown = FakeAsReal(5, 8).edit(Batch(normal(9, 3, 2)), Batch(torch.cat([normal(8, 4, 2), candidates])), eager(model))
    d = model(candidates).flatten()
    kept = torch.tensor([tuple(row) in rows(shown.real.x[3:]) for row in candidates.tolist()])
    assert kept.sum() == 5
    assert d[kept].max() < d[~kept].min()


class TestCounts:
    def test_zero_hands_back_the_very_batches(self) -> None:
        real, fake = Batch(REAL), Batch(FAKE)
        shown = FakeAsReal(0).edit(real, fake, eager(D))
        assert shown.real is real
        assert shown.fake is fake
        assert FakeAsReal(0).draws_d(4, 3) == (4, 3)

    def test_zero_is_plain_bit_for_bit(self) -> None:
        model = seeded(0, lambda: mlp(2, 1, 16))
        real, fake = normal(1, 8, 2), normal(2, 8, 2)
        found = []
        for method in (FakeAsReal(0), Plain()):
            value = step(method, model, real, fake, Sides(8, 8), k=10.0)
            found.append((value, *torch.autograd.grad(value, list(model.parameters()))))
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))

    def test_all_of_the_real_side(self) -> None:
        """N0 = N collapses, but is what was asked for: no real sample is shown."""
        method = FakeAsReal(2, 3)
        assert method.draws_d(2, 3) == (0, 9)
        shown = method.edit(Batch(REAL[:0]), Batch(torch.cat([FAKE, CANDIDATES])), eager(D))
        assert rows(shown.real.x) == [(-3, 13), (-1, 11)]

    def test_more_than_the_real_side(self) -> None:
        with pytest.raises(InputError, match="count must be at most the real batch of 64, not 65: lower count or") as e:
            FakeAsReal(65).draws_d(64, 64)
        assert "\n" not in str(e.value)
        with pytest.raises(InputError, match="at most the real batch of 4, not 5"):
            step(FakeAsReal(5), D, REAL, FAKE, Sides(4, 3))

    def test_factor_one_keeps_every_candidate(self) -> None:
        """Random selection: whatever is drawn counts as real."""
        shown = FakeAsReal(6, factor=1).edit(Batch(REAL), Batch(torch.cat([FAKE, CANDIDATES])), eager(D))
        assert rows(shown.real.x[2:]) == rows(CANDIDATES)

    @pytest.mark.parametrize(("settings", "said"), [
        ({"count": -1}, "fake_as_real.count: expected a whole number of 0 or more, got -1"),
        ({"count": 4, "factor": 0}, "fake_as_real.factor: expected a whole number of 1 or more, got 0"),
    ])  # fmt: skip
    def test_refuses(self, settings: dict[str, int], said: str) -> None:
        with pytest.raises(InputError) as caught:
            FakeAsReal(**settings)
        assert str(caught.value) == said

    def test_defaults(self) -> None:
        assert FakeAsReal(16) == FakeAsReal(count=16, factor=8)
        with pytest.raises(TypeError):
            FakeAsReal()


class TestNoTrace:
    """Scoring the candidates is a look, not a training step."""

    def test_one_look_without_a_graph(self) -> None:
        looks: list[tuple[int, bool]] = []

        def watch(batch: Batch) -> Output:
            looks.append((batch.size, torch.is_grad_enabled()))
            return Output(batch.x.sum(1), {})

        METHOD.edit(Batch(REAL), Batch(torch.cat([FAKE, CANDIDATES])), Critic(watch))
        assert looks == [(6, False)]

    def test_they_are_only_ranked(self) -> None:
        """By the forward for that, here the negative of d: it decides who is kept, and nothing else."""
        turned = Critic(lambda b: Output(b.x[:, 0], {}), ranked=lambda b: Output(-b.x[:, 0], {}))
        shown = METHOD.edit(Batch(REAL), Batch(torch.cat([FAKE, CANDIDATES])), turned)
        assert rows(shown.real.x[2:]) == [(2, 12), (4, 10)]
        assert turned.score(shown.real).logits.tolist() == shown.real.x[:, 0].tolist()

    def test_buffers_stay(self) -> None:
        model = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8)), nn.BatchNorm1d(8), nn.Linear(8, 1)
        ).double()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        METHOD.edit(Batch(REAL), Batch(torch.cat([FAKE, CANDIDATES])), critic(model))
        METHOD.apply(model, REAL, torch.cat([FAKE, CANDIDATES]))
        assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
        assert model.training

    def test_no_gradient_into_the_generator(self) -> None:
        """Even where the caller's fakes carry G's graph."""
        G, model = seeded(1, lambda: nn.Linear(2, 2)), Linear([1, 0])
        real, fake = METHOD.apply(model, REAL, G(normal(3, 9, 2)))
        assert not real.requires_grad
        assert not fake.requires_grad
        total(NonSaturating().d(model(real), model(fake))).backward()
        assert model.w.grad is not None
        assert all(p.grad is None for p in G.parameters())

    def test_what_was_kept_trains_the_critic(self) -> None:
        """Detached from G, not from D: dL/dw has -s(-d(c)) c / N for each kept candidate."""
        model = Linear([1, 0])
        step(METHOD, model, REAL, torch.cat([FAKE, CANDIDATES]), Sides(4, 3)).backward()
        c = torch.cat([REAL, tensor([[-3, 13], [-1, 11]])])
        expected = -(torch.sigmoid(-c[:, 0])[:, None] * c).mean(0) + (torch.sigmoid(FAKE[:, 0])[:, None] * FAKE).mean(0)
        assert model.w.grad is not None
        assert_close(model.w.grad, expected)

    def test_the_generator_step_is_the_plain_one(self) -> None:
        found = []
        for method in (METHOD, Plain()):
            y = FAKE.clone().requires_grad_()
            opponents = {"D": Opponent(D, NonSaturating(), (), method)}
            value, _ = g_objective(opponents, {"D": eager(D)}, None, Batch(y), NOW, Sides(4, 3))
            found.append((value.item(), torch.autograd.grad(value, y)[0].tolist()))
        assert found[0] == found[1]


class TestCoupledCritic:
    """d(v) = v_1 - batch mean of v_1: candidates are scored in chunks of M, as D usually sees fakes."""

    @pytest.mark.parametrize(("m", "sizes"), [(2, [2, 2, 2]), (3, [3, 3]), (4, [4, 2]), (6, [6]), (9, [6])])
    def test_chunks(self, m: int, sizes: list[int]) -> None:
        seen: list[int] = []

        def model(x: Tensor) -> Tensor:
            seen.append(x.shape[0])
            return x[:, 0] - x[:, 0].mean()

        fakes = torch.cat([normal(4, m, 2), CANDIDATES])
        shown = METHOD.edit(Batch(REAL), Batch(fakes), critic(model, couples_samples=True))
        assert seen == sizes
        scores = [v - sum(chunk) / len(chunk) for chunk in CANDIDATES[:, 0].split(sizes) for v in chunk.tolist()]
        lowest = sorted(range(6), key=lambda i: scores[i])[:2]
        assert rows(shown.real.x[2:]) == rows(CANDIDATES[lowest])

    def test_alone(self) -> None:
        """`apply` cannot know that a critic couples samples unless it is told, by a critic."""
        seen: list[int] = []

        def model(x: Tensor) -> Tensor:
            seen.append(x.shape[0])
            return x[:, 0] - x[:, 0].mean()

        METHOD.apply(critic(model, couples_samples=True), REAL, torch.cat([FAKE, CANDIDATES]))
        assert seen == [3, 3]


class TestLabels:
    def test_travel(self) -> None:
        """A kept fake keeps its own class: the critic is asked about it under that label."""
        labels = torch.arange(9)
        shown = METHOD.edit(Batch(REAL, torch.tensor([50, 60])), Batch(torch.cat([FAKE, CANDIDATES]), labels), eager(D))
        assert shown.real.label is not None
        assert shown.fake.label is not None
        assert shown.fake.label.tolist() == [0, 1, 2]
        assert shown.real.label[:2].tolist() == [50, 60]
        pairs = zip(shown.real.x[2:, 1].tolist(), shown.real.label[2:].tolist(), strict=True)
        assert sorted(pairs) == [(11, 4), (13, 6)]

    def test_are_seen_when_scoring(self) -> None:
        def model(x: Tensor, label: Tensor) -> Tensor:
            return x[:, 0] * (1 - 2 * label)

        shown = METHOD.edit(
            Batch(REAL, torch.tensor([0, 1])), Batch(torch.cat([FAKE, CANDIDATES]), torch.ones(9).long()), critic(model)
        )
        assert rows(shown.real.x[2:]) == [(2, 12), (4, 10)]  # label 1 turns the order round


class TestAlone:
    def test_apply_is_edit(self) -> None:
        real, fake = METHOD.apply(D, REAL, torch.cat([FAKE, CANDIDATES]))
        assert rows(real) == [(-3, 13), (-1, 11), (5, 1), (6, 2)]
        assert_close(fake, FAKE, rtol=0, atol=0)

    def test_any_module(self) -> None:
        real, fake = FakeAsReal(2, 3).apply(nn.Linear(2, 1).double(), REAL, torch.cat([FAKE, CANDIDATES]))
        assert (real.shape, fake.shape) == ((4, 2), (3, 2))

    @pytest.mark.parametrize("n", [0, 5, 6])
    def test_too_few_fakes(self, n: int) -> None:
        with pytest.raises(InputError, match=f"expected 6 candidates after the fake batch, got {n} fakes in all"):
            METHOD.apply(D, REAL, CANDIDATES[:n])

    @pytest.mark.parametrize(("m", "sizes"), [(3, [3, 3]), (4, [4, 2]), (6, [6]), (9, [6])])
    def test_candidates_are_made_apart(self, m: int, sizes: list[int]) -> None:
        """In batches of M at most, without a gradient; the sides are those of all samples at once."""
        pool, seen = iter(CANDIDATES), list[tuple[int, bool]]()

        def candidates(n: int) -> Tensor:
            seen.append((n, torch.is_grad_enabled()))
            return torch.stack([next(pool) for _ in range(n)])

        reals, fakes = torch.cat([REAL, normal(5, 2, 2)]), normal(4, m, 2)
        found = METHOD.apply(D, reals, fakes, candidates=candidates)
        assert seen == [(size, False) for size in sizes]
        assert_close(found, METHOD.apply(D, REAL, torch.cat([fakes, CANDIDATES])), rtol=0, atol=0)
        assert [len(side) for side in found] == [4, m]

    def test_none_are_asked_for_where_none_count(self) -> None:
        real, fake = FakeAsReal(0).apply(D, REAL, FAKE, candidates=lambda _: FAKE)
        assert_close((real, fake), (REAL, FAKE), rtol=0, atol=0)
        assert_close(FakeAsReal(0).apply(D, REAL, FAKE[:2]), (REAL, FAKE[:2]), rtol=0, atol=0)

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_a_last_batch_of_no_more_reals_than_count(self, n: int) -> None:
        said = r"expected more real samples than the 2 that fakes replace, got too few: .* \(drop_last=True\)"
        with pytest.raises(InputError, match=said):
            METHOD.apply(D, normal(1, n, 2), FAKE, candidates=lambda n: CANDIDATES[:n])
        with pytest.raises(InputError, match=said):
            METHOD.apply(D, REAL[:0], torch.cat([FAKE, CANDIDATES]))

    def test_a_forgotten_slice(self) -> None:
        said = r"expected N - count = 1 real samples with 3 fakes, got 3: pass x\[far\.count:\], or all of x with can"
        with pytest.raises(InputError, match=said):
            METHOD.apply(D, normal(1, 3, 2), torch.cat([FAKE, CANDIDATES]))

    def test_other_candidates_than_asked_for(self) -> None:
        with pytest.raises(
            InputError, match=r"expected candidates\(3\) of shape \(3, 2\), got \(9, 2\): return G\(z\) for n"
        ):
            METHOD.apply(D, normal(1, 4, 2), FAKE, candidates=lambda _: normal(2, 9, 2))
        with pytest.raises(InputError, match=r"expected candidates\(3\) of shape \(3, 2\), got list"):
            METHOD.apply(D, normal(1, 4, 2), FAKE, candidates=lambda n: CANDIDATES[:n].tolist())  # type: ignore[return-value]

    def test_a_critic_that_writes_over_its_input(self) -> None:
        model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1)).double()
        with pytest.raises(InputError, match="a discriminator that leaves its input unchanged"):
            METHOD.apply(model, REAL, torch.cat([FAKE, CANDIDATES]))
