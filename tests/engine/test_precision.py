"""Precision: which forward computes in what, what leaves the networks, and that float32 is what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.testing import assert_close

from known import normal, seeded
from steadygan.config import Settings, override
from steadygan.config.data import Ring8
from steadygan.config.optimisation import Linear
from steadygan.engine.compiler import too_old
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.engine.precision import Precision
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.methods import FakeAsReal
from steadygan.models import dcgan_discriminator, dcgan_generator, mlp
from steadygan.penalties import r1
from steadygan.types import Batch, Critic, Now, Opponent, Output, critic
from steadygan.types.output import as_output

F32, BF16 = torch.float32, torch.bfloat16
NOW = Now(torch.tensor(0), {}, {})
SIDES = Sides(6, 8)
METHOD = FakeAsReal(4, 6)  # 24 candidates
SETTINGS = Settings(data=Ring8(), schedule=Linear(), horizon=10)
EVERY = [Precision(), Precision("float32", "bf16"), Precision("bf16"), Precision("bf16", "float32")]
each = pytest.mark.parametrize("precision", EVERY, ids=lambda p: f"{p.trained} {p.ranked}")


def small(seed: int, out: int = 1) -> nn.Module:
    return seeded(seed, lambda: mlp(2, out, 32, 2, "leaky_relu")).float()


class Watched:
    """d(v) = v_1 + v_2 and z -> 2 z, which note in what a matrix product computes, and under which grad mode."""

    def __init__(self) -> None:
        self.seen: list[tuple[torch.dtype, bool, int]] = []

    def __call__(self, x: Tensor) -> Tensor:
        logits = x @ torch.ones(2, 1)
        self.seen.append((logits.dtype, torch.is_grad_enabled(), x.shape[0]))
        return logits

    def generate(self, z: Tensor, label: Tensor | None) -> Batch:
        x = z @ (2 * torch.eye(2))
        self.seen.append((x.dtype, torch.is_grad_enabled(), x.shape[0]))
        return Batch(x, label)


def kinds(precision: Precision) -> tuple[torch.dtype, ...]:
    return tuple(BF16 if k == "bf16" else F32 for k in (precision.trained, precision.ranked or precision.trained))


class TestWhatComputesInWhat:
    @each
    def test_a_critic(self, precision: Precision) -> None:
        model, x = Watched(), Batch(normal(0, 5, 2, dtype=F32))
        judge = precision.critic(critic(model), "cpu")
        outputs = [judge(x).logits, judge.score(x).logits, judge.constant(x).logits, judge.rank(x)]
        trained, ranked = kinds(precision)
        assert model.seen == [(trained, True, 5), (trained, True, 5), (trained, False, 5), (ranked, False, 5)]
        for logits in outputs:
            assert logits.dtype == F32
            assert_close(logits.detach(), x.x.sum(1), rtol=0, atol=0.05)

    @each
    def test_the_samples(self, precision: Precision) -> None:
        """`shown` latents as they are trained on, the others as they are ranked, all of them in float32."""
        G, z, label = Watched(), normal(0, 11, 2, dtype=F32), torch.arange(11)
        made = precision.fakes(G.generate, z, label, 8)
        trained, ranked = kinds(precision)
        parts = [(trained, True, 8), (ranked, True, 3)] if precision.divided else [(trained, True, 11)]
        assert G.seen == parts
        assert made.x.dtype == F32
        assert made.label is not None
        assert made.label.tolist() == [*range(11)]
        assert torch.equal(made.x, torch.cat([(2 * z[:8].to(trained)).float(), (2 * z[8:].to(ranked)).float()]))
        assert torch.equal(precision.made(G.generate, z).x, (2 * z.to(trained)).float())
        assert torch.equal(precision.fakes(G.generate, z[:8], None, 8).x, made.x[:8])  # nobody wants candidates

    @each
    def test_autocast_is_as_it_was(self, precision: Precision) -> None:
        def failing(x: Tensor) -> Tensor:
            raise ZeroDivisionError

        x = Batch(torch.ones(5, 2))
        precision.critic(critic(Watched()), "cpu").rank(x)
        with pytest.raises(ZeroDivisionError):
            precision.critic(critic(failing), "cpu")(x)
        assert (torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()) == (False, True)

    def test_a_wrapped_critic_computes_in_float32_around_the_network(self) -> None:
        """A method's own arithmetic (a difference, a norm) is not the network's."""
        kinds: list[torch.dtype] = []

        def squared(forward: Callable[[Batch], Output]) -> Callable[[Batch], Output]:
            def run(batch: Batch) -> Output:
                logits = forward(batch).logits
                kinds.append((logits.unsqueeze(1) @ torch.ones(1, 1)).dtype)
                return Output(logits.square(), {})

            return run

        judge, x = Precision("bf16").critic(critic(Watched()), "cpu").wrap(squared), Batch(torch.ones(5, 2))
        judge(x)
        judge.rank(x)
        assert kinds == [F32, F32]


class Step:
    """A D step or a G step of `small` networks with candidates; the same first weights each time."""

    opponent = Opponent(None, NonSaturating(), (r1(1.0),), METHOD)

    def __init__(self, precision: Precision, player: str = "D") -> None:
        self.precision, self.player = precision, player
        self.G, self.D = small(0, 2), small(1)
        real, fake = METHOD.draws_d(*SIDES)
        self.real, self.z = normal(2, real, 2, dtype=F32) + 1, normal(3, fake, 2, dtype=F32)

    def objective(self, judge: Critic, generate: Callable[..., Batch], real: Tensor, z: Tensor) -> Any:
        if self.player == "D":
            fake = self.precision.fakes(generate, z, None, SIDES.fake)
            return d_objective({"D": self.opponent}, {"D": judge}, Batch(real), Batch(fake.x.detach()), NOW, SIDES)
        fake = self.precision.made(generate, z[: SIDES.fake])
        return g_objective({"D": self.opponent}, {"D": judge}, None, fake, NOW, SIDES)

    def alone(self) -> tuple[Tensor, dict[str, Tensor], Any]:
        """The eager step: (objective, slopes, statistics)."""
        judge = self.precision.critic(critic(self.D), "cpu")
        value, statistics = self.objective(judge, lambda z, label: Batch(self.G(z), label), self.real, self.z)
        trained = self.D if self.player == "D" else self.G
        names, parameters = zip(*trained.named_parameters(), strict=True)
        found = torch.autograd.grad(value, parameters, materialize_grads=True)
        return value.detach(), dict(zip(names, found, strict=True)), statistics

    def stacked(self, members: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The same step of equal members under vmap, and what it takes."""

        def one(mine: Mapping[str, Tensor], other: Mapping[str, Tensor], real: Tensor, z: Tensor) -> Any:
            d, g = (mine, other) if self.player == "D" else (other, mine)
            judge = Critic(lambda b: as_output(functional_call(self.D, dict(d), (b.x,)), b.size), functional=True)
            judge = self.precision.critic(judge, "cpu")
            return self.objective(judge, lambda z, label: Batch(functional_call(self.G, dict(g), (z,)), label), real, z)

        sides = [stack_module_state([deepcopy(side) for _ in range(members)])[0] for side in (self.D, self.G)]
        d, g = ({key: p.detach() for key, p in side.items()} for side in sides)
        data = (self.real.expand(members, -1, -1), self.z.expand(members, -1, -1))
        return vmap(grad_and_value(one, has_aux=True)), (*((d, g) if self.player == "D" else (g, d)), *data)


def relative(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """||found - expected|| / ||expected|| over all weights."""
    one, two = (torch.cat([slopes[key].flatten() for key in expected]) for slopes in (found, expected))
    return float((one - two).norm() / two.norm())


class TestSteps:
    def test_the_default_is_no_precision_bit_for_bit(self) -> None:
        judge = critic(small(1))
        assert Precision().critic(judge, "cpu") is judge
        step = Step(Precision())
        value, slopes, _ = step.alone()
        bare, _ = d_objective(
            {"D": step.opponent}, {"D": critic(step.D)}, Batch(step.real), Batch(step.G(step.z).detach()), NOW, SIDES
        )
        assert torch.equal(value, bare.detach())
        assert all(map(torch.equal, slopes.values(), torch.autograd.grad(bare, list(step.D.parameters()))))

    @pytest.mark.parametrize("player", ["D", "G"])
    def test_bf16_is_near_float32_and_not_it(self, player: str) -> None:
        """Within bf16's two to three digits; every objective, statistic and slope is float32."""
        exact, slopes, _ = Step(Precision(), player).alone()
        value, found, statistics = Step(Precision("bf16", "float32"), player).alone()
        assert value.dtype == F32
        assert {slope.dtype for slope in found.values()} == {F32}
        terms = statistics[0] if player == "D" else statistics
        assert {term.dtype for term in terms.values()} == {F32}
        assert_close(value, exact, rtol=0.01, atol=0)
        assert 1e-4 < relative(found, slopes) < 0.03
        assert all(slope.abs().max() > 0 for slope in found.values())

    def test_inside_of_somebodys_autocast(self) -> None:
        """Its cache would hand out the weights as they were before the optimiser's step."""
        D, x = small(1), Batch(normal(0, 5, 2, dtype=F32))
        judge = Precision("bf16").critic(critic(D), "cpu")
        with torch.autocast("cpu", dtype=BF16):
            before = judge(x).logits
            nn.init.zeros_(D[-1].weight)
            after = judge(x).logits
        assert before.std() > 0
        assert after.std() == 0

    def test_candidates_alone(self) -> None:
        """Loss and penalty are float32's own on the sides that bf16 chose: no slope changes but by whom it kept."""
        step = Step(Precision("float32", "bf16"))
        value, slopes, _ = step.alone()
        with torch.no_grad():
            fake = step.precision.fakes(lambda z, label: Batch(step.G(z), label), step.z, None, SIDES.fake)
            with torch.autocast("cpu", dtype=BF16):
                logits = step.D(fake.x[8:]).float().flatten()
        kept = fake.x[8:][logits.topk(4, largest=False).indices]
        plain = Opponent(None, NonSaturating(), (r1(1.0),))
        sides = Batch(torch.cat([step.real, kept])), Batch(fake.x[:8])
        expected, _ = d_objective({"D": plain}, {"D": critic(step.D)}, *sides, NOW, SIDES)
        assert torch.equal(value, expected.detach())
        assert all(map(torch.equal, slopes.values(), torch.autograd.grad(expected, list(step.D.parameters()))))

    def test_a_rounded_ranking_is_nearly_the_exact_one(self) -> None:
        """No candidate that was left lies below a kept one by more than the rounding of both."""
        D = small(1)
        x = normal(5, 200, 2, dtype=F32)
        exact = D(x).flatten().detach()
        rough = Precision("float32", "bf16").critic(critic(D), "cpu").rank(Batch(x))
        error = (rough - exact).abs().max()
        assert 0 < error < 0.02 * exact.abs().max()
        kept = torch.zeros(200, dtype=torch.bool).index_fill(0, rough.topk(30, largest=False).indices, True)
        assert exact[kept].max() <= exact[~kept].min() + 2 * error

    def test_images(self) -> None:
        """Convolutions, with r1 through them twice."""
        G = seeded(0, lambda: dcgan_generator(4, (1, 8, 8), width=4)).float()
        D = seeded(1, lambda: dcgan_discriminator((1, 8, 8), width=4)).float()
        opponent = {"D": Opponent(None, NonSaturating(), (r1(10.0),), FakeAsReal(2, 4))}
        found = []
        for precision in (Precision(), Precision("bf16", "float32")):  # the same candidates are kept
            fake = precision.fakes(lambda z, label: Batch(G(z).detach(), label), normal(2, 14, 4, dtype=F32), None, 6)
            real = Batch(1 + normal(3, 4, 1, 8, 8, dtype=F32) / 10)
            judge = {"D": precision.critic(critic(D), "cpu")}
            value, (terms, _) = d_objective(opponent, judge, real, fake, NOW, Sides(6, 6))
            slopes = torch.autograd.grad(value, list(D.parameters()), materialize_grads=True)
            found.append((dict(enumerate(slopes)), terms))
        assert 1e-4 < relative(found[1][0], found[0][0]) < 0.03
        assert_close(found[1][1], found[0][1], rtol=0.03, atol=0)

    @each
    @pytest.mark.parametrize("player", ["D", "G"])
    def test_stacked_and_compiled_whole(self, precision: Precision, player: str) -> None:
        """Members equal a lone step: float32 to 6 digits, bf16 as far as its rounding, which order moves, lets it."""
        step = Step(precision, player)
        value, slopes, _ = step.alone()
        together, arguments = step.stacked(2)
        found = together(*arguments)
        exact = precision.plain or (player == "G" and precision.trained == "float32")
        for k in range(2):
            assert_close(found[1][0][k], value, rtol=1e-6 if exact else 5e-3, atol=0)
            assert relative({key: slope[k] for key, slope in found[0].items()}, slopes) < (1e-5 if exact else 0.03)
        plain = Step(Precision(), player).alone()[1]
        off = relative({key: slope[0] for key, slope in found[0].items()}, plain)
        assert (off < 1e-5) if exact else (1e-5 < off < 0.05)  # under vmap, too, it is bf16 indeed
        if too_old() is None and precision == Precision("bf16", "float32"):  # with autocast and without
            torch.compiler.reset()
            assert_close(torch.compile(together, fullgraph=True, backend="eager")(*arguments), found)


class TestRefusals:
    def test_an_unknown_precision(self) -> None:
        for arguments in (("bfloat16",), ("float32", "fp16")):
            with pytest.raises(InputError, match="known: bf16, float32") as refused:
                Precision(*arguments)  # type: ignore[arg-type]
            assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(("precision", "key"), [
        (Precision("bf16"), "precision"), (Precision("bf16", "float32"), "precision"),
        (Precision("float32", "bf16"), "candidates"),
    ])  # fmt: skip
    def test_bf16_in_float64(self, precision: Precision, key: str) -> None:
        said = (
            f"{key}: expected float32 with dtype=float64, because bf16 would lose its precision, got bf16: "
            f"set {key}=float32 or dtype=float32"
        )
        with pytest.raises(InputError) as refused:
            precision.check(torch.float64)
        assert str(refused.value) == said
        words = [f"precision={precision.trained}", f"candidates={precision.ranked or 'none'}"]
        with pytest.raises(InputError) as refused:
            override(SETTINGS, [*words, "dtype=float64"])
        assert str(refused.value) == said
        precision.check(torch.float32)
        override(SETTINGS, words)
        Precision().check(torch.float64)
        override(SETTINGS, ["precision=float32", "candidates=float32", "dtype=float64"])


def test_settings() -> None:
    assert (SETTINGS.precision, SETTINGS.candidates) == ("float32", None)
    changed = override(SETTINGS, ["precision=bf16", "candidates=float32"])
    assert Precision(changed.precision, changed.candidates) == Precision("bf16", "float32")
    assert override(changed, ["precision=float32", "candidates=none"]) == SETTINGS
    with pytest.raises(InputError, match=r"precision: expected one of float32, bf16, got 'bf'"):
        override(SETTINGS, ["precision=bf"])
    with pytest.raises(InputError, match=r"candidates: expected one of float32, bf16, or none, got 'same'"):
        override(SETTINGS, ["candidates=same"])
