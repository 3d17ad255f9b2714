"""WGAN-GP as published: five critic steps for each of G's, a penalty on slopes that differ from 1 between the sides.

Run: python wgan_gp.py [--iterations 1500]

The data are eight Gaussians on a circle. A Wasserstein critic has no equilibrium of its own: its loss estimates the
distance, with a minus sign, and rises towards 0 while G learns. Its logits have no unit either, and only the penalty
bounds them: without it, the monitor reports that they grow. The last line counts the modes that G has found.
"""

import argparse
import math

import torch
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=1500)
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, Z, STEPS, STD = 64, 2, 5, 0.05
angles = torch.arange(8) * (2 * math.pi / 8)
centres = 1.414 * torch.stack([angles.cos(), angles.sin()], 1)


def draw(n: int) -> Tensor:
    return centres[torch.randint(8, (n,))] + STD * torch.randn(n, 2)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    hidden = [layer for i in (inputs, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


G, D = mlp(Z, 2), mlp(2, 1)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
wasserstein, penalties = sg.losses.Wasserstein(), [sg.penalties.one_gp(0.1)]
monitor = sg.CollapseMonitor(every=100, loss=wasserstein, horizon=options.iterations)

for i in range(1, options.iterations + 1):
    for group in opt_g.param_groups + opt_d.param_groups:
        group["lr"] = 1e-3 * min(1.0, 2 * (1 - i / options.iterations) + 0.02)

    for _ in range(STEPS):
        x, y = draw(N), G(torch.randn(N, Z)).detach()
        d_loss = sg.d_loss(wasserstein, D, x, y, penalties)
        opt_d.zero_grad()
        d_loss.backward()  # type: ignore[no-untyped-call]
        opt_d.step()

    y = G(torch.randn(N, Z))
    g_loss = sg.g_loss(wasserstein, D, y)
    opt_g.zero_grad()
    g_loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(D=D, real=x, fake=y.detach(), iteration=i)
    if verdict is not None and i % 500 == 0:
        print(f"{i:6,} {verdict.told}")

with torch.no_grad():
    distance, nearest = torch.cdist(G(torch.randn(10_000, Z)), centres).min(1)
    gap = float(D(draw(10_000)).mean() - D(G(torch.randn(10_000, Z))).mean())
counts = nearest[distance < 3 * STD].bincount(minlength=8)
print(
    f"modes: {int((counts >= 80).sum())} of 8, high-quality samples: {int(counts.sum()) / 100:.1f} %, "
    f"D's estimate of the distance: {gap:.3f}"
)
