"""Super-resolution: photographs four times as large, by L1 alone and then with a discriminator of patches as well.

Run: python super_resolution.py [--iterations 600] [--warm-up 400]

The data are crops of the two photographs that scikit-learn brings along. Of all sharp images that fit a small one, L1
prefers their average, which is blurred; D knows that no photograph looks like that. G first learns from L1 alone, so
that D never sees the noise of an untrained G. The last line compares the fine detail (differences between neighbouring
pixels, 1 in the photographs) and the error, which rises a little: likely detail is not the detail that is there.
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=600)
parser.add_argument("--warm-up", type=int, default=400, help="iterations of L1 alone, before the others")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, SIZE, SCALE = 32, 16, 4
photos = torch.stack([torch.tensor(image).float().mean(2) for image in load_sample_images().images]).unsqueeze(1)
photos = F.avg_pool2d(photos / 127.5 - 1, 2)


def draw(n: int) -> Tensor:
    """Crops (n, 1, 16, 16), mirrored at random."""
    h, w = (torch.randint(size - SIZE, (n,)) for size in photos.shape[2:])
    which = torch.randint(len(photos), (n,))
    crops = [photos[k, :, i : i + SIZE, j : j + SIZE] for k, i, j in zip(which, h, w, strict=True)]
    return torch.stack([crop.flip(2) if k % 2 else crop for k, crop in enumerate(crops)])


class Enlarger(nn.Module):
    """(n, 1, 4, 4) -> (n, 1, 16, 16): a smooth enlargement, and what is to be added."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        for _ in range(3):
            layers += [nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        self.body, self.last = nn.Sequential(*layers), nn.Conv2d(width, SCALE**2, 3, 1, 1)

    def forward(self, small: Tensor) -> Tensor:
        return enlarged(small) + F.pixel_shuffle(self.last(self.body(small)), SCALE)


def enlarged(small: Tensor) -> Tensor:
    return F.interpolate(small, scale_factor=SCALE, mode="bicubic")


G = Enlarger()
D = nn.Sequential(
    nn.Conv2d(1, 32, 4, 2, 1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, 2, 1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(64, 1, 3, 1, 1),
)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.99))
judge, hinge, penalties = sg.types.critic(D), sg.losses.Hinge(), [sg.penalties.r1(0.1, by="difference")]
monitor = sg.CollapseMonitor(every=100, loss=hinge)
test = draw(200)


def told(name: str, y: Tensor) -> str:
    return f"{name} detail {sg.metrics.detail(y, test):.2f} error {(y - test).abs().mean():.3f}"


lines = [told("bicubic", enlarged(F.avg_pool2d(test, SCALE)))]
for i in range(1 - options.warm_up, options.iterations + 1):
    x = draw(N)
    y = G(F.avg_pool2d(x, SCALE))
    terms = {"rec": (y - x).abs().mean()}
    if i > 0:
        d_loss = sg.d_loss(hinge, judge, x, y, penalties)
        opt_d.zero_grad()
        d_loss.backward()  # type: ignore[no-untyped-call]
        opt_d.step()
        terms["adv"] = 0.1 * sg.g_loss(hinge, judge, y)
        verdict = monitor.observe(D=judge, real=x, fake=y, terms=terms, at=G.last, paired=True, iteration=i)
        if verdict is not None:
            print(f"{i:6,} {verdict.told}\n       {verdict.discriminator}")
    opt_g.zero_grad()
    sum(terms.values()).backward()
    opt_g.step()
    if i == 0:
        with torch.no_grad():
            lines.append(told("L1 alone", G(F.avg_pool2d(test, SCALE))))

with torch.no_grad():
    lines.append(told("with D", G(F.avg_pool2d(test, SCALE))))
print("; ".join(lines))
