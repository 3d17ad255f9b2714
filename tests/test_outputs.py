# ruff: noqa: ARG005 (discriminators as lambdas, whose parameters are found by their names)
"""Discriminators that give a sample several logits: maps, heads, packs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64, normal, tensor
from steadygan.errors import InputError
from steadygan.penalties import Interpolated, r1
from steadygan.types import Batch, Output, critic
from steadygan.types.output import as_output

N, K = 6, 4
X, Y = normal(0, N, 1, 8, 8), normal(1, N, 1, 8, 8)


def patches(seed: int = 0) -> nn.Module:
    """A map of 2 x 2 logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 5, 3, 2, 1), nn.Tanh(), nn.Conv2d(5, 1, 3, 2, 1)).double()


class Periods(nn.Module):
    """Heads of other sizes, each with the features before its logits, as vocoders have them."""

    def __init__(self, periods: tuple[int, ...] = (2, 4)) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.ModuleList(nn.Conv1d(p, 3, 3, padding=1) for p in periods)
            self.last = nn.ModuleList(nn.Conv1d(3, 1, 3, padding=1) for _ in periods)
        self.periods = periods
        self.double()

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        logits, features = [], []
        for p, first, last in zip(self.periods, self.first, self.last, strict=True):
            h = torch.tanh(first(x.view(x.shape[0], -1, p).transpose(1, 2)))
            logits.append(last(h).flatten(1))
            features.append([h])
        return logits, features


WAVE_X, WAVE_Y = normal(2, N, 16), normal(3, N, 16)


class Squashed(nn.Module):
    """Heads that end in a sigmoid each."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(4, k), nn.Sigmoid()) for k in (1, 2))
        self.double()

    def forward(self, x: Tensor) -> list[Tensor]:
        return [head(x) for head in self.heads]


class TestSquashed:
    @pytest.mark.parametrize("make", [
        lambda D: D,
        lambda D: critic(D, weigh=(0.25, 0.75)),
        lambda D: critic(D, gives="probability"),  # opens one of them
        lambda D: lambda x: [D(x)[0] * 3.0, D(x)[1]],
        lambda D: lambda x: Output(x[:, 0], {}, D(x)[1], tensor([0.25, 0.75])),
    ], ids=["heads", "weighed", "one opened", "one of them", "of shares"])  # fmt: skip
    def test_it_is_seen_behind_heads_and_shares(self, make: Callable[..., Any]) -> None:
        with pytest.raises(InputError, match="ends in a sigmoid"):
            sg.d_loss(sg.losses.Hinge(), make(Squashed()), normal(0, N, 4), normal(1, N, 4))

    def test_shares_that_are_learnt_squash_nothing(self) -> None:
        weight = torch.zeros(3, dtype=F64, requires_grad=True)

        def judged(x: Tensor) -> Output:
            return Output(x[:, 0], {}, x[:, :3], weight.softmax(0))

        found = sg.d_loss(sg.losses.Wasserstein(), judged, normal(0, N, 4), normal(1, N, 4))
        assert_close(found, (normal(1, N, 4) - normal(0, N, 4))[:, :3].mean())

    @pytest.mark.parametrize(("more", "said"), [
        ({"gives": "prob"}, "did you mean 'probability'"),
        ({"weigh": "ab"}, "weigh= as a mapping or list"),
        ({"weigh": (0.5, "half")}, r"weigh\[1\] must be a finite number, not 'half'"),
    ])  # fmt: skip
    def test_settings_of_a_critic(self, more: Any, said: str) -> None:
        with pytest.raises(InputError, match=said):
            critic(Squashed(), **more)


class TestReading:
    def test_a_map_is_the_mean_of_its_places(self) -> None:
        said = as_output(normal(0, N, 1, 2, 2), N)
        assert said.logit_map is not None
        assert said.share is None
        assert said.scores.shape == (N, K)
        assert_close(said.logits, normal(0, N, 1, 2, 2).mean((1, 2, 3)))

    @pytest.mark.parametrize("make", [
        lambda a, b, f: [a, b],
        lambda a, b, f: {"fine": a, "coarse": b},
        lambda a, b, f: [(a, {"f": f}), (b, [f])],
        lambda a, b, f: ([a, b], [[f], [f]]),
        lambda a, b, f: [[f, a], [f, b]],
        lambda a, b, f: {"fine": Output(a, {"f": f}), "coarse": (b, [f])},
    ], ids=["list", "mapping", "pairs", "two lists", "features first", "outputs"])  # fmt: skip
    def test_heads_count_alike(self, make: Callable[..., Any]) -> None:
        """(mean a + mean b) / 2, however many places a head has."""
        a, b, f = normal(0, N, 1, 3, 3), normal(1, N, 2), normal(2, N, 5)
        said = as_output(make(a, b, f), N)
        assert_close(said.logits, (a.mean((1, 2, 3)) + b.mean(1)) / 2)
        assert said.share is not None
        assert_close(said.share, tensor([1 / 18] * 9 + [1 / 4] * 2))
        assert [k for _, k in said.heads] == [9, 2]
        assert all(name.startswith(f"{head}.") for name, (head, _) in zip(said.features, said.heads, strict=False))
        each = said.of_heads()
        assert_close([*each.values()], [a.mean((1, 2, 3)), b.mean(1)])

    def test_weighed(self) -> None:
        a, b = normal(0, N, 3), normal(1, N, 1)
        for weigh in ((0.25, 0.75), {"b": 0.75, "a": 0.25}):
            said = as_output({"a": a, "b": b}, N, weigh)
            assert_close(said.logits, 0.25 * a.mean(1) + 0.75 * b[:, 0])

    def test_one_logit_of_one_head_is_no_map(self) -> None:
        for result in ([normal(0, N)], {"d": normal(0, N, 1)}, (normal(0, N, 1, 1, 1), [normal(1, N, 2)])):
            assert as_output(result, N).logit_map is None

    def test_half_precision_does_not_leave(self) -> None:
        said = as_output([normal(0, N, 3).bfloat16(), (normal(1, N).bfloat16(), [normal(1, N).half()])], N)
        assert {said.logits.dtype, said.scores.dtype, said.features["1.0"].dtype} == {torch.float32}
        assert said.share is not None
        assert said.share.dtype == torch.float32

    def test_of_ones_own(self) -> None:
        told = normal(0, N, 2, 2)
        said = critic(lambda x: Output(x[:, 0], {}, told, tensor([0.1, 0.2, 0.3, 0.4])))(Batch(normal(1, N, 2)))
        assert_close(said.logits, told.flatten(1) @ tensor([0.1, 0.2, 0.3, 0.4]))

    @pytest.mark.parametrize(("result", "weigh", "said"), [
        ([torch.zeros(N, 2), torch.zeros(N - 1, 2)], None, r"its head 1 returned \(5, 2\): keep samples"),
        ([torch.zeros(N), torch.zeros(N)], (0.5, 0.25, 0.25), "for the 2 heads 0, 1, got 3: give each head a weight"),
        ([torch.zeros(N), torch.zeros(N)], {"0": 0.5, "2": 0.5}, "for the 2 heads 0, 1, got 0, 2: give each head"),
        (([torch.zeros(N), torch.zeros(N)], [[]]), None, "returned 2 heads with features as list: return features"),
        (Output(torch.zeros(N), {}, torch.zeros(N, 4), torch.full((4,), 0.5)), None, "with sum 1, got a sum of 2: div"),
        (Output(torch.zeros(N), {}, torch.zeros(N, 4), torch.full((3,), 1 / 3)), None, r"of 4 logits.*got \(3,\)"),
        ([torch.zeros(N), "d"], None, "but returned str"),
        (torch.zeros(N), (0.5, 0.5), "for one head, got 2: give"),
        (Output(torch.zeros(N), {}), (0.5, 0.5), "expected heads to weigh, got an Output"),
        (Output(torch.zeros(N), [torch.zeros(N)]), None, "returned a pair with list"),  # type: ignore[arg-type]
        ((torch.zeros(N), {"f": 1}), None, "features as tensors, but returned int as 'f'"),
        (torch.zeros(N, 2, dtype=torch.int64), None, r"as floats, but returned torch\.int64"),
    ])  # fmt: skip
    def test_what_cannot_be_read_is_told_in_one_line(self, result: Any, weigh: Any, said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            as_output(result, N, weigh)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("weigh", [(0.5, 0.6), (1.5, -0.5), (), {"a": 2.0}])
    def test_weights_that_are_not_one_in_all(self, weigh: Any) -> None:
        with pytest.raises(InputError, match="expected weigh= with weights of 0 or more and sum 1, got"):
            critic(patches(), weigh=weigh)
        with pytest.raises(InputError, match="expected weigh= with weights"):
            sg.types.Opponent(patches(), sg.losses.Hinge(), weigh=weigh)


class TestLosses:
    """Each loss is of each logit, and its terms are means: what public code computes, up to the sum over heads."""

    def test_hinge_of_a_map(self) -> None:
        D = patches()
        ours = sg.d_loss(sg.losses.Hinge(), D, X, Y)
        assert_close(ours, F.relu(1 - D(X)).mean() + F.relu(1 + D(Y)).mean())
        assert_close(sg.g_loss(sg.losses.Hinge(), D, Y), -D(Y).mean())

    def test_least_squares_of_heads(self) -> None:
        """HiFi-GAN's losses are sums over discriminators of mean (1 - d(x))^2 + mean d(y)^2."""
        D = Periods()
        theirs = sum(
            (1 - real).square().mean() + fake.square().mean()
            for real, fake in zip(D(WAVE_X)[0], D(WAVE_Y)[0], strict=True)
        )
        loss = sg.losses.LeastSquares(0.0, 1.0, 1.0)
        assert_close(2 * 2 * sg.d_loss(loss, D, WAVE_X, WAVE_Y), theirs)
        theirs = sum((1 - fake).square().mean() for fake in D(WAVE_Y)[0])
        assert_close(2 * 2 * sg.g_loss(loss, D, WAVE_Y), theirs)

    def test_relativistic_of_a_map(self) -> None:
        """Pairs place by place; averages of each place."""
        D = patches()
        real, fake = D(X).flatten(1), D(Y).flatten(1)
        assert_close(sg.d_loss(sg.losses.RelativisticPairing(), D, X, Y), F.softplus(fake - real).mean())
        theirs = F.softplus(fake.mean(0) - real).mean() + F.softplus(fake - real.mean(0)).mean()
        assert_close(sg.d_loss(sg.losses.RelativisticAverage(), D, X, Y), theirs)

    def test_a_loss_of_ones_own_may_reduce(self) -> None:
        class Gap(sg.types.Loss):
            def d(self, real: Tensor, fake: Tensor) -> Mapping[str, sg.types.Term]:
                return {"gap": sg.types.Term(fake.mean() - real.mean())}

        D = patches()
        assert_close(sg.d_loss(Gap(), D, X, Y), D(Y).mean() - D(X).mean())

    @pytest.mark.parametrize("name", ["nonsaturating", "wasserstein", "hinge", "least_squares", "relativistic_pairing"])
    def test_a_map_of_one_logit_again_and_again_is_that_logit(self, name: str) -> None:
        loss = sg.losses.LOSSES[name]()
        D = patches()
        one, many = (lambda x: D(x).mean((1, 2, 3))), (lambda x: D(x).mean((1, 2, 3))[:, None].expand(-1, 5))
        assert_close(sg.d_loss(loss, many, X, Y), sg.d_loss(loss, one, X, Y))
        assert_close(sg.g_loss(loss, many, Y, X), sg.g_loss(loss, one, Y, X))

    def test_packs_of_ten_as_ctgan_has_them(self) -> None:
        """Wasserstein loss with a penalty on the norm of a whole pack's gradient, mixed pack by pack."""
        pack, dim = 10, 3
        torch.manual_seed(0)
        lin = nn.Sequential(nn.Linear(pack * dim, 7), nn.LeakyReLU(0.2), nn.Linear(7, 1)).double()
        judge = critic(lambda x: lin(x.view(-1, pack * dim)), pack=pack)
        x, y, mix = normal(4, 40, dim), normal(5, 40, dim), tensor([0.1, 0.4, 0.6, 0.9])
        penalty = sg.penalties.GradientPenalty(10.0, Interpolated(mix), target=1.0)

        alpha = mix.view(4, 1, 1).repeat(1, pack, dim).view(-1, dim)
        between = (alpha * x + (1 - alpha) * y).requires_grad_()
        said = lin(between.view(-1, pack * dim))
        (slope,) = torch.autograd.grad(said, between, torch.ones_like(said), create_graph=True)
        theirs = ((slope.view(-1, pack * dim).norm(2, dim=1) - 1) ** 2).mean() * 10
        assert_close(penalty.loss(judge, x, y), theirs)
        plain = sg.d_loss(sg.losses.Wasserstein(), judge, x, y)
        assert_close(plain, lin(y.view(4, -1)).mean() - lin(x.view(4, -1)).mean())
        with pytest.raises(InputError, match="in packs of 10, got 35, which leaves 5 over: pass 30"):
            sg.d_loss(sg.losses.Wasserstein(), judge, x[:35], y)

    def test_an_opponent_in_the_objective(self) -> None:
        """Terms of a map are logged as those of single logits: their means."""
        from steadygan.engine.objective import Sides, d_objective
        from steadygan.types import Now, Opponent

        D = Periods()
        opponent = Opponent(D, sg.losses.Hinge(), (r1(0.3),), weigh=(0.25, 0.75))
        now = Now(torch.tensor(0), {}, {})
        judge = critic(D, weigh=(0.25, 0.75))
        value, (means, _) = d_objective({"D": opponent}, {"D": judge}, Batch(WAVE_X), Batch(WAVE_Y), now, Sides(N, N))
        heads = [F.relu(1 - a).mean() + F.relu(1 + b).mean() for a, b in zip(D(WAVE_X)[0], D(WAVE_Y)[0], strict=True)]
        assert_close(means["D/loss"], (0.25 * heads[0] + 0.75 * heads[1]).detach())
        assert_close(value, means["D/loss"] + means["D/penalty/r1"])


class TestSlopes:
    def test_r1_of_the_mean_and_of_the_sum(self) -> None:
        """k^2 apart; the sum is what public code of patch discriminators takes."""
        D, x = patches(), X.clone().requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x)
        theirs = slope.square().sum((1, 2, 3)).mean()
        assert_close(r1(1.0, of="sum").loss(D, X), theirs)
        assert_close(r1(1.0).loss(D, X), theirs / K**2)

    def test_of_weighed_heads(self) -> None:
        """The mean logit of unlike shares, and the plain sum of all logits."""
        D, x = Periods(), WAVE_X.clone().requires_grad_()
        first, second = D(x)[0]
        weigh = (0.25, 0.75)
        mean = 0.25 * first.mean(1) + 0.75 * second.mean(1)
        for of, total in (("logit", mean.sum()), ("sum", first.sum() + second.sum())):
            (slope,) = torch.autograd.grad(total, x, retain_graph=True)
            assert_close(r1(2.0, of=of).loss(critic(D, weigh=weigh), WAVE_X), 2 * slope.square().sum(1).mean())

    @pytest.mark.parametrize("of", ["logit", "probability", "sum"])
    def test_functional_equals_eager(self, of: Any) -> None:
        from dataclasses import replace

        judge = critic(Periods(), weigh=(0.25, 0.75))
        eager = judge.score(Batch(WAVE_X))
        functional = replace(judge, functional=True).score(Batch(WAVE_X))
        assert_close(eager.input_gradient(of), functional.input_gradient(of))
        assert_close([eager.logits, eager.scores], [functional.logits, functional.scores])

    def test_the_sum_of_one_logit_is_that_logit(self) -> None:
        D = nn.Linear(16, 1).double()
        assert_close(r1(1.0, of="sum").loss(D, WAVE_X), r1(1.0).loss(D, WAVE_X), rtol=0, atol=0)


class TestChoices:
    def test_a_fake_is_chosen_by_its_mean_and_counts_in_all_patches(self) -> None:
        D, pool = patches(), normal(7, 8, 1, 8, 8)
        far = sg.methods.FakeAsReal(2, factor=4)
        x_d, y_d = far.apply(D, X, Y, candidates=lambda n: pool[:n])
        lowest = D(torch.cat([pool[:N], pool[:2]])).mean((1, 2, 3)).topk(2, largest=False).indices
        assert_close(x_d, torch.cat([X[:-2], torch.cat([pool[:N], pool[:2]])[lowest]]))
        assert_close(y_d, Y)

    def test_with_conditions(self) -> None:
        far = sg.methods.FakeAsReal(2, factor=2)

        def judge(x: Tensor, given: Tensor) -> Tensor:
            return x.sum(1) * given[:, 0]

        real, fake = (Batch(normal(i, N, 2), None, normal(i + 1, N, 3)) for i in (0, 2))
        pool = Batch(normal(4, 4, 2), None, normal(5, 4, 3))
        x_d, y_d = far.apply(judge, real, fake, candidates=lambda n: pool.first(n))
        lowest = (pool.x.sum(1) * pool.given[:, 0]).topk(2, largest=False).indices
        assert_close(x_d.x, torch.cat([real.x[:-2], pool.x[lowest]]))
        assert_close(x_d.given, torch.cat([real.given[:-2], pool.given[lowest]]))
        assert_close([y_d.x, y_d.given], [fake.x, fake.given])

    @pytest.mark.parametrize(("real", "made", "said"), [
        (Batch(WAVE_X, None, WAVE_X), lambda n: WAVE_X[:n], r"candidates with the same conditions .*, got none"),
        (Batch(WAVE_X), lambda n: Batch(WAVE_X[:n], None, WAVE_X[:n]), "the same conditions as .* got none: pass"),
        (Batch(WAVE_X, None, {"a": WAVE_X}), None, r"got \(16,\) at \['a'\]: pass Batch\(x, label, given\) for both"),
        (Batch(WAVE_X, torch.arange(N), WAVE_X), None, r"reals with the same labels as the fakes, none, got \(\)"),
    ])  # fmt: skip
    def test_labels_and_conditions_of_one_side_alone(self, real: Batch, made: Any, said: str) -> None:
        far = sg.methods.FakeAsReal(2, factor=2)
        with pytest.raises(InputError, match=said):
            far.apply(lambda x, given: x.sum(1), real, Batch(WAVE_Y, None, WAVE_Y), made)

    def test_whole_packs_are_chosen(self) -> None:
        judge = critic(lambda x: x.view(-1, 4).sum(1), pack=2)
        pool = normal(7, 8, 2)
        x_d, y_d = sg.methods.FakeAsReal(1, factor=4).apply(judge, WAVE_X[:, :2], WAVE_Y[:, :2], lambda n: pool[:n])
        rows = torch.cat([pool[:6], pool[:2]]).view(4, 4)
        assert_close(x_d, torch.cat([WAVE_X[:4, :2], rows[rows.sum(1).argmin()].view(2, 2)]))
        assert_close(y_d, WAVE_Y[:, :2])

    def test_sdp_takes_scores_of_the_mean(self) -> None:
        D = patches()
        sdp = sg.methods.SampleDifferences(weight=0.5, start=0, count=2)
        loss = sg.losses.Hinge()
        ours = sg.d_loss(loss, D, X, Y, method=sdp) - sg.d_loss(loss, D, X, Y)
        real, fake = D(X).mean((1, 2, 3)), D(Y).mean((1, 2, 3))
        top = fake.topk(2).indices
        near = torch.cdist(Y.flatten(1), X.flatten(1)).argmin(1)[top]
        assert_close(ours, 0.5 / 2 * (fake[top] - real[near]).square().sum())
