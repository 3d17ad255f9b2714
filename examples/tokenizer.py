"""An image tokenizer as VQGAN: few codes, a PatchGAN that starts late, an adaptive weight.

Run: python tokenizer.py [--iterations 1200] [--start 600]

The data are crops of the two photographs that scikit-learn brings along; each of 16 x 16 becomes 16 codes, of 125. What
the codes do not hold, L1 replaces by its average. From `--start` on, D's term is added; its weight is the ratio of both
terms' gradients at the decoder's last layer, so that neither drowns the other. Two lines compare reconstructions before
and after: their fine detail (differences between neighbouring pixels, 1 in the photographs), error, and codes in use.
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=1200)
parser.add_argument("--start", type=int, default=600, help="the iteration at which D's term begins")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, SIZE, DIM = 32, 16, 3
photos = torch.stack([torch.tensor(image).float().mean(2) for image in load_sample_images().images]).unsqueeze(1)
photos = F.avg_pool2d(photos / 127.5 - 1, 2)


def draw(n: int) -> Tensor:
    """Crops (n, 1, 16, 16), mirrored at random."""
    h, w = (torch.randint(size - SIZE, (n,)) for size in photos.shape[2:])
    which = torch.randint(len(photos), (n,))
    crops = [photos[k, :, i : i + SIZE, j : j + SIZE] for k, i, j in zip(which, h, w, strict=True)]
    return torch.stack([crop.flip(2) if k % 2 else crop for k, crop in enumerate(crops)])


def block(a: int, b: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 2 + stride, stride, 1), nn.LeakyReLU(0.2))


class Tokenizer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(block(1, 32, 2), block(32, 32, 2), block(32, 32), nn.Conv2d(32, DIM, 1))
        up = nn.Upsample(scale_factor=2)
        self.decoder = nn.Sequential(block(DIM, 32), block(32, 32), up, block(32, 32), up, block(32, 16))
        self.last = nn.Conv2d(16, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstructions, and the numbers of the codes (n, 4, 4): each of DIM values is rounded to one of five."""
        h = 2 * torch.tanh(self.encoder(x))
        rounded = h.round()
        y = self.last(self.decoder(h + (rounded - h).detach()))  # the encoder receives the decoder's gradient
        return y, torch.einsum("nchw,c->nhw", rounded + 2, 5.0 ** torch.arange(DIM))


G = Tokenizer()
D = nn.Sequential(block(1, 32, 2), block(32, 64, 2), nn.Conv2d(64, 1, 3, 1, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.99))
judge, hinge, penalties = sg.types.critic(D), sg.losses.Hinge(), [sg.penalties.r1(0.1, by="difference")]
monitor = sg.CollapseMonitor(every=100, loss=hinge)
test = draw(200)


def slope(loss: Tensor) -> Tensor:
    """The norm of a term's gradient at the decoder's last layer."""
    (own,) = torch.autograd.grad(loss, G.last.weight, retain_graph=True)
    size: Tensor = own.norm()
    return size


@torch.no_grad()
def told(name: str) -> str:
    y, codes = G(test)
    used = len(codes.unique())
    return f"{name}: detail {sg.metrics.detail(y, test):.2f}, error {(y - test).abs().mean():.3f}, {used} codes in use"


for i in range(1, options.iterations + 1):
    x = draw(N)
    y, _ = G(x)
    terms = {"rec": (y - x).abs().mean()}
    if i > options.start:
        d_loss = sg.d_loss(hinge, judge, x, y, penalties)
        opt_d.zero_grad()
        d_loss.backward()  # type: ignore[no-untyped-call]
        opt_d.step()
        adv = sg.g_loss(hinge, judge, y)
        weight = (slope(terms["rec"]) / (slope(adv) + 1e-4)).clamp(max=1e4).detach()
        terms["adv"] = 0.3 * weight * adv
        verdict = monitor.observe(D=judge, real=x, fake=y, terms=terms, at=G.last, paired=True, iteration=i)
        if verdict is not None:
            print(f"{i:6,} {verdict.told}\n       {verdict.discriminator}")
    opt_g.zero_grad()
    sum(terms.values()).backward()
    opt_g.step()
    if i == options.start:
        print(told("L1 alone"))
print(told("with D"))
