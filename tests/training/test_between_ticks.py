"""Looks between ticks, where a loss jumps; and that a loop of one's own is told what a Trainer tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import steadygan as sg
from known import normal
from steadygan.config.optimisation import Linear
from steadygan.diagnostics.states import ALARMS, STATES, Thresholds, is_good
from steadygan.runs.run import Run
from tiny import networks, points, small_d, trainer

BEATS = {"log_every": 40, "evaluate_every": 80, "checkpoint_every": 70}


class Jump:
    """Doubles D's outputs many times over at one iteration: both losses jump."""

    def __init__(self, at: int | None) -> None:
        self.at = at

    def __call__(self, run: Run, iteration: int, _: Any) -> None:
        if iteration == self.at:
            with torch.no_grad():
                for parameter in run.D.parameters():  # type: ignore[union-attr]
                    parameter.mul_(30.0 if parameter.ndim > 1 else 1.0)


def iterations(run: Run) -> list[int]:
    return [record["iteration"] for record in run.metrics if "final" not in record]


@pytest.mark.usefixtures("short_blocks")
def test_a_loss_that_jumps_brings_a_look_at_the_end_of_its_block(tmp_path: Path) -> None:
    """At 260, as a block has 20 iterations; a run that is resumed thereafter has the same records."""
    ticks = [*range(0, 281, 40)]
    calm = trainer(**BEATS, callbacks=[Jump(None)]).fit(280)
    assert iterations(calm) == ticks
    whole = trainer(tmp_path / "whole", **BEATS, callbacks=[Jump(240)]).fit(280)
    assert iterations(whole) == sorted([*ticks, 260])
    assert whole.metrics[:7] == calm.metrics[:7]
    for cut in (250, 265):  # before the look, and after it
        out = tmp_path / str(cut)
        first = trainer(out, **BEATS, callbacks=[Jump(240)]).fit(cut)
        assert iterations(first)[-1] == (240 if cut == 250 else 260)
        second = trainer(out, **BEATS, callbacks=[Jump(None)], resume=True).fit(280)
        assert second.metrics == whole.metrics


@pytest.mark.usefixtures("short_blocks")
def test_nothing_is_startling_without_a_monitor() -> None:
    assert iterations(trainer(**BEATS, callbacks=[Jump(240)], monitor=None).fit(280)) == [*range(0, 281, 40)]


def test_in_a_loop_of_ones_own_a_jump_brings_a_look_at_the_end_of_a_quarter() -> None:
    _, D = networks()
    looks = {}
    for jump in (None, 170):
        monitor = sg.CollapseMonitor(24)
        for i in range(1, 193):
            loss = 1.0 + 0.1 * (i % 3) + (5.0 if i == jump else 0.0)
            monitor.observe(D=D, real=points(64), fake=points(64), d_loss=loss, g_loss=-loss)
        looks[jump] = [record["iteration"] for record in monitor.records]
    assert looks[None] == [*range(24, 193, 24)]
    assert looks[170] == sorted([*looks[None], 174])  # a quarter has six calls


class Throw:
    """Throws G out of the data at one iteration."""

    def __call__(self, run: Run, iteration: int, _: Any) -> None:
        if iteration == 160:
            with torch.no_grad():
                for parameter in run.G_live.parameters():
                    parameter.mul_(1e4)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_loop_of_ones_own_is_told_the_same(ema: float | None) -> None:
    """One run, which both look at after every 20 iterations: the same states, by other latents and reals."""
    reals, z = normal(21, 2000, 2, dtype=torch.float32), normal(22, 256, 2, dtype=torch.float32)
    monitor, told = sg.CollapseMonitor(1), dict[int, str]()

    def watch(run: Run, iteration: int, _: Any) -> None:
        with torch.no_grad():
            fake, average = run.G_live(z), run.G(z)
        own = {} if ema is None else {"average": average}
        x = reals[torch.randperm(2000, generator=torch.Generator().manual_seed(iteration))[:512]]
        found = monitor.observe(D=run.D, real=x, fake=fake, iteration=iteration, **own)  # type: ignore[arg-type]
        assert found is not None
        told[iteration] = found.state

    G = nn.Linear(2, 2)
    with torch.no_grad():
        G.weight.copy_(torch.eye(2))
        G.bias.zero_()
    made = trainer(
        G=G, D=small_d(), data=reals, lr_g=1e-4, ema=ema, monitor=sg.CollapseMonitor(), callbacks=[watch, Throw()]
    )
    run = made.fit(240)
    states = {record["iteration"]: record["verdict"] for record in run.metrics}
    assert told == states
    assert (states[20], states[160], states[180]) == ("good", "good", "collapsed")
    assert not is_good(told[240])
    assert ("average_quality" in monitor.records[-1]) == (ema is not None)
    assert ("average_quality" in run.metrics[-1]) == (ema is not None)


@dataclass(frozen=True)
class Script:
    """What becomes of a G that makes N(shift, scale^2) of the data's N(0, 1), at each share of the run."""

    scale: Callable[[float], float] = lambda _: 1.0
    shift: Callable[[float], float] = lambda _: 0.0
    dead: float = 2.0  # from here on D has no slope

    @torch.no_grad()
    def __call__(self, G: Any, D: nn.Module, share: float) -> None:
        G.weight.copy_(torch.eye(2) * self.scale(share))
        G.bias.fill_(self.shift(share))
        if share >= self.dead:
            for parameter in D.parameters():
                parameter.zero_()


SCRIPTS = {
    "good": Script(),
    "thrown out": Script(shift=lambda share: 50.0 * (share > 0.6)),
    "shrinks": Script(scale=lambda share: max(0.01, 1.2 - 1.5 * share)),
    "drifts away": Script(shift=lambda share: 6.0 * max(0.0, share - 0.3)),
    "stands still": Script(shift=lambda _: 0.6),
    "dead D": Script(dead=0.5),
    "too slow": Script(shift=lambda share: 0.95 - 0.4 * share),
    "comes back": Script(shift=lambda share: 4.0 * (0.4 < share < 0.6)),
}


def test_a_loop_and_a_trainer_say_the_same_of_many_kinds_of_runs() -> None:
    """The same state at 98 % of all looks, by other latents and reals; the first alarm one look apart at most."""
    reals, z = normal(21, 2000, 2, dtype=torch.float32), normal(22, 256, 2, dtype=torch.float32)
    own, end, seen, alike = Thresholds(least=80), 300, set[str](), list[bool]()
    for name, script in SCRIPTS.items():
        monitor, told = sg.CollapseMonitor(1, thresholds=own, loss=sg.losses.NonSaturating(), horizon=end), list[Any]()

        def watch(run: Run, iteration: int, _: Any, told: Any = told, monitor: Any = monitor, do: Any = script) -> None:
            with torch.no_grad():
                fake = run.G_live(z)
            x = reals[torch.randperm(2000, generator=torch.Generator().manual_seed(iteration))[:512]]
            told.append(monitor.observe(D=run.D, real=x, fake=fake, G=run.G_live, iteration=iteration))
            do(run.G_live, run.D, (iteration + 20) / end)  # type: ignore[arg-type]

        G, D = nn.Linear(2, 2), small_d()
        script(G, D, 0.0)
        run = trainer(
            G=G,
            D=D,
            data=reals,
            lr_g=1e-6,
            ema=None,
            log_every=20,
            evaluator=None,
            schedule=Linear(start=0.5),
            horizon=end,
            monitor=sg.CollapseMonitor(thresholds=own),
            callbacks=[watch],
        ).fit(end)
        states = [record["verdict"] for record in run.metrics if "verdict" in record]
        alike += [a.state == b for a, b in zip(told, states, strict=True)]
        alarms = [[i for i, state in enumerate(each) if state in ALARMS] for each in (states, [v.state for v in told])]
        assert (alarms[0] == []) == (alarms[1] == []) == (name == "good"), name
        assert not alarms[0] or abs(alarms[0][0] - alarms[1][0]) <= 1, name
        seen |= {*states}
    assert sum(alike) >= 0.98 * len(alike)
    assert seen == {*STATES} - {"non_finite"}


class Asked(nn.Module):
    """Fakes of the class that is asked for, `off` classes beside it; D's logits come from a network of its own."""

    def __init__(self, off: int) -> None:
        super().__init__()
        self.off, self.spread = off, nn.Parameter(torch.full((2,), 0.1))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return places((label + self.off) % 4) + self.spread * z


class Told(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(6, 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.net(torch.cat([x, nn.functional.one_hot(label, 4).to(x)], 1))


def places(label: Tensor) -> Tensor:
    """Four far corners."""
    return torch.stack([label % 2, label // 2], 1).float() * 6.0 - 3.0


@pytest.mark.parametrize("off", [0, 1])
def test_fakes_of_other_classes_than_were_asked_for_are_seen(off: int) -> None:
    label = torch.arange(400) % 4
    data = TensorDataset(places(label) + 0.1 * normal(5, 400, 2, dtype=torch.float32), label)
    run = trainer(G=Asked(off), D=Told(), data=data, lr_g=1e-4, monitor=sg.CollapseMonitor(), evaluator=None).fit(80)
    assert run.metrics[-1]["class_agreement"] == pytest.approx(float(off == 0), abs=0.01)
    assert run.metrics[-1]["served"] > 0.95
    causes = {name for record in run.metrics for name in record.get("causes", "").split()}
    assert ("classes_ignored" in causes) == (off == 1)
