"""Every piece of Python in README and docs runs, with small networks and data behind the names that the pages use.

`fit` stops after a few iterations. The code of docs/integrations.md is run for longer in tests/callbacks, the
quickstart of the README in tests/test_examples.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from pages import blocks, with_blocks
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import softplus

import steadygan as sg

ELSEWHERE = {"docs/integrations.md"}  # tests/callbacks/test_page.py


def mlp(*sizes: int) -> nn.Module:
    pairs = [(nn.Linear(a, b), nn.LeakyReLU(0.2)) for a, b in pairwise(sizes)]
    return nn.Sequential(*[layer for pair in pairs for layer in pair][:-1])


class Generator(nn.Module):
    """One of two dimensions, for latents of any size above one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(2, 16, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z[:, :2])


class Conditional(nn.Module):
    """A player that gets a condition: of what it makes something, or beside what it judges."""

    def __init__(self, judges: bool) -> None:
        super().__init__()
        self.judges, self.net = judges, mlp(2 + 2 * judges, 16, 2 - judges)

    def forward(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        return self.net(torch.cat([x, x if given is None else given], 1) if self.judges else x)


class Decoder(nn.Module):
    """One that repairs what it is given, and whose last layer is known."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x)


def names(page: str) -> dict[str, Any]:
    """What the pages speak of without defining it."""
    D, G = mlp(2, 16, 16, 1), Generator()
    if page == "docs/discriminators.md":
        D, G = Conditional(True), Conditional(False)
    x, z = torch.randn(64, 2), torch.randn(64, 2)
    decoder = Decoder()
    y = decoder(x) if page == "docs/monitor.md" else G(z).detach()
    return {
        "sg": sg, "torch": torch, "nn": nn, "F": F, "softplus": softplus,
        "G": G, "D": D, "G_ema": Generator(), "layers": [nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 1)],
        "network_1": D, "network_2": mlp(2, 16, 1), "first": D, "second": mlp(2, 16, 1), "decoder": decoder,
        "judge": sg.types.critic(D), "latent_dim": 2, "LR": 1e-3,
        "data": torch.randn(256, 2), "others": torch.randn(256, 2), "loader": [x], "batches": [x],
        "real": x, "fake": y, "x": x, "y": y, "d_x": D(x).flatten(), "d_y": D(y).flatten(), "i": 1,
        "sharp": x, "blurred": z, "photos": z[:8],
        "d_real": D(x).flatten(), "d_fake": D(y).flatten(), "d_held_out": D(torch.randn(64, 2)).flatten(),
        "d_loss": torch.tensor(1.3), "g_loss": torch.tensor(0.7), "loss_d": torch.tensor(1.0),
        "noise": lambda n: torch.randn(n, 2), "loss": sg.losses.NonSaturating(),
        "far": sg.methods.FakeAsReal(8), "r1": sg.penalties.r1(0.1), "monitor": sg.CollapseMonitor(every=1),
        "opt_g": torch.optim.Adam(G.parameters()), "opt_d": torch.optim.Adam(D.parameters()),
        "trainer": sg.Trainer(mlp(2, 16, 2), mlp(2, 16, 1), torch.randn(256, 2), latent_dim=2),
    }  # fmt: skip


@pytest.fixture
def short(there: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fits of four iterations, and an exported generator."""
    for kind in (sg.Trainer, sg.Seeds):
        fit = kind.fit
        monkeypatch.setattr(kind, "fit", lambda self, n, fit=fit, **given: fit(self, min(n, 4), **given))
    monkeypatch.setattr(sg, "evaluate", partial(sg.evaluate, n=100))
    torch.export.save(torch.export.export(mlp(128, 2), (torch.randn(8, 128),)), "generator.pt2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("page", with_blocks("python"))
def test_its_code_runs(page: str) -> None:
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text, str(block))
            if not block.why_not and page not in ELSEWHERE:
                exec(compile(block.text, str(block), "exec"), names(page))
