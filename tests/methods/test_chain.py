"""Several methods on one critic: the order of what they do, and what is each one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.testing import assert_close

from known import Linear, eager, normal, scored, tensor, total, uniform
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.methods import Chain, FakeAsReal, Packing, Plain, chain
from steadygan.types import Batch, Critic, DBatch, Draw, Forward, Method, Now, Opponent, Output, Scored, Term, Terms

X = tensor([[1, 2], [3, -1], [0, 0.5], [4, 4]])


@dataclass(frozen=True)
class Affine(Method):
    """Shows `scale * x + shift`, wraps the critic alike, and leaves a term that tells who it was."""

    name: str
    scale: float = 1.0
    shift: float = 0.0

    def present(self, batch: Batch) -> Batch:
        return Batch(self.scale * batch.x + self.shift, batch.label)

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        def change(forward: Forward) -> Forward:
            return lambda batch: Output(self.scale * forward(batch).logits + self.shift, {})

        return critic.wrap(change)

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        return {"d": Term(real.logits, self.scale)}

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        return {"g": Term(fake.logits, self.shift)}


@dataclass(frozen=True)
class Held(Method):
    """Holds its last `count` fakes back and scores relative to their mean."""

    name: str = "held"
    count: int = 1

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        return real, fake + self.count

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        return DBatch(real, *fake.split(fake.size - self.count, self.count))

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        assert held is not None
        origin = critic(held).logits.mean()
        return critic.wrap(lambda forward: lambda batch: Output(forward(batch).logits - origin, {}))


@dataclass(frozen=True)
class Halves(Method):
    """Asks for twice the fakes and holds one half back."""

    name: str = "halves"

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        return real, 2 * fake

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        return 3 * real, 2 * fake

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        return DBatch(real, *fake.split(fake.size // 2, fake.size // 2))


@dataclass(frozen=True)
class Extra(Method):
    """Asks for one more of each in a G step."""

    name: str = "extra"

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        return real + 1, fake + 1

    def raw(self, count: int) -> int:
        return count + 1


@dataclass(frozen=True)
class Counting(Method):
    """Has a state, a random number, and a term of its own."""

    name: str
    k: Any = None
    u: Any = None
    needs_real = True

    def initial_state(self) -> dict[str, Tensor]:
        return {"k": tensor(0.0)}

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((real,), "normal")}

    def at(self, now: Now) -> Self:
        return replace(self, k=now.state["k"], u=now.noise["u"])

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        return {"value": Term(self.u, 0.5)}

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"k": state["k"] + means["value"]}


class TestOrder:
    def test_presented_in_order(self) -> None:
        """First times 2, then plus 1: 2 x + 1, and not 2 (x + 1)."""
        both = Chain((Affine("double", scale=2), Affine("add", shift=1)))
        assert_close(both.present(Batch(X)).x, 2 * X + 1)

    def test_critics_wrap_in_order(self) -> None:
        both = Chain((Affine("double", scale=2), Affine("add", shift=1)))
        d = both.critic(eager(Linear([1, 1])), None)
        assert_close(d(Batch(X)).logits, 2 * X.sum(1) + 1)
        assert_close(d.score(Batch(X)).input_gradient(), tensor([[2, 2]] * 4))

    def test_terms_of_all(self) -> None:
        both = Chain((Affine("double", scale=2), Affine("add", shift=3)))
        d = eager(Linear([1, 1]))
        s = scored(d, X)
        terms = both.d_terms(d, s, s)
        assert {key: term.weight for key, term in terms.items()} == {"double.d": 2, "add.d": 1}
        assert {key: t.weight for key, t in both.g_terms(d, s, s).items()} == {"double.g": 0, "add.g": 3}
        assert_close(total(terms), 3 * X.sum(1).mean())

    def test_edits_in_order_with_extras_from_the_tail(self) -> None:
        """The first edit takes the tail; the next takes the tail of what is left."""
        one = Chain((FakeAsReal(1, 2), Held()))
        assert one.draws_d(3, 4) == (2, 7)
        fake = torch.arange(7.0, dtype=torch.float64)[:, None]
        shown = one.edit(Batch(-fake[:2]), Batch(fake), eager(Linear([1])))
        assert shown.held is not None
        assert [side.x.flatten().tolist() for side in (shown.real, shown.fake, shown.held)] == [
            [0, -1, 5], [0, 1, 2, 3], [4],
        ]  # fmt: skip
        other = Chain((Held(), FakeAsReal(1, 2)))
        assert other.draws_d(3, 4) == (2, 7)
        shown = other.edit(Batch(-fake[:2]), Batch(fake), eager(Linear([1])))
        assert shown.held is not None
        assert [side.x.flatten().tolist() for side in (shown.real, shown.fake, shown.held)] == [
            [0, -1, 4], [0, 1, 2, 3], [6],
        ]  # fmt: skip

    def test_what_is_drawn_is_what_the_edits_use_up(self) -> None:
        """Halving four fakes after two candidates left takes 2 * 4 + 2; before, 2 * (4 + 2)."""
        for methods, fakes in (((FakeAsReal(1, 2), Halves()), 10), ((Halves(), FakeAsReal(1, 2)), 12)):
            both = Chain(methods)
            assert both.draws_d(3, 4) == (2, fakes)
            shown = both.edit(Batch(X[:2]), Batch(normal(0, fakes, 2)), eager(Linear([1, 1])))
            assert (shown.real.size, shown.fake.size) == (3, 4)

    def test_counts_of_the_last_are_asked_for_first(self) -> None:
        assert Chain((Extra(), Halves())).draws_g(2, 4) == (7, 9)
        assert Chain((Halves(), Extra())).draws_g(2, 4) == (9, 10)
        assert Chain((Packing(3), Extra())).raw(2) == 9
        assert Chain((Extra(), Packing(3))).raw(2) == 7

    def test_what_was_held_back_reaches_the_critic(self) -> None:
        """d(v) = v_1 relative to the held fake (10, 0)."""
        D, fake = Linear([1, 0]), torch.cat([2 * X, tensor([[10, 0]])])
        method = chain(Plain(), Held())
        shown = method.edit(Batch(X), Batch(fake), eager(D))
        assert_close(method.critic(eager(D), shown.held)(shown.fake).logits, 2 * X[:, 0] - 10)
        opponents = {"D": Opponent(D, NonSaturating(), (), method)}
        value, _ = d_objective(
            opponents, {"D": eager(D)}, Batch(X), Batch(fake), Now(torch.tensor(0), {}, {}), Sides(4, 4)
        )
        assert_close(value, softplus(10 - X[:, 0]).mean() + softplus(2 * X[:, 0] - 10).mean())

    def test_only_one_may_hold_back(self) -> None:
        two = Chain((Held("a"), Held("b")))
        with pytest.raises(InputError, match="hold back samples"):
            two.edit(Batch(X), Batch(normal(0, 6, 2)), eager(Linear([1, 1])))


class TestPackingAndFakeAsReal:
    """Both count in what the critic is shown, so they combine in either order."""

    either = pytest.mark.parametrize("methods", [
        (Packing(2), FakeAsReal(2, 3)), (FakeAsReal(2, 3), Packing(2)),
    ], ids=["packing first", "fake-as-real first"])  # fmt: skip

    @either
    def test_draws(self, methods: tuple[Method, ...]) -> None:
        """N = 5 packs with N0 = 2, M = 4 packs: 3 real packs and 4 + 6 fake packs of 2 samples."""
        method = chain(*methods)
        assert method.draws_d(5, 4) == (3, 10)
        assert tuple(map(method.raw, method.draws_d(5, 4))) == (6, 20)
        assert tuple(map(method.raw, method.draws_g(5, 4))) == (10, 8)

    @either
    def test_lowest_packs_count_as_real(self, methods: tuple[Method, ...]) -> None:
        """d(v, v') = v + v': by hand on packs (9, 9), .. and candidates 4, -2, 8, 0, 6, -6."""
        method = chain(*methods)
        real, fake = tensor([9, 9, 8, 8, 7, 7])[:, None], tensor([1, 1, 2, 2, 3, 3, 4, 4])[:, None]
        candidates = tensor([2, 2, -1, -1, 4, 4, 0, 0, 3, 3, -5, -1])[:, None]
        raw = method.present(Batch(real)), method.present(Batch(torch.cat([fake, candidates])))
        shown = method.edit(*raw, eager(Linear([1, 1])))
        assert shown.real.x[:3].tolist() == [[9, 9], [8, 8], [7, 7]]
        assert sorted(shown.real.x[3:].tolist()) == [[-5, -1], [-1, -1]]
        assert shown.fake.x.tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]

    def test_the_order_does_not_matter_to_the_objective(self) -> None:
        D, found = Linear([1, -1, 0.5, 2]), []
        for methods in ((Packing(2), FakeAsReal(2, 3)), (FakeAsReal(2, 3), Packing(2))):
            opponents = {"D": Opponent(D, NonSaturating(), (), chain(*methods))}
            real, fake = Batch(normal(1, 6, 2)), Batch(normal(2, 20, 2))
            found.append(
                d_objective(opponents, {"D": eager(D)}, real, fake, Now(torch.tensor(0), {}, {}), Sides(5, 4))[0].item()
            )
        assert found[0] == found[1]


class TestWhatIsEachOnesOwn:
    two = Chain((Counting("a"), Counting("b"), Plain()))

    def test_needs(self) -> None:
        assert self.two.needs_real
        assert not self.two.shares_batch
        assert not Chain((Plain(), Packing())).needs_real
        assert Opponent(None, NonSaturating(), (), self.two).needs_real()

    def test_state_noise_and_at(self) -> None:
        assert self.two.initial_state() == {"a.k": tensor(0.0), "b.k": tensor(0.0)}
        assert self.two.noise(3, 4, (2,)) == {"a.u": Draw((3,), "normal"), "b.u": Draw((3,), "normal")}
        noise = {"a.u": uniform(0, 3), "b.u": uniform(1, 3)}
        at = self.two.at(Now(torch.tensor(0), {"a.k": tensor(1.0), "b.k": tensor(2.0)}, noise))
        a, b, plain = at.methods
        assert (a.k, b.k) == (1, 2)
        assert a.u is noise["a.u"]
        assert b.u is noise["b.u"]
        assert plain == Plain()

    def test_next_state_sees_its_own_means_as_if_alone(self) -> None:
        """The one key that a method knows is its own term's: in a chain it must find it too."""
        alone = Counting("a").next_state({"k": tensor(5.0)}, {"value": tensor(2.0)})
        assert alone == {"k": tensor(7.0)}
        after = self.two.next_state(
            {"a.k": tensor(5.0), "b.k": tensor(6.0)}, {"a.value": tensor(2.0), "b.value": tensor(3.0)}
        )
        assert after == {"a.k": tensor(7.0), "b.k": tensor(9.0)}

    def test_through_the_objective(self) -> None:
        """k grows by the unweighted mean of the term, and the objective by half of it."""
        D = Linear([0, 0])
        noise = {"a.u": tensor([1, 2, 3]), "b.u": tensor([10, 20, 30])}
        now = Now(torch.tensor(0), {"D": {"method": self.two.initial_state()}}, {"D": {"method": noise}})
        objective, (means, states) = d_objective(
            {"D": Opponent(D, NonSaturating(), (), self.two)}, {"D": eager(D)}, Batch(X), Batch(X), now, Sides(3, 4)
        )
        assert_close(objective.item(), 2 * torch.tensor(2.0).log().item() + 0.5 * 2 + 0.5 * 20, rtol=1e-6, atol=0)
        assert (means["D/method/a.value"], means["D/method/b.value"]) == (1, 10)
        assert states == {"D": {"method": {"a.k": tensor(2.0), "b.k": tensor(20.0)}}}


class TestMaking:
    def test_one_is_itself(self) -> None:
        method = FakeAsReal(3)
        assert chain(method) is method
        assert chain(method, Plain()) == Chain((method, Plain()))

    def test_none_is_plain(self) -> None:
        empty, real, fake = chain(), Batch(X), Batch(2 * X)
        assert (empty.draws_d(4, 5), empty.draws_g(4, 5), empty.raw(3)) == ((4, 5), (4, 5), 3)
        assert empty.edit(real, fake, eager(Linear([1, 1]))) == DBatch(real, fake)

    def test_twice_is_refused(self) -> None:
        with pytest.raises(InputError, match="once in a chain, got packing, plain, packing"):
            Chain((Packing(2), Plain(), Packing(3)))

    def test_generator_step(self) -> None:
        """mean sp(-(v_1 + v'_1)) over two packs, seen by the packed critic."""
        D, y = Linear([1, 0, 1, 0]), X.clone().requires_grad_()
        opponents = {"D": Opponent(D, NonSaturating(), (), chain(Packing(2), FakeAsReal(1)))}
        now = Now(torch.tensor(0), {}, {})
        value, _ = g_objective(opponents, {"D": eager(D)}, None, Batch(y), now, Sides(2, 2))
        (slope,) = torch.autograd.grad(value, y)
        s = torch.sigmoid(-tensor([4, 4, 4, 4])) / 2  # both packs sum to 4
        assert_close(slope, torch.stack([-s, torch.zeros_like(s)], 1))
