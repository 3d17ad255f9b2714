"""A plain PyTorch loop on eight Gaussians that tells `CollapseMonitor.observe` of each step, and what makes it fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg
from steadygan.data import Source

BATCH = 64
Look = Callable[[int, Tensor, nn.Module], None]  # iteration, the newest fakes that were observed, G


@dataclass(frozen=True)
class Loop:
    """How a loop trains: rates, the weight of r1, of the gradient penalty between both sides, and what goes wrong."""

    lr_g: float = 1e-3
    lr_d: float = 1e-3
    r1: float = 0.0
    one_gp: float = 0.0
    wasserstein: bool = False
    minimax: bool = False
    d_steps: int = 1
    activation: str = "leaky_relu"
    g_until: int | None = None  # G takes no step from here on
    d_until: int | None = None  # no hidden unit of D fires from here on

    def losses(self, D: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """D's loss without penalties, its penalties, and the logits."""
        real, fake = D(x), D(y)
        loss = fake.mean() - real.mean() if self.wasserstein else F.softplus(-real).mean() + F.softplus(fake).mean()
        penalty = torch.zeros(())
        if self.r1:
            penalty = penalty + sg.penalties.r1(self.r1).loss(D, x)
        if self.one_gp:
            penalty = penalty + sg.penalties.one_gp(self.one_gp).loss(D, x, y)
        return loss, penalty, real, fake

    def g_loss(self, fake: Tensor) -> Tensor:
        """What G minimises."""
        if self.wasserstein:
            return -fake.mean()
        return -F.softplus(fake).mean() if self.minimax else F.softplus(-fake).mean()

    def monitor(self, every: int, iterations: int) -> sg.CollapseMonitor:
        """The monitor, told what G minimises, and when the rates are down."""
        names: dict[str, Any] = {"wasserstein": sg.losses.Wasserstein, "minimax": sg.losses.Minimax}
        loss = next((names[key]() for key in names if getattr(self, key)), None)
        return sg.CollapseMonitor(every, loss=loss, horizon=iterations)

    def train(self, source: Source, seed: int, iterations: int, every: int, look: Look, newest: int) -> list[Any]:
        """Trains and returns the monitor's records, told to `look` with so many of the fakes that it saw last."""
        torch.manual_seed(seed)
        numbers = torch.Generator().manual_seed(seed)
        G = sg.models.mlp(2, 2, activation="leaky_relu")
        D = nn.Sequential(sg.models.mlp(2, 1, activation=self.activation), nn.Flatten(0))
        by_g = torch.optim.Adam(G.parameters(), self.lr_g, betas=(0.5, 0.9))
        by_d = torch.optim.Adam(D.parameters(), self.lr_d, betas=(0.5, 0.9))
        monitor, seen = self.monitor(every, iterations), deque[Tensor](maxlen=-(-newest // BATCH))
        for i in count(1):
            for optimizer in (by_g, by_d):  # the second half of the run goes slower and slower
                pace = min(1.0, 2.0 * (1.0 - (i - 1) / iterations))
                optimizer.param_groups[0]["lr"] = pace * (self.lr_g if optimizer is by_g else self.lr_d)
            for _ in range(self.d_steps):
                x, y = source.fresh(BATCH, numbers), G(torch.randn(BATCH, 2, generator=numbers)).detach()
                d_loss, penalty, real, fake = self.losses(D, x, y)
                by_d.zero_grad()
                (d_loss + penalty).backward()  # type: ignore[no-untyped-call]
                by_d.step()
            if i == self.d_until:
                with torch.no_grad():
                    for name, parameter in D.named_parameters():
                        if name.endswith("bias"):
                            parameter.fill_(-1e3)
            g_loss = self.g_loss(D(G(torch.randn(BATCH, 2, generator=numbers))))
            if self.g_until is None or i < self.g_until:
                by_g.zero_grad()
                g_loss.backward()  # type: ignore[no-untyped-call]
                by_g.step()
            seen.append(y)
            verdict = monitor.observe(
                D=D, real=x, fake=y, real_logits=real, fake_logits=fake, d_loss=d_loss, g_loss=g_loss, G=G, iteration=i
            )
            if verdict is not None:
                look(i, torch.cat([*seen])[-newest:], G)
            if i == iterations or not bool(g_loss.isfinite()):
                return monitor.records
        raise AssertionError
