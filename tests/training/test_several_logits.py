"""A Trainer takes discriminators that give a sample several logits, and trains, resumes and watches as with any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.errors import InputError
from tiny import assert_same

IMAGES = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


class TwoPeriods(nn.Module):
    """A list of maps with a list of features each."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv1d(p, 1, 3, padding=1) for p in (2, 4))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        rows = [x.view(len(x), -1, p).transpose(1, 2) for p in (2, 4)]
        return [torch.tanh(head(r)) * 3 for head, r in zip(self.heads, rows, strict=True)], [[r] for r in rows]


def patches() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 3, 2, 1))


class Image(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 64)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.body(z)).view(-1, 1, 8, 8)


def trainer(kind: str, out: Path | None = None, resume: bool = False, **more: Any) -> sg.Trainer:
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "loss": sg.losses.Hinge(),
        "penalties": [sg.penalties.r1(0.1), sg.penalties.r2(0.1, by="difference")],
        "threads": 1,
        "log_every": 20,
        "latent_dim": 4,
        "batch_size": 16,
        "out": out,
        "resume": resume,
        **more,
    }
    if kind == "patches":
        return sg.Trainer(Image(), patches(), IMAGES, **common)
    data = IMAGES.flatten(1)[:, :16]
    return sg.Trainer(nn.Linear(4, 16), TwoPeriods(), data, **common)


NOTES = {
    "patches": "D gives 4 logits of each sample: the loss is of each, all else of their mean",
    "periods": "D gives 12 logits of each sample in 2 heads: the loss is of each, all else of their mean",
}


@pytest.mark.parametrize("far", [True, False], ids=["far", "plain"])
@pytest.mark.parametrize("kind", NOTES)
def test_it_trains_and_is_watched(kind: str, far: bool) -> None:
    method = {"method": sg.methods.FakeAsReal(4, factor=2)} if far else {}
    run = trainer(kind, **method).fit(40)
    assert NOTES[kind] in run.notes
    last = run.metrics[-1]
    assert 0 < last["d_loss"] < 4
    assert {"accuracy_real", "gradient_mean", "separation"} <= last.keys()
    assert run.sample(3).shape[0] == 3


@pytest.mark.parametrize("kind", NOTES)
def test_it_resumes_bit_for_bit(kind: str, tmp_path: Path) -> None:
    whole = trainer(kind, tmp_path / "whole").fit(40)
    trainer(kind, tmp_path / "parts").fit(20)
    parts = trainer(kind, tmp_path / "parts", resume=True).fit(40)
    assert_same(dict(parts.D.state_dict()), dict(whole.D.state_dict()))
    assert_same(dict(parts.G.state_dict()), dict(whole.G.state_dict()))


def test_heads_are_weighed_and_called_as_an_opponent_says() -> None:
    opponent = sg.types.Opponent(
        TwoPeriods(),
        sg.losses.Hinge(),
        call=lambda D, batch: dict(enumerate(D(batch.x)[0])),
        weigh={"0": 1.0, "1": 0.0},
    )
    data = IMAGES.flatten(1)[:, :16]
    before = [p.clone() for p in opponent.critic.heads[1].parameters()]
    run = sg.Trainer(nn.Linear(4, 16), {"D": opponent}, data, latent_dim=4, batch_size=16, threads=1).fit(10)
    after = run.D["D"].heads[1].parameters() if isinstance(run.D, dict) else run.D.heads[1].parameters()
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


class Asked(nn.Module):
    """Cannot be called with samples alone; its second parameter is no class."""

    def __init__(self, dropped: float = 0.0) -> None:
        super().__init__()
        self.body, self.drop = nn.Linear(16, 3), nn.Dropout(dropped)

    def forward(self, x: Tensor, factor: Tensor) -> list[Tensor]:
        logits = self.body(self.drop(x)) * factor
        return [logits[:, 0], logits[:, 1:]]


class Branching(Asked):
    def forward(self, x: Tensor, factor: Tensor) -> list[Tensor]:
        found = super().forward(x, factor)
        return found if float(found[0].detach().sum()) > 0 else found[::-1]


@pytest.mark.parametrize(("make", "reason"), [
    (Asked, None),
    (lambda: Asked(0.5), "D draws random numbers in its forward"),
    (Branching, "D cannot be stacked"),
], ids=["plain", "dropout", "branching"])  # fmt: skip
def test_seeds_of_one_that_is_called_in_its_own_way(make: Any, reason: str | None) -> None:
    """What keeps it from being stacked is found by calling it so, whatever it returns."""

    def one(seed: int) -> sg.Trainer:
        torch.manual_seed(seed)
        own = sg.types.Opponent(make(), sg.losses.Hinge(), call=lambda D, batch: D(batch.x, torch.tensor(2.0)))
        data = IMAGES.flatten(1)[:, :16]
        return sg.Trainer(nn.Linear(4, 16), {"D": own}, data, latent_dim=4, batch_size=16, threads=1, seed=seed)

    seeds = sg.Seeds(one, [0, 1])
    assert (seeds.reason is None) if reason is None else (seeds.reason or "").startswith(reason)
    if reason is None:
        stacked, alone = seeds.fit(3), one(1).fit(3)
        torch.testing.assert_close(dict(stacked[1].D.state_dict()), dict(alone.D.state_dict()), rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_with_the_same_weights_of_its_heads(tmp_path: Path) -> None:
    def one(weigh: Any, resume: bool = True) -> sg.Trainer:
        own = sg.types.Opponent(TwoPeriods(), sg.losses.Hinge(), weigh=weigh)
        data, common = IMAGES.flatten(1)[:, :16], {"latent_dim": 4, "batch_size": 16, "threads": 1}
        return sg.Trainer(nn.Linear(4, 16), {"D": own}, data, out=tmp_path, resume=resume, **common)

    one((0.25, 0.75), resume=False).fit(2)
    with pytest.raises(InputError, match=r"opponents\.D\.weigh: \(0\.25, 0\.75\) in the run, \(0\.5, 0\.5\) now"):
        one((0.5, 0.5)).fit(4)
    assert one((0.25, 0.75)).fit(4).iteration == 4
