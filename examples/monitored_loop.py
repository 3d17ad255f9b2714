"""A plain PyTorch GAN loop that hears of its own collapse: one call of the monitor per step.

Run: python monitored_loop.py [--iterations 5000] [--lr-d 0.02]        (--lr-d 1e-3: it takes longer)

The data are eight Gaussians on a circle. D's rate is far too high: its slope explodes, and what G had learnt is lost.
The monitor says so within two thousand iterations, and the loop stops.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=5000)
parser.add_argument("--lr-d", type=float, default=0.02)
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N = 64
angles = torch.arange(8) * (2 * math.pi / 8)
centres = 2 / 1.414 * torch.stack([angles.cos(), angles.sin()], 1)


def draw(n: int) -> Tensor:
    return centres[torch.randint(8, (n,))] + 0.02 / 1.414 * torch.randn(n, 2)


def mlp(outputs: int) -> nn.Sequential:
    hidden = [layer for i in (2, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


G, D = mlp(2), mlp(1)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=options.lr_d, betas=(0.5, 0.9))
monitor = sg.CollapseMonitor(every=200, loss=sg.losses.NonSaturating())

for i in range(1, options.iterations + 1):
    x, y = draw(N), G(torch.randn(N, 2)).detach()
    real, fake = D(x), D(y)
    d_loss = F.softplus(-real).mean() + F.softplus(fake).mean()
    opt_d.zero_grad()
    d_loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    g_loss = F.softplus(-D(G(torch.randn(N, 2)))).mean()
    opt_g.zero_grad()
    g_loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(
        D=D, real=x, fake=y, real_logits=real, fake_logits=fake, d_loss=d_loss, g_loss=g_loss, iteration=i
    )
    if verdict is not None:
        print(f"{i:6,} {verdict.told}")
        if verdict.alarm:  # quality is lost, or not to be had; `verdict.warning` tells of a cause without harm yet
            break
