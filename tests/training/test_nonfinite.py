"""A term that stops being finite stops the run, and everything that led to it is written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from several import FIFTH
from steadygan.errors import NonFiniteError
from steadygan.training.evidence import first_bad
from steadygan.types import Method, Penalty, Term
from tiny import assert_same, built, differs, networks, saved, small_d, small_g, state, trainer

pytestmark = pytest.mark.usefixtures("short_blocks")


class Breaking(nn.Module):
    """A discriminator whose logits are NaN from its forward number `limit` in training on."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.network, self.limit = small_d(), limit
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return self.network(x) * torch.where(self.calls > self.limit, nan, 1.0)


def breaking(iteration: int) -> dict[str, nn.Module]:
    """D sees both sides of its own step and G's fakes: three forwards in an iteration."""
    G, D = built(0, small_g, lambda: Breaking(3 * iteration))
    return {"G": G, "D": D}


def stopped(made: sg.Trainer, iterations: int = 200) -> str:
    with pytest.raises(NonFiniteError) as error:
        made.fit(iterations)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 3
    return str(error.value)


def dumped(out: Path) -> dict[str, Any]:
    (path,) = out.glob("non_finite_*.pt")
    return torch.load(path, weights_only=True)


def test_first_bad():
    assert first_bad([]) is None
    assert first_bad([{"a": 1.0, "b": -1e30}]) is None
    assert first_bad([{"a": 1.0}, {"a": 1.0, "b": nan}, {"a": nan}]) == (1, "b")
    assert first_bad([{"a": -inf}]) == (0, "a")


@pytest.mark.parametrize("iteration", [0, 7, 14, 20])
def test_names_iteration_term_dump_and_the_last_good_checkpoint(tmp_path, iteration):
    message = stopped(trainer(tmp_path, **breaking(iteration), **FIFTH))
    good = max(i for i in (0, 14) if i <= iteration)
    assert message == (
        f"term d/D/loss was nan at iteration {iteration} (|grad D| = nan, |grad G| = nan); batch and networks are in "
        f"{tmp_path}/non_finite_{iteration:09d}.pt; last good checkpoint: {tmp_path}/checkpoints/{good:09d}.pt; "
        "lower the learning rates or raise the penalty"
    )
    assert message.removesuffix("; lower the learning rates or raise the penalty") in (tmp_path / "log.txt").read_text()


def test_the_dump_is_the_step_itself(tmp_path):
    """The batch, the terms and the gradient norms are those of the same step of an undisturbed run, bit for bit.

    The fakes are those of the step's own forward, one for all its D steps: two forwards may round otherwise.
    """
    far = {"method": sg.methods.FakeAsReal(2, factor=3), "d_steps": 2, "ema": None}
    bomb = Bomb(at_step=15)  # the second D step of iteration 7
    stopped(trainer(tmp_path, **far, penalties=[bomb], optimizer=sgd, **FIFTH))
    dump = dumped(tmp_path)
    assert dump["iteration"] == 7
    assert dump["term"] == "d/D/penalty/bomb"

    plain = trainer(**far, penalties=[Bomb(at_step=10**9)], optimizer=sgd, **(FIFTH | {"log_every": 1}))
    rows: list[dict[str, float]] = []
    plain.callbacks.append(lambda *tick: rows.append(tick[2]))
    plain.fit(7)
    draw = plain.session.members[0].draws.block(0)[7]
    assert_same(dump["z"], [step.z for step in draw.d])
    assert_same(dump["real"], [step.real.x for step in draw.d])
    ahead = plain.session.executor.fakes_ahead(draw.d)
    assert_same(dump["fake"], [fake.x for fake in ahead])
    with torch.no_grad():
        assert_close(dump["fake"], [plain.setup.G(step.z) for step in draw.d])
    assert_same(dump["networks_before"], state(plain).networks)
    assert dump["terms"][-1].keys() >= {"d/D/loss", "d/D/penalty/bomb", "g/D/loss"}
    last_segment = [row["d_loss"] for row in rows[5:8]]  # the tick at 4 closed the one before
    assert [row["d/D/loss"] for row in dump["terms"][:-1]] == pytest.approx(last_segment)


def sgd(parameters, lr):
    return torch.optim.SGD(parameters, lr)


@dataclass(frozen=True)
class Bomb(Penalty):
    """NaN in one D step, 0 in every other."""

    at_step: int
    name: str = "bomb"

    def active(self, step: int) -> bool:
        return step == self.at_step

    def __call__(self, critic, real, fake) -> Term:
        return Term(real.logits * nan)


def test_gradient_norms(tmp_path):
    """G's own term breaks: D's step in that iteration was sound, and its gradient norm is what it was."""

    class Broken(Method):
        name = "broken"

        def g_terms(self, critic, real, fake):
            return {"far": Term(fake.logits * inf)}

    G, D = networks()
    old_g, old_d = networks()
    message = stopped(trainer(tmp_path, G=G, D=D, method=Broken(), optimizer=sgd, ema=None))
    assert "term g/D/method/far was" in message
    dump = dumped(tmp_path)
    fake, real = old_g(dump["z"][0]).detach(), dump["real"][0]
    loss = F.softplus(-old_d(real)).mean() + F.softplus(old_d(fake)).mean()
    slopes = torch.autograd.grad(loss, list(old_d.parameters()))
    assert dump["gradient_norms"]["D"] == pytest.approx(float(torch.cat([s.flatten() for s in slopes]).norm()))
    assert not isfinite(dump["gradient_norms"]["G"])


@dataclass(frozen=True)
class Late(Method):
    """Breaks G's objective in one iteration."""

    iteration: int
    weight: Tensor | float = 0.0

    name = "late"

    def at(self, now):
        return replace(self, weight=torch.where(now.iteration == self.iteration, nan, 0.0))

    def g_terms(self, critic, real, fake):
        return {"late": Term(fake.logits, self.weight)}


def noisy(first: int, last: int) -> nn.Module:
    return nn.Sequential(nn.Linear(first, 6), nn.BatchNorm1d(6), nn.Dropout(0.4), nn.Linear(6, last))


def test_the_repetition_is_exact_with_dropout_and_batch_norm(tmp_path):
    """What is repeated for the dump draws the same dropout and moves the same buffers as the first time."""

    def made(out: Path | None, iteration: int) -> sg.Trainer:
        G, D = built(0, lambda: noisy(2, 2), lambda: noisy(2, 1))
        return trainer(out, G=G, D=D, method=[Late(iteration), sg.methods.FakeAsReal(2, factor=3)], ema=None, **FIFTH)

    stopped(made(tmp_path, 7))
    dump = dumped(tmp_path)
    plain = made(None, 10**9)
    plain.fit(7)
    assert_same(dump["networks_before"], state(plain).networks)
    norms = []

    def look(optimizer, *_):
        norms.append(float(torch.cat([p.grad.flatten() for p in optimizer.param_groups[0]["params"]]).norm()))

    plain.session.executor.optimizers["D"].register_step_pre_hook(look)
    plain.fit(8)
    assert dump["gradient_norms"]["D"] == pytest.approx(norms[0], rel=1e-6)


def test_resuming_meets_it_again(tmp_path):
    first = stopped(trainer(tmp_path, **breaking(18), **FIFTH))
    second = stopped(trainer(tmp_path, **breaking(18), **FIFTH, resume=True))
    assert first == second
    assert saved(tmp_path)["state"].iteration == 14


def test_weights_that_are_not_finite_reach_no_checkpoint(tmp_path):
    """G's own step is the last of iteration 13: its terms were finite, its gradient was not, and 14 is a checkpoint."""
    made = trainer(tmp_path, optimizer=OnceInfinite(steps=14), ema=None, **FIFTH)
    message = stopped(made)
    assert "term G/weights was" in message
    assert "at iteration 13 " in message
    assert message.count("000000000.pt") == 1
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["000000000.pt"]


def test_a_run_does_not_end_with_weights_that_are_not_finite():
    assert "term G/weights was" in stopped(trainer(optimizer=OnceInfinite(steps=9), ema=None), 9)


class OnceInfinite:
    """SGD whose G receives an infinite gradient in one step."""

    def __init__(self, steps: int) -> None:
        self.steps, self.made = steps, 0

    def __call__(self, parameters, lr):
        optimizer = torch.optim.SGD(parameters, lr)
        self.made += 1
        if self.made == 1:  # G's comes first
            done = [0]

            def spoil(opt, *_):
                done[0] += 1
                if done[0] >= self.steps:
                    opt.param_groups[0]["params"][0].grad.fill_(inf)

            optimizer.register_step_pre_hook(spoil)
        return optimizer


def test_large_is_not_infinite():
    G, D = networks()
    with torch.no_grad():
        D[2].bias.fill_(1e30)
    run = trainer(G=G, D=D, loss=sg.losses.Wasserstein(), optimizer=sgd, evaluator=None).fit(3)
    assert run.iteration == 3


def test_without_a_folder_nothing_is_written():
    message = stopped(trainer(**breaking(5)))
    assert message.startswith("term d/D/loss was nan at iteration 5 (")
    assert ".pt" not in message


def test_a_full_disk_does_not_hide_it(tmp_path, monkeypatch):
    made = trainer(tmp_path, **breaking(5))
    plain = torch.save

    def full(content, file):
        if "term" in content:
            Path(file).write_bytes(b"half")
            raise RuntimeError("PytorchStreamWriter failed writing file")
        plain(content, file)

    monkeypatch.setattr(torch, "save", full)
    message = stopped(made)
    assert "term d/D/loss was nan at iteration 5" in message
    assert "non_finite" not in message
    assert list(tmp_path.glob("non_finite_*")) == []


def test_a_finite_run_writes_none(tmp_path):
    trainer(tmp_path).fit(20)
    assert list(tmp_path.glob("non_finite_*")) == []
    assert differs(saved(tmp_path)["state"].networks["D"], small_d().state_dict())
