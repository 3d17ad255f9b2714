"""The monitor and `diagnose` on discriminators with conditions, packs, several logits, and behind a `Critic`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import normal, seeded
from steadygan.errors import InputError
from steadygan.types import Batch, critic

X, Y, C = (normal(i, 64, 4).float() for i in range(3))


class Conditional(nn.Module):
    """d(x, condition) = a linear function of x, plus the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.body = seeded(0, lambda: nn.Linear(4, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.body(x) + condition.sum(1, keepdim=True)


def record_of(D: Any, real: Any, fake: Any) -> dict[str, Any]:
    monitor = sg.CollapseMonitor(every=1)
    monitor.observe(D=D, real=real, fake=fake)
    found = dict(monitor.records[-1])
    return {key: value for key, value in found.items() if not key.startswith("weight_norm") and key != "dead_units"}


@pytest.mark.parametrize("wrap", [lambda D: D, critic], ids=["module", "critic"])
@pytest.mark.parametrize("named", [True, False], ids=["by name", "second"])
def test_a_condition_reaches_d(wrap: Any, named: bool) -> None:
    D = Conditional()

    def given(c: Tensor) -> Any:
        return {"condition": c} if named else c

    none = record_of(D.body, X, Y)
    assert record_of(wrap(D), Batch(X, None, given(0 * C)), Batch(Y, None, given(0 * C))) == pytest.approx(none)
    some = record_of(wrap(D), Batch(X, None, given(100 + 0 * C)), Batch(Y, None, given(0 * C)))
    assert some["separation"] > 100 > none["separation"]


def test_a_condition_that_is_missing_is_told() -> None:
    with pytest.raises(InputError, match="pass labels or conditions, Batch"):
        record_of(Conditional(), X, Y)
    with pytest.raises(InputError, match="expected a forward with text, or with given"):
        record_of(Conditional(), Batch(X, None, {"text": C}), Batch(Y, None, {"text": C}))


def test_a_critic_is_looked_at_in_eval_mode() -> None:
    D = seeded(0, lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.LeakyReLU(0.2), nn.Linear(8, 1)))
    assert record_of(critic(D), X, Y) == pytest.approx(record_of(D, X, Y))
    assert D[1].training


def test_a_critic_of_packs() -> None:
    """d of a pack is w . (x_1, x_2): its slope is w."""
    w = normal(7, 8).float()
    judge = critic(lambda x: x.view(-1, 8) @ w, pack=2)
    assert record_of(judge, X[:63], Y[:63])["d_gradient_mean"] == pytest.approx(float(w.norm()), rel=1e-5)


def test_the_loss_is_of_each_logit() -> None:
    """Logits 5 and -5: hinge gives E relu(1 -+ 5) = 3 on either side, and 2 of their mean."""
    D = nn.Linear(4, 2)
    with torch.no_grad():
        D.weight.mul_(1e-3)
        D.bias.copy_(torch.tensor([5.0, -5.0]))
    found = sg.diagnose(nn.Linear(2, 4), D, normal(3, 600, 4).float(), latent_dim=2, loss=sg.losses.Hinge())
    assert found.figures["d_loss"] == pytest.approx(6.0, abs=0.05)


class Translated(nn.Module):
    """A G of conditions alone: x = condition, a perfect one."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, condition: Tensor) -> Tensor:
        return condition + self.shift


def test_a_diagnosis_of_conditions_heads_and_packs() -> None:
    """Through a `Critic`, by what D is given; of conditions alone no latents are asked for."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(0, lambda: nn.Linear(8, 2)).float()

        def forward(self, x: Tensor, condition: Tensor) -> list[Tensor]:
            return [*self.body(torch.cat([x, condition], 1)).unbind(1)]

    data = Batch(X, given=X.clone())
    found = sg.diagnose(Translated(), critic(Heads()), data)
    assert {"separation/0", "separation/1"} <= found.figures.keys()
    assert found.figures["quality"] > 0.9
    asked = sg.diagnose(Translated(), critic(Heads(), weigh=(1.0, 0.0)), data).figures
    assert asked["separation"] == pytest.approx(found.figures["separation/0"], rel=1e-6)
    packs = critic(lambda x: x.unflatten(0, (-1, 2)).flatten(1).sum(1), pack=2)
    assert sg.diagnose(nn.Identity(), packs, X, latent_dim=4).figures["quality"] > 0.5
    with pytest.raises(InputError, match="G cannot take conditions alone"):
        sg.diagnose(nn.Linear(5, 4), critic(Heads()), data)
    with pytest.raises(InputError, match="expected either latent_dim"):
        sg.diagnose(Translated(), critic(Heads()), X)
