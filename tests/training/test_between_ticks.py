"""Looks between ticks, where a loss jumps; and that a loop of one's own is told what a Trainer tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import steadygan as sg
from known import normal
from steadygan.diagnostics.states import is_good
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
