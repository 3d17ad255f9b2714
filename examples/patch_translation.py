"""Image to image with a patch discriminator: blurred digits are sharpened, in a plain PyTorch loop.

Run: python patch_translation.py [--iterations 600] [--plain]        (--plain: without fake-as-real and the penalty)

D sees an image beside the blurred one and returns a map of logits, one per patch. The hinge loss is of every patch; a
fake that counts as real does so in all its patches; r1 is a difference of two forwards, so no second derivative is
needed. The last line compares edges: the mean absolute difference of neighbouring pixels, which blur lowers.
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=600)
parser.add_argument("--plain", action="store_true", help="train without the two parts")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N = 32
sharp = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 8 - 1
blurred = F.avg_pool2d(F.pad(sharp, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def block(a: int, b: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.LeakyReLU(0.2))


class Patches(nn.Module):
    """(x, condition) -> logits (n, 1, 4, 4): it receives the condition by the name of this parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(block(2, 16), block(16, 32, 2), nn.Conv2d(32, 1, 3, 1, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        logits: Tensor = self.body(torch.cat([x, condition], 1))
        return logits


G = nn.Sequential(block(1, 16), block(16, 16), nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh())
D = Patches()
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.9))
hinge = sg.losses.Hinge()
far = sg.methods.FakeAsReal(0 if options.plain else 4)
penalties = [] if options.plain else [sg.penalties.r1(0.1, by="difference")]
monitor = sg.CollapseMonitor(every=100, loss=hinge)


def pairs(x: Tensor, condition: Tensor) -> sg.types.Batch:
    return sg.types.Batch(x, given={"condition": condition})


def made(n: int) -> sg.types.Batch:
    """Further fakes, of blurred images of their own."""
    condition = blurred[torch.randint(len(blurred), (n,))]
    return pairs(G(condition), condition)


for i in range(1, options.iterations + 1):
    index = torch.randint(len(sharp), (N,))
    x, condition = sharp[index], blurred[index]

    real, fake = pairs(x, condition), pairs(G(condition), condition)
    x_d, y_d = far.apply(D, real, fake, candidates=made)
    loss = sg.d_loss(hinge, D, x_d, y_d, penalties)
    opt_d.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    fake = pairs(G(condition), condition)
    terms = {"adv": sg.g_loss(hinge, D, fake), "rec": 10 * (fake.x - x).abs().mean()}
    verdict = monitor.observe(D=D, real=real, fake=fake, terms=terms, at=G[2], paired=True, iteration=i)
    if verdict is not None:
        print(f"{i:6,} {verdict.told}\n       {verdict.discriminator}")
    opt_g.zero_grad()
    (terms["adv"] + terms["rec"]).backward()  # type: ignore[no-untyped-call]
    opt_g.step()


def edges(x: Tensor) -> float:
    return float((x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()) / 2)


with torch.no_grad():
    y = G(blurred)
    print(f"edges: blurred {edges(blurred):.3f}, sharpened {edges(y):.3f}, real {edges(sharp):.3f}; ", end="")
    print(f"error: blurred {(blurred - sharp).abs().mean():.3f}, sharpened {(y - sharp).abs().mean():.3f}")
