"""A vocoder in small: waveforms from their pitch, judged by a list of discriminators, as HiFi-GAN has them.

Run: python vocoder.py [--iterations 400] [--plain]        (--plain: without fake-as-real)

D looks at a waveform in rows of 2 and of 5 samples and returns a list of maps with a list of features each. The least
squares of all are averaged (public code adds them: its loss is twice ours for two), features are matched by their
names, and fakes are chosen by their mean logit. The last line compares the share of energy at the asked pitch.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg

parser = argparse.ArgumentParser()
parser.add_argument("--iterations", type=int, default=400)
parser.add_argument("--plain", action="store_true", help="train without fake-as-real")
options = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)

N, LENGTH = 32, 160
time = torch.arange(LENGTH)


def draw(n: int) -> tuple[Tensor, Tensor]:
    """Sines with a little noise (n, 160), and their pitch (n,), in periods of the whole."""
    pitch = torch.randint(4, 20, (n,)).float()
    phase = 2 * math.pi * torch.rand(n, 1)
    return torch.sin(2 * math.pi * pitch[:, None] * time / LENGTH + phase) + 0.05 * torch.randn(n, LENGTH), pitch


class Vocoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(9, 128), nn.LeakyReLU(0.1), nn.Linear(128, 128), nn.LeakyReLU(0.1))
        self.last = nn.Linear(128, 8 * 2)

    def forward(self, pitch: Tensor) -> Tensor:
        """A sum of eight sines near the asked pitch, whose weights are learnt: rough on purpose."""
        h = self.body(torch.cat([pitch[:, None] / 20, torch.randn(len(pitch), 8)], 1))
        weight, shift = self.last(h).chunk(2, 1)
        wave = 2 * math.pi * (pitch[:, None] + 4 * torch.tanh(shift))[..., None] * time / LENGTH
        waves: Tensor = weight[..., None] * torch.sin(wave + shift[..., None])
        return waves.sum(1)


class Periods(nn.Module):
    def __init__(self, periods: tuple[int, ...] = (2, 5)) -> None:
        super().__init__()
        self.periods = periods
        self.first = nn.ModuleList(nn.Conv1d(p, 16, 5, 2, 2) for p in periods)
        self.last = nn.ModuleList(nn.Conv1d(16, 1, 3, 1, 1) for _ in periods)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        rows = [x.view(len(x), -1, p).transpose(1, 2) for p in self.periods]
        hidden = [F.leaky_relu(first(row), 0.1) for first, row in zip(self.first, rows, strict=True)]
        return [last(h) for last, h in zip(self.last, hidden, strict=True)], [[h] for h in hidden]


G, D = Vocoder(), Periods()
opt_g = torch.optim.AdamW(G.parameters(), lr=1e-3, betas=(0.8, 0.99))
opt_d = torch.optim.AdamW(D.parameters(), lr=1e-3, betas=(0.8, 0.99))
judge, loss_of = sg.types.critic(D), sg.losses.LeastSquares()
far = sg.methods.FakeAsReal(0 if options.plain else 4)
monitor = sg.CollapseMonitor(every=100, loss=loss_of, features=lambda x: torch.fft.rfft(x).abs())  # without phases

for i in range(1, options.iterations + 1):
    x, pitch = draw(N)
    x_d, y_d = far.apply(judge, x, G(pitch).detach(), candidates=lambda n: G(draw(n)[1]))
    loss = sg.d_loss(loss_of, judge, x_d, y_d)
    opt_d.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    opt_d.step()

    y = G(pitch)
    with torch.no_grad():
        real = judge(sg.types.Batch(x)).features
    fake = judge(sg.types.Batch(y)).features  # "0.0" and "1.0": head.feature
    matched = torch.stack([(fake[name] - real[name]).abs().mean() for name in real]).mean()
    terms = {"adv": sg.g_loss(loss_of, judge, y), "features": 2 * matched}
    verdict = monitor.observe(D=judge, real=x, fake=y, terms=terms, at=G.last, paired=True, iteration=i)
    if verdict is not None:
        print(f"{i:6,} {verdict.told}\n       {verdict.discriminator}")
    opt_g.zero_grad()
    (terms["adv"] + terms["features"]).backward()  # type: ignore[no-untyped-call]
    opt_g.step()


def at_pitch(x: Tensor, pitch: Tensor) -> float:
    """The share of energy within one period of the pitch."""
    power = torch.fft.rfft(x).abs().square()
    near = (torch.arange(power.shape[1]) - pitch[:, None]).abs() <= 1
    return float((power * near).sum() / power.sum())


x, pitch = draw(1000)
with torch.no_grad():
    print(f"energy at the pitch: {at_pitch(G(pitch), pitch):.2f}, real {at_pitch(x, pitch):.2f}")
