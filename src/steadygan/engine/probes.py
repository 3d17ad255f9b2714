"""Looks at a run from outside, between two iterations: nothing here changes a bit of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..critics import kept_buffers
from ..diagnostics.gradients import generator_gradient, gradient_figures
from ..diagnostics.probe import active_units, dead_discriminator
from ..rng import borrowed
from ..types import Batch
from .draws import Latent
from .eager import Eager
from .sampling import evaluating, generate, latents

if TYPE_CHECKING:
    from ..data import Source

PROBE = 512  # samples of the gradient probe
SHOWN = 1000  # points kept for the evolution strip
SURFACE = 64  # points per side of the critic's surface
GRID = 100  # images kept for a grid

Evaluate = Callable[[Tensor], Mapping[str, float]]


class Probes:
    """Gradient figures, dead discriminators, evaluation and snapshots, from latents and reals of their own."""

    def __init__(
        self,
        executor: Eager,
        source: Source,
        latent: Latent,
        seed: int,
        device: torch.device,
        evaluate: Evaluate | None,
    ) -> None:
        self.executor, self.source, self.evaluate, self.device = executor, source, evaluate, device
        self.n = int(getattr(evaluate, "n", 10_000))
        self._z = latents(latent, max(self.n, PROBE, SHOWN), seed + 1, device)
        generator = torch.Generator(device).manual_seed(seed + 2)
        self.real = source.fresh(SHOWN, generator)
        self._training = self._training_samples(generator)
        self._seed = seed + 3

    def _training_samples(self, generator: torch.Generator) -> Tensor:
        """Training samples for the gradient probe: what D is trained on, not what is held out."""
        train = self.source.train
        if train is None:
            return self.source.fresh(PROBE, generator)
        index = torch.randint(train.shape[0], (PROBE,), generator=generator, device=generator.device)
        return train[index]

    def look(self) -> tuple[dict[str, float], dict[str, str]]:
        """What G receives per sample from its (first) opponent, and why each dead opponent counts as dead."""
        record: dict[str, float] = {}
        dead: dict[str, str] = {}
        with self._undisturbed():
            y = self.executor.G(self._z[:PROBE]).detach()
            for name, opponent in self.executor.opponents.items():
                method, critic = opponent.method, self.executor.critics[name]
                whole = method.raw(PROBE // method.raw(1))  # packing shows whole groups only
                fake, real = (method.present(Batch(x[:whole])) for x in (y, self._training))
                received, slope = map(gradient_figures, generator_gradient(critic, opponent.loss, fake, real))
                if not record:
                    record = {f"gradient_{key}": value for key, value in received.items()}
                    record |= {"d_gradient_mean": slope["mean"], "d_gradient_max": slope["max"]}
                shown = torch.cat([real.x[: real.size // 2], fake.x[: fake.size // 2]])
                active = active_units(self.executor.networks[name], shown)
                reason = dead_discriminator(slope["mean"], active)
                if reason is not None:
                    dead[name] = reason
        return record, dead

    def samples(self, n: int) -> Tensor:
        """The first n samples of the probe's latents, from the average when there is one."""
        executor = self.executor
        network = executor.G if executor.average is None else executor.average.network
        with borrowed(self._seed, self.device):
            return generate(network, self._z, n)

    def metrics(self) -> dict[str, float]:
        """What the evaluator says of the samples."""
        if self.evaluate is None:
            return {}
        samples = self.samples(self.n)
        with borrowed(self._seed, self.device):  # an evaluator may draw, too
            return dict(self.evaluate(samples))

    def snapshot(self, folder: Path, iteration: int) -> None:
        """Keeps samples for the figures: points with the critic's surface, or a grid of images from fixed latents."""
        folder.mkdir(parents=True, exist_ok=True)
        shape = self.source.shape
        if self.source.image_shape is not None:
            from ..viz.samples import image_grid

            images = self.samples(GRID).reshape(-1, *self.source.image_shape)
            image_grid(images.float().cpu().numpy(), folder / f"{iteration:09d}.png", columns=10, scale=8)
        elif len(shape) == 1:
            arrays: dict[str, Any] = {"points": self.source.restore(self.samples(SHOWN)).float().cpu().numpy()}
            if shape == (2,):
                arrays |= self._surface()
            np.savez(folder / f"{iteration:09d}.npz", **arrays)

    def _surface(self) -> dict[str, Any]:
        """The first critic's logits on a square around the real data, where it judges single samples."""
        name, opponent = next(iter(self.executor.opponents.items()))
        if opponent.method.raw(1) != 1:
            return {}
        low, high = self.real.amin(0), self.real.amax(0)
        margin = torch.where(high > low, 0.25 * (high - low), 0.25)  # a constant coordinate still has a width
        low, high = low - margin, high + margin
        xs, ys = (
            torch.linspace(float(a), float(b), SURFACE, device=self.device) for a, b in zip(low, high, strict=True)
        )
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2).to(self.real.dtype)
        with self._undisturbed():
            logits = self.executor.critics[name].constant(Batch(grid)).logits
        corners = self.source.restore(torch.stack([low, high])).float().cpu().numpy()
        return {
            "surface": logits.reshape(SURFACE, SURFACE).float().cpu().numpy(),
            "extent": np.array([corners[0, 0], corners[1, 0], corners[0, 1], corners[1, 1]], dtype=np.float32),
        }

    def _undisturbed(self) -> ExitStack:
        """Buffers and torch's global generators stay as they are."""
        stack = ExitStack()
        stack.enter_context(borrowed(self._seed, self.device))
        for network in self.executor.networks.values():
            stack.enter_context(kept_buffers(network))
            stack.enter_context(evaluating(network))
        return stack
