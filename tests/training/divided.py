"""Run by torchrun: runs divided among its processes and the same by one process, in float64; prints what differs."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn

import steadygan as sg
from steadygan import losses, methods, penalties
from steadygan.engine.ranks import ALONE
from steadygan.models.autoencoder import Autoencoder
from steadygan.training import trainer as trainers
from steadygan.types import Batch, Opponent

F64, STEPS = torch.float64, 12


def mlp(inputs: int, outputs: int, width: int = 24) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs)
    )


class Labelled(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body, self.classes = mlp(inputs + 3, outputs), nn.Embedding(4, 3)

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return self.body(torch.cat([x, self.classes(label)], 1))  # type: ignore[no-any-return]


def points() -> torch.Tensor:
    return torch.randn(200, 2, generator=torch.Generator().manual_seed(9), dtype=F64)


def plain(**more: Any) -> Callable[[], sg.Trainer]:
    def build() -> sg.Trainer:
        given: dict[str, Any] = {"data": points(), "G": mlp(3, 2), "D": mlp(2, 1)} | deepcopy(more)
        G, D, data = given.pop("G"), given.pop("D"), given.pop("data")
        return sg.Trainer(
            G, D, data, **{"latent_dim": 3, "batch_size": 32, "dtype": F64, "evaluator": None, "log_every": 6} | given
        )

    return build


def began() -> sg.Trainer:
    return plain(D=Autoencoder(mlp(2, 2), mlp(2, 2)), loss=losses.Began(rate=0.5), lr_g=0.02)()


def two() -> sg.Trainer:
    return plain(
        D={
            "D1": Opponent(mlp(2, 1), losses.D2GAN()),
            "D2": Opponent(mlp(2, 1), losses.D2GAN(second=True), method=methods.FakeAsReal(4)),
        }
    )()


def labelled() -> sg.Trainer:
    data = Batch(points(), torch.arange(200) % 4)
    return plain(data=data, G=Labelled(3, 2), D=Labelled(2, 1), penalties=[penalties.r1(1.0)])()


def far(**more: Any) -> methods.FakeAsReal:
    return methods.FakeAsReal(6, factor=4, **more)


CASES: dict[str, Callable[[], sg.Trainer]] = {
    "nsgan": plain(),
    "hinge, r1 and r2": plain(loss=losses.Hinge(), penalties=[penalties.r1(1.0), penalties.r2(0.5)]),
    "zero_gp, two D steps": plain(penalties=[penalties.zero_gp(10.0)], d_steps=2),
    "wgan-gp": plain(loss=losses.Wasserstein(), penalties=[penalties.one_gp(10.0)]),
    "fake-as-real": plain(penalties=[penalties.r1(1.0)], method=far()),
    "fake-as-real, rpgan": plain(loss=losses.RelativisticPairing(), penalties=[penalties.r1(1.0)]),
    "packing": plain(D=mlp(4, 1), method=methods.Packing(2)),
    "began, whose state is of all": began,
    "two discriminators": two,
    "classes": labelled,
    "uneven": plain(batch_size=33, penalties=[penalties.zero_gp(10.0)]),
    "uneven fake-as-real": plain(batch_size=31, penalties=[penalties.r1(1.0)], method=methods.FakeAsReal(5, factor=3)),
    "momentum": plain(optimizer=lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)),
    "images read one by one": plain(
        data=torch.rand(80, 1, 24, 24, generator=torch.Generator().manual_seed(3), dtype=F64),
        G=nn.Sequential(nn.Linear(3, 576), nn.Tanh(), nn.Unflatten(1, (1, 24, 24))),
        D=nn.Sequential(nn.Conv2d(1, 4, 4, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 11**2, 1)),
    ),
}


def trained(build: Callable[[], sg.Trainer]) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    torch.manual_seed(1)
    run = build().fit(STEPS, progress=False)
    networks = {"G": run.G, "G_live": run.G_live, **(run.D if isinstance(run.D, dict) else {"D": run.D})}
    weights = {f"{name}.{key}": p.detach() for name, own in networks.items() for key, p in own.named_parameters()}
    return weights, run.metrics


class Mortal(nn.Module):
    """Ends its process without a word, once, in the second process at one of its calls."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network, self.calls = network, calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls -= 1
        if self.calls == 0 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.network(x)  # type: ignore[no-any-return]


def resumable(out: str, calls: int = 0) -> None:
    """A run that draws random numbers in its networks, in a folder; it dies at one of D's `calls`."""
    torch.manual_seed(1)
    D = Mortal(nn.Sequential(nn.Dropout(0.2), mlp(2, 1)), calls)
    plain(D=D, out=out, checkpoint_every=20, method=far())().fit(60, progress=False)


def compare(*names: str) -> None:
    """Prints how far the divided runs are from whole ones: in weights, and in what records say."""
    here, found = trainers.ranks_here, {}
    for name in names or CASES:
        build = CASES[name]
        trainers.ranks_here = here
        ours, records = trained(build)
        trainers.ranks_here = lambda _: ALONE
        theirs, alone = trained(build)
        apart = max(float((ours[key] - theirs[key]).abs().max()) for key in theirs)
        keys = [key for key in alone[-1] if key.endswith("loss") or key.startswith(("gradient_norm", "quality"))]
        told = max(abs(a[key] - b[key]) for a, b in zip(alone[1:], records[1:], strict=True) for key in keys)
        found[name] = [apart, told]
    if torch.distributed.get_rank() == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "compare":
        compare(*words)
    else:
        resumable(words[0], *map(int, words[1:]))
