"""A plain PyTorch GAN loop that a `CollapseMonitor` watches: three lines, each marked `# steadygan`.

Run: python monitor_plain_loop.py [--iterations 4000] [--lr-d 1e-3]        (--lr-d 0.05: D explodes, the monitor stops)

The data are eight Gaussians on a circle. Every hundred iterations a line tells what is to be thought of the run.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

import steadygan as sg  # steadygan

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=4000)
parser.add_argument("--lr-d", type=float, default=1e-3)
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N = 64
ring = sg.data.ring8()
drawing = torch.Generator().manual_seed(0)


def mlp(outputs: int) -> nn.Sequential:
    hidden = [layer for i in (2, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


G, D = mlp(2), mlp(1)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=options.lr_d, betas=(0.5, 0.9))
monitor = sg.CollapseMonitor(every=100)  # steadygan

for i in range(1, options.iterations + 1):
    x = ring.fresh(N, drawing)
    y = G(torch.randn(N, 2)).detach()
    d_real, d_fake = D(x), D(y)
    d_loss = F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
    opt_d.zero_grad()
    d_loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    g_loss = F.softplus(-D(G(torch.randn(N, 2)))).mean()
    opt_g.zero_grad()
    g_loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(  # steadygan
        D=D, real=x, fake=y, real_logits=d_real, fake_logits=d_fake, d_loss=d_loss, g_loss=g_loss
    )
    if verdict is not None:
        print(f"iteration {i}: {verdict.told}")
        if verdict.alarm and verdict.verdict != "drifting":  # a run often finds back from that
            print(f"stopped; what may help: {verdict.advice}")
            break

last = monitor.records[-1] if monitor.records else {}
print(f"looks: {len(monitor.records)}, last verdict: {last.get('verdict', 'none yet')}")
