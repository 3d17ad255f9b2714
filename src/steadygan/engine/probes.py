"""Looks at a run from outside, between two iterations: nothing here changes a bit of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..critics import evaluating, kept_buffers
from ..diagnostics.gradients import generator_gradient, gradient_figures
from ..diagnostics.probe import active_units, dead_discriminator
from ..rng import borrowed
from ..types import Batch, Now, cat
from .draws import Latent
from .eager import Eager
from .sampling import CHUNK, generate, label_chunks, latents

if TYPE_CHECKING:
    from ..data import Source

PROBE = 512  # samples of the gradient probe
SHOWN = 1000  # points kept for the evolution strip
SURFACE = 64  # points per side of the critic's surface
GRID = 100  # images kept for a grid
COLUMNS = 10


def scale_for(shape: tuple[int, ...]) -> int:
    """How large a pixel is drawn, so that 10 images side by side are about 600 pixels wide."""
    return max(1, round(64 / max(shape[1:])))


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
        prior: Tensor | None = None,
    ) -> None:
        self.executor, self.source, self.evaluate, self.device = executor, source, evaluate, device
        self.n = int(getattr(evaluate, "n", 10_000))
        drawn = max(self.n, PROBE, SHOWN)
        self._z = latents(latent, drawn, seed + 1, device)
        self._label: Tensor | None = None
        if prior is not None:
            self._label = torch.cat([*islice(label_chunks(prior, seed + 1), self._z.shape[0] // CHUNK)])
            self._columns = torch.arange(self._z.shape[0], device=device) % COLUMNS % (int(prior.max()) + 1)
        generator = torch.Generator(device).manual_seed(seed + 2)
        self.real = source.fresh(SHOWN, generator)
        self._training = self._training_samples(generator)
        self._seed = seed + 3

    def _training_samples(self, generator: torch.Generator) -> Batch:
        """Training samples for the gradient probe: what D is trained on, not what is held out."""
        size = self.source.size
        if size is None:
            return Batch(self.source.fresh(PROBE, generator))
        found = self.source.at(torch.randint(size, (PROBE,), generator=generator, device=generator.device))
        return found if self._label is not None else Batch(found.x)

    def look(self, iteration: int) -> tuple[dict[str, float], dict[str, str]]:
        """What G receives per sample from its (first) opponent, and why each dead opponent counts as dead."""
        record: dict[str, float] = {}
        dead: dict[str, str] = {}
        with self._undisturbed():
            y = self.executor.made(self._z[:PROBE], None if self._label is None else self._label[:PROBE])
            y = Batch(y.x.detach(), y.label)
            now = Now(torch.tensor(iteration, device=self.device), self.executor.parts, {})
            for name, resting in self.executor.opponents.items():
                opponent = resting.without_penalties().at(now.enter(name))
                method, critic = opponent.method, self.executor.critics[name]
                whole = method.raw(PROBE // method.raw(1))  # packing shows whole groups only
                fake, real = (method.present(batch.first(whole)) for batch in (y, self._training))
                received, slope = map(gradient_figures, generator_gradient(critic, opponent.loss, fake, real, method))
                if not record:
                    record = {f"gradient_{key}": value for key, value in received.items()}
                    record |= {"d_gradient_mean": slope["mean"], "d_gradient_max": slope["max"]}
                shown = cat(real.first(real.size // 2), fake.first(fake.size // 2))
                active = active_units(self.executor.networks[name], shown.x, shown.label)
                reason = dead_discriminator(slope["mean"], active)
                if reason is not None:
                    dead[name] = reason
        return record, dead

    def samples(self, n: int, label: Tensor | None = None) -> Tensor:
        """The first n samples of the probe's latents, from the average when there is one."""
        executor = self.executor
        network = executor.G if executor.average is None else executor.average.network
        label = self._label if label is None else label
        upto = -(-n // CHUNK) * CHUNK
        with borrowed(self._seed, self.device):
            return generate(network, self._z[:upto], n, None if label is None else label[:upto])

    def metrics(self) -> dict[str, float]:
        """What the evaluator says of the samples."""
        if self.evaluate is None:
            return {}
        samples = self.samples(self.n)
        with borrowed(self._seed, self.device):  # an evaluator may draw, too
            return dict(self.evaluate(samples))

    def snapshot(self, folder: Path, iteration: int) -> Path | None:
        """Keeps samples for the figures: points with the critic's surface, or a grid of images from fixed latents.

        Returns the picture, if one was made. A conditional generator's columns are classes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        shape = self.source.shape
        if self.source.image:
            from ..viz.images import image_grid

            images = self.samples(GRID, None if self._label is None else self._columns)
            path = folder / f"{iteration:09d}.png"
            image_grid(images.float().cpu().numpy(), path, COLUMNS, scale_for(shape))
            return path
        if len(shape) == 1:
            arrays: dict[str, Any] = {"points": self.source.restore(self.samples(SHOWN)).float().cpu().numpy()}
            if shape == (2,):
                arrays |= self._surface()
            np.savez(folder / f"{iteration:09d}.npz", **arrays)
        return None

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
