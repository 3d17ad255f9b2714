"""The tutorials' DCGAN loop, whose D ends in a sigmoid, with seven lines changed: each marked `# steadygan`.

Run: python dcgan_sigmoid.py [--iterations 400]

Losses and penalties here are of logits. `critic(D, gives="probability")` reads the input of D's last nn.Sigmoid: the
very same network and weights, exact where the sigmoid has long rounded to 1. The monitor says what it sees.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

import steadygan as sg  # steadygan

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=400)
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, Z = 64, 32
images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 8 - 1

G = nn.Sequential(
    nn.ConvTranspose2d(Z, 64, 2),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.ConvTranspose2d(64, 32, 4, 2, 1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, 4, 2, 1),
    nn.Tanh(),
)
D = nn.Sequential(
    nn.Conv2d(1, 32, 4, 2, 1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, 2, 1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(64, 1, 2),
    nn.Sigmoid(),
)
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
judge, loss_of = sg.types.critic(D, gives="probability"), sg.losses.NonSaturating()  # steadygan
r1, monitor = sg.penalties.r1(0.1), sg.CollapseMonitor(every=100, loss=loss_of)  # steadygan

for i in range(1, options.iterations + 1):
    x = images[torch.randint(len(images), (N,))]
    y = G(torch.randn(N, Z, 1, 1))
    d_loss = sg.d_loss(loss_of, judge, x, y.detach(), [r1])  # steadygan
    opt_d.zero_grad()
    d_loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    g_loss = sg.g_loss(loss_of, judge, y)  # steadygan
    opt_g.zero_grad()
    g_loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(D=sg.types.opened(D), real=x, fake=y.detach(), iteration=i)  # steadygan
    if verdict is not None:
        print(f"{i:6,} {verdict.state} {verdict.reason}".rstrip())
