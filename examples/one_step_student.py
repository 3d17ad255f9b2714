"""A small diffusion model distilled into one step, by a discriminator on the frozen teacher's own features.

Run: python one_step_student.py [--iterations 1000] [--teacher 2000]

The teacher denoises points of eight Gaussians on a circle, and takes 40 steps for a sample. The student starts with the
teacher's weights and takes one. D is small heads on the teacher's frozen layers, which see samples with noise of a
random level. Level and noise are conditions of D: they travel with the samples, slopes are of the sample alone, and the
monitor compares samples without noise.
"""

import argparse
import copy
import math

import torch
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=1000)
parser.add_argument("--teacher", type=int, default=2000, help="iterations of the teacher's own training")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, WIDTH, SMALLEST, LARGEST, STD = 128, 64, 0.02, 5.0, 0.15
angles = torch.arange(8) * (2 * math.pi / 8)
centres = 1.414 * torch.stack([angles.cos(), angles.sin()], 1)


def level(n: int, largest: float) -> Tensor:
    """Noise levels (n, 1), uniform in their logarithm."""
    return SMALLEST * (largest / SMALLEST) ** torch.rand(n, 1)


class Denoiser(nn.Module):  # (x + sigma n, sigma) -> x, scaled as in EDM
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(i, WIDTH), nn.LeakyReLU(0.2)) for i in (5, WIDTH, WIDTH))
        self.last = nn.Linear(WIDTH, 2)

    def features(self, x: Tensor, sigma: Tensor) -> list[Tensor]:
        h = torch.cat([x / (1 + sigma**2).sqrt(), sigma.log() / 4, sigma.log().sin(), sigma.log().cos()], 1)
        return [h := block(h) for block in self.blocks]

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        predicted: Tensor = self.last(self.features(x, sigma)[-1])
        return x / (1 + sigma**2) + predicted * sigma / (1 + sigma**2).sqrt()


teacher = Denoiser()
optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-2)
for i in range(options.teacher):
    optimizer.param_groups[0]["lr"] = 1e-2 * (1 - i / options.teacher)
    x, sigma = centres[torch.randint(8, (256,))] + STD * torch.randn(256, 2), level(256, LARGEST)
    error = (teacher(x + sigma * torch.randn_like(x), sigma) - x) * (1 + sigma**2).sqrt() / sigma
    optimizer.zero_grad()
    error.square().mean().backward()
    optimizer.step()
teacher.requires_grad_(False)


def sampled(n: int) -> Tensor:
    """The teacher's samples, by 40 Euler steps down the noise levels."""
    x, levels = LARGEST * torch.randn(n, 2), torch.linspace(LARGEST ** (1 / 7), SMALLEST ** (1 / 7), 40) ** 7
    for now, then in zip(levels, [*levels[1:], 0.0], strict=True):
        x = x + (then - now) * (x - teacher(x, now.expand(n, 1))) / now
    return x


def judged(heads: nn.ModuleList, batch: sg.types.Batch) -> list[Tensor]:
    """A logit from each frozen layer: only the heads are trained."""
    features = teacher.features(batch.x + batch.given["noise"], batch.given["sigma"])
    return [head(h) for head, h in zip(heads, features, strict=True)]


G = copy.deepcopy(teacher).requires_grad_(True)
D = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)) for _ in G.blocks)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.99))
judge, hinge = sg.types.critic(D, call=judged), sg.losses.Hinge()
far, penalties = sg.methods.FakeAsReal(16), [sg.penalties.r1(0.01)]
monitor = sg.CollapseMonitor(every=100, loss=hinge)


def student(n: int) -> Tensor:
    return G(LARGEST * torch.randn(n, 2), torch.full((n, 1), LARGEST))  # type: ignore[no-any-return]


def shown(x: Tensor) -> sg.types.Batch:
    return sg.types.Batch(x, given={"sigma": (s := level(len(x), 1.0)), "noise": s * torch.randn_like(x)})


pool = sampled(10_000)
for i in range(1, options.iterations + 1):
    opt_g.param_groups[0]["lr"] = 1e-3 * min(1.0, 2 - 2 * i / options.iterations)
    real, fake = shown(pool[torch.randint(len(pool), (N,))]), shown(student(N).detach())
    x_d, y_d = far.apply(judge, real, fake, candidates=lambda n: shown(student(n)))
    d_loss = sg.d_loss(hinge, judge, x_d, y_d, penalties)
    opt_d.zero_grad()
    d_loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    g_loss = sg.g_loss(hinge, judge, shown(student(N)))
    opt_g.zero_grad()
    g_loss.backward()  # type: ignore[no-untyped-call]
    opt_g.step()

    verdict = monitor.observe(D=judge, real=real, fake=fake, iteration=i)
    if verdict is not None and (verdict.causes or i % 500 == 0):
        print(f"{i:6,} {verdict.told}")

with torch.no_grad():
    for name, made in (("teacher, 40 steps", pool), ("student, 1 step", student(10_000))):
        distance, nearest = torch.cdist(made, centres).min(1)
        counts, apart = nearest[distance < 3 * STD].bincount(), sg.metrics.energy_distance(made[:4000], sampled(4000))
        modes, good = int((counts >= 80).sum()), int(counts.sum()) / 100
        print(f"{name}: modes {modes} of 8, high-quality {good:.1f} %, energy distance to the teacher {apart:.4f}")
