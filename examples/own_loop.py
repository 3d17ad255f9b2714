"""A plain PyTorch GAN loop in which fake-as-real and r1 take five changed lines, each marked `# steadygan`.

Run: python own_loop.py [--iterations 5000] [--plain]        (--plain: the loop as it was)

The data are eight Gaussians on a circle; the last line tells how many of them the generator has found. In fifteen
seconds it finds all of them, and with --plain six. Why: see standalone_gan.py.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg  # steadygan

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=5000)
parser.add_argument("--plain", action="store_true", help="train without the two parts")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N = 64
angles = torch.arange(8) * (2 * math.pi / 8)
centres = 2 / 1.414 * torch.stack([angles.cos(), angles.sin()], 1)
std = 0.02 / 1.414


def draw(n: int) -> Tensor:
    return centres[torch.randint(8, (n,))] + std * torch.randn(n, 2)


def mlp(outputs: int) -> nn.Sequential:
    hidden = [layer for i in (2, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


G, D = mlp(2), mlp(1)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
far, r1 = sg.methods.FakeAsReal(0 if options.plain else 8), sg.penalties.r1(0.0 if options.plain else 0.1)  # steadygan

for i in range(options.iterations):
    for group in opt_g.param_groups + opt_d.param_groups:
        group["lr"] = 1e-3 * min(1.0, 2 * (1 - i / options.iterations))

    x, y = draw(N), G(torch.randn(N, 2)).detach()
    x_d, y_d = far.apply(D, x, y, candidates=lambda n: G(torch.randn(n, 2)))  # steadygan
    loss = F.softplus(-D(x_d)).mean() + F.softplus(D(y_d)).mean()  # steadygan
    loss = loss + r1.loss(D, x_d)  # steadygan
    opt_d.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    loss = F.softplus(-D(G(torch.randn(N, 2)))).mean()
    opt_g.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

with torch.no_grad():
    distance, nearest = torch.cdist(G(torch.randn(10_000, 2)), centres).min(1)
counts = nearest[distance < 3 * std].bincount(minlength=8)
print(f"modes: {int((counts >= 80).sum())} of 8, high-quality samples: {int(counts.sum()) / 100:.1f} %")
