"""What a careful user writes by hand: a plain eager loop without steadygan inside, for points and for images."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steadygan as sg

BETAS, DECAY = (0.5, 0.9), 0.999


@dataclass(frozen=True)
class Case:
    """One GAN: its networks, by name, their sizes, and how it is trained."""

    name: str
    image: bool = False
    batch: int = 64
    width: int = 64
    count: int = 8  # fakes counted as real
    factor: int = 8
    weight: float = 0.1  # of r1
    lr: float = 1e-3

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, 32, 32) if self.image else (2,)

    @property
    def latent(self) -> int:
        return 128 if self.image else 2

    def networks(self, seed: int, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
        """G and D, the same for both sides."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.image:
                G: nn.Module = sg.models.GENERATORS[self.name](self.latent, self.shape, width=self.width)
                D: nn.Module = sg.models.DISCRIMINATORS[self.name](self.shape, width=self.width)
            else:
                G = sg.models.mlp(2, 2, self.width, 3, "leaky_relu")
                D = sg.models.mlp(2, 1, self.width, 3, "leaky_relu")
        return G.to(dtype), D.to(dtype)

    def images(self) -> Tensor:
        """Noise in the place of photographs: a step takes as long."""
        return torch.rand(512, *self.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0


MLP = Case("mlp")
DCGAN = Case("dcgan", image=True, width=32, count=32, weight=10.0, lr=2e-4)
RESNET = Case("resnet32", image=True, count=32, weight=10.0, lr=1e-4)
CONVENTIONAL = Case("conventional32", image=True, count=32, weight=10.0, lr=1e-4)


class Plain:
    """The loop; `draws` stands in for its own random numbers."""

    def __init__(
        self,
        case: Case,
        draws: Iterator[tuple[Tensor, Tensor, Tensor]] | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.case, self.device = case, torch.device(device)
        dtype = torch.float32 if draws is None else torch.float64
        self.G, self.D = (network.to(self.device) for network in case.networks(seed, dtype))
        self.opt_g = torch.optim.Adam(self.G.parameters(), case.lr, betas=BETAS, fused=True)
        self.opt_d = torch.optim.Adam(self.D.parameters(), case.lr, betas=BETAS, fused=True)
        self.average = deepcopy(self.G).requires_grad_(False)
        self.generator = torch.Generator(self.device).manual_seed(0)
        self.draws = draws if draws is not None else self.own_draws()
        self.losses: list[Tensor] = []

    def own_draws(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Reals, then the latents of D's fakes and candidates, then G's latents."""
        case, g, on = self.case, self.generator, self.device
        n, m = case.batch - case.count, case.batch + case.factor * case.count
        if case.image:
            data = case.images().to(on)
        angles = [k * pi / 4 for k in range(8)]
        centres = torch.tensor([[cos(a), sin(a)] for a in angles], device=on) * (2.0 / 1.414)
        while True:
            if case.image:
                x = data[torch.randint(len(data), (n,), generator=g, device=on)]
            else:
                mode = torch.randint(8, (n,), generator=g, device=on)
                x = torch.add(centres[mode], torch.randn(n, 2, generator=g, device=on), alpha=0.02 / 1.414)
            z, z_g = (torch.randn(count, case.latent, generator=g, device=on) for count in (m, case.batch))
            yield x, z, z_g

    def advance(self, iterations: int) -> None:
        """So many more iterations; the losses are read at the end of each hundred."""
        for start in range(0, iterations, 100):
            self._hundred(min(100, iterations - start))

    def _hundred(self, iterations: int) -> None:
        G, D, opt_g, opt_d, case = self.G, self.D, self.opt_g, self.opt_d, self.case
        d_parameters = list(D.parameters())
        weights: list[Tensor] = list(G.parameters())
        averages: list[Tensor] = list(self.average.parameters())
        losses = []
        for _ in range(iterations):
            real, z, z_g = next(self.draws)
            with torch.no_grad():
                fake = G(z)
                if case.count:
                    candidates = fake[case.batch :]
                    lowest = D(candidates).flatten().topk(case.count, largest=False).indices
                    real, fake = torch.cat([real, candidates[lowest]]), fake[: case.batch]

            for p in d_parameters:
                p.requires_grad_(True)
            real.requires_grad_(True)
            d_real, d_fake = D(real).flatten(), D(fake).flatten()
            (gradient,) = torch.autograd.grad(d_real.sum(), real, create_graph=True)
            d_loss = F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
            opt_d.zero_grad(set_to_none=True)
            slope = gradient.flatten(1).square().sum(1).mean()
            (d_loss + case.weight * slope).backward()  # type: ignore[no-untyped-call]
            opt_d.step()
            for p in d_parameters:
                p.requires_grad_(False)

            g_loss = F.softplus(-D(G(z_g)).flatten()).mean()
            opt_g.zero_grad(set_to_none=True)
            g_loss.backward()  # type: ignore[no-untyped-call]
            opt_g.step()
            with torch.no_grad():
                torch._foreach_lerp_(averages, weights, 1.0 - DECAY)
            losses += [d_loss.detach(), g_loss.detach()]
        self.losses = torch.stack(losses).tolist()
