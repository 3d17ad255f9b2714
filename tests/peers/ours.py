"""What is held against public code: inputs without a random number, and our side of every case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.types import Batch, Loss, Method, Now, Opponent, Penalty, critic

Figures = dict[str, float]

N, PACK, SHAPE = 6, 3, (3, 8, 8)


def wave(*shape: int, start: int = 0) -> Tensor:
    """sin(start), sin(start + 1), ... in float64."""
    return torch.arange(start, start + prod(shape), dtype=torch.float64).sin().reshape(shape)


def filled(network: nn.Module) -> nn.Module:
    """The network in float64, its weights on waves."""
    network = network.double()
    with torch.no_grad():
        for i, weight in enumerate(network.parameters()):
            weight.copy_(wave(*weight.shape, start=7 * i) / 2)
    return network


class ImageCritic(nn.Module):
    """(n, 3, 8, 8) -> (n, 1); labels may be given, and change nothing."""

    def __init__(self) -> None:
        super().__init__()
        small = [nn.Conv2d(3, 4, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3, 2, 1), nn.Tanh()]
        self.net = nn.Sequential(*small, nn.Flatten(), nn.Linear(16, 1))

    def forward(self, x: Tensor, _: object = None) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]


class PointCritic(nn.Module):
    """(n, 2 * pack) -> (n,)."""

    def __init__(self, pack: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * pack, 8), nn.Tanh(), nn.Linear(8, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).view(-1)  # type: ignore[no-any-return]


class Painter(nn.Module):
    """z (n, 5) -> (n, 3, 8, 8); labels as with `ImageCritic`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, prod(SHAPE)), nn.Tanh(), nn.Unflatten(1, SHAPE))

    def forward(self, z: Tensor, _: object = None) -> Tensor:
        return self.net(z)  # type: ignore[no-any-return]


IMAGES, POINTS, NOISE = wave(N, *SHAPE), wave(N, 2), wave(N, 5, start=3)
FAKE_POINTS = wave(N, 2, start=50) / 2
MIX = (1.0 + wave(N, start=9)) / 2  # the share of the real sample in each point between
REAL_LOGITS, FAKE_LOGITS = 3 * wave(N, start=1), 3 * wave(N, start=21)


def seen(vector: Tensor) -> Figures:
    """A long vector as two numbers: its length, and its product with a wave."""
    return {"length": vector.norm().item(), "along": vector.dot(wave(vector.numel(), start=2)).item()}


def gradient(network: nn.Module) -> Figures:
    return seen(torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None]))


def adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.5, 0.9))


def stepped(network: nn.Module, step: Callable[[], Figures]) -> Figures:
    """What two steps told, and where the weights of the network are afterwards."""
    told = {f"{key}, step {i}": value for i in (1, 2) for key, value in step().items()}
    return told | seen(torch.cat([weight.detach().flatten() for weight in network.parameters()]))


def now(*mixed: str, mix: Tensor = MIX) -> Now:
    """The one point in time of a step, with the points between for the penalties named."""
    return Now(torch.tensor(0), {}, {"D": {f"penalty/{name}": {"mix": mix} for name in mixed}})


def d_step(
    loss: Loss, *penalties: Penalty, images: bool = True, method: Method | None = None, steps: bool = True
) -> Callable[[], Figures]:
    """A D step (two of Adam, or one gradient) of an objective with these parts."""

    def run() -> Figures:
        packed = PACK if method else 1
        D, G = filled(ImageCritic() if images else PointCritic(packed)), filled(Painter())
        real, fake = (IMAGES, G(NOISE).detach()) if images else (POINTS, FAKE_POINTS)
        opponent = Opponent(D, loss, penalties, **({"method": method} if method else {}))
        mixed = [p.name for p in penalties if p.noise(N, N, SHAPE)]
        optimizer, n = adam(D), N // packed

        def step() -> Figures:
            value, (means, _) = d_objective(
                {"D": opponent}, {"D": critic(D)}, Batch(real), Batch(fake), now(*mixed, mix=MIX[:n]), Sides(n, n)
            )
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return {key.removeprefix("D/"): mean.item() for key, mean in means.items()}

        return stepped(D, step) if steps else step() | gradient(D)

    return run


def g_step(loss: Loss) -> Callable[[], Figures]:
    """Two G steps of Adam."""

    def run() -> Figures:
        D, G = filled(ImageCritic()), filled(Painter())
        optimizer = adam(G)

        def step() -> Figures:
            value, means = g_objective(
                {"D": Opponent(D, loss)}, {"D": critic(D)}, Batch(IMAGES), Batch(G(NOISE)), now(), Sides(N, N)
            )
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return {key.removeprefix("D/"): mean.item() for key, mean in means.items()}

        return stepped(G, step)

    return run


def logits(loss: Loss) -> Callable[[], Figures]:
    """Both players' losses of six real and six fake logits, and their gradients in these."""

    def run() -> Figures:
        figures: Figures = {}
        for player in ("d", "g"):
            real, fake = REAL_LOGITS.clone().requires_grad_(), FAKE_LOGITS.clone().requires_grad_()
            terms = loss.d(real, fake) if player == "d" else loss.g(fake, real)
            value = sum(term.value.mean() * term.weight for term in terms.values())
            value.backward()
            sides = [torch.zeros(N, dtype=torch.float64) if side.grad is None else side.grad for side in (real, fake)]
            figures |= {f"{player} loss": value.item()}
            figures |= {f"{player} {key}": figure for key, figure in seen(torch.cat(sides)).items()}
        return figures

    return run


LOGISTIC, CRITIC, PAIRS = sg.losses.NonSaturating(), sg.losses.Wasserstein(), sg.losses.RelativisticPairing()
r1, r2, one_gp, zero_gp = sg.penalties.r1, sg.penalties.r2, sg.penalties.one_gp, sg.penalties.zero_gp

CASES: Mapping[str, Callable[[], Figures]] = {
    "wgan-gp: D step on points, one_gp": d_step(CRITIC, one_gp(0.1), images=False),
    "GAN_stability: D step, r1": d_step(LOGISTIC, r1(10.0)),
    "GAN_stability: D step, r1 and r2": d_step(LOGISTIC, r1(10.0), r2(10.0)),
    "GAN_stability: D step, one_gp": d_step(LOGISTIC, one_gp(10.0)),
    "GAN_stability: D step, zero_gp": d_step(LOGISTIC, zero_gp(10.0)),
    "GAN_stability: G step": g_step(LOGISTIC),
    "0-GP, its authors': D step on points, zero_gp": d_step(LOGISTIC, zero_gp(100.0), images=False),
    "mimicry: D step, wasserstein and one_gp": d_step(CRITIC, one_gp(10.0)),
    "mimicry: hinge": logits(sg.losses.Hinge()),
    "mimicry: minimax, nonsaturating": logits(LOGISTIC),
    "CTGAN: gradient of a D of packs, one_gp": d_step(
        CRITIC, one_gp(10.0), images=False, method=sg.methods.Packing(PACK), steps=False
    ),
    "R3GAN: D step, relativistic pairing, r1 and r2": d_step(PAIRS, r1(0.5), r2(0.5)),
    "R3GAN: G step": g_step(PAIRS),
    "stylegan2-pytorch: D step, r1": d_step(LOGISTIC, r1(5.0)),
    "stylegan2-pytorch: G step": g_step(LOGISTIC),
    "RelativisticGAN: average": logits(sg.losses.RelativisticAverage()),
}
