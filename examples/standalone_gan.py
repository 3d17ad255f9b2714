"""The whole idea in one file of plain torch: why GANs lose modes, and what fake-as-real does about it.

A discriminator D can always tell its few real samples from the generator G's. Near a real sample that it has learnt by
heart it grows steep, G's samples there receive huge gradients, more of them are pulled to the same place, and other
places are left empty. Two remedies, after FARGAN (Tao and Wang, CVPR 2020):

  r1             D pays for its slope at real samples:  weight * E ||grad d(x)||^2
  fake-as-real   of many further fakes, those that D rates *lowest* sit where too many fakes are already; counting them
                 as real makes D flat there, so that G is no longer pulled to that place

Run: python standalone_gan.py [--iterations 15000] [--count 8] [--r1 0.1]       (--count 0 --r1 0: the plain GAN)
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=15_000)
parser.add_argument("--count", type=int, default=8, help="N0: fakes that count as real in each batch of 64")
parser.add_argument("--r1", type=float, default=0.1, help="weight of the penalty")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)  # networks this small are faster on one core

BATCH, FACTOR, N0 = 64, 8, options.count  # FACTOR: candidates per fake that counts as real
angles = torch.arange(8) * (2 * math.pi / 8)
CENTRES = 2 / 1.414 * torch.stack([angles.cos(), angles.sin()], 1)  # eight modes on a circle
STD = 0.02 / 1.414


def real_samples(n: int) -> Tensor:
    return CENTRES[torch.randint(8, (n,))] + STD * torch.randn(n, 2)


def mlp(outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (2, 64, 64):
        layers += [nn.Linear(inputs, 64), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(64, outputs))


G, D = mlp(2), mlp(1)  # z (n, 2) -> sample (n, 2); sample -> logit d, higher = more real
optimizers = {net: torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.9)) for net in (G, D)}


def update(net: nn.Sequential, loss: Tensor) -> None:
    optimizers[net].zero_grad()
    torch.autograd.backward(loss, inputs=list(net.parameters()))  # the other player gathers no gradient
    optimizers[net].step()


for iteration in range(options.iterations):
    for optimizer in optimizers.values():  # constant, then linearly to 0: the end of a game is not won by big steps
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, 2 * (1 - iteration / options.iterations))

    # Discriminator. Real side: BATCH - N0 real samples and the N0 candidates that D rates lowest.
    with torch.no_grad():
        y = G(torch.randn(BATCH + FACTOR * N0, 2))
        y, candidates = y[:BATCH], y[BATCH:]
        lowest = D(candidates).squeeze(1).topk(N0, largest=False).indices
        x = torch.cat([real_samples(BATCH - N0), candidates[lowest]])
    x.requires_grad_()
    d_real, d_fake = D(x), D(y)
    (slope,) = torch.autograd.grad(d_real.sum(), x, create_graph=True)
    penalty = slope.square().sum(1).mean()
    # softplus(-d) = -log sigmoid(d): the logistic loss without ever computing log 0
    update(D, F.softplus(-d_real).mean() + F.softplus(d_fake).mean() + options.r1 * penalty)

    # Generator: make D call its samples real (the non-saturating form, whose gradient does not vanish early).
    update(G, F.softplus(-D(G(torch.randn(BATCH, 2)))).mean())

with torch.no_grad():
    distance, nearest = torch.cdist(G(torch.randn(10_000, 2)), CENTRES).min(1)
counts = nearest[distance < 3 * STD].bincount(minlength=8)
print(f"modes: {int((counts >= 80).sum())} of 8, high-quality samples: {int(counts.sum()) / 100:.1f} %")
