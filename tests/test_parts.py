"""What parts, methods and penalties do by default and alone, and an opponent made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from known import Linear, Quadratic, eager, scored, tensor, uniform
from steadygan.errors import InputError
from steadygan.losses import Hinge, NonSaturating, RelativisticPairing
from steadygan.methods import FakeAsReal, Plain
from steadygan.penalties import r1, r2, zero_gp
from steadygan.types import Batch, DBatch, Draw, Loss, Method, Now, Opponent, Part, Penalty, Term

POINTS = tensor([[1, 2], [3, -1], [0, 0.5]])
LABELS = torch.tensor([7, 8, 9])


class TestPart:
    def test_defaults_do_nothing(self) -> None:
        part = Part()
        assert (part.initial_state(), part.noise(4, 4, (2,))) == ({}, {})
        assert part.at(Now(torch.tensor(0), {}, {"mix": POINTS})) is part
        assert part.active(0)
        assert part.active(7)
        state = {"k": tensor(1.0)}
        assert part.next_state(state, {"fake": tensor(2.0)}) == state
        assert (part.needs_real, part.shares_batch) == (False, False)

    def test_base_method_is_plain_training(self) -> None:
        method, real, fake = Method(), Batch(POINTS, LABELS), Batch(2 * POINTS)
        assert (method.draws_d(5, 7), method.draws_g(5, 7), method.raw(5)) == ((5, 7), (5, 7), 5)
        assert method.present(real) is real
        d = eager(Linear([1.0, 1.0]))
        shown = method.edit(real, fake, d)
        assert shown.real is real
        assert shown.fake is fake
        assert shown.held is None
        assert method.critic(d, None) is d
        assert (method.d_terms(d, d.score(real), d.score(fake)), method.g_terms(d, None, d.score(fake))) == ({}, {})
        assert DBatch(real, fake) == (real, fake, None)

    def test_seams_without_a_formula_say_so(self) -> None:
        d = scored(Linear([1.0, 1.0]), POINTS)
        with pytest.raises(NotImplementedError):
            Loss().d(POINTS, POINTS)
        with pytest.raises(NotImplementedError):
            Loss().g(POINTS)
        with pytest.raises(NotImplementedError):
            Penalty()(eager(Linear([1.0])), d, d)
        assert Loss().equilibrium == (None, None)

    def test_now_enters(self) -> None:
        here = Now(torch.tensor(3), {"D": {"loss": {"k": 1}}}, {"D": {"penalty/zero_gp": {"mix": 2}}})
        assert here.enter("D").enter("loss") == (here.iteration, {"k": 1}, {})
        assert here.enter("D").enter("penalty/zero_gp").noise == {"mix": 2}
        assert here.enter("other") == (here.iteration, {}, {})

    def test_a_term_weighs_one_and_a_draw_is_uniform(self) -> None:
        assert Term(POINTS).weight == 1.0
        assert Draw((3,)).kind == "uniform"


class TestPenaltyAlone:
    def test_by_hand(self) -> None:
        """||(3, -4)||^2 = 25 on every point, times the weight."""
        D = Linear([3.0, -4.0])
        assert_close(r1(10).loss(D, POINTS).item(), 250.0)
        assert_close(r2(0.5).loss(D, POINTS, POINTS + 1).item(), 12.5)
        assert r1(10).loss(D, POINTS).shape == ()

    def test_sides(self) -> None:
        D = Quadratic([[1.0, 0], [0, 1]])  # gradient v
        assert_close(r1(1).loss(D, tensor([[3, 4]]), tensor([[1, 0]])).item(), 25.0)
        assert_close(r2(1).loss(D, tensor([[3, 4]]), tensor([[1, 0]])).item(), 1.0)

    def test_of_a_module_with_an_output_column(self) -> None:
        D = nn.Linear(2, 1).double()
        value = r1(10).loss(D, POINTS)
        value.backward()
        assert D.weight.grad is not None
        assert_close(value, 10 * D.weight.detach().square().sum())
        assert_close(D.weight.grad, 20 * D.weight.detach())


class TestOpponent:
    @pytest.mark.parametrize(("settings", "complaint"), [
        ({"loss": "hinge"}, "loss must be"),
        ({"loss": Hinge}, "loss must be"),
        ({"loss": Hinge(), "penalties": (r1,)}, "a penalty must be"),
        ({"loss": Hinge(), "penalties": (Hinge(),)}, "a penalty must be"),
        ({"loss": Hinge(), "method": "plain"}, "method must be"),
        ({"loss": Hinge(), "penalties": (r1(1), r2(1), r1(2))}, "once per discriminator.*r1, r2, r1"),
    ])  # fmt: skip
    def test_refuses_what_is_no_part(self, settings: dict[str, Any], complaint: str) -> None:
        with pytest.raises(InputError, match=complaint) as caught:
            Opponent(Linear([1.0]), **settings)
        assert "\n" not in str(caught.value)

    def test_parts_by_name(self) -> None:
        loss, penalty, method = Hinge(), r1(1), FakeAsReal(2)
        opponent = Opponent(None, loss, (penalty, r2(3)), method)
        parts = dict(opponent.parts())
        assert list(parts) == ["loss", "method", "penalty/r1", "penalty/r2"]
        assert parts["loss"] is loss
        assert parts["method"] is method
        assert parts["penalty/r1"] is penalty
        assert type(Opponent(None, loss).method) is Method

    def test_needs_real_asks_every_part(self) -> None:
        @dataclass(frozen=True)
        class Curious(Method):
            needs_real = True

        assert not Opponent(None, NonSaturating(), (r1(1),), Plain()).needs_real()
        assert Opponent(None, RelativisticPairing()).needs_real()
        assert Opponent(None, NonSaturating(), method=Curious()).needs_real()

    def test_active_keeps_what_acts_in_this_step(self) -> None:
        opponent = Opponent(None, Hinge(), (r1(1, interval=4), r2(1), zero_gp(1, interval=6)))
        names = [[p.name for p in opponent.active(step).penalties] for step in (0, 1, 4, 6, 12)]
        assert names == [["r1", "r2", "zero_gp"], ["r2"], ["r1", "r2"], ["r2", "zero_gp"], ["r1", "r2", "zero_gp"]]
        assert opponent.active(12) is opponent

    def test_without_penalties(self) -> None:
        """As a G step sees it: everything else is kept."""
        opponent = Opponent(None, Hinge(), (r1(1), zero_gp(1)), FakeAsReal(2), weight=3.0)
        assert opponent.without_penalties() == replace(opponent, penalties=())
        bare = Opponent(None, Hinge())
        assert bare.without_penalties() is bare

    def test_at_gives_each_part_what_is_its_own(self) -> None:
        @dataclass(frozen=True)
        class Scheduled(Loss):
            k: Any = None

            def at(self, now: Now) -> Self:
                return replace(self, k=(now.iteration, dict(now.state)))

        mix = uniform(0, 4)
        opponent = Opponent(None, Scheduled(), (zero_gp(1),), Plain(), weight=2.0)
        at = opponent.at(Now(torch.tensor(5), {"loss": {"k": 3}}, {"penalty/zero_gp": {"mix": mix}}))
        assert at.loss == Scheduled((torch.tensor(5), {"k": 3}))
        assert at.penalties[0].points.mix is mix
        assert (at.weight, opponent.loss) == (2.0, Scheduled())
