"""A table with a discriminator that packs by itself, as CTGAN's: Wasserstein loss, five D steps, packs of ten rows.

Run: python tabular_packs.py [--iterations 600]

One logit stands for ten rows. `pack=10` tells the library so: the gradient penalty measures the norm of a whole pack's
gradient, interpolation mixes whole packs, and fake-as-real would choose whole packs. The rows have a category of three
levels (20, 30 and 50 %) and a number that depends on it; the last line compares both.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=600)
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, PACK, DIM = 100, 10, 4
shares = torch.tensor([0.2, 0.3, 0.5])


def draw(n: int) -> Tensor:
    """Rows (n, 4): a category as one-hot, and a number with mean -1, 0 or 1 by category."""
    kind = torch.multinomial(shares, n, replacement=True)
    return torch.cat([F.one_hot(kind, 3).float(), (kind - 1.0 + 0.1 * torch.randn(n)).unsqueeze(1)], 1)


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, DIM))

    def forward(self, z: Tensor) -> Tensor:
        h = self.body(z)
        return torch.cat([F.gumbel_softmax(h[:, :3], tau=0.2), h[:, 3:]], 1)


class Discriminator(nn.Module):
    """Joins ten rows by itself: (n, 4) -> (n / 10, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(PACK * DIM, 64), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Linear(64, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x.view(-1, PACK * DIM))
        return logits


G, D = Generator(), Discriminator()
judge = sg.types.critic(D, pack=PACK)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
loss_of, penalties = sg.losses.Wasserstein(), [sg.penalties.one_gp(10)]
monitor = sg.CollapseMonitor(every=100, loss=loss_of)

for i in range(1, options.iterations + 1):
    for _ in range(5):
        x, y = draw(N), G(torch.randn(N, 8)).detach()
        loss = sg.d_loss(loss_of, judge, x, y, penalties)
        opt_d.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        opt_d.step()
    loss = sg.g_loss(loss_of, judge, G(torch.randn(N, 8)))
    opt_g.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(D=judge, real=x, fake=y, iteration=i)
    if verdict is not None:
        print(f"{i:6,} {verdict.told}")

with torch.no_grad():
    rows = G(torch.randn(5000, 8))
kind = rows[:, :3].argmax(1)
for k in range(3):
    own = rows[kind == k, 3]
    print(f"category {k}: {len(own) / 50:.0f} % (real {100 * shares[k]:.0f} %), mean {own.mean():.2f} (real {k - 1})")
