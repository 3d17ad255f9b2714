"""A GAN whose fakes are good from the start, until it is broken on purpose: nothing is left to chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import steadygan as sg

EVERY, BROKEN, N = 4, 14, 64  # looks at 4, 8 (good), 12, 16: the first after the accident
LOSS = sg.losses.NonSaturating()


def normal(seed: int, n: int = N) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def plain(loss: Tensor) -> None:
    loss.backward()


class Gan:
    """Two networks and what trains them; `step(i)` depends on i and the weights alone."""

    def __init__(self, broken: int | None = None, data: int = 0) -> None:
        self.data = data
        torch.manual_seed(0)
        self.G = nn.Linear(2, 2)
        self.D: nn.Module = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        with torch.no_grad():
            self.G.weight.copy_(torch.eye(2))
            self.G.bias.zero_()
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=1e-3)
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=1e-3)
        self.broken = broken

    @property
    def objects(self) -> dict[str, Any]:
        return {"G": self.G, "D": self.D, "opt_g": self.opt_g, "opt_d": self.opt_d}

    def step(self, i: int, backward: Callable[[Tensor], Any] = plain, own: Any = None) -> dict[str, Any]:
        """One iteration, with other wrappings of the same networks and optimisers where a framework has made them."""
        G, D, opt_g, opt_d = own or (self.G, self.D, self.opt_g, self.opt_d)
        if i == self.broken:
            with torch.no_grad():
                self.G.weight.zero_()
        x, z = normal(2 * i + self.data), normal(2 * i + 1 + self.data)
        y = G(z).detach()
        d_loss = sg.d_loss(LOSS, D, x, y, [sg.penalties.r1(0.1)])
        opt_d.zero_grad()
        backward(d_loss)
        opt_d.step()
        g_loss = sg.g_loss(LOSS, D, G(z))
        opt_g.zero_grad()
        backward(g_loss)
        opt_g.step()
        return {"real": x, "fake": y, "d_loss": d_loss, "g_loss": g_loss}


def monitor(policy: Any = "warn", **more: Any) -> sg.CollapseMonitor:
    return sg.CollapseMonitor(every=EVERY, policy=policy, loss=LOSS, **more)


def by_hand(steps: int, broken: int | None = None, policy: str = "warn") -> tuple[Gan, sg.CollapseMonitor]:
    """The same loop with nothing but the monitor, and the guard where the policy is to roll back."""
    gan, own = Gan(broken), monitor()
    guard = sg.Guard({**gan.objects, "monitor": own}) if policy == "rollback" else None
    for i in range(1, steps + 1):
        made = gan.step(i)
        verdict = own.observe(D=gan.D, G=gan.G, iteration=i, **made)
        if guard is not None:
            guard.step(verdict, i)
        elif policy == "stop" and verdict is not None and verdict.alarm:
            break
    return gan, own
